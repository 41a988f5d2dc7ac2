// SPDX-License-Identifier: MIT
#include "driver.hh"
#include <dlfcn.h>

using namespace tdriver;
namespace api = tessera::api;

namespace tdriver::cpu {
const char *import_name(uint32_t index);
}

extern "C" {

const char *tdriver_cpu_import_name(uint32_t index) { return tdriver::cpu::import_name(index); }

tdriver_status tdriver_backend_register(tdriver_driver *driver, const tdriver_backend *backend) {
  TDRIVER_CHECK(expect(driver, tag_driver, "driver"));
  return api::done(register_backend(driver, backend));
}

tdriver_status tdriver_backend_load(tdriver_driver *driver, const char *path) {
  TDRIVER_CHECK(expect(driver, tag_driver, "driver"));
  if (!path) return api::error(Code::INVALID_ARGUMENT, "path is NULL");
  if (!std::strchr(path, '/'))
    return api::error(Code::INVALID_ARGUMENT, "path \"%s\" has no '/': back ends are not searched for", path);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return api::error(Code::NOT_FOUND, "%s", dlerror());
  auto entry = reinterpret_cast<tdriver_backend_entry_fn>(dlsym(library, "tdriver_backend_entry"));
  Status status = entry ? register_backend(driver, entry())
                        : fail(Code::NOT_FOUND, "%s exports no tdriver_backend_entry", path);
  if (!status.ok()) dlclose(library);
  return api::done(status);
}

} // extern "C"
