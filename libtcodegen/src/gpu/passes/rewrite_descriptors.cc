// SPDX-License-Identifier: MIT
// Tensor descriptors become pointers, sizes and strides; their loads and stores masked accesses with 64-bit offsets.
// First every value of a descriptor type gets its parts (operations with regions are made anew with more results),
// then operands are replaced and accesses rewritten.
//
// Of an argument it is taken for true what a tensor map asks for: base and strides are multiples of 16 bytes, the
// innermost stride is 1. An assertion at the start of the kernel says so otherwise.
#include "rewrite_descriptors.hh"
#include "analysis/constants.hh"
#include <bit>
#include <string>
#include <unordered_map>

namespace tcodegen::gpu {
using namespace tir;
using tessera::Code;
using tessera::Status;

namespace {

struct Parts {
  Value *base = nullptr, *nan = nullptr; // nan: i1, what is outside reads as NaN
  std::vector<Value *> sizes, strides;   // i32 or i64
  template <class F> void each(F f) {
    f(base);
    for (Value *&v : sizes) f(v);
    for (Value *&v : strides) f(v);
    f(nan);
  }
};

uint64_t nanBits(Type t) {
  switch (t->fkind) {
  case FloatKind::F16: return 0x7e00;
  case FloatKind::BF16: return 0x7fc0;
  case FloatKind::F32: return 0x7fc00000;
  case FloatKind::F64: return uint64_t(0x7ff8) << 48;
  default: return 0x7f;
  }
}

class Rewriter {
public:
  Rewriter(Module &m, Op *kernel) : m(m), ctx(m.ctx), kernel(kernel) {}
  Status run();

private:
  Module &m;
  Context &ctx;
  Op *kernel, *at = nullptr; // new operations go in front of `at`
  std::unordered_map<Value *, Parts> parts;
  Status status;

  Value *op(Opcode code, std::vector<Value *> operands, Type result, std::vector<NamedAttr> attrs = {}) {
    Op *o = m.create({.code = code, .loc = at->loc, .operands = std::move(operands), .results = {result}, .attrs = std::move(attrs)});
    at->parent->insertBefore(o, at);
    return o->result(0);
  }
  NamedAttr attr(std::string_view name, Attr a) { return {ctx.str(name), a}; }
  Value *constant(Type t, uint64_t bits) { return op(Opcode::arith_constant, {}, t, {attr("value", constantAttr(ctx, t, bits))}); }
  Type tile(const std::vector<int64_t> &shape, Type elem) { return ctx.tensor({shape.data(), static_cast<uint32_t>(shape.size())}, elem); }
  Value *wide(Value *v) { // scalar or tile, to 64 bits
    return v->type->scalar()->isInt(64) ? v : op(Opcode::arith_extsi, {v}, ctx.like(v->type, ctx.i64()));
  }
  Value *compare(unsigned predicate, const char *name, Value *x, Value *y) {
    return op(Opcode::arith_cmpi, {x, y}, ctx.like(x->type, ctx.i1()), {attr("predicate", ctx.enumeration(predicate, name))});
  }
  void refuse(Op *o, const char *why) {
    if (status.ok())
      status = tessera::fail(Code::UNSUPPORTED, "%s: error: '%s': not implemented: %s on this GPU target", locText(o->loc).c_str(),
                             std::string(o->name()).c_str(), why);
  }

  Type element(Type desc) const { // as tiles have it, without sign
    return desc->elem->isInt() ? ctx.intType(desc->elem->width) : desc->elem;
  }
  std::vector<Type> typesOf(Type desc) {
    std::vector<Type> t{ctx.ptr(element(desc))};
    t.insert(t.end(), 2 * desc->rank(), ctx.i64());
    t.push_back(ctx.i1());
    return t;
  }
  Parts fromList(Type desc, Value *const *v) {
    Parts p;
    unsigned rank = desc->rank();
    p.base = v[0];
    p.sizes.assign(v + 1, v + 1 + rank);
    p.strides.assign(v + 1 + rank, v + 1 + 2 * rank);
    p.nan = v[1 + 2 * rank];
    return p;
  }
  static bool anyDesc(Op *o) {
    for (unsigned i = 0; i < o->numResults(); ++i)
      if (o->result(i)->type->isDesc()) return true;
    for (unsigned i = 0; i < o->numOperands(); ++i)
      if (o->operand(i)->type->isDesc()) return true;
    return false;
  }

