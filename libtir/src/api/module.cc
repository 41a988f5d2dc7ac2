// SPDX-License-Identifier: MIT
// C API: module.h.
#include "handles.hh"
#include "ir/hash.hh"
#include "tir/module.h"

using namespace tir;
using tessera::Code;
namespace api = tessera::api;

static_assert(TIR_HASH_CODE == uint32_t(HashCode) && TIR_HASH_LOC == uint32_t(HashLoc) &&
              TIR_HASH_SYNTAX == uint32_t(HashSyntax));

/// The tt.func behind a handle, or null with a message.
static Op *function(tir_op op, const char *what) {
  Op *o = liveOp(op, what);
  if (o && !o->is(Opcode::tt_func)) return bad("%s: '%s' is no tt.func", what, o->info().name.data());
  return o;
}

/// Its function type, or null if the attribute is missing or no function type (unverified modules).
static Type functionType(const Op *f) {
  Attr a = f->attr("function_type");
  return a && a->kind == AttrKind::TypeA && a->type && a->type->kind == TypeKind::Function ? a->type : nullptr;
}

static Block *entry(const Op *f) { return f->numRegions() ? f->region(0)->front() : nullptr; }

static unsigned numArgs(const Op *f) {
  if (Type t = functionType(f)) return t->ninputs;
  return entry(f) ? entry(f)->numArgs() : 0;
}

static Attr argAttrs(const Op *f, uint32_t i) {
  Attr all = f->attr("arg_attrs");
  if (!all || all->kind != AttrKind::Array || i >= all->attrs.size()) return nullptr;
  Attr d = all->attrs[i];
  return d && d->kind == AttrKind::Dict && !d->entries.empty() ? d : nullptr;
}

