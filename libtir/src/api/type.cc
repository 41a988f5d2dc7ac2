// SPDX-License-Identifier: MIT
// C API: type.h.
#include "handles.hh"
#include "tir/type.h"

using namespace tir;

static_assert(TIR_TYPE_OPAQUE == static_cast<uint32_t>(TypeKind::Opaque) + 1);
static_assert(TIR_TYPE_MEMDESC == static_cast<uint32_t>(TypeKind::MemDesc) + 1);
static_assert(TIR_TYPE_TENSOR == static_cast<uint32_t>(TypeKind::Tensor) + 1);
static_assert(TIR_FLOAT_F4E2M1FN == static_cast<uint32_t>(FloatKind::F4E2M1FN));
static_assert(TIR_FLOAT_F8E5M2 == static_cast<uint32_t>(FloatKind::F8E5M2));
static_assert(TIR_SIGN_UNSIGNED == static_cast<uint32_t>(Sign::Unsigned));

static bool scalarLike(Type t) {
  return t->kind == TypeKind::Index || t->kind == TypeKind::Int || t->kind == TypeKind::Float ||
         t->kind == TypeKind::Ptr;
}

static bool blockOk(const char *what, Type elem, uint32_t rank, const int64_t *shape, Attr enc) {
  if (!elem) return bad("%s: element is NULL", what), false;
  if (!scalarLike(elem))
    return bad("%s: the element must be an integer, index, float or pointer type", what), false;
  if (rank > TIR_MAX_RANK) return bad("%s: rank %u; at most %d", what, rank, TIR_MAX_RANK), false;
  if (rank && !shape) return bad("%s: shape is NULL, rank is %u", what, rank), false;
  if (enc && enc->ctx != elem->ctx) return bad("%s: encoding is of another context", what), false;
  if (elem->depth >= kMaxDepth || (enc && enc->depth >= kMaxDepth))
    return bad("%s: nested deeper than %u", what, kMaxDepth), false;
  int64_t n = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    if (shape[i] < 1)
      return bad("%s: dimension %u is %lld; at least 1", what, i, static_cast<long long>(shape[i])), false;
    if (__builtin_mul_overflow(n, shape[i], &n)) return bad("%s: more than 2^63 elements", what), false;
  }
  return true;
}

static bool allOf(const char *what, const Context *c, uint32_t n, const tir_type *types) {
  if (n && !types) return bad("%s: %u types announced, the array is NULL", what, n), false;
  if (n > 65536) return bad("%s: %u types; at most 65536", what, n), false;
  for (uint32_t i = 0; i < n; ++i) {
    if (!types[i] || unwrap(types[i])->ctx != c)
      return bad("%s: type %u is %s", what, i, types[i] ? "of another context" : "NULL"), false;
    if (unwrap(types[i])->depth >= kMaxDepth) return bad("%s: nested deeper than %u", what, kMaxDepth), false;
  }
  return true;
}

