// SPDX-License-Identifier: MIT
#include "driver.hh"
#include <algorithm>

using namespace tdriver;
namespace api = tessera::api;
namespace tko = tessera::tko;

static_assert(TDRIVER_KIND_TENSORDESC == int(tko::Kind::tensordesc) &&
              TDRIVER_KIND_F32 == int(tko::Kind::f32) &&
              TDRIVER_KIND_F8E5M2FNUZ == int(tko::Kind::f8e5m2fnuz) &&
              TDRIVER_KIND_PTR == int(tko::Kind::ptr));

namespace {

/// Hands an object to the back end in the C form of its table.
Status load_into(tdriver_device *device, tdriver_kernel *kernel) {
  tko::Object &o = kernel->object;
  std::vector<const char *> features;
  std::vector<tdriver_segment> segments;
  std::vector<tdriver_import> imports;
  for (const std::string &f : o.features) features.push_back(f.c_str());
  for (const tko::Segment &s : o.image.segments)
    segments.push_back({uint32_t(s.permission), s.offset, s.bytes.size(), s.zero_fill, s.bytes.data()});
  for (const tko::Import &i : o.image.imports) imports.push_back({i.slot, i.name.c_str()});
  std::vector<tdriver_hidden> hidden;
  uint32_t end = 0;
  for (const tko::Argument &a : o.arguments) end = std::max(end, a.offset + a.size);
  for (const tko::HiddenArgument &h : o.hidden) {
    hidden.push_back({h.kind, h.offset, h.size, h.alignment, h.data.data(), h.data.size()});
    end = std::max(end, h.offset + h.size);
  }
  tdriver_code c = {};
  c.struct_size = sizeof(c);
  c.owner = kernel;
  c.entry = o.entry.c_str();
  c.target = o.target.c_str();
  c.code_kind = uint32_t(o.code_kind);
  c.params_size = o.params_size;
  c.hidden_count = uint32_t(o.hidden.size());
  c.threads = o.launch.threads;
  c.shared_bytes = o.launch.shared_bytes;
  c.attributes = o.launch.attributes;
  c.arena_alignment = o.arena_alignment;
  c.arena_bytes = o.arena_bytes;
  c.features = features.data();
  c.feature_count = features.size();
  c.code = o.code.data();
  c.code_size = o.code.size();
  c.image_entry = o.image.entry;
  c.segments = segments.data();
  c.segment_count = segments.size();
  c.imports = imports.data();
  c.import_count = imports.size();
  c.relocations = o.image.relocations.data();
  c.relocation_count = o.image.relocations.size();
  c.hidden = hidden.data();
  c.params_end = end;
  for (int d = 0; d < 3; ++d) c.cluster[d] = o.launch.cluster[d];
  c.grid_map = o.launch.grid_map;
  tdriver_report report;
  report.text[0] = 0;
  return from_backend(device->backend->kernel_load(device->impl, &c, &kernel->impl, &report), report,
                      "loading a kernel");
}

Status load(tdriver_device *device, const void *bytes, size_t size, tdriver_kernel **out) {
  auto read = tko::read(bytes, size);
  TESSERA_TRY(read.status);
  auto kernel = std::make_unique<tdriver_kernel>();
  kernel->object = std::move(read.value);
  kernel->device = retain(device);
  tko::Object &o = kernel->object;
  TESSERA_TRY(load_into(device, kernel.get()));
  kernel->code_bytes = o.code.size();
  for (const tko::Segment &s : o.image.segments) kernel->code_bytes += s.bytes.size();
  o.image = {};
  o.code = {};
  *out = kernel.release();
  return {};
}

} // namespace

extern "C" {

tdriver_status tdriver_kernel_load(tdriver_device *device, const void *bytes, size_t size,
                                   tdriver_kernel **kernel) {
  TDRIVER_CHECK(expect(device, tag_device, "device"));
  if (!bytes || !kernel) return api::error(Code::INVALID_ARGUMENT, "%s is NULL", bytes ? "kernel" : "bytes");
  return api::done(load(device, bytes, size, kernel));
}

void tdriver_kernel_unload(tdriver_kernel *kernel) { release(kernel); }

tdriver_status tdriver_kernel_prepare(tdriver_kernel *kernel) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  const tdriver_backend *b = kernel->device->backend;
  if (!b->kernel_prepare) return TDRIVER_OK; // loaded is prepared there
  tdriver_report report;
  report.text[0] = 0;
  return api::done(from_backend(b->kernel_prepare(kernel->impl, &report), report, "preparing a kernel"));
}

