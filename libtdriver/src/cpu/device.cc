// SPDX-License-Identifier: MIT
// The machine: how many CPUs this process may use, and the device object.
#include "cpu.hh"
#include "common/knobs.hh"
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <sched.h>
#include <unistd.h>

namespace tdriver::cpu {

namespace {

/// First line of a small file, "" when it cannot be read.
std::string first_line(const std::string &path) {
  char line[4096] = "";
  if (FILE *f = std::fopen(path.c_str(), "re")) {
    if (!std::fgets(line, sizeof(line), f)) line[0] = 0;
    std::fclose(f);
  }
  return line;
}

/// This process's directory in the unified hierarchy (controller "") or in the one of `controller`.
std::string cgroup_path(const char *controller) {
  std::string path;
  FILE *f = std::fopen("/proc/self/cgroup", "re");
  if (!f) return path;
  char line[4096];
  while (std::fgets(line, sizeof(line), f)) {
    char *names = std::strchr(line, ':'), *where = names ? std::strchr(names + 1, ':') : nullptr;
    if (!where) continue;
    *where++ = 0;
    where[std::strcspn(where, "\n")] = 0;
    std::string list = std::string(",") + (names + 1) + ",";
    if (list.find(std::string(",") + controller + ",") != std::string::npos) path = where;
  }
  std::fclose(f);
  return path;
}

/// The least quota from `path` up to the root, in CPUs rounded up; 0 = none.
uint32_t least_quota(const std::string &root, std::string path, bool unified) {
  uint64_t least = 0;
  for (;;) {
    long long quota = -1, period = 0;
    std::string directory = root + path;
    if (unified) {
      std::string line = first_line(directory + "/cpu.max"); // "max 100000" or "150000 100000"
      if (std::sscanf(line.c_str(), "%lld %lld", &quota, &period) != 2) quota = -1;
    } else {
      std::sscanf(first_line(directory + "/cpu.cfs_quota_us").c_str(), "%lld", &quota);
      std::sscanf(first_line(directory + "/cpu.cfs_period_us").c_str(), "%lld", &period);
    }
    if (quota > 0 && period > 0) {
      uint64_t cpus = uint64_t((quota + period - 1) / period);
      if (!least || cpus < least) least = cpus;
    }
    size_t slash = path.rfind('/');
    if (path.empty() || slash == std::string::npos) break;
    path.erase(slash);
  }
  return uint32_t(std::min<uint64_t>(least, 4096));
}

} // namespace

uint32_t allowed_cpus() {
  // The mask may be larger than cpu_set_t on large machines; grow until the kernel takes it.
  for (size_t cpus = 1024; cpus <= 65536; cpus *= 4) {
    cpu_set_t *set = CPU_ALLOC(cpus);
    size_t size = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(size, set);
    int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (count > 0) return uint32_t(count);
  }
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? uint32_t(online) : 1;
}

uint32_t quota_cpus() {
  uint32_t unified = least_quota("/sys/fs/cgroup", cgroup_path(""), true);
  uint32_t old = least_quota("/sys/fs/cgroup/cpu", cgroup_path("cpu"), false);
  return unified && old ? std::min(unified, old) : unified ? unified : old;
}

tdriver_status device_count(uint32_t *count, tdriver_report *report) {
  *count = 1;
  return TDRIVER_OK;
}

tdriver_status device_open(uint32_t index, const tdriver_host *host, void **device, tdriver_report *report) {
  watch_forks();
  auto knob = tessera::knob_size(tessera::Knob::THREADS);
  if (!host->threads && !knob.ok()) return answer(knob.status, report);
  if (knob.ok() && knob.value > 4096)
    return answer(fail(Code::LIMIT, "%s is %llu, the limit is 4096",
                       tessera::knob_name(tessera::Knob::THREADS), (unsigned long long)knob.value),
                  report);
  uint32_t cpus = allowed_cpus(), quota = quota_cpus();
  uint32_t width = quota ? std::min(cpus, quota) : cpus;
  if (knob.ok() && knob.value) width = uint32_t(knob.value);
  if (host->threads) width = host->threads; // what code says wins over the environment
  auto *d =
      new Device(*host, width, width > cpus ? 1 : cpus); // more threads than CPUs: waiting ones must not spin
  d->cores = cpus;
  d->description = cpu_model();
  d->features = feature_list();
  d->memory_bytes = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
  *device = d;
  return TDRIVER_OK;
}

void device_close(void *device) { delete static_cast<Device *>(device); }

tdriver_status device_info(void *device, tdriver_device_info *info, tdriver_report *report) {
  auto *d = static_cast<Device *>(device);
  info->description = d->description.c_str();
  info->features = d->features.c_str();
  info->target = "cpu:native";
  info->capabilities = TDRIVER_CAN_EXECUTE | TDRIVER_CAN_MAP_MEMORY | TDRIVER_CAN_PRINT;
  info->threads = d->pool.width();
  info->cores = d->cores;
  info->alignment = 64;
  info->memory_bytes = d->memory_bytes;
  info->max_programs = uint64_t(1) << 62; // the counter that hands them out must not wrap
  return TDRIVER_OK;
}

} // namespace tdriver::cpu
