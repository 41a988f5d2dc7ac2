// SPDX-License-Identifier: MIT
// C API: attr.h.
#include "handles.hh"
#include "tir/attr.h"
#include "common/numfmt.hh"

using namespace tir;
using tessera::Code;
namespace api = tessera::api;

static_assert(TIR_ATTR_ENCODING == static_cast<uint32_t>(AttrKind::Encoding) + 1);
static_assert(TIR_ATTR_LOC == static_cast<uint32_t>(AttrKind::LocA) + 1);
static_assert(TIR_ATTR_DENSE == static_cast<uint32_t>(AttrKind::Dense) + 1);
static_assert(TIR_ATTR_SYMBOL == static_cast<uint32_t>(AttrKind::Symbol) + 1);

static uint64_t lowBits(unsigned width) { return width >= 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1; }

static unsigned elementWidth(Type t) { return t->kind == TypeKind::Index ? 64 : t->width; }

static bool denseOk(const char *what, Type t) {
  if (!t || !t->isTensor()) return bad("%s: %s", what, t ? "the type is not a tensor" : "type is NULL"), false;
  unsigned w = elementWidth(t->elem);
  if (!w || w > 64) return bad("%s: elements must be integers or floats of at most 64 bits", what), false;
  return true;
}

static bool sameContext(const char *what, const Context *c, uint32_t n, const tir_attr *items) {
  if (n && !items) return bad("%s: %u entries announced, the array is NULL", what, n), false;
  for (uint32_t i = 0; i < n; ++i) {
    if (!items[i] || unwrap(items[i])->ctx != c)
      return bad("%s: entry %u is %s", what, i, items[i] ? "of another context" : "NULL"), false;
    if (unwrap(items[i])->depth >= 2 * kMaxDepth) return bad("%s: nested deeper than %u", what, 2 * kMaxDepth), false;
  }
  return true;
}

