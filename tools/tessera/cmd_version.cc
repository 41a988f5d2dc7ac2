// SPDX-License-Identifier: MIT
// `tessera version` and `tessera devices`.
#include "commands.hh"
#include "tcache/version.h"
#include "tdriver/device.h"
#include "tir/version.h"
#include "tkernels/version.h"
#include <cstdio>

namespace tool {

static int run_version(const Options &options) {
  if (!options.positional.empty()) return error(exit_input, "tessera version takes no arguments, found '%s'", options.positional[0].c_str());
  std::printf("tessera %s\nlibtir %s\nlibtcache %s\nlibtdriver %s\nlibtkernels %s\n", tkernels_version(), tir_version(), tcache_version(),
              tdriver_version(), tkernels_version());
  return exit_good;
}

const Command version_command = {"version", "", "The versions of the command and of the libraries it runs with.", nullptr, nullptr, 0, run_version};

static constexpr Flag devices_flags[] = {{"--features", nullptr, "also the features of each"}};

static int run_devices(const Options &options) {
  if (!options.positional.empty()) return error(exit_input, "tessera devices takes no arguments, found '%s'", options.positional[0].c_str());
  tdriver_driver *driver = nullptr;
  uint32_t count = 0;
  if (tdriver_create(nullptr, &driver) != TDRIVER_OK || tdriver_device_count(driver, &count) != TDRIVER_OK)
    return error(exit_runtime, "%s", tdriver_last_message());
  int code = exit_good;
  for (uint32_t i = 0; i < count; ++i) {
    const char *name = nullptr;
    tdriver_device *device = nullptr;
    tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT;
    if (tdriver_device_name(driver, i, &name) != TDRIVER_OK || tdriver_device_open(driver, name, &device) != TDRIVER_OK ||
        tdriver_device_get_info(device, &info) != TDRIVER_OK) {
      code = error(exit_runtime, "%s", tdriver_last_message());
    } else {
      std::printf("%-8s %s", name, info.description);
      if (info.threads) std::printf(", %u thread%s", info.threads, info.threads == 1 ? "" : "s");
      if (info.l2_bytes) std::printf(", %.0f MiB L2, %u KiB shared memory per program", double(info.l2_bytes) / double(1u << 20), info.shared_bytes >> 10);
      if (info.memory_bytes) std::printf(", %.1f GiB", double(info.memory_bytes) / double(1u << 30));
      if (!(info.capabilities & TDRIVER_CAN_EXECUTE)) std::printf(" (runs nothing)");
      std::printf("\n");
      if (options.has("--features") && info.features[0]) std::printf("         %s\n", info.features);
    }
    tdriver_device_close(device);
  }
  // Without a GPU, why.
  tdriver_device *none = nullptr;
  if (tdriver_device_open(driver, "cuda", &none) != TDRIVER_OK) std::printf("no cuda device: %s\n", tdriver_last_message());
  tdriver_device_close(none);
  tdriver_destroy(driver);
  return code;
}

const Command devices_command = {"devices", "[OPTION]...", "The devices that kernels can run on here.", nullptr, devices_flags, 1, run_devices};

} // namespace tool
