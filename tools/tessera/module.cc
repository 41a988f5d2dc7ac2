// SPDX-License-Identifier: MIT
#include "module.hh"
#include "npy.hh"
#include "options.hh"
#include "tir/text.h"
#include "tir/verify.h"
#include "tir/walk.h"
#include <cstdio>
#include <cstring>

namespace tool {

static void print_diagnostic(void *user, tir_severity severity, const char *text, size_t size) {
  if (severity == TIR_SEVERITY_ERROR) ++*static_cast<uint64_t *>(user);
  std::fprintf(stderr, "%.*s%s", int(size), text, size && text[size - 1] == '\n' ? "" : "\n");
}

Module::Module() {
  tir_context_params params = TIR_CONTEXT_PARAMS_INIT;
  params.diagnostic = print_diagnostic;
  params.diagnostic_user = &said_;
  tir_context_create(&params, &context_);
}

Module::~Module() {
  tir_module_destroy(module_);
  tir_context_destroy(context_);
}

int Module::report(tir_status status) {
  if (status == TIR_OK) return exit_good;
  if (!said_) error(exit_input, "%s", tir_last_message());
  said_ = 0;
  return status == TIR_UNSUPPORTED || status == TIR_COMPILE ? exit_compile
         : status == TIR_LAUNCH || status == TIR_DEVICE || status == TIR_INTERNAL ? exit_runtime
                                                                                  : exit_input;
}

int Module::parse(const void *bytes, size_t size, const std::string &name) {
  said_ = 0;
  tir_module_destroy(module_);
  module_ = nullptr;
  return report(tir_module_load(context_, bytes, size, name.c_str(), &module_));
}

int Module::read(const std::string &path) {
  auto bytes = read_file(path);
  if (!bytes.ok()) return error(exit_input, "%s", bytes.status.message.c_str());
  bytes_ = std::move(bytes.value);
  return parse(bytes_.data(), bytes_.size(), path);
}

int Module::verify() { return report(tir_module_verify(module_)); }

std::string type_text(tir_type type) {
  std::string text;
  tir_type_write(type, [](void *user, const char *data, size_t size) { static_cast<std::string *>(user)->append(data, size); }, &text);
  return text;
}

// ---- which ops occur --------------------------------------------------------------------------------------------
namespace {
struct Seen {
  Features features;
  bool multiply = false, add = false;
  /// In the combiner of a reduction or scan.
  bool in_reduction(tir_op op) const {
    for (tir_op parent = tir_op_parent(op); parent; parent = tir_op_parent(parent)) {
      const char *name = tir_op_name(parent);
      if (name && (!std::strcmp(name, "tt.reduce") || !std::strcmp(name, "tt.scan"))) return true;
    }
    return false;
  }
};
} // namespace

static bool is_float_type(tir_type type) {
  if (tir_type_get_kind(type) == TIR_TYPE_TENSOR) type = tir_type_element(type);
  return tir_type_get_kind(type) == TIR_TYPE_FLOAT;
}

static void see_dot(tir_op op, Features *f) {
  tir_type a = tir_value_type(tir_op_operand(op, 0));
  if (!is_float_type(a)) return;
  if (tir_type_get_kind(a) == TIR_TYPE_TENSOR) a = tir_type_element(a);
  bool wide = tir_type_float_kind(a) == TIR_FLOAT_F32 || tir_type_float_kind(a) == TIR_FLOAT_F64;
  const char *precision = tir_attr_get_text(tir_op_attr(op, "inputPrecision"), nullptr);
  bool ieee = !precision || !std::strcmp(precision, "ieee"); // ieee is the default and may be left away
  (wide && ieee ? f->dot_f32 : f->dot_narrow) = true;
}

static int see_op(void *user, tir_op op) {
  auto *seen = static_cast<Seen *>(user);
  Features &f = seen->features;
  const char *name = tir_op_name(op);
  if (!name) return 0;
  static constexpr const char *approximate[] = {"math.exp", "math.exp2", "math.log", "math.log2", "math.log10", "math.log1p", "math.expm1",
                                                "math.sin", "math.cos", "math.tan", "math.tanh", "math.erf", "math.powf", "math.rsqrt"};
  for (const char *a : approximate) f.transcendental |= !std::strcmp(name, a);
  f.transcendental |= !std::strcmp(name, "tt.extern_elementwise") || !std::strcmp(name, "tt.elementwise_inline_asm");
  f.bounded |= !std::strcmp(name, "arith.divf") || !std::strcmp(name, "math.sqrt");
  if (!std::strcmp(name, "tt.dot")) see_dot(op, &f);
  f.dot_narrow |= !std::strcmp(name, "tt.dot_scaled");
  bool multiplies = !std::strcmp(name, "arith.mulf"), adds = !std::strcmp(name, "arith.addf") || !std::strcmp(name, "arith.subf");
  if ((multiplies || adds) && seen->in_reduction(op)) f.float_reduction = true;
  else seen->multiply |= multiplies, seen->add |= adds;
  // The combiner may be a function of its own, as the front end writes it.
  if (!std::strcmp(name, "tt.call") && seen->in_reduction(op) && tir_op_num_results(op) && is_float_type(tir_value_type(tir_op_result(op, 0))))
    f.float_reduction = true;
  if (!std::strcmp(name, "tt.atomic_rmw") && tir_op_num_operands(op) > 1 && is_float_type(tir_value_type(tir_op_operand(op, 1))))
    f.float_reduction = true;
  return 0;
}

static Features find_features(tir_module *module) {
  Seen seen;
  tir_op_walk(tir_module_op(module), see_op, &seen);
  // They may be contracted into one rounding.
  if (seen.multiply && seen.add) seen.features.bounded = true;
  return seen.features;
}

KernelInfo describe_kernel(tir_module *module, tir_op func) {
  KernelInfo info;
  info.name = tir_func_name(func);
  for (uint32_t i = 0; i < tir_func_num_args(func); ++i) {
    Parameter p;
    tir_type type = tir_func_arg_type(func, i);
    const char *name = tir_func_arg_name(func, i);
    p.name = name ? name : "";
    p.type = type_text(type);
    p.pointer = tir_type_get_kind(type) == TIR_TYPE_PTR;
    p.descriptor = tir_type_get_kind(type) == TIR_TYPE_TENSOR_DESC;
    p.element = type_text(p.pointer || p.descriptor ? tir_type_element(type) : type);
    int64_t divisibility = 1;
    tir_attr attr = tir_func_arg_attr(func, i, "tt.divisibility");
    if (attr && tir_attr_get_int(attr, &divisibility) == TIR_OK && divisibility > 1) p.divisibility = uint64_t(divisibility);
    info.parameters.push_back(std::move(p));
  }
  info.features = find_features(module);
  return info;
}

int kernel_info(Module &module, const char *name, KernelInfo *out) {
  tir_op func = nullptr;
  if (tir_status status = tir_module_kernel(module.get(), name, &func); status != TIR_OK) return module.report(status);
  *out = describe_kernel(module.get(), func);
  return exit_good;
}

} // namespace tool