extern "C" {

tir_attr tir_attr_unit(tir_context *context) {
  return context ? wrap(unwrap(context)->unit()) : bad("tir_attr_unit: context is NULL");
}
tir_attr tir_attr_bool(tir_context *context, int value) {
  return context ? wrap(unwrap(context)->boolean(value)) : bad("tir_attr_bool: context is NULL");
}
tir_attr tir_attr_int(tir_type type, int64_t value) {
  Type t = unwrap(type);
  if (!t) return bad("tir_attr_int: type is NULL");
  if (t->kind != TypeKind::Index && !(t->isInt() && t->width <= 64))
    return bad("tir_attr_int: the type must be index or an integer of at most 64 bits");
  return wrap(t->ctx->integer(value, t));
}
tir_attr tir_attr_float_bits(tir_type type, uint64_t bits) {
  Type t = unwrap(type);
  if (!t || !t->isFloat()) return bad("tir_attr_float_bits: %s", t ? "the type is no float" : "type is NULL");
  if (bits & ~lowBits(t->width)) return bad("tir_attr_float_bits: more than %u bits are set", t->width);
  return wrap(t->ctx->floating(bits, t));
}
tir_attr tir_attr_float(tir_type type, double value) {
  Type t = unwrap(type);
  if (!t || !t->isFloat()) return bad("tir_attr_float: %s", t ? "the type is no float" : "type is NULL");
  return wrap(t->ctx->floating(tessera::num::encode(static_cast<tessera::num::Format>(t->fkind), value), t));
}
tir_attr tir_attr_string(tir_context *context, const char *data, size_t size) {
  if (!context || (!data && size)) return bad("tir_attr_string: %s is NULL", context ? "data" : "context");
  if (size > UINT32_MAX / 2) return bad("tir_attr_string: %zu bytes; at most 2^31", size);
  return wrap(unwrap(context)->string({data ? data : "", size}));
}
tir_attr tir_attr_type(tir_type type) {
  return type ? wrap(unwrap(type)->ctx->typeAttr(unwrap(type))) : bad("tir_attr_type: type is NULL");
}
tir_attr tir_attr_array(tir_context *context, uint32_t count, const tir_attr *items) {
  Context *c = unwrap(context);
  if (!c) return bad("tir_attr_array: context is NULL");
  if (!sameContext("tir_attr_array", c, count, items)) return nullptr;
  return wrap(c->array({reinterpret_cast<const Attr *>(items), count}));
}
tir_attr tir_attr_dict(tir_context *context, uint32_t count, const char *const *names, const tir_attr *values) {
  Context *c = unwrap(context);
  if (!c) return bad("tir_attr_dict: context is NULL");
  if (!sameContext("tir_attr_dict", c, count, values)) return nullptr;
  if (count && !names) return bad("tir_attr_dict: names is NULL");
  std::vector<NamedAttr> entries;
  for (uint32_t i = 0; i < count; ++i) {
    if (!names[i]) return bad("tir_attr_dict: name %u is NULL", i);
    entries.push_back({c->str(names[i]), unwrap(values[i])});
  }
  Attr d = c->dict(std::move(entries));
  for (uint32_t i = 1; i < d->entries.size(); ++i)
    if (d->entries[i].name == d->entries[i - 1].name)
      return bad("tir_attr_dict: the name '%.80s' occurs twice", d->entries[i].name.data->text);
  return wrap(d);
}
tir_attr tir_attr_dense(tir_type tensor, uint64_t count, const uint64_t *bits) {
  Type t = unwrap(tensor);
  if (!denseOk("tir_attr_dense", t)) return nullptr;
  if (!bits) return bad("tir_attr_dense: bits is NULL");
  if (count != static_cast<uint64_t>(t->count()) || count > (1u << 24))
    return bad("tir_attr_dense: %llu elements given, the type has %lld (at most 2^24)",
               static_cast<unsigned long long>(count), static_cast<long long>(t->count()));
  uint64_t over = ~lowBits(elementWidth(t->elem));
  bool splat = true;
  for (uint64_t i = 0; i < count; ++i) {
    if (bits[i] & over)
      return bad("tir_attr_dense: element %llu has bits beyond its width", static_cast<unsigned long long>(i));
    splat &= bits[i] == bits[0];
  }
  return wrap(t->ctx->dense(t, splat, {bits, splat ? 1 : static_cast<uint32_t>(count)}));
}
tir_attr tir_attr_splat(tir_type tensor, uint64_t bits) {
  Type t = unwrap(tensor);
  if (!denseOk("tir_attr_splat", t)) return nullptr;
  if (bits & ~lowBits(elementWidth(t->elem))) return bad("tir_attr_splat: the value has bits beyond its width");
  return wrap(t->ctx->dense(t, true, {&bits, 1}));
}
tir_attr tir_attr_dense_array(tir_type element, uint32_t count, const int64_t *values) {
  Type t = unwrap(element);
  if (!t || !t->isInt() || t->width > 64)
    return bad("tir_attr_dense_array: %s", t ? "the element must be an integer of at most 64 bits" : "type is NULL");
  if (count && !values) return bad("tir_attr_dense_array: values is NULL");
  return wrap(t->ctx->denseArray(t, {values, count}));
}
tir_attr tir_attr_symbol(tir_context *context, const char *name) {
  if (!context || !name) return bad("tir_attr_symbol: %s is NULL", context ? "name" : "context");
  return wrap(unwrap(context)->symbol(name));
}
tir_attr tir_attr_enum(tir_context *context, int64_t value, const char *spelling) {
  if (!context || !spelling) return bad("tir_attr_enum: %s is NULL", context ? "spelling" : "context");
  return wrap(unwrap(context)->enumeration(value, spelling));
}
tir_attr tir_attr_opaque(tir_context *context, const char *text) {
  if (!context || !text) return bad("tir_attr_opaque: %s is NULL", context ? "text" : "context");
  std::string why;
  Attr a = unwrap(context)->dialectAttr(text, &why);
  return a ? wrap(a) : bad("tir_attr_opaque: %s", why.c_str());
}
tir_attr tir_attr_loc(tir_loc loc) {
  return loc ? wrap(unwrap(loc)->ctx->locAttr(unwrap(loc))) : bad("tir_attr_loc: loc is NULL");
}

tir_attr_kind tir_attr_get_kind(tir_attr attr) {
  return attr ? static_cast<uint32_t>(unwrap(attr)->kind) + 1 : static_cast<uint32_t>(TIR_ATTR_INVALID);
}
tir_type tir_attr_get_type(tir_attr attr) { return attr ? wrap(unwrap(attr)->type) : nullptr; }

tir_status tir_attr_get_int(tir_attr attr, int64_t *out) {
  if (!attr || !out) return api::error(Code::INVALID_ARGUMENT, "tir_attr_get_int: %s is NULL", attr ? "out" : "attr");
  Attr a = unwrap(attr);
  switch (a->kind) {
  case AttrKind::Bool: *out = a->bval; return TIR_OK;
  case AttrKind::Int:
  case AttrKind::Enum: *out = a->ival; return TIR_OK;
  default: return api::error(Code::INVALID_ARGUMENT, "tir_attr_get_int: the attribute is no int, bool or enum");
  }
}
tir_status tir_attr_get_float_bits(tir_attr attr, uint64_t *out) {
  if (!attr || !out || unwrap(attr)->kind != AttrKind::Float)
    return api::error(Code::INVALID_ARGUMENT, "tir_attr_get_float_bits: %s",
                      !attr ? "attr is NULL" : !out ? "out is NULL" : "the attribute is no float");
  *out = unwrap(attr)->fbits;
  return TIR_OK;
}
const char *tir_attr_get_text(tir_attr attr, size_t *size) {
  const StrData *s = attr ? unwrap(attr)->text.data : nullptr;
  if (size) *size = s ? s->size : 0;
  return s ? s->text : nullptr;
}
uint32_t tir_attr_count(tir_attr attr) {
  if (!attr) return 0;
  Attr a = unwrap(attr);
  switch (a->kind) {
  case AttrKind::Array: return a->attrs.size();
  case AttrKind::Dict: return a->entries.size();
  case AttrKind::DenseArray: return a->ints.size();
  case AttrKind::Dense: return a->bits.size();
  default: return 0;
  }
}
tir_attr tir_attr_item(tir_attr attr, uint32_t i) {
  if (i >= tir_attr_count(attr)) return nullptr;
  Attr a = unwrap(attr);
  if (a->kind == AttrKind::Array) return wrap(a->attrs[i]);
  return a->kind == AttrKind::Dict ? wrap(a->entries[i].value) : nullptr;
}
const char *tir_attr_item_name(tir_attr dict, uint32_t i) {
  if (!dict || i >= unwrap(dict)->entries.size()) return nullptr;
  return unwrap(dict)->entries[i].name.data->text;
}
tir_attr tir_attr_find(tir_attr dict, const char *name) {
  if (!dict || !name) return nullptr;
  for (const NamedAttr &e : unwrap(dict)->entries)
    if (e.name.view() == name) return wrap(e.value);
  return nullptr;
}
int tir_attr_is_splat(tir_attr dense) {
  return dense && unwrap(dense)->kind == AttrKind::Dense && unwrap(dense)->bval;
}
tir_status tir_attr_get_element(tir_attr attr, uint64_t i, uint64_t *out) {
  if (!attr || !out)
    return api::error(Code::INVALID_ARGUMENT, "tir_attr_get_element: %s is NULL", attr ? "out" : "attr");
  Attr a = unwrap(attr);
  uint64_t n = a->kind == AttrKind::Dense ? static_cast<uint64_t>(a->type->count())
               : a->kind == AttrKind::DenseArray ? a->ints.size() : 0;
  if (i >= n)
    return api::error(Code::INVALID_ARGUMENT, "tir_attr_get_element: element %llu of %llu",
                      static_cast<unsigned long long>(i), static_cast<unsigned long long>(n));
  *out = a->kind == AttrKind::DenseArray ? static_cast<uint64_t>(a->ints[i]) : a->bits[a->bval ? 0 : i];
  return TIR_OK;
}
tir_loc tir_attr_get_loc(tir_attr attr) { return attr ? wrap(unwrap(attr)->loc) : nullptr; }

} // extern "C"