extern "C" {

tir_type tir_type_none(tir_context *context) {
  return context ? wrap(unwrap(context)->none()) : bad("tir_type_none: context is NULL");
}
tir_type tir_type_index(tir_context *context) {
  return context ? wrap(unwrap(context)->index()) : bad("tir_type_index: context is NULL");
}
tir_type tir_type_int(tir_context *context, uint32_t width, tir_sign sign) {
  if (!context) return bad("tir_type_int: context is NULL");
  if (width < 1 || width > TIR_MAX_INT_WIDTH)
    return bad("tir_type_int: width is %u; expected 1 to %d", width, TIR_MAX_INT_WIDTH);
  if (sign > TIR_SIGN_UNSIGNED) return bad("tir_type_int: unknown sign %u", sign);
  return wrap(unwrap(context)->intType(width, static_cast<Sign>(sign)));
}
tir_type tir_type_float(tir_context *context, tir_float_kind kind) {
  if (!context) return bad("tir_type_float: context is NULL");
  if (kind > TIR_FLOAT_F4E2M1FN) return bad("tir_type_float: unknown kind %u", kind);
  return wrap(unwrap(context)->floatType(static_cast<FloatKind>(kind)));
}
tir_type tir_type_ptr(tir_type pointee, uint32_t space) {
  if (!pointee) return bad("tir_type_ptr: pointee is NULL");
  Type t = unwrap(pointee);
  if (t->kind == TypeKind::Function || t->kind == TypeKind::None)
    return bad("tir_type_ptr: no pointers to functions or none");
  if (t->depth >= kMaxDepth) return bad("tir_type_ptr: nested deeper than %u", kMaxDepth);
  return wrap(t->ctx->ptr(t, space));
}
tir_type tir_type_tensor(tir_type element, uint32_t rank, const int64_t *shape, tir_attr encoding) {
  if (!blockOk("tir_type_tensor", unwrap(element), rank, shape, unwrap(encoding))) return nullptr;
  return wrap(unwrap(element)->ctx->tensor({shape, rank}, unwrap(element), unwrap(encoding)));
}
tir_type tir_type_tensor_desc(tir_type element, uint32_t rank, const int64_t *shape, tir_attr layout) {
  if (!rank) return bad("tir_type_tensor_desc: rank is 0; at least 1");
  if (!blockOk("tir_type_tensor_desc", unwrap(element), rank, shape, unwrap(layout))) return nullptr;
  return wrap(unwrap(element)->ctx->desc({shape, rank}, unwrap(element), unwrap(layout)));
}
tir_type tir_type_memdesc(tir_type element, uint32_t rank, const int64_t *shape, tir_attr layout, tir_attr memory_space,
                          int is_mutable, uint32_t alloc_rank, const int64_t *alloc_shape) {
  const char *what = "tir_type_memdesc";
  if (!rank) return bad("%s: rank is 0; at least 1", what);
  if (!blockOk(what, unwrap(element), rank, shape, unwrap(layout))) return nullptr;
  if (!layout || !memory_space) return bad("%s: %s is NULL", what, layout ? "memory_space" : "layout");
  if (!blockOk("tir_type_memdesc: whole buffer", unwrap(element), alloc_rank, alloc_shape, unwrap(memory_space)))
    return nullptr;
  return wrap(unwrap(element)->ctx->memdesc({shape, rank}, unwrap(element), unwrap(layout), unwrap(memory_space),
                                            is_mutable != 0, {alloc_shape, alloc_rank}));
}
tir_type tir_type_function(tir_context *context, uint32_t num_inputs, const tir_type *inputs,
                           uint32_t num_results, const tir_type *results) {
  Context *c = unwrap(context);
  if (!c) return bad("tir_type_function: context is NULL");
  if (!allOf("tir_type_function: inputs", c, num_inputs, inputs) ||
      !allOf("tir_type_function: results", c, num_results, results))
    return nullptr;
  return wrap(c->function({reinterpret_cast<const Type *>(inputs), num_inputs},
                          {reinterpret_cast<const Type *>(results), num_results}));
}
tir_type tir_type_tuple(tir_context *context, uint32_t count, const tir_type *members) {
  Context *c = unwrap(context);
  if (!c) return bad("tir_type_tuple: context is NULL");
  if (!allOf("tir_type_tuple", c, count, members)) return nullptr;
  return wrap(c->tuple({reinterpret_cast<const Type *>(members), count}));
}
tir_type tir_type_opaque(tir_context *context, const char *text) {
  if (!context || !text) return bad("tir_type_opaque: %s is NULL", context ? "text" : "context");
  if (text[0] != '!') return bad("tir_type_opaque: '%.80s' does not begin with '!'", text);
  return wrap(unwrap(context)->opaqueType(text));
}

tir_type_kind tir_type_get_kind(tir_type type) {
  return type ? static_cast<uint32_t>(unwrap(type)->kind) + 1 : static_cast<uint32_t>(TIR_TYPE_INVALID);
}
tir_context *tir_type_context(tir_type type) { return type ? wrap(unwrap(type)->ctx) : nullptr; }
uint32_t tir_type_width(tir_type type) {
  if (!type) return 0;
  Type t = unwrap(type);
  return t->kind == TypeKind::Index || t->kind == TypeKind::Ptr ? 64 : t->width;
}
tir_sign tir_type_sign(tir_type type) { return type ? static_cast<tir_sign>(unwrap(type)->sign) : 0; }
tir_float_kind tir_type_float_kind(tir_type type) {
  return type && unwrap(type)->isFloat() ? static_cast<tir_float_kind>(unwrap(type)->fkind) : 0;
}
tir_type tir_type_element(tir_type type) { return type ? wrap(unwrap(type)->elem) : nullptr; }
uint32_t tir_type_address_space(tir_type pointer) {
  return pointer && unwrap(pointer)->isPtr() ? unwrap(pointer)->space : 0;
}
tir_attr tir_type_encoding(tir_type type) { return type ? wrap(unwrap(type)->enc) : nullptr; }
tir_attr tir_type_memory_space(tir_type memdesc) { return memdesc ? wrap(unwrap(memdesc)->memSpace) : nullptr; }
int tir_type_is_mutable(tir_type memdesc) { return memdesc && unwrap(memdesc)->mutable_; }
uint32_t tir_type_alloc_rank(tir_type memdesc) { return memdesc ? unwrap(memdesc)->allocShape.size() : 0; }
int64_t tir_type_alloc_dim(tir_type memdesc, uint32_t i) {
  return i < tir_type_alloc_rank(memdesc) ? unwrap(memdesc)->allocShape[i] : 0;
}
uint32_t tir_type_rank(tir_type type) { return type ? unwrap(type)->rank() : 0; }
int64_t tir_type_dim(tir_type type, uint32_t i) {
  return type && i < unwrap(type)->rank() ? unwrap(type)->shape[i] : 0;
}
int64_t tir_type_num_elements(tir_type type) { return type ? unwrap(type)->count() : 0; }
uint32_t tir_type_num_inputs(tir_type type) {
  if (!type) return 0;
  Type t = unwrap(type);
  return t->kind == TypeKind::Tuple ? t->types.size() : t->ninputs;
}
tir_type tir_type_input(tir_type type, uint32_t i) {
  return i < tir_type_num_inputs(type) ? wrap(unwrap(type)->types[i]) : nullptr;
}
uint32_t tir_type_num_results(tir_type type) {
  if (!type || unwrap(type)->kind != TypeKind::Function) return 0;
  return unwrap(type)->types.size() - unwrap(type)->ninputs;
}
tir_type tir_type_result(tir_type type, uint32_t i) {
  return i < tir_type_num_results(type) ? wrap(unwrap(type)->types[unwrap(type)->ninputs + i]) : nullptr;
}
const char *tir_type_opaque_text(tir_type type) {
  return type && unwrap(type)->text ? unwrap(type)->text.data->text : nullptr;
}

} // extern "C"
