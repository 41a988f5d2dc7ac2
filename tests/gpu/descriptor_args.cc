// SPDX-License-Identifier: MIT
// Kernels with descriptor arguments, which `tessera run` cannot pass: descriptor_args FILE TARGET...
// Each file's kernel `through` copies a block between two matrices; the host says what must be there.
#include "tdriver/launch.h"
#include "tdriver/memory.h"
#include "tkernels/session.h"
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int rows = 50, cols = 104, block_rows = 32, block_cols = 64;

struct Descriptor { // as the kernel ABI has it
  alignas(16) void *base;
  int64_t size[2], stride[2];
};

int run(const std::string &text, const char *name, const char *target) {
  const char *device_name = !std::strncmp(target, "emu:", 4) ? "emu" : "cpu";
  tdriver_driver *driver = nullptr;
  tdriver_device *device = nullptr;
  tkernels_session *session = nullptr;
  tkernels_kernel *kernel = nullptr;
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  tkernels_get_params get = TKERNELS_GET_PARAMS_INIT;
  auto bad = [&](const char *what, const char *why) { return std::fprintf(stderr, "%s on %s: %s: %s\n", name, target, what, why), 1; };
  if (tdriver_create(nullptr, &driver) || tdriver_device_open(driver, device_name, &device)) return bad("driver", tdriver_last_message());
  params.driver_device = device;
  params.cache_flags = 2;
  if (tkernels_session_create(&params, &session)) return bad("session", tkernels_last_message());
  get.source_name = name;
  get.target = target;
  if (tkernels_session_get(session, text.data(), text.size(), &get, &kernel)) return bad("compiler", tkernels_last_message());
  int wrong = 0;
  constexpr size_t bytes = size_t(rows) * cols * 2;
  tdriver_memory *memory[2];
  void *at[2];
  for (int i = 0; i < 2; ++i)
    if (tdriver_memory_alloc(device, bytes, TDRIVER_MEMORY_DEVICE, &memory[i]) || tdriver_memory_get(memory[i], &at[i], nullptr))
      return bad("memory", tdriver_last_message());
  const int places[][2] = {{0, 0}, {-5, 8}, {30, 72}, {49, 40}, {64, 0}};
  for (auto [x, y] : places) {
    auto *from = static_cast<uint16_t *>(at[0]), *to = static_cast<uint16_t *>(at[1]);
    for (int i = 0; i < rows * cols; ++i) from[i] = uint16_t(0x3c00 + i), to[i] = 0xabcd;
    Descriptor d[2];
    for (int i = 0; i < 2; ++i) d[i] = {at[i], {rows, cols}, {cols, 1}};
    int32_t xy[2] = {x, y};
    const void *args[] = {&d[0], &d[1], &xy[0], &xy[1]};
    const uint32_t grid[3] = {1, 1, 1};
    if (tkernels_launch(kernel, nullptr, grid, args, 4) || tkernels_session_synchronize(session, nullptr)) return bad("launch", tkernels_last_message());
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < cols; ++c) {
        bool inside = r >= x && r < x + block_rows && c >= y && c < y + block_cols;
        uint16_t want = inside ? from[r * cols + c] : 0xabcd;
        if (to[r * cols + c] != want && !wrong++)
          std::fprintf(stderr, "%s on %s, block at (%d, %d): element (%d, %d) is %#x, expected %#x\n", name, target, x, y, r, c, to[r * cols + c], want);
      }
  }
  // What a descriptor must not be is said, not used.
  if (!std::strncmp(target, "emu:", 4)) {
    Descriptor d[2] = {{at[0], {rows, cols}, {cols + 1, 1}}, {at[1], {rows, cols}, {cols, 1}}};
    int32_t zero = 0;
    const void *args[] = {&d[0], &d[1], &zero, &zero};
    const uint32_t grid[3] = {1, 1, 1};
    int status = tkernels_launch(kernel, nullptr, grid, args, 4);
    if (!status) status = tkernels_session_synchronize(session, nullptr);
    if (!status) wrong++, std::fprintf(stderr, "%s on %s: a stride of %d bytes was accepted\n", name, target, 2 * (cols + 1));
  }
  for (tdriver_memory *m : memory) tdriver_memory_free(m);
  tkernels_kernel_release(kernel);
  tkernels_session_destroy(session);
  tdriver_device_close(device);
  tdriver_destroy(driver);
  return wrong != 0;
}

} // namespace

int main(int argc, char **argv) {
  int bad = argc < 3;
  std::string text;
  for (int i = 1; i < argc; ++i)
    if (std::strchr(argv[i], ':')) bad |= run(text, "descriptors", argv[i]);
    else {
      std::ifstream in(argv[i]);
      std::stringstream all;
      all << in.rdbuf();
      text = all.str();
      bad |= text.empty();
    }
  std::puts(bad ? "failed" : "good");
  return bad;
}
