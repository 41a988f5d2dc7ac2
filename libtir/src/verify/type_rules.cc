// SPDX-License-Identifier: MIT
#include "type_rules.hh"
#include "common/status.hh"
#include "text/text.hh"
#include "type_calls.hh"

namespace tir {

using tessera::format;

// ---- helpers ----------------------------------------------------------------------------------------------

Type i1Like(Type like) { return like->ctx->like(like, like->ctx->i1()); }

Type pointeeType(Type ptr) {
  if (ptr->isPtr()) return ptr->elem;
  if (ptr->isTensor() && ptr->elem->isPtr()) return ptr->ctx->like(ptr, ptr->elem->elem);
  return nullptr;
}

bool sameShape(Type a, Type b) {
  if (a->isTensor() != b->isTensor()) return false;
  if (a->rank() != b->rank()) return false;
  for (uint32_t i = 0; i < a->rank(); ++i)
    if (a->shape[i] != b->shape[i]) return false;
  return true;
}

// ---- TypeEnv ----------------------------------------------------------------------------------------------

void TypeEnv::reset(const OpInfo &op, Span<NamedAttr> a, const uint32_t *operands, const uint32_t *results) {
  info = &op;
  attrs = a;
  error.clear();
  types.clear();
  first.clear();
  count.clear();
  open = false;
  uint32_t total = 0;
  auto push = [&](uint32_t n) {
    first.push_back(total);
    count.push_back(n);
    total += n;
  };
  for (unsigned i = 0; i < op.num_operands; ++i) push(operands ? operands[i] : 1);
  for (unsigned i = 0; i < op.num_results; ++i) {
    bool variadic = !results && op.results[i].arity == Arity::Variadic;
    open |= variadic;
    push(results ? results[i] : variadic ? 0 : 1);
  }
  types.resize(total);
}

void TypeEnv::reset(const Op &op) {
  uint32_t results[8];
  const OpInfo &row = op.info();
  for (unsigned i = 0; i < row.num_results && i < 8; ++i) // one variadic slot takes what the others leave
    results[i] = row.results[i].arity == Arity::One ? 1 : op.nres - (row.num_results - 1);
  reset(row, op.attrs(), op.segments_, results);
  for (unsigned i = 0; i < op.nops && i < types.size(); ++i) types[i] = op.operand(i)->type;
  uint32_t base = row.num_results ? first[row.num_operands] : 0;
  for (unsigned i = 0; i < op.nres && base + i < types.size(); ++i) types[base + i] = op.result(i)->type;
}

Span<Type> TypeEnv::operandTypes() const {
  uint32_t n = 0;
  for (unsigned i = 0; i < info->num_operands; ++i) n += count[i];
  return {types.data(), n};
}

Span<Type> TypeEnv::resultTypes() const {
  uint32_t base = operandTypes().count;
  return {types.data() + base, (uint32_t)types.size() - base};
}

bool TypeEnv::known(unsigned i) const {
  for (Type t : slot(i))
    if (!t) return false;
  return !(open && i + 1 == numSlots());
}

bool TypeEnv::set(unsigned i, Span<Type> values) {
  if (open && i + 1 == numSlots()) {
    std::vector<Type> copy(values.begin(), values.end()); // `values` may point into `types`
    count[i] = (uint32_t)copy.size();
    types.resize(first[i]);
    types.insert(types.end(), copy.begin(), copy.end());
    open = false;
    return true;
  }
  if (values.size() != count[i])
    return fail(format("expected %u values for '%s', found %u", values.size(), slotName(i), count[i]));
  for (uint32_t k = 0; k < values.size(); ++k) {
    Type &mine = at(i, k);
    if (!mine) mine = values[k];
    else if (values[k] && mine != values[k] && !(mine->enc && sameShape(mine, values[k]) && mine->elem == values[k]->elem))
      return fail(format("type of '%s' must be %s, found %s", slotName(i), typeText(values[k]).c_str(),
                         typeText(mine).c_str()));
  }
  return true;
}

Attr TypeEnv::attr(std::string_view name) const {
  for (const NamedAttr &a : attrs)
    if (a.name.view() == name) return a.value;
  return nullptr;
}

bool TypeEnv::intAttr(std::string_view name, int64_t *value) const {
  if (Attr a = attr(name)) {
    if (a->kind == AttrKind::Bool) *value = a->bval;
    else if (a->kind == AttrKind::Int || a->kind == AttrKind::Enum) *value = a->ival;
    else return false;
    return true;
  }
  const AttrInfo *declared = info->attr(name);
  if (!declared || !declared->has_default) return false;
  *value = declared->default_value;
  return true;
}

const char *TypeEnv::slotName(unsigned i) const {
  return i < info->num_operands ? info->operands[i].name : info->results[i - info->num_operands].name;
}

// ---- rules ------------------------------------------------------------------------------------------------

static Type argType(Context &ctx, TypeArg arg) {
  switch (arg) {
  case TypeArg::I1: return ctx.i1();
  case TypeArg::I8: return ctx.i8();
  case TypeArg::I16: return ctx.intType(16);
  case TypeArg::I32: return ctx.i32();
  case TypeArg::I64: return ctx.i64();
  case TypeArg::F32: return ctx.f32();
  case TypeArg::Index: return ctx.index();
  case TypeArg::Token: return ctx.asyncToken();
  case TypeArg::None: break;
  }
  return nullptr;
}

/// Result of a rule that maps one type to one type; null: the source does not fit.
static Type mapped(Context &ctx, const TypeRule &rule, Type src) {
  switch (rule.fn) {
  case TypeFn::I1Like: return i1Like(src);
  case TypeFn::Pointee: return pointeeType(src);
  case TypeFn::Elem: return src->isTensor() ? src->elem : nullptr;
  case TypeFn::Like: return ctx.like(src, argType(ctx, rule.arg));
  case TypeFn::ScalarPtr:
    return src->isPtr() && src->elem->isTensor() ? ctx.ptr(src->elem->elem, src->space) : nullptr;
  default: return nullptr;
  }
}

static const char *fnText(TypeFn fn) {
  switch (fn) {
  case TypeFn::Pointee: return "a pointer or tile of pointers";
  case TypeFn::Elem: return "a tile";
  case TypeFn::ScalarPtr: return "a pointer to a tile";
  default: return "another type";
  }
}

static bool absentOptional(const TypeEnv &env, unsigned i) {
  return i < env.info->num_operands && env.info->operands[i].arity == Arity::Optional && !env.count[i];
}

/// Applies one rule as far as it goes. With `check`, all types are complete.
static bool apply(TypeEnv &env, const TypeRule &rule, bool check) {
  switch (rule.fn) {
  case TypeFn::Const: return env.count[rule.dst] == 0 || env.set(rule.dst, argType(*env.ctx, rule.arg));
  case TypeFn::Call:
    for (unsigned i = 0; i < env.info->num_operands; ++i)
      if (!env.known(i)) return true;
    return rule.call(env, rule.dst);
  case TypeFn::Same:
    if (absentOptional(env, rule.dst) || absentOptional(env, rule.src)) return true;
    if (env.known(rule.src)) return env.set(rule.dst, env.slot(rule.src));
    return !env.known(rule.dst) || env.set(rule.src, env.slot(rule.dst));
  case TypeFn::SameShape:
    if (!check || !env.count[rule.dst] || !env.count[rule.src]) return true;
    if (sameShape(env.one(rule.dst), env.one(rule.src))) return true;
    return env.fail(format("'%s' (%s) and '%s' (%s) must have one shape", env.slotName(rule.dst),
                           typeText(env.one(rule.dst)).c_str(), env.slotName(rule.src),
                           typeText(env.one(rule.src)).c_str()));
  default: break;
  }
  if (!env.count[rule.dst] || !env.count[rule.src] || !env.known(rule.src)) return true;
  Type src = env.one(rule.src);
  Type t = src ? mapped(*env.ctx, rule, src) : nullptr;
  if (!t)
    return env.fail(format("'%s' must be %s, found %s", env.slotName(rule.src), fnText(rule.fn),
                           typeText(src).c_str()));
  return env.set(rule.dst, t);
}

bool inferTypes(TypeEnv &env) {
  const OpInfo &info = *env.info;
  auto unknown = [&] {
    unsigned n = env.open;
    for (Type t : env.types) n += !t;
    return n;
  };
  for (unsigned before = unknown();;) {
    for (unsigned i = 0; i < info.num_rules; ++i)
      if (!apply(env, info.rules[i], false)) return false;
    unsigned after = unknown();
    if (!after) return true;
    if (after == before) break;
    before = after;
  }
  for (unsigned i = 0; i < env.numSlots(); ++i)
    if (!env.known(i)) return env.fail(format("the type of '%s' is not known", env.slotName(i)));
  return true;
}

bool checkTypes(TypeEnv &env) {
  for (unsigned i = 0; i < env.info->num_rules; ++i)
    if (!apply(env, env.info->rules[i], true)) return false;
  return true;
}

// ---- rules in code ----------------------------------------------------------------------------------------

namespace types {

static bool needTensor(TypeEnv &env, unsigned slot) {
  Type t = env.one(slot);
  return (t && t->isTensor()) ||
         env.fail(format("'%s' must be a tile, found %s", env.slotName(slot), typeText(t).c_str()));
}

static bool setTensor(TypeEnv &env, unsigned dst, const std::vector<int64_t> &shape, Type elem) {
  return env.set(dst, env.ctx->tensor({shape.data(), (uint32_t)shape.size()}, elem));
}

/// The attribute `axis`, 0 … limit-1.
static bool needAxis(TypeEnv &env, int64_t limit, int64_t *axis) {
  if (!env.intAttr("axis", axis)) return env.fail("integer attribute 'axis' is missing");
  return (*axis >= 0 && *axis < limit) ||
         env.fail(format("axis must be 0 to %lld, found %lld", (long long)limit - 1, (long long)*axis));
}

bool expandDims(TypeEnv &env, unsigned dst) {
  int64_t axis;
  if (!needTensor(env, 0)) return false;
  Type src = env.one(0);
  if (!needAxis(env, src->rank() + 1, &axis)) return false;
  std::vector<int64_t> shape(src->shape.begin(), src->shape.end());
  shape.insert(shape.begin() + axis, 1);
  return setTensor(env, dst, shape, src->elem);
}

bool trans(TypeEnv &env, unsigned dst) {
  if (!needTensor(env, 0)) return false;
  Type src = env.one(0);
  Attr order = env.attr("order");
  if (!order || order->kind != AttrKind::DenseArray) return env.fail("array attribute 'order' is missing");
  uint32_t rank = src->rank();
  std::vector<int64_t> shape;
  std::vector<bool> seen(rank);
  for (int64_t d : order->ints) {
    if (d < 0 || d >= rank || seen[d] || order->ints.size() != rank)
      return env.fail(format("order must be a permutation of the %u dimensions of %s", rank, typeText(src).c_str()));
    seen[d] = true;
    shape.push_back(src->shape[d]);
  }
  if (order->ints.size() != rank)
    return env.fail(format("order must be a permutation of the %u dimensions of %s", rank, typeText(src).c_str()));
  return setTensor(env, dst, shape, src->elem);
}

bool join(TypeEnv &env, unsigned dst) {
  if (!needTensor(env, 0)) return false;
  Type src = env.one(0);
  std::vector<int64_t> shape(src->shape.begin(), src->shape.end());
  shape.push_back(2);
  return setTensor(env, dst, shape, src->elem);
}

bool split(TypeEnv &env, unsigned dst) {
  if (!needTensor(env, 0)) return false;
  Type src = env.one(0);
  if (!src->rank() || src->shape[src->rank() - 1] != 2)
    return env.fail(format("the last dimension of 'src' must be 2, found %s", typeText(src).c_str()));
  std::vector<int64_t> shape(src->shape.begin(), src->shape.end() - 1);
  return setTensor(env, dst, shape, src->elem);
}

bool makeRange(TypeEnv &env, unsigned dst) {
  int64_t start, end;
  if (!env.intAttr("start", &start) || !env.intAttr("end", &end))
    return env.fail("integer attributes 'start' and 'end' are needed");
  if (start >= end) return env.fail(format("start %lld must be below end %lld", (long long)start, (long long)end));
  return setTensor(env, dst, {end - start}, env.ctx->i32());
}

bool gather(TypeEnv &env, unsigned dst) {
  if (!needTensor(env, 0) || !needTensor(env, 1)) return false;
  return env.set(dst, env.ctx->like(env.one(1), env.one(0)->elem));
}

bool reduce(TypeEnv &env, unsigned dst) {
  std::vector<Type> results;
  for (Type src : env.slot(0)) {
    int64_t axis;
    if (!src->isTensor()) return env.fail(format("'srcs' must be tiles, found %s", typeText(src).c_str()));
    if (!needAxis(env, src->rank(), &axis)) return false;
    std::vector<int64_t> shape(src->shape.begin(), src->shape.end());
    shape.erase(shape.begin() + axis);
    results.push_back(shape.empty() ? src->elem
                                    : env.ctx->tensor({shape.data(), (uint32_t)shape.size()}, src->elem));
  }
  return env.set(dst, {results.data(), (uint32_t)results.size()});
}

bool callee(TypeEnv &env, unsigned dst) {
  Attr name = env.attr("callee");
  if (!name || name->kind != AttrKind::Symbol) return env.fail("symbol attribute 'callee' is missing");
  Op *f = env.module ? env.module->function(name->text.view()) : nullptr;
  if (!f) // while parsing, the callee may stand further down; the verifier looks again
    return !env.open || env.fail(format("no function @%.*s in this module", (int)name->text.view().size(),
                                        name->text.view().data()));
  Attr type = f->attr("function_type");
  if (!type || type->kind != AttrKind::TypeA || type->type->kind != TypeKind::Function) return true;
  Type ft = type->type;
  return env.set(dst, {ft->types.ptr + ft->ninputs, ft->types.size() - ft->ninputs});
}

bool valueType(TypeEnv &env, unsigned dst) {
  Attr value = env.attr("value");
  if (!value) return env.fail("attribute 'value' is missing");
  if (value->kind == AttrKind::Bool) return env.set(dst, env.ctx->i1());
  if (!value->type || value->kind == AttrKind::TypeA)
    return env.fail("attribute 'value' must be a number or a dense tile");
  return env.set(dst, value->type);
}

} // namespace types
} // namespace tir
