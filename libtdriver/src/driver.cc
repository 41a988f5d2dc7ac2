// SPDX-License-Identifier: MIT
// Lifetimes of the objects, and what several API files share.
#include "driver.hh"
#include <cctype>
#include <cstdio>

using namespace tdriver;

tdriver_stream::~tdriver_stream() {
  if (!device) return;
  if (!is_default) {
    std::lock_guard guard(device->lock);
    std::erase(device->streams, this);
  }
  if (impl) device->backend->stream_destroy(impl);
  if (!is_default) release(device);
}

tdriver_device::~tdriver_device() {
  if (default_stream) release(default_stream);
  if (impl) backend->device_close(impl);
  release(driver);
}

tdriver_event::~tdriver_event() {
  if (impl) device->backend->event_destroy(impl);
  release(device);
}

tdriver_memory::~tdriver_memory() {
  if (owned) device->backend->memory_free(device->impl, pointer, kind);
  release(device);
}

tdriver_kernel::~tdriver_kernel() {
  if (impl) device->backend->kernel_unload(impl);
  release(device);
}

tdriver_graph::~tdriver_graph() {
  if (impl) device->backend->graph_destroy(impl);
  release(device);
}

namespace tdriver {

Status from_backend(tdriver_status status, const tdriver_report &report, const char *what) {
  if (status == TDRIVER_OK) return {};
  if (status < 0 || status > TDRIVER_INTERNAL)
    return fail(Code::INTERNAL, "%s: the back end returned the unknown status %d", what, status);
  return fail(Code(status), "%s", report.text[0] ? report.text : what);
}

Status pick_stream(tdriver_stream *stream, tdriver_device *device, tdriver_stream **out) {
  if (!stream) {
    *out = device->default_stream;
    return {};
  }
  TESSERA_TRY(expect(stream, tag_stream, "stream"));
  if (stream->device != device)
    return fail(Code::INVALID_ARGUMENT, "the stream is of device \"%s\" opened elsewhere, not of this handle",
                stream->device->name.c_str());
  *out = stream;
  return {};
}

namespace {

void print_service(void *owner, const uint32_t grid[3], uint32_t message_id, uint64_t program,
                   const void *values, uint64_t count) {
  auto *kernel = static_cast<tdriver_kernel *>(owner);
  tdriver_driver *driver = kernel->device->driver;
  const auto &messages = kernel->object.messages;
  std::string text = message_id < messages.size()
                         ? print_text(messages[message_id], grid, program, values, count)
                         : tessera::format("kernel %s: print of unknown message %u\n",
                                           kernel->object.entry.c_str(), message_id);
  std::lock_guard guard(driver->print_lock);
  if (driver->params.print) {
    driver->params.print(driver->params.print_user, text.data(), text.size());
  } else {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
}

void describe_service(void *owner, const tdriver_record *record, tdriver_report *out) {
  std::string text = record_text(static_cast<tdriver_kernel *>(owner)->object, *record);
  std::snprintf(out->text, sizeof(out->text), "%s", text.c_str());
}

} // namespace

void host_table(const tdriver_params &params, tdriver_host *host) {
  *host = {sizeof(tdriver_host), params.threads, params.debug, print_service, describe_service};
}

Status register_backend(tdriver_driver *driver, const tdriver_backend *b) {
  if (!b) return fail(Code::INVALID_ARGUMENT, "backend is NULL");
  if (b->version != TDRIVER_BACKEND_VERSION)
    return fail(Code::VERSION, "the back end's table has version %u, this library knows %u", b->version,
                TDRIVER_BACKEND_VERSION);
  if (b->struct_size != sizeof(tdriver_backend))
    return fail(Code::VERSION, "the back end's table has %u bytes, version %u has %zu", b->struct_size,
                b->version, sizeof(tdriver_backend));
  if (!b->name || !*b->name) return fail(Code::INVALID_ARGUMENT, "the back end has no name");
  for (const char *c = b->name; *c; ++c)
    if (!std::isalnum(static_cast<unsigned char>(*c)) && *c != '_' && *c != '-')
      return fail(Code::INVALID_ARGUMENT,
                  "the back end's name \"%s\" has a character other than letters, digits, _ -", b->name);
  if (!b->device_count || !b->device_open || !b->device_close || !b->device_info || !b->memory_alloc ||
      !b->memory_free || !b->memory_copy || !b->memory_fill || !b->stream_create || !b->stream_destroy ||
      !b->stream_synchronize || !b->stream_query || !b->event_create || !b->event_destroy ||
      !b->event_record || !b->event_wait || !b->event_synchronize || !b->event_query || !b->event_elapsed ||
      !b->kernel_load || !b->kernel_unload || !b->launch)
    return fail(Code::INVALID_ARGUMENT, "back end \"%s\" lacks a function of the table", b->name);
  if (!b->graph_begin != !b->graph_end || !b->graph_begin != !b->graph_launch ||
      !b->graph_begin != !b->graph_destroy)
    return fail(Code::INVALID_ARGUMENT, "back end \"%s\" has some of the functions for graphs, but not all",
                b->name);
  std::lock_guard guard(driver->lock);
  for (const tdriver_backend *other : driver->backends)
    if (!std::strcmp(other->name, b->name))
      return fail(Code::INVALID_ARGUMENT, "there is a back end \"%s\" already", b->name);
  driver->backends.push_back(b);
  return {};
}

} // namespace tdriver
