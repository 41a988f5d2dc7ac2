// SPDX-License-Identifier: MIT
// `tessera inspect`: what is in a kernel object, or in an IR file, as JSON; what a layout places where, as a picture.
#include "commands.hh"
#include "common/tko.hh"
#include "module.hh"
#include "npy.hh"
#include "tir/layout.h"
#include "tir/walk.h"
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

namespace tool {

using Json = nlohmann::ordered_json;
namespace tko = tessera::tko;

static constexpr Flag flags[] = {
    {"--stage", "NAME", "print the text of that stage (ttir, llir, asm) instead"},
    {"--no-listing", nullptr, "leave the assembly listing out"},
    {"--layout", "TEXT", "no file: the layout '#ttg.blocked<{...}>', its bases and a picture"},
    {"--shape", "MxN", "of the tensor that --layout lays out"},
    {"--view", "WHICH", "picture by tensor element (tensor, the default) or by thread (hardware)"},
};

static Json argument_json(const tko::Argument &a) {
  Json j = {{"name", a.name}, {"kind", tko::kind_name(a.kind)}};
  if (a.element != tko::Kind::none) j["element"] = tko::kind_name(a.element);
  if (a.rank) j["rank"] = a.rank, j["block"] = a.block;
  if (a.constant) j["constant_bits"] = a.constant_bits;
  else j["offset"] = a.offset, j["size"] = a.size, j["alignment"] = a.alignment;
  if (a.written) j["written"] = true;
  if (a.divisibility > 1) j["divisibility"] = a.divisibility;
  if (a.pointer_range) j["pointer_range"] = a.pointer_range;
  return j;
}

static Json image_json(const tko::Image &image) {
  Json segments = Json::array(), imports = Json::array();
  for (const tko::Segment &s : image.segments) {
    const char *permission = s.permission == tko::Permission::r ? "r" : s.permission == tko::Permission::rx ? "rx" : "relro";
    segments.push_back({{"permission", permission}, {"offset", s.offset}, {"bytes", s.bytes.size()}, {"zero_fill", s.zero_fill}});
  }
  for (const tko::Import &i : image.imports) imports.push_back({{"name", i.name}, {"slot", i.slot}});
  return {{"entry", image.entry}, {"segments", segments}, {"imports", imports}, {"relocations", image.relocations.size()}};
}

static Json object_json(const tko::Object &o) {
  Json arguments = Json::array(), messages = Json::array(), stages = Json::array(), hidden = Json::array();
  for (const auto &a : o.arguments) arguments.push_back(argument_json(a));
  for (const auto &h : o.hidden) hidden.push_back({{"kind", h.kind}, {"offset", h.offset}, {"size", h.size}});
  static constexpr const char *kinds[] = {"?", "assert", "trap", "print"};
  for (const auto &m : o.messages) messages.push_back({{"kind", uint8_t(m.kind) < 4 ? kinds[uint8_t(m.kind)] : "?"}, {"text", m.text}});
  for (const auto &s : o.stages) stages.push_back({{"name", s.name}, {"bytes", s.text.size()}});
  static constexpr const char *codes[] = {"none", "cpu image", "cubin", "ptx", "hsaco", "emu image"};
  Json j = {{"format", "kernel object"}, {"version", tko::format_version}, {"entry", o.entry}, {"target", o.target}, {"features", o.features},
            {"compiler", o.compiler}, {"source_hash", o.source_hash}, {"options", o.options}, {"arguments", arguments}, {"params_size", o.params_size}};
  if (!o.hidden.empty()) j["hidden"] = hidden;
  j["launch"] = {{"threads", o.launch.threads}, {"cluster", o.launch.cluster}, {"shared_bytes", o.launch.shared_bytes}, {"attributes", o.launch.attributes}, {"grid_map", o.launch.grid_map}};
  j["arena"] = {{"bytes", o.arena_bytes}, {"alignment", o.arena_alignment}};
  if (o.registers) j["registers"] = o.registers, j["spill_bytes"] = o.spill_bytes;
  j["code"] = uint8_t(o.code_kind) < 6 ? codes[uint8_t(o.code_kind)] : "?";
  if (tko::has_image(o.code_kind)) j["image"] = image_json(o.image);
  else j["code_bytes"] = o.code.size();
  j["messages"] = messages;
  j["locations"] = o.locations;
  j["stages"] = stages;
  return j;
}

static void print_json(const Json &j) { std::printf("%s\n", j.dump(2, ' ', false, Json::error_handler_t::replace).c_str()); }

static int inspect_object(const std::string &path, const std::vector<uint8_t> &bytes, const Options &options) {
  auto object = tko::read(bytes.data(), bytes.size());
  if (!object.ok()) return error(exit_input, "%s: %s", path.c_str(), object.status.message.c_str());
  const char *wanted = options.get("--stage");
  for (const auto &s : object.value.stages)
    if (wanted && s.name == wanted) {
      std::fwrite(s.text.data(), 1, s.text.size(), stdout);
      return exit_good;
    }
  if (wanted) return error(exit_input, "%s holds no stage '%s' (compile it with --keep-stages)", path.c_str(), wanted);
  Json j = object_json(object.value);
  j["file_bytes"] = bytes.size();
  print_json(j);
  if (options.has("--no-listing")) return exit_good;
  for (const auto &s : object.value.stages)
    if (s.name == "asm") std::printf("\n%s", s.text.c_str());
  return exit_good;
}

static int count_op(void *user, tir_op op) {
  if (const char *name = tir_op_name(op)) {
    Json &count = (*static_cast<Json *>(user))[name];
    count = count.is_null() ? 1 : count.get<int>() + 1;
  }
  return 0;
}

static int inspect_ir(const std::string &path, const std::vector<uint8_t> &bytes) {
  Module module;
  if (int code = module.parse(bytes.data(), bytes.size(), path)) return code;
  tir_module *m = module.get();
  Json kernels = Json::array();
  for (uint32_t i = 0; i < tir_module_num_functions(m); ++i) {
    tir_op func = tir_module_function(m, i);
    if (!tir_func_is_kernel(func)) continue;
    KernelInfo kernel = describe_kernel(m, func);
    Json arguments = Json::array();
    for (const Parameter &p : kernel.parameters) {
      Json a = {{"name", p.name}, {"type", p.type}};
      if (p.divisibility > 1) a["divisibility"] = p.divisibility;
      arguments.push_back(a);
    }
    nlohmann::json sorted; // by name
    Json ops = Json::object();
    tir_op_walk(func, count_op, &ops);
    sorted = ops;
    kernels.push_back({{"name", kernel.name}, {"arguments", arguments}, {"tolerance", choose_rule(kernel.features).name}, {"operations", Json(sorted)}});
  }
  tir_syntax syntax = tir_module_get_syntax(m);
  print_json({{"format", "IR"}, {"syntax", syntax ? std::to_string(syntax / 10) + "." + std::to_string(syntax % 10) : "none"},
              {"functions", tir_module_num_functions(m)}, {"operations", tir_module_num_ops(m)}, {"kernels", kernels}});
  return exit_good;
}

static void put(void *, const char *data, size_t size) { std::fwrite(data, 1, size, stdout); }

static int inspect_layout(const Options &options) {
  const char *shape_text = options.get("--shape");
  std::string text = options.get("--layout"), view = options.get("--view", "tensor");
  if (!options.positional.empty()) return error(exit_input, "tessera inspect: --layout takes no file");
  if (!shape_text) return error(exit_input, "tessera inspect: --layout needs --shape, for example --shape 64x64");
  if (view != "tensor" && view != "hardware") return error(exit_input, "--view: expected tensor or hardware, found '%s'", view.c_str());
  std::vector<int64_t> shape;
  for (const std::string &part : split(shape_text, 'x')) {
    uint64_t n;
    if (!parse_u64(part, &n) || n < 1 || n > (uint64_t(1) << 30))
      return error(exit_input, "--shape: expected sizes such as 64x64, found '%s'", shape_text);
    shape.push_back(static_cast<int64_t>(n));
  }
  tir_layout *layout = nullptr;
  tir_status status = tir_layout_from_text(text.data(), text.size(), static_cast<uint32_t>(shape.size()), shape.data(), 0, &layout);
  if (status == TIR_OK) {
    tir_layout_write(layout, put, nullptr);
    std::fputs("\n", stdout);
    status = tir_layout_write_picture(layout, view == "tensor" ? TIR_LAYOUT_VIEW_TENSOR : TIR_LAYOUT_VIEW_HARDWARE, put, nullptr);
    tir_layout_destroy(layout);
  }
  return status == TIR_OK ? exit_good : error(exit_input, "%s", tir_last_message());
}

static int run(const Options &options) {
  if (options.has("--layout")) return inspect_layout(options);
  if (options.has("--shape") || options.has("--view")) return error(exit_input, "tessera inspect: --shape and --view belong to --layout");
  if (options.positional.size() != 1) return error(exit_input, "tessera inspect: expected one file, found %zu", options.positional.size());
  const std::string &path = options.positional[0];
  auto bytes = read_file(path);
  if (!bytes.ok()) return error(exit_input, "%s", bytes.status.message.c_str());
  if (tko::looks_like_object(bytes.value.data(), bytes.value.size())) return inspect_object(path, bytes.value, options);
  if (options.has("--stage")) return error(exit_input, "--stage: %s is no kernel object", path.c_str());
  return inspect_ir(path, bytes.value);
}

const Command inspect_command = {"inspect", "FILE [OPTION]... | --layout TEXT --shape MxN", "Prints what a kernel object or an IR file holds, as JSON; or a layout.",
                                 "A kernel object that keeps its stages is followed by its assembly listing.\n", flags, sizeof(flags) / sizeof(flags[0]), run};

} // namespace tool