  void arguments();
  void expandBlock(Block *b);
  void define(Region *r);
  void remake(Op *o);
  void replace(Region *r);
  void expandOperands(Op *o);
  void access(Op *o);
  struct Place {
    Value *ptr, *mask;
  };
  Place address(const Parts &p, Type elem, const std::vector<int64_t> &shape, const std::vector<Value *> &lines);
  Value *line(Value *first, int64_t n);
};

/// A block's arguments with descriptors in parts.
void Rewriter::expandBlock(Block *b) {
  bool any = false;
  for (unsigned i = 0; i < b->numArgs(); ++i) any |= b->arg(i)->type->isDesc();
  if (!any) return;
  std::vector<Value *> order, old;
  unsigned n = b->numArgs();
  for (unsigned i = 0; i < n; ++i) {
    Value *v = b->arg(i);
    if (!v->type->isDesc()) {
      order.push_back(v);
      continue;
    }
    std::vector<Value *> made;
    for (Type t : typesOf(v->type)) {
      made.push_back(b->addArg(m, t, v->loc));
      made.back()->name = v->name;
    }
    parts[v] = fromList(v->type, made.data());
    order.insert(order.end(), made.begin(), made.end());
    old.push_back(v);
  }
  order.insert(order.end(), old.begin(), old.end()); // erased when nothing uses them any more
  for (unsigned i = 0; i < order.size(); ++i) {
    b->args_[i] = order[i];
    order[i]->index = i;
  }
}

/// The kernel's own: no padding, and what is promised of them.
void Rewriter::arguments() {
  Block *front = kernel->region(0)->front();
  bool any = false;
  for (unsigned i = 0; i < front->numArgs(); ++i) any |= front->arg(i)->type->isDesc();
  if (!any) return;
  Attr given = kernel->attr("arg_attrs");
  std::vector<Attr> dicts;
  std::vector<Type> types;
  std::vector<Value *> descs;
  for (unsigned i = 0; i < front->numArgs(); ++i) {
    Value *v = front->arg(i);
    Attr dict = given && given->kind == AttrKind::Array && i < given->attrs.size() ? given->attrs[i] : ctx.dict({});
    if (!v->type->isDesc()) {
      dicts.push_back(dict);
      types.push_back(v->type);
      continue;
    }
    descs.push_back(v);
    auto divisible = [&](int64_t n) { return ctx.dict({attr("tt.divisibility", ctx.i32Attr(n))}); };
    int64_t bytes = std::max(1u, v->type->elem->width / 8);
    unsigned rank = v->type->rank();
    std::vector<Type> all = typesOf(v->type);
    for (unsigned k = 0; k + 1 < all.size(); ++k) {
      types.push_back(all[k]);
      dicts.push_back(k == 0 ? divisible(16) : k > rank && k < 2 * rank ? divisible(std::max<int64_t>(1, 16 / bytes)) : ctx.dict({}));
    }
  }
  expandBlock(front);
  at = front->first;
  for (Value *v : descs) {
    Parts &p = parts[v];
    Value *flag = p.nan;
    p.nan = constant(ctx.i1(), 0);
    front->eraseArg(flag->index);
    Value *bits = op(Opcode::tt_ptr_to_int, {p.base}, ctx.i64());
    int64_t bytes = std::max(1u, v->type->elem->width / 8);
    for (unsigned k = 0; k + 1 < p.strides.size(); ++k)
      bits = op(Opcode::arith_ori, {bits, op(Opcode::arith_muli, {p.strides[k], constant(ctx.i64(), bytes)}, ctx.i64())}, ctx.i64());
    bits = op(Opcode::arith_andi, {bits, constant(ctx.i64(), 15)}, ctx.i64());
    Value *&inner = p.strides.back();
    bits = op(Opcode::arith_ori, {bits, op(Opcode::arith_xori, {inner, constant(ctx.i64(), 1)}, ctx.i64())}, ctx.i64());
    Value *good = compare(0, "eq", bits, constant(ctx.i64(), 0));
    inner = constant(ctx.i64(), 1);
    std::string text = "descriptor argument " + std::string(v->name.view()) +
                       ": expected a base and strides that are multiples of 16 bytes, and 1 as the innermost stride";
    Op *check = m.create({.code = Opcode::tt_assert, .loc = kernel->loc, .operands = {good}, .attrs = {attr("message", ctx.string(text))}});
    at->parent->insertBefore(check, at);
  }
  Type function = ctx.function({types.data(), (uint32_t)types.size()}, {});
  kernel->setAttr("function_type", ctx.typeAttr(function));
  kernel->setAttr("arg_attrs", ctx.array({dicts.data(), (uint32_t)dicts.size()}));
}

/// An operation with regions and results of descriptor types, made anew.
void Rewriter::remake(Op *o) {
  OpSpec spec{.code = o->code, .loc = o->loc};
  for (unsigned i = 0; i < o->numOperands(); ++i) spec.operands.push_back(o->operand(i));
  if (o->segments_) spec.segments.assign(o->segments_, o->segments_ + o->info().num_operands);
  for (const NamedAttr &a : o->attrs()) spec.attrs.push_back(a);
  spec.regions = o->numRegions();
  for (unsigned i = 0; i < o->numResults(); ++i) {
    Type t = o->result(i)->type;
    if (!t->isDesc()) spec.results.push_back(t);
    else
      for (Type part : typesOf(t)) spec.results.push_back(part);
  }
  Op *n = m.create(spec);
  o->parent->insertBefore(n, o);
  unsigned next = 0;
  for (unsigned i = 0; i < o->numResults(); ++i) {
    Value *v = o->result(i);
    if (!v->type->isDesc()) {
      n->result(next)->name = v->name;
      v->replaceAllUsesWith(n->result(next++));
      continue;
    }
    std::vector<Value *> made;
    for (size_t k = 0; k < typesOf(v->type).size(); ++k) made.push_back(n->result(next++));
    parts[v] = fromList(v->type, made.data());
  }
  for (unsigned r = 0; r < o->numRegions(); ++r)
    while (Block *b = o->region(r)->first) {
      o->region(r)->remove(b);
      n->region(r)->append(b);
    }
}

/// Parts for every value of a descriptor type.
void Rewriter::define(Region *r) {
  for (Block *b = r->first; b; b = b->next) {
    if (r != kernel->region(0) || b != r->first) expandBlock(b);
    for (Op *o = b->first, *next; o; o = next) {
      next = o->next;
      for (unsigned i = 0; i < o->numRegions(); ++i) define(o->region(i));
      bool makes = false;
      for (unsigned i = 0; i < o->numResults(); ++i) makes |= o->result(i)->type->isDesc();
      if (!makes) continue;
      at = o;
      if (o->is(Opcode::tt_make_tensor_descriptor)) {
        Type t = o->result(0)->type;
        unsigned rank = t->rank();
        if (o->numOperands() != 1 + 2 * rank) return refuse(o, "a descriptor of this form");
        Parts p;
        p.base = o->operand(0);
        for (unsigned d = 0; d < rank; ++d) p.sizes.push_back(wide(o->operand(1 + d)));
        for (unsigned d = 0; d < rank; ++d) p.strides.push_back(o->operand(1 + rank + d));
        p.nan = constant(ctx.i1(), o->intAttr("padding", 1) == 2 && element(t)->isFloat());
        parts[o->result(0)] = p;
      } else if (o->is(Opcode::scf_for) || o->is(Opcode::scf_if) || o->is(Opcode::scf_while)) {
        remake(o);
      } else if (o->is(Opcode::ub_poison)) {
        Parts p;
        std::vector<Value *> made;
        for (Type part : typesOf(o->result(0)->type)) made.push_back(op(Opcode::ub_poison, {}, part));
        parts[o->result(0)] = fromList(o->result(0)->type, made.data());
      } else if (!o->is(Opcode::arith_select)) {
        return refuse(o, "an operation that gives a tensor descriptor");
      }
    }
  }
}

void Rewriter::expandOperands(Op *o) {
  std::vector<Value *> all;
  std::vector<uint32_t> segments;
  auto push = [&](Value *v) {
    if (!v->type->isDesc()) {
      all.push_back(v);
      return;
    }
    auto it = parts.find(v);
    if (it == parts.end()) return refuse(o, "a tensor descriptor from here");
    it->second.each([&](Value *p) { all.push_back(p); });
  };
  for (unsigned s = 0; o->segments_ && s < o->info().num_operands; ++s) {
    unsigned first, count, before = (unsigned)all.size();
    o->slotRange(s, &first, &count);
    for (unsigned i = 0; i < count; ++i) push(o->operand(first + i));
    segments.push_back((uint32_t)all.size() - before);
  }
  if (!o->segments_)
    for (unsigned i = 0; i < o->numOperands(); ++i) push(o->operand(i));
  if (!status.ok()) return;
  o->setOperands({all.data(), (uint32_t)all.size()});
  for (size_t s = 0; s < segments.size(); ++s) o->segments_[s] = segments[s];
}

void Rewriter::replace(Region *r) {
  for (Block *b = r->first; b && status.ok(); b = b->next)
    for (Op *o = b->first, *next; o && status.ok(); o = next) {
      next = o->next;
      if (anyDesc(o)) {
        at = o;
        switch (o->code) {
        case Opcode::tt_make_tensor_descriptor:
        case Opcode::ub_poison: break;
        case Opcode::arith_select: {
          Parts p = parts[o->operand(1)];
          std::vector<Value *> x, y;
          parts[o->operand(2)].each([&](Value *v) { y.push_back(v); });
          size_t k = 0;
          p.each([&](Value *&v) { v = op(Opcode::arith_select, {o->operand(0), v, y[k++]}, v->type); });
          parts[o->result(0)] = p;
          break;
        }
        case Opcode::scf_for:
        case Opcode::scf_while:
        case Opcode::scf_if: {
          bool old = false; // what `remake` replaced
          for (unsigned i = 0; i < o->numResults(); ++i) old |= o->result(i)->type->isDesc();
          if (!old) expandOperands(o);
          break;
        }
        case Opcode::scf_yield:
        case Opcode::scf_condition:
        case Opcode::cf_br:
        case Opcode::cf_cond_br: expandOperands(o); break;
        case Opcode::tt_descriptor_load:
        case Opcode::tt_descriptor_store:
        case Opcode::tt_descriptor_reduce:
        case Opcode::tt_descriptor_gather:
        case Opcode::tt_descriptor_scatter: access(o); break;
        default: refuse(o, "a tensor descriptor as an operand");
        }
      }
      for (unsigned i = 0; i < o->numRegions() && status.ok(); ++i) replace(o->region(i));
    }
}

/// first, first + 1, …: i64.
Value *Rewriter::line(Value *first, int64_t n) {
  Value *x = op(Opcode::tt_make_range, {}, tile({n}, ctx.i32()), {attr("start", ctx.i32Attr(0)), attr("end", ctx.i32Attr(n))});
  x = op(Opcode::arith_extsi, {x}, tile({n}, ctx.i64()));
  return op(Opcode::arith_addi, {op(Opcode::tt_splat, {wide(first)}, tile({n}, ctx.i64())), x}, tile({n}, ctx.i64()));
}

/// Pointers and mask of the elements whose coordinate in each dimension stands in `lines` (i64, one-dimensional).
Rewriter::Place Rewriter::address(const Parts &p, Type elem, const std::vector<int64_t> &shape, const std::vector<Value *> &lines) {
  Type i64 = ctx.i64(), i1 = ctx.i1();
  unsigned rank = (unsigned)shape.size();
  Value *offset = nullptr, *mask = nullptr;
  for (unsigned d = 0; d < rank; ++d) {
    Value *x = lines[d];
    std::vector<int64_t> thin{shape[d]};
    for (unsigned a = 0; a < rank; ++a) {
      if (a == d) continue;
      thin.insert(thin.begin() + a, 1);
      x = op(Opcode::tt_expand_dims, {x}, tile(thin, i64), {attr("axis", ctx.i32Attr(a))});
    }
    Type t = tile(thin, i64);
    Value *end = op(Opcode::tt_splat, {wide(p.sizes[d])}, t);
    Value *in = op(Opcode::arith_andi, {compare(5, "sge", x, constant(t, 0)), compare(2, "slt", x, end)}, tile(thin, i1));
    if (!Constant(p.strides[d]).isOne()) x = op(Opcode::arith_muli, {x, op(Opcode::tt_splat, {wide(p.strides[d])}, t)}, t);
    auto spread = [&](Value *v) { return thin == shape ? v : op(Opcode::tt_broadcast, {v}, tile(shape, v->type->elem)); };
    x = spread(x);
    in = spread(in);
    offset = offset ? op(Opcode::arith_addi, {offset, x}, x->type) : x;
    mask = mask ? op(Opcode::arith_andi, {mask, in}, in->type) : in;
  }
  Type pointers = tile(shape, p.base->type);
  return {op(Opcode::tt_addptr, {op(Opcode::tt_splat, {p.base}, pointers), offset}, pointers), mask};
}

void Rewriter::access(Op *o) {
  Value *desc = o->operand(0);
  auto it = parts.find(desc);
  if (it == parts.end()) return refuse(o, "a tensor descriptor from here");
  const Parts &p = it->second;
  Type block = desc->type, elem = element(block);
  bool load = o->is(Opcode::tt_descriptor_load) || o->is(Opcode::tt_descriptor_gather);
  bool rows = o->is(Opcode::tt_descriptor_gather) || o->is(Opcode::tt_descriptor_scatter);
  Value *src = load ? nullptr : o->operand(rows ? 3 : 1);
  Type moved = load ? o->result(0)->type : src->type;
  std::vector<int64_t> shape(block->shape.begin(), block->shape.end());
  std::vector<Value *> lines;
  if (rows) {
    if (block->rank() != 2 || moved->rank() != 2) return refuse(o, "gathers and scatters of other than two dimensions");
    shape = {moved->shape[0], moved->shape[1]};
    lines = {wide(o->operand(1)), line(o->operand(2), shape[1])};
  } else {
    unsigned first = load ? 1 : 2;
    if (o->numOperands() != first + block->rank()) return refuse(o, "this number of offsets");
    for (unsigned d = 0; d < block->rank(); ++d) lines.push_back(line(o->operand(first + d), shape[d]));
  }
  Place place = address(p, elem, shape, lines);
  Type t = tile(shape, elem);
  if (src && src->type != t) src = op(Opcode::tt_reshape, {src}, t);
  if (load) {
    std::vector<NamedAttr> attrs;
    for (const NamedAttr &a : o->attrs())
      if (a.name.view() == "cache" || a.name.view() == "evict" || a.name.view() == "cachePolicy") attrs.push_back(a);
    Value *outside = constant(t, 0);
    Constant nan(p.nan);
    if (elem->isFloat() && !(nan && nan.at(0) == 0)) {
      Value *other = constant(t, nanBits(elem));
      outside = nan ? other : op(Opcode::arith_select, {p.nan, other, outside}, t);
    }
    Value *v = op(Opcode::tt_load, {place.ptr, place.mask, outside}, t, attrs);
    if (moved != t) v = op(Opcode::tt_reshape, {v}, moved);
    v->name = o->result(0)->name;
    o->result(0)->replaceAllUsesWith(v);
  } else if (o->is(Opcode::tt_descriptor_reduce)) {
    bool real = elem->isFloat(), plain = !(block->elem->isInt() && block->elem->sign == Sign::Unsigned);
    // of DescriptorReduceKind: add min max inc dec and or xor; to RMWOp
    struct Kind {
      unsigned code;
      const char *name;
    };
    Kind kinds[] = {{0, ""}, real ? Kind{5, "fadd"} : Kind{4, "add"}, plain ? Kind{7, "min"} : Kind{9, "umin"},
                    plain ? Kind{6, "max"} : Kind{8, "umax"}, {0, ""}, {0, ""}, {1, "and"}, {2, "or"}, {3, "xor"}};
    int64_t k = o->intAttr("kind");
    if (k < 1 || k > 8 || !kinds[k].code || (real && k != 1)) return refuse(o, "this kind on this type");
    op(Opcode::tt_atomic_rmw, {place.ptr, src, place.mask}, t,
       {attr("atomic_rmw_op", ctx.enumeration(kinds[k].code, kinds[k].name)), attr("sem", ctx.enumeration(1, "relaxed")),
        attr("scope", ctx.enumeration(1, "gpu"))});
  } else {
    Op *s = m.create({.code = Opcode::tt_store, .loc = o->loc, .operands = {place.ptr, src, place.mask}});
    o->parent->insertBefore(s, o);
  }
  o->erase();
}

Status Rewriter::run() {
  bool any = false;
  auto look = [&](Value *v) { any |= v->type->isDesc(); };
  kernel->walk([&](Op *o) {
    for (unsigned i = 0; i < o->numResults(); ++i) look(o->result(i));
    for (unsigned r = 0; r < o->numRegions(); ++r)
      for (Block *b = o->region(r)->first; b; b = b->next)
        for (unsigned i = 0; i < b->numArgs(); ++i) look(b->arg(i));
  });
  if (!any) return {};
  arguments();
  define(kernel->region(0));
  if (status.ok()) replace(kernel->region(0));
  if (!status.ok()) return status;
  // What only made or carried descriptors goes, users first.
  std::vector<Op *> old;
  kernel->walk([&](Op *o) {
    for (unsigned i = 0; i < o->numResults(); ++i)
      if (o->result(i)->type->isDesc()) {
        old.push_back(o);
        return;
      }
  });
  for (Op *o : old) o->dropAllReferences();
  for (Op *o : old) o->erase();
  auto trim = [&](Block *b) {
    for (unsigned i = b->numArgs(); i-- > 0;)
      if (b->arg(i)->type->isDesc()) b->eraseArg(i);
  };
  kernel->walk([&](Op *o) {
    for (unsigned r = 0; r < o->numRegions(); ++r)
      for (Block *b = o->region(r)->first; b; b = b->next) trim(b);
  });
  return {};
}

} // namespace

Status rewrite_descriptors(Module &m, Op *kernel) { return Rewriter(m, kernel).run(); }

} // namespace tcodegen::gpu
