// SPDX-License-Identifier: MIT
#include "driver.hh"

using namespace tdriver;
namespace api = tessera::api;

namespace {

struct Found {
  const tdriver_backend *backend = nullptr;
  uint32_t index = 0, count = 0;
};

/// "name" or "name:index" among the registered back ends.
Status find_device(tdriver_driver *driver, const char *name, Found *out) {
  std::string text = name, known;
  size_t colon = text.find(':');
  std::string backend_name = text.substr(0, colon),
              number = colon == std::string::npos ? "0" : text.substr(colon + 1);
  if (number.empty() || number.size() > 5 || number.find_first_not_of("0123456789") != std::string::npos)
    return fail(Code::INVALID_ARGUMENT, "device \"%s\": expected name or name:index", name);
  uint32_t index = uint32_t(std::strtoul(number.c_str(), nullptr, 10));
  std::lock_guard guard(driver->lock);
  for (const tdriver_backend *b : driver->backends) {
    known += (known.empty() ? "" : ", ") + std::string(b->name);
    if (backend_name != b->name) continue;
    tdriver_report report;
    report.text[0] = 0;
    uint32_t count = 0;
    TESSERA_TRY(from_backend(b->device_count(&count, &report), report, b->name));
    if (index >= count)
      return fail(Code::NOT_FOUND, "device \"%s\": back end %s has %u device%s%s%s", name, b->name, count,
                  count == 1 ? "" : "s", report.text[0] ? ": " : "", report.text);
    *out = {b, index, count};
    return {};
  }
  if (backend_name == "hip")
    return fail(Code::UNSUPPORTED, "not implemented: device \"%s\": this version has no %s back end", name,
                backend_name.c_str());
  return fail(Code::NOT_FOUND, "there is no device \"%s\"; the back ends are %s", name, known.c_str());
}

Status open_device(tdriver_driver *driver, const char *name, tdriver_device **out) {
  Found found;
  TESSERA_TRY(find_device(driver, name, &found));
  tdriver_host host;
  host_table(driver->params, &host);
  tdriver_report report;
  report.text[0] = 0;
  auto device = std::make_unique<tdriver_device>();
  device->driver = retain(driver);
  device->backend = found.backend;
  device->name =
      found.count == 1 ? found.backend->name : tessera::format("%s:%u", found.backend->name, found.index);
  TESSERA_TRY(from_backend(found.backend->device_open(found.index, &host, &device->impl, &report), report,
                           "opening the device"));
  tdriver_device_info info = TDRIVER_DEVICE_INFO_INIT;
  TESSERA_TRY(
      from_backend(found.backend->device_info(device->impl, &info, &report), report, "asking the device"));
  device->max_programs = info.max_programs;
  auto stream = std::make_unique<tdriver_stream>();
  stream->is_default = true;
  TESSERA_TRY(from_backend(found.backend->stream_create(device->impl, &stream->impl, &report), report,
                           "making the default stream"));
  stream->device = device.get();
  device->default_stream = stream.release();
  device->streams.push_back(device->default_stream);
  *out = device.release();
  return {};
}

} // namespace

