// SPDX-License-Identifier: MIT
// C API: text.h.
#include "handles.hh"
#include "bytecode/bytecode.hh"
#include "text/roundtrip.hh"
#include "tir/bytecode.h"
#include "tir/text.h"

using namespace tir;
using tessera::Code;
namespace api = tessera::api;

namespace {
/// The parser reports to the context; its first message also becomes the thread's last one.
struct FirstMessage {
  Context &ctx;
  Context::Sink sink;
  void *user;
  std::string text;
  explicit FirstMessage(Context &c) : ctx(c), sink(c.getSink()), user(c.getSinkUser()) {
    c.setSink([](void *self, Severity s, const char *t, size_t n) { static_cast<FirstMessage *>(self)->take(s, t, n); }, this);
  }
  ~FirstMessage() { ctx.setSink(sink, user); }
  void take(Severity s, const char *t, size_t n) {
    if (text.empty()) text.assign(t, n);
    if (sink) sink(user, s, t, n);
  }
  tir_status failed() { return api::done(tessera::Status{Code::PARSE, text}); }
};

tir_status give(const std::string &text, tir_write_fn write, void *user) {
  write(user, text.data(), text.size());
  return TIR_OK;
}
} // namespace

extern "C" {

tir_status tir_module_parse(tir_context *context, const char *text, size_t size, const char *name, tir_module **out) {
  if (out) *out = nullptr;
  if (!context || !out || (!text && size))
    return api::error(Code::INVALID_ARGUMENT, "tir_module_parse: %s is NULL", !context ? "context" : !out ? "out" : "text");
  FirstMessage first(*unwrap(context));
  auto m = parseText(*unwrap(context), {text, size}, name ? name : "<memory>");
  if (!m) return first.failed();
  *out = wrap(m.release());
  return TIR_OK;
}

tir_status tir_module_load(tir_context *context, const void *bytes, size_t size, const char *name, tir_module **out) {
  if (tir_bytecode_looks_like(bytes, size)) return tir_module_read_bytecode(context, bytes, size, name, out);
  return tir_module_parse(context, static_cast<const char *>(bytes), size, name, out);
}

tir_status tir_module_print(const tir_module *module, const tir_print_options *options, tir_write_fn write, void *user) {
  if (!module || !write)
    return api::error(Code::INVALID_ARGUMENT, "tir_module_print: %s is NULL", module ? "write" : "module");
  tir_print_options o = TIR_PRINT_OPTIONS_INIT;
  if (auto s = api::read_params(options, &o, "tir_print_options"); !s.ok()) return api::done(s);
  if (o.syntax && (o.syntax < TIR_SYNTAX_3_6 || o.syntax > TIR_SYNTAX_3_9))
    return api::error(Code::INVALID_ARGUMENT, "tir_print_options.syntax is %u: expected 36 to 39, or 0", o.syntax);
  PrintOptions p{.syntax = static_cast<Syntax>(o.syntax), .locations = o.locations != 0, .names = !o.numbers,
                 .generic = o.generic != 0};
  std::string text;
  auto s = printText(*unwrap(module), p, text);
  return s.ok() ? give(text, write, user) : api::done(s);
}

tir_status tir_op_write(tir_op op, tir_write_fn write, void *user) {
  Op *o = liveOp(op, "tir_op_write");
  if (!o) return TIR_INVALID_ARGUMENT;
  if (!write) return api::error(Code::INVALID_ARGUMENT, "tir_op_write: write is NULL");
  return give(opText(o), write, user);
}

tir_type tir_type_parse(tir_context *context, const char *text, size_t size) {
  if (!context || !text) return bad("tir_type_parse: %s is NULL", context ? "text" : "context");
  FirstMessage first(*unwrap(context));
  Type t = parseType(*unwrap(context), {text, size});
  if (!t) first.failed();
  return reinterpret_cast<tir_type>(t);
}

tir_attr tir_attr_parse(tir_context *context, const char *text, size_t size) {
  if (!context || !text) return bad("tir_attr_parse: %s is NULL", context ? "text" : "context");
  FirstMessage first(*unwrap(context));
  Attr a = parseAttr(*unwrap(context), {text, size});
  if (!a) first.failed();
  return reinterpret_cast<tir_attr>(a);
}

tir_status tir_type_write(tir_type type, tir_write_fn write, void *user) {
  if (!type || !write) return api::error(Code::INVALID_ARGUMENT, "tir_type_write: %s is NULL", type ? "write" : "type");
  return give(typeText(unwrap(type), Syntax::T39), write, user);
}

tir_status tir_attr_write(tir_attr attr, tir_write_fn write, void *user) {
  if (!attr || !write) return api::error(Code::INVALID_ARGUMENT, "tir_attr_write: %s is NULL", attr ? "write" : "attr");
  return give(attrText(unwrap(attr), Syntax::T39), write, user);
}

tir_status tir_text_compare(const char *a, size_t a_size, const char *b, size_t b_size) {
  if ((!a && a_size) || (!b && b_size)) return api::error(Code::INVALID_ARGUMENT, "tir_text_compare: a text is NULL");
  return api::done(compareText({a, a_size}, {b, b_size}));
}

tir_status tir_module_roundtrip(const tir_module *module, const char *source, size_t size) {
  if (!module || (!source && size))
    return api::error(Code::INVALID_ARGUMENT, "tir_module_roundtrip: %s is NULL", module ? "source" : "module");
  return api::done(roundTrip(*unwrap(module), {source, size}, {}));
}

} // extern "C"
