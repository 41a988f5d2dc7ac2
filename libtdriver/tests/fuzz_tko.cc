// SPDX-License-Identifier: MIT
// Any bytes to the container's reader and to the loaders of both devices. Most mutations die at the checksum,
// so each input is also tried with a good one.
#include "common/tko.hh"
#include "tdriver/kernel.h"
#include <algorithm>
#include <cstdlib>

using namespace tessera::tko;

namespace {

tdriver_device *open_device(const char *name) {
  tdriver_driver *driver = nullptr;
  tdriver_device *device = nullptr;
  if (tdriver_create(nullptr, &driver) || tdriver_device_open(driver, name, &device)) std::abort();
  tdriver_destroy(driver);
  return device;
}

void try_bytes(const std::vector<uint8_t> &bytes) {
  auto object = read(bytes.data(), bytes.size());
  for (const char *name : {"cpu", "null"}) {
    static tdriver_device *devices[2] = {open_device("cpu"), open_device("null")};
    tdriver_kernel *kernel = nullptr;
    tdriver_status status = tdriver_kernel_load(devices[name[0] == 'n'], bytes.data(), bytes.size(), &kernel);
    if ((status == TDRIVER_OK) != (kernel != nullptr)) std::abort();
    if (status == TDRIVER_OK && !object.ok()) std::abort();
    if (status != TDRIVER_OK && !*tdriver_last_message()) std::abort();
    if (name[0] == 'n' && object.ok() && status != TDRIVER_OK) std::abort(); // null takes every good object
    tdriver_kernel_unload(kernel);
  }
  if (!object.ok()) return;
  auto again = write(object.value); // what is read can be written, and read again
  if (!again.ok() || !read(again.value.data(), again.value.size()).ok()) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  try_bytes(bytes);
  if (bytes.size() >= 4) {
    const uint8_t magic[4] = {'T', 'K', 'O', 0};
    std::copy(magic, magic + 4, bytes.begin());
    if (bytes.size() >= 8) std::fill(bytes.begin() + 4, bytes.begin() + 8, 0);
  }
  seal(&bytes);
  try_bytes(bytes);
  return 0;
}