extern "C" {

const char *tdriver_last_message(void) { return api::last_message().c_str(); }

tdriver_status tdriver_create(const tdriver_params *params, tdriver_driver **driver) {
  if (!driver) return api::error(Code::INVALID_ARGUMENT, "driver is NULL");
  tdriver_params p = TDRIVER_PARAMS_INIT;
  TDRIVER_CHECK(api::read_params(params, &p, "tdriver_params"));
  if (p.threads > 4096)
    return api::error(Code::LIMIT, "tdriver_params.threads is %u, the limit is 4096", p.threads);
  auto *d = new tdriver_driver;
  d->params = p;
  d->backends = {cpu_backend(), cuda_backend(), emu_backend(), null_backend()};
  *driver = d;
  return TDRIVER_OK;
}

void tdriver_destroy(tdriver_driver *driver) { release(driver); }

tdriver_status tdriver_device_count(tdriver_driver *driver, uint32_t *count) {
  TDRIVER_CHECK(expect(driver, tag_driver, "driver"));
  if (!count) return api::error(Code::INVALID_ARGUMENT, "count is NULL");
  std::lock_guard guard(driver->lock);
  uint32_t total = 0;
  for (const tdriver_backend *b : driver->backends) {
    tdriver_report report;
    report.text[0] = 0;
    uint32_t n = 0;
    if (b->device_count(&n, &report) == TDRIVER_OK) total += n;
  }
  *count = total;
  return TDRIVER_OK;
}

tdriver_status tdriver_device_name(tdriver_driver *driver, uint32_t index, const char **name) {
  TDRIVER_CHECK(expect(driver, tag_driver, "driver"));
  if (!name) return api::error(Code::INVALID_ARGUMENT, "name is NULL");
  std::lock_guard guard(driver->lock);
  uint32_t first = 0;
  for (const tdriver_backend *b : driver->backends) {
    tdriver_report report;
    uint32_t n = 0;
    if (b->device_count(&n, &report) != TDRIVER_OK) continue;
    if (index - first < n) {
      std::string text = n == 1 ? b->name : tessera::format("%s:%u", b->name, index - first);
      for (const auto &known : driver->names)
        if (*known == text) return *name = known->c_str(), TDRIVER_OK;
      driver->names.push_back(std::make_unique<std::string>(text));
      *name = driver->names.back()->c_str();
      return TDRIVER_OK;
    }
    first += n;
  }
  return api::error(Code::INVALID_ARGUMENT, "device index %u, but there are %u devices", index, first);
}

tdriver_status tdriver_device_open(tdriver_driver *driver, const char *name, tdriver_device **device) {
  TDRIVER_CHECK(expect(driver, tag_driver, "driver"));
  if (!name || !device) return api::error(Code::INVALID_ARGUMENT, "%s is NULL", name ? "device" : "name");
  return api::done(open_device(driver, name, device));
}

void tdriver_device_close(tdriver_device *device) { release(device); }

tdriver_status tdriver_device_synchronize(tdriver_device *device) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  std::vector<tdriver_stream *> streams;
  {
    std::lock_guard guard(device->lock);
    for (tdriver_stream *s : device->streams) // those that are being destroyed wait for their work themselves
      if (try_retain(s)) streams.push_back(s);
  }
  Status first;
  for (tdriver_stream *s : streams) {
    tdriver_report report;
    report.text[0] = 0;
    Status status =
        from_backend(device->backend->stream_synchronize(s->impl, &report), report, "synchronising");
    if (first.ok() && !status.ok()) first = status;
    release(s);
  }
  return api::done(first);
}

tdriver_status tdriver_device_get_info(tdriver_device *device, tdriver_device_info *info) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  tdriver_device_info full = TDRIVER_DEVICE_INFO_INIT;
  tdriver_report report;
  report.text[0] = 0;
  TDRIVER_CHECK(
      from_backend(device->backend->device_info(device->impl, &full, &report), report, "asking the device"));
  full.name = device->name.c_str();
  full.backend = device->backend->name;
  return api::done(write_info(info, full, "tdriver_device_info"));
}

tdriver_status tdriver_device_set_allocator(tdriver_device *device, const tdriver_allocator *allocator) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  tdriver_allocator full = TDRIVER_ALLOCATOR_INIT;
  TDRIVER_CHECK(api::read_params(allocator, &full, "tdriver_allocator"));
  if (allocator && (!full.allocate || !full.release))
    return api::error(Code::INVALID_ARGUMENT, "tdriver_allocator.%s is NULL",
                      full.allocate ? "release" : "allocate");
  if (!device->backend->set_allocator)
    return api::error(Code::UNSUPPORTED, "device \"%s\" has no scratch memory", device->name.c_str());
  tdriver_report report;
  report.text[0] = 0;
  return api::done(
      from_backend(device->backend->set_allocator(device->impl, allocator ? &full : nullptr, &report), report,
                   "setting the allocator"));
}

} // extern "C"