extern "C" {

tir_status tir_module_create(tir_context *context, tir_module **out) {
  if (!out) return api::error(Code::INVALID_ARGUMENT, "tir_module_create: out is NULL");
  *out = nullptr;
  if (!context) return api::error(Code::INVALID_ARGUMENT, "tir_module_create: context is NULL");
  *out = wrap(new Module(*unwrap(context)));
  return TIR_OK;
}

void tir_module_destroy(tir_module *module) { delete unwrap(module); }

tir_status tir_module_clone(const tir_module *module, tir_module **out) {
  if (!out) return api::error(Code::INVALID_ARGUMENT, "tir_module_clone: out is NULL");
  *out = nullptr;
  if (!module) return api::error(Code::INVALID_ARGUMENT, "tir_module_clone: module is NULL");
  *out = wrap(cloneModule(*unwrap(module)).release());
  return TIR_OK;
}

tir_context *tir_module_context(const tir_module *module) {
  return module ? wrap(&unwrap(module)->ctx) : bad("tir_module_context: module is NULL");
}
tir_op tir_module_op(const tir_module *module) {
  return module ? wrap(unwrap(module)->op) : bad("tir_module_op: module is NULL");
}
tir_block tir_module_body(const tir_module *module) {
  return module ? wrap(unwrap(module)->body()) : bad("tir_module_body: module is NULL");
}
tir_syntax tir_module_get_syntax(const tir_module *module) {
  return module ? static_cast<tir_syntax>(unwrap(module)->syntax) : static_cast<tir_syntax>(TIR_SYNTAX_AUTO);
}
tir_status tir_module_set_syntax(tir_module *module, tir_syntax syntax) {
  if (!module) return api::error(Code::INVALID_ARGUMENT, "tir_module_set_syntax: module is NULL");
  if (syntax != TIR_SYNTAX_AUTO && (syntax < TIR_SYNTAX_3_6 || syntax > TIR_SYNTAX_3_9))
    return api::error(Code::INVALID_ARGUMENT, "tir_module_set_syntax: unknown syntax %u; expected 0 or 36 to 39",
                      syntax);
  unwrap(module)->syntax = static_cast<Syntax>(syntax);
  return TIR_OK;
}
const char *tir_module_get_source_name(const tir_module *module) {
  return module ? unwrap(module)->source_name.c_str() : bad("tir_module_get_source_name: module is NULL");
}
tir_status tir_module_set_source_name(tir_module *module, const char *name) {
  if (!module || !name)
    return api::error(Code::INVALID_ARGUMENT, "tir_module_set_source_name: %s is NULL", module ? "name" : "module");
  unwrap(module)->source_name = name;
  return TIR_OK;
}
uint32_t tir_module_num_ops(const tir_module *module) {
  uint32_t n = 0;
  if (module) unwrap(module)->op->walk([&](Op *) { ++n; });
  return n;
}

tir_status tir_module_hash(const tir_module *module, uint32_t flags, uint64_t out[2]) {
  if (!module || !out)
    return api::error(Code::INVALID_ARGUMENT, "tir_module_hash: %s is NULL", module ? "out" : "module");
  if (!(flags & TIR_HASH_CODE) || flags & ~(HashCode | HashLoc | HashSyntax))
    return api::error(Code::INVALID_ARGUMENT, "tir_module_hash: flags 0x%x; TIR_HASH_CODE with known others",
                      flags);
  hashModule(*unwrap(module), flags, out);
  return TIR_OK;
}

uint32_t tir_module_num_functions(const tir_module *module) {
  uint32_t n = 0;
  if (module)
    for (Op *o = unwrap(module)->body()->first; o; o = o->next) n += o->is(Opcode::tt_func);
  return n;
}
tir_op tir_module_function(const tir_module *module, uint32_t i) {
  if (!module) return bad("tir_module_function: module is NULL");
  for (Op *o = unwrap(module)->body()->first; o; o = o->next)
    if (o->is(Opcode::tt_func) && !i--) return wrap(o);
  return bad("tir_module_function: the module has fewer functions");
}
tir_op tir_module_find_function(const tir_module *module, const char *name) {
  if (!module || !name) return bad("tir_module_find_function: %s is NULL", module ? "name" : "module");
  return wrap(unwrap(module)->function(name));
}
tir_status tir_module_kernel(const tir_module *module, const char *name, tir_op *out) {
  if (!out) return api::error(Code::INVALID_ARGUMENT, "tir_module_kernel: out is NULL");
  *out = nullptr;
  if (!module) return api::error(Code::INVALID_ARGUMENT, "tir_module_kernel: module is NULL");
  tessera::Result<Op *> k = unwrap(module)->kernel(name ? name : "");
  if (!k.ok()) return api::done(k.status);
  *out = wrap(k.value);
  return TIR_OK;
}

const char *tir_func_name(tir_op func) {
  Op *f = function(func, "tir_func_name");
  Attr a = f ? f->attr("sym_name") : nullptr;
  return !f ? nullptr : a && a->text ? a->text.data->text : "";
}
int tir_func_is_kernel(tir_op func) {
  Op *f = function(func, "tir_func_is_kernel");
  return f && entry(f) && f->strAttr("sym_visibility") != "private";
}
int tir_func_is_declaration(tir_op func) {
  Op *f = function(func, "tir_func_is_declaration");
  return f && !entry(f);
}
tir_type tir_func_type(tir_op func) {
  Op *f = function(func, "tir_func_type");
  return f ? wrap(functionType(f)) : nullptr;
}
uint32_t tir_func_num_args(tir_op func) {
  Op *f = function(func, "tir_func_num_args");
  return f ? numArgs(f) : 0;
}
tir_value tir_func_arg(tir_op func, uint32_t i) {
  Op *f = function(func, "tir_func_arg");
  if (!f) return nullptr;
  if (!entry(f) || i >= entry(f)->numArgs()) return bad("tir_func_arg: no value for argument %u", i);
  return wrap(entry(f)->arg(i));
}
tir_type tir_func_arg_type(tir_op func, uint32_t i) {
  Op *f = function(func, "tir_func_arg_type");
  if (!f) return nullptr;
  if (i >= numArgs(f)) return bad("tir_func_arg_type: argument %u of %u", i, numArgs(f));
  Type t = functionType(f);
  return wrap(t ? t->types[i] : entry(f)->arg(i)->type);
}
const char *tir_func_arg_name(tir_op func, uint32_t i) {
  Op *f = function(func, "tir_func_arg_name");
  if (!f) return nullptr;
  if (i >= numArgs(f)) return bad("tir_func_arg_name: argument %u of %u", i, numArgs(f));
  if (!entry(f) || i >= entry(f)->numArgs()) return "";
  const Value *v = entry(f)->arg(i);
  if (v->loc && v->loc->kind == LocKind::Name) return v->loc->text.data->text;
  return v->name ? v->name.data->text : "";
}
tir_attr tir_func_arg_attrs(tir_op func, uint32_t i) {
  Op *f = function(func, "tir_func_arg_attrs");
  return f ? wrap(argAttrs(f, i)) : nullptr;
}
tir_attr tir_func_arg_attr(tir_op func, uint32_t i, const char *name) {
  Op *f = function(func, "tir_func_arg_attr");
  if (!f || !name) return nullptr;
  if (Attr d = argAttrs(f, i))
    for (const NamedAttr &e : d->entries)
      if (e.name.view() == name) return wrap(e.value);
  return nullptr;
}
tir_status tir_func_set_arg_attr(tir_op func, uint32_t i, const char *name, tir_attr value) {
  Op *f = function(func, "tir_func_set_arg_attr");
  if (!f) return static_cast<tir_status>(Code::INVALID_ARGUMENT);
  unsigned n = numArgs(f);
  if (!name || i >= n)
    return name ? api::error(Code::INVALID_ARGUMENT, "tir_func_set_arg_attr: argument %u of %u", i, n)
                : api::error(Code::INVALID_ARGUMENT, "tir_func_set_arg_attr: name is NULL");
  Context *c = f->ctx();
  if (value && unwrap(value)->ctx != c)
    return api::error(Code::INVALID_ARGUMENT, "tir_func_set_arg_attr: the value is of another context");
  std::vector<Attr> all(n, c->dict({}));
  Attr old = f->attr("arg_attrs");
  for (unsigned k = 0; old && old->kind == AttrKind::Array && k < n && k < old->attrs.size(); ++k)
    all[k] = old->attrs[k];
  std::vector<NamedAttr> entries;
  for (const NamedAttr &e : all[i]->entries)
    if (e.name.view() != name) entries.push_back(e);
  if (value) entries.push_back({c->str(name), unwrap(value)});
  all[i] = c->dict(std::move(entries));
  bool any = false;
  for (Attr d : all) any |= !d->entries.empty();
  f->setAttr("arg_attrs", any ? c->array({all.data(), n}) : nullptr);
  return TIR_OK;
}
tir_block tir_func_entry(tir_op func) {
  Op *f = function(func, "tir_func_entry");
  return f ? wrap(entry(f)) : nullptr;
}

} // extern "C"