tdriver_status tdriver_kernel_get_usage(tdriver_kernel *kernel, tdriver_kernel_usage *usage) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  const tdriver_backend *b = kernel->device->backend;
  if (!b->kernel_usage)
    return api::error(Code::UNSUPPORTED, "device \"%s\" does not say what a kernel uses",
                      kernel->device->name.c_str());
  tdriver_kernel_usage full = TDRIVER_KERNEL_USAGE_INIT;
  tdriver_report report;
  report.text[0] = 0;
  TDRIVER_CHECK(from_backend(b->kernel_usage(kernel->impl, &full, &report), report, "asking a kernel"));
  return api::done(write_info(usage, full, "tdriver_kernel_usage"));
}

tdriver_status tdriver_kernel_get_info(tdriver_kernel *kernel, tdriver_kernel_info *info) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  const tko::Object &o = kernel->object;
  tdriver_kernel_info full = TDRIVER_KERNEL_INFO_INIT;
  full.entry = o.entry.c_str();
  full.target = o.target.c_str();
  full.compiler = o.compiler.c_str();
  full.source_hash = o.source_hash.c_str();
  full.options = o.options.c_str();
  full.argument_count = uint32_t(o.arguments.size());
  full.feature_count = uint32_t(o.features.size());
  full.message_count = uint32_t(o.messages.size());
  full.stage_count = uint32_t(o.stages.size());
  full.params_size = o.params_size;
  full.threads = o.launch.threads;
  full.shared_bytes = o.launch.shared_bytes;
  full.registers = o.registers;
  full.spill_bytes = o.spill_bytes;
  full.arena_alignment = o.arena_alignment;
  full.arena_bytes = o.arena_bytes;
  full.code_bytes = kernel->code_bytes;
  return api::done(write_info(info, full, "tdriver_kernel_info"));
}

tdriver_status tdriver_kernel_get_argument(tdriver_kernel *kernel, uint32_t index,
                                           tdriver_argument_info *info) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  const auto &arguments = kernel->object.arguments;
  if (index >= arguments.size())
    return api::error(Code::INVALID_ARGUMENT, "argument %u, but kernel %s has %zu", index,
                      kernel->object.entry.c_str(), arguments.size());
  const tko::Argument &a = arguments[index];
  tdriver_argument_info full = TDRIVER_ARGUMENT_INFO_INIT;
  full.name = a.name.c_str();
  full.kind = uint32_t(a.kind);
  full.element = uint32_t(a.element);
  full.flags =
      a.constant * uint32_t(TDRIVER_ARGUMENT_CONSTANT) + a.written * uint32_t(TDRIVER_ARGUMENT_WRITTEN);
  full.offset = a.offset;
  full.size = a.size;
  full.alignment = a.alignment;
  full.rank = a.rank;
  full.pointer_range = a.pointer_range;
  full.divisibility = a.divisibility;
  full.constant_bits = a.constant_bits;
  full.block = a.rank ? a.block.data() : nullptr;
  return api::done(write_info(info, full, "tdriver_argument_info"));
}

tdriver_status tdriver_kernel_get_feature(tdriver_kernel *kernel, uint32_t index, const char **name) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  if (!name) return api::error(Code::INVALID_ARGUMENT, "name is NULL");
  const auto &features = kernel->object.features;
  if (index >= features.size())
    return api::error(Code::INVALID_ARGUMENT, "feature %u, but there are %zu", index, features.size());
  *name = features[index].c_str();
  return TDRIVER_OK;
}

tdriver_status tdriver_kernel_get_message(tdriver_kernel *kernel, uint32_t index, const char **text) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  if (!text) return api::error(Code::INVALID_ARGUMENT, "text is NULL");
  const auto &messages = kernel->object.messages;
  if (index >= messages.size())
    return api::error(Code::INVALID_ARGUMENT, "message %u, but there are %zu", index, messages.size());
  *text = messages[index].text.c_str();
  return TDRIVER_OK;
}

tdriver_status tdriver_kernel_get_stage(tdriver_kernel *kernel, uint32_t index, const char **name,
                                        const char **text, size_t *size) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  const auto &stages = kernel->object.stages;
  if (index >= stages.size())
    return api::error(Code::INVALID_ARGUMENT, "stage %u, but there are %zu", index, stages.size());
  if (name) *name = stages[index].name.c_str();
  if (text) *text = stages[index].text.c_str();
  if (size) *size = stages[index].text.size();
  return TDRIVER_OK;
}

tdriver_status tdriver_kernel_check_arguments(tdriver_kernel *kernel, const void *const *args,
                                              uint32_t nargs) {
  TDRIVER_CHECK(expect(kernel, tag_kernel, "kernel"));
  return api::done(check_arguments(kernel->object, args, nargs));
}

} // extern "C"
