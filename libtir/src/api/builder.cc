// SPDX-License-Identifier: MIT
// C API: builder.h and the generated builder_ops.h.
#include "common/numfmt.hh"
#include "handles.hh"
#include "tir/builder.h"
#include "verify/type_rules.hh"
#include "verify/verify.hh"
#include <cmath>

using namespace tir;
using tessera::Code;
using tessera::Status;
namespace api = tessera::api;

namespace {

struct Point {
  Block *block = nullptr;
  Op *before = nullptr; // null: end of the block
};

bool gone(const Point &p) {
  const Op *parent = p.block ? p.block->parentOp() : nullptr;
  return !parent || parent->erased() || (p.before && (p.before->erased() || p.before->parent != p.block));
}

} // namespace

struct tir_builder {
  explicit tir_builder(Module &m) : module(m), env(m.ctx, &m) { at.block = m.body(); }
  Module &module;
  Point at;
  std::vector<Point> entered;
  Loc loc = nullptr;
  std::vector<NamedAttr> next_attrs;
  Status first;
  TypeEnv env;

  /// Keeps the first failure; gives its code.
  tir_status failed(Status s) {
    api::last_message() = s.message;
    tir_status code = static_cast<tir_status>(s.code);
    if (first.ok()) first = std::move(s);
    return code;
  }
  bool owns(const Op *op) const { return op && !op->erased() && op->module == &module; }
  bool owns(const Value *v) const {
    if (v->def) return owns(v->def);
    if (!v->block) return false;
    const Op *parent = v->block->parentOp(); // null: a block that stands nowhere yet
    return !parent || owns(parent);
  }
};

namespace {

/// Collects what one operation is made of, makes and checks it.
class Build {
public:
  Build(tir_builder *builder, Opcode opcode) : b(builder), info(opInfo(opcode)) {
    spec.code = opcode;
    if (!b) return;
    spec.loc = b->loc;
    spec.attrs.swap(b->next_attrs);
    given = spec.attrs.size();
  }

  void operand(tir_value v) {
    if (!v) missing = true;
    push(v);
    spec.segments.push_back(1);
  }
  void optional(tir_value v) {
    if (v) push(v);
    spec.segments.push_back(v != nullptr);
  }
  void operands(uint32_t n, const tir_value *v) {
    if (n && !v) return bad_argument("an array of operands is NULL");
    for (uint32_t i = 0; i < n; ++i) {
      if (!v[i]) missing = true;
      push(v[i]);
    }
    spec.segments.push_back(n);
  }
  void successor(tir_block block) {
    if (!block) return bad_argument("a successor is NULL");
    spec.succs.push_back(unwrap(block));
  }
  void result(tir_type t) {
    typed = true;
    if (!t) return bad_argument("a result type is NULL");
    if (b && unwrap(t)->ctx != &b->module.ctx) return bad_argument("a result type is of another context");
    spec.results.push_back(unwrap(t));
  }
  void results(uint32_t n, const tir_type *t) {
    typed = true;
    if (n && !t) return bad_argument("an array of result types is NULL");
    for (uint32_t i = 0; i < n; ++i) result(t[i]);
  }

  void attrI32(const char *name, int32_t v) { add(name, b ? b->module.ctx.i32Attr(v) : nullptr); }
  void attrI64(const char *name, int64_t v) {
    if (b) add(name, b->module.ctx.integer(v, b->module.ctx.i64()));
  }
  void attrBool(const char *name, int v) {
    const AttrInfo *a = info.attr(name);
    if (b && !(a->has_default && a->default_value == (v != 0))) add(name, b->module.ctx.boolean(v != 0));
  }
  void attrUnit(const char *name, int v) {
    if (b && v) add(name, b->module.ctx.unit());
  }
  void attrString(const char *name, const char *v) {
    if (v && b) add(name, b->module.ctx.string(v));
    else if (info.attr(name)->required) bad_argument("a string is NULL");
  }
  void attrSymbol(const char *name, const char *v) {
    if (!v) return bad_argument("a symbol is NULL");
    if (b) add(name, b->module.ctx.symbol(v));
  }
  void attrTypeA(const char *name, tir_type v) {
    if (!v) return bad_argument("a type is NULL");
    if (b && unwrap(v)->ctx != &b->module.ctx) return bad_argument("a type is of another context");
    if (b) add(name, b->module.ctx.typeAttr(unwrap(v)));
  }
  void attrTypedAny(const char *name, tir_attr v) { attrAny(name, v); }
  void attrAny(const char *name, tir_attr v) {
    if (!v) return bad_argument("an attribute is NULL");
    if (b && unwrap(v)->ctx != &b->module.ctx) return bad_argument("an attribute is of another context");
    add(name, unwrap(v));
  }
  void attrArrayI32(const char *name, uint32_t n, const int32_t *v) {
    if (n && !v) return bad_argument("an array is NULL");
    std::vector<int64_t> wide(v, v + n);
    if (b) add(name, b->module.ctx.denseArray(b->module.ctx.i32(), {wide.data(), n}));
  }
  void attrArrayI64(const char *name, uint32_t n, const int64_t *v) {
    if (n && !v) return bad_argument("an array is NULL");
    if (b) add(name, b->module.ctx.denseArray(b->module.ctx.i64(), {v, n}));
  }
  void attrEnum(const char *name, uint32_t v) {
    const AttrInfo *a = info.attr(name);
    if (!a->required && (v == TIR_ABSENT || (!v && !enumCase(*a->enums, 0)))) return;
    if (a->has_default && v == a->default_value) return;
    const EnumCase *c = enumCase(*a->enums, (int64_t)v);
    if (b) add(name, b->module.ctx.enumeration(v, c ? c->spelling : "")); // the check refuses an unknown case
  }

  tir_value value() {
    Op *op = make();
    return op ? wrap(op->result(0)) : nullptr;
  }
  tir_op op() { return wrap(make()); }

  OpSpec spec;
  bool typed = false; // result types were given

private:
  tir_builder *b;
  const OpInfo &info;
  size_t given = 0;             // attributes of tir_builder_next_attr
  bool missing = false;         // an operand is NULL
  const char *error = nullptr;

  void bad_argument(const char *text) { error = error ? error : text; }
  void push(tir_value v) {
    Value *value = unwrap(v);
    if (value && b && !b->owns(value)) bad_argument("an operand is erased or of another module");
    spec.operands.push_back(value);
  }
  void add(const char *name, Attr value) {
    if (!b) return;
    for (size_t i = 0; i < given; ++i)
      if (spec.attrs[i].name.view() == name) return;
    spec.attrs.push_back({b->module.ctx.str(name), value});
  }
  std::nullptr_t fail(Code code, const std::string &text) {
    std::string where = b->loc && b->loc->kind != LocKind::Unknown ? locText(b->loc) + ": " : "";
    b->failed(tessera::fail(code, "%serror: '%s' op %s", where.c_str(), info.name.data(), text.c_str()));
    return nullptr;
  }
  Op *make();
  bool inferResults();
  void makeBlocks(Op *op);
  Block *block(Op *op, unsigned region, const std::vector<Type> &args);
};

bool Build::inferResults() {
  std::vector<uint32_t> counts;
  if (typed && info.num_results) { // one variadic slot takes what the others leave
    for (unsigned i = 0; i < info.num_results; ++i)
      counts.push_back(info.results[i].arity == Arity::One ? 1 : (uint32_t)spec.results.size() - (info.num_results - 1));
    if (spec.results.size() + 1 < info.num_results) return fail(Code::INVALID_ARGUMENT, "lacks result types"), false;
  }
  TypeEnv &env = b->env;
  env.reset(info, {spec.attrs.data(), (uint32_t)spec.attrs.size()},
            spec.segments.empty() ? nullptr : spec.segments.data(), counts.empty() ? nullptr : counts.data());
  if (env.operandTypes().size() != spec.operands.size())
    return fail(Code::INVALID_ARGUMENT, "has the wrong number of operands"), false;
  for (size_t i = 0; i < spec.operands.size(); ++i) env.types[i] = spec.operands[i]->type;
  if (typed) return true; // the check compares
  if (!inferTypes(env)) return fail(Code::VERIFY, env.error), false;
  Span<Type> types = env.resultTypes();
  spec.results.assign(types.begin(), types.end());
  return true;
}

Block *Build::block(Op *op, unsigned region, const std::vector<Type> &args) {
  Block *block = b->module.createBlock();
  for (Type t : args) block->addArg(b->module, t, op->loc);
  op->region(region)->append(block);
  return block;
}

/// The first blocks of an operation's regions, as builder.h promises.
void Build::makeBlocks(Op *op) {
  std::vector<Type> operands, results;
  for (unsigned i = 0; i < op->nops; ++i) operands.push_back(op->operand(i)->type);
  for (unsigned i = 0; i < op->nres; ++i) results.push_back(op->result(i)->type);
  switch (op->code) {
  case Opcode::tt_func: {
    Type f = op->attr("function_type")->type;
    if (f->kind == TypeKind::Function) block(op, 0, {f->types.begin(), f->types.begin() + f->ninputs});
    break;
  }
  case Opcode::scf_for: {
    std::vector<Type> args = results;
    args.insert(args.begin(), operands[0]);
    block(op, 0, args);
    break;
  }
  case Opcode::scf_if:
    block(op, 0, {});
    if (op->nres) block(op, 1, {});
    break;
  case Opcode::scf_while:
    block(op, 0, operands);
    block(op, 1, results);
    break;
  case Opcode::tt_reduce:
  case Opcode::tt_scan: {
    std::vector<Type> args;
    for (unsigned twice = 0; twice < 2; ++twice)
      for (Type t : operands) args.push_back(t->elem);
    block(op, 0, args);
    break;
  }
  case Opcode::tt_map_elementwise: {
    std::vector<Type> args;
    int64_t pack = op->intAttr("pack");
    for (Type t : operands)
      for (int64_t k = 0; k < pack && pack <= 4096; ++k) args.push_back(t->elem);
    block(op, 0, args);
    break;
  }
  default: break;
  }
}

Op *Build::make() {
  if (!b) return bad("tir_build: the builder is NULL");
  if (missing && !b->first.ok()) return nullptr; // follows from the failure that is kept
  if (missing) return fail(Code::INVALID_ARGUMENT, "got NULL for an operand that it needs");
  if (error) return fail(Code::INVALID_ARGUMENT, error);
  if (gone(b->at)) return fail(Code::INVALID_ARGUMENT, "has no place: the insertion point was erased");
  if (!inferResults()) return nullptr;
  for (Block *s : spec.succs)
    if (s->parent && s->parentOp() && s->parentOp()->module != &b->module)
      return fail(Code::INVALID_ARGUMENT, "branches to a block of another module");
  spec.regions = info.num_regions;
  Op *op = b->module.create(spec);
  if (Status s = verifyOperation(op); !s.ok()) {
    b->failed(std::move(s));
    op->erase();
    return nullptr;
  }
  makeBlocks(op);
  // A named place names the result; of several results the first, and with it the group.
  if (op->nres && b->loc && b->loc->kind == LocKind::Name) op->result(0)->name = b->loc->text;
  b->at.block->insertBefore(op, b->at.before);
  return op;
}

Status checkBlock(const tir_builder *b, tir_block block, const char *what) {
  if (!b) return tessera::fail(Code::INVALID_ARGUMENT, "%s: builder is NULL", what);
  const Block *k = unwrap(block);
  if (!k) return tessera::fail(Code::INVALID_ARGUMENT, "%s: block is NULL", what);
  if (!b->owns(k->parentOp()))
    return tessera::fail(Code::INVALID_ARGUMENT, "%s: the block is erased or of another module", what);
  return tessera::ok_status();
}

Status checkOperation(const tir_builder *b, tir_op op, const char *what) {
  if (!b) return tessera::fail(Code::INVALID_ARGUMENT, "%s: builder is NULL", what);
  if (!op) return tessera::fail(Code::INVALID_ARGUMENT, "%s: op is NULL", what);
  if (!b->owns(unwrap(op)) || !unwrap(op)->parent)
    return tessera::fail(Code::INVALID_ARGUMENT, "%s: the operation is erased, in no block or of another module", what);
  return tessera::ok_status();
}

} // namespace

extern "C" {

tir_status tir_builder_create(tir_module *module, tir_builder **out) {
  if (!out) return api::error(Code::INVALID_ARGUMENT, "tir_builder_create: out is NULL");
  *out = nullptr;
  if (!module) return api::error(Code::INVALID_ARGUMENT, "tir_builder_create: module is NULL");
  *out = new tir_builder(*unwrap(module));
  return TIR_OK;
}

void tir_builder_destroy(tir_builder *builder) { delete builder; }

tir_status tir_builder_status(const tir_builder *builder) {
  return builder ? static_cast<tir_status>(builder->first.code) : static_cast<tir_status>(TIR_INVALID_ARGUMENT);
}
const char *tir_builder_message(const tir_builder *builder) { return builder ? builder->first.message.c_str() : ""; }
void tir_builder_clear(tir_builder *builder) {
  if (builder) builder->first = tessera::ok_status();
}

tir_status tir_builder_at_end(tir_builder *builder, tir_block block) {
  if (Status s = checkBlock(builder, block, "tir_builder_at_end"); !s.ok())
    return builder ? builder->failed(std::move(s)) : api::done(s);
  builder->at = {unwrap(block), nullptr};
  return TIR_OK;
}
tir_status tir_builder_before(tir_builder *builder, tir_op op) {
  if (Status s = checkOperation(builder, op, "tir_builder_before"); !s.ok())
    return builder ? builder->failed(std::move(s)) : api::done(s);
  builder->at = {unwrap(op)->parent, unwrap(op)};
  return TIR_OK;
}
tir_status tir_builder_after(tir_builder *builder, tir_op op) {
  if (Status s = checkOperation(builder, op, "tir_builder_after"); !s.ok())
    return builder ? builder->failed(std::move(s)) : api::done(s);
  builder->at = {unwrap(op)->parent, unwrap(op)->next};
  return TIR_OK;
}
tir_block tir_builder_block(const tir_builder *builder) {
  return builder && !gone(builder->at) ? wrap(builder->at.block) : nullptr;
}

tir_status tir_builder_enter(tir_builder *builder, tir_op op, uint32_t i) {
  if (!builder) return api::error(Code::INVALID_ARGUMENT, "tir_builder_enter: builder is NULL");
  if (builder->entered.size() >= 256)
    return builder->failed(tessera::fail(Code::LIMIT, "tir_builder_enter: 256 regions are entered"));
  builder->entered.push_back(builder->at); // also on failure, so that every enter has its leave
  if (!op && !builder->first.ok()) return static_cast<tir_status>(builder->first.code);
  if (Status s = checkOperation(builder, op, "tir_builder_enter"); !s.ok()) return builder->failed(std::move(s));
  Op *o = unwrap(op);
  if (i >= o->nregs || o->region(i)->empty())
    return builder->failed(tessera::fail(Code::INVALID_ARGUMENT, "tir_builder_enter: '%s' has no region %u with a block",
                                         o->name().data(), i));
  builder->at = {o->region(i)->front(), nullptr};
  return TIR_OK;
}
tir_status tir_builder_leave(tir_builder *builder) {
  if (!builder) return api::error(Code::INVALID_ARGUMENT, "tir_builder_leave: builder is NULL");
  if (builder->entered.empty())
    return builder->failed(tessera::fail(Code::INVALID_ARGUMENT, "tir_builder_leave: no region was entered"));
  builder->at = builder->entered.back();
  builder->entered.pop_back();
  return TIR_OK;
}

tir_status tir_builder_set_loc(tir_builder *builder, tir_loc loc) {
  if (!builder) return api::error(Code::INVALID_ARGUMENT, "tir_builder_set_loc: builder is NULL");
  if (loc && unwrap(loc)->ctx != &builder->module.ctx)
    return builder->failed(tessera::fail(Code::INVALID_ARGUMENT, "tir_builder_set_loc: loc is of another context"));
  builder->loc = unwrap(loc);
  return TIR_OK;
}
tir_status tir_builder_next_attr(tir_builder *builder, const char *name, tir_attr value) {
  if (!builder) return api::error(Code::INVALID_ARGUMENT, "tir_builder_next_attr: builder is NULL");
  Context &ctx = builder->module.ctx;
  if (!name || !*name || !value || unwrap(value)->ctx != &ctx)
    return builder->failed(tessera::fail(Code::INVALID_ARGUMENT, "tir_builder_next_attr: %s",
                                         !name || !*name ? "the name is NULL or empty"
                                         : value         ? "the value is of another context"
                                                         : "value is NULL"));
  for (NamedAttr &a : builder->next_attrs)
    if (a.name.view() == name) return a.value = unwrap(value), static_cast<tir_status>(TIR_OK);
  builder->next_attrs.push_back({ctx.str(name), unwrap(value)});
  return TIR_OK;
}

tir_block tir_builder_add_block(tir_builder *builder, tir_region region, uint32_t count, const tir_type *types) {
  if (!builder) return bad("tir_builder_add_block: builder is NULL");
  Region *r = unwrap(region);
  const char *wrong = nullptr;
  if (!r || !builder->owns(r->parent)) wrong = "region is NULL, erased or of another module";
  else if (count && !types) wrong = "types is NULL";
  for (uint32_t i = 0; !wrong && i < count; ++i)
    if (!types[i] || unwrap(types[i])->ctx != &builder->module.ctx) wrong = "a type is NULL or of another context";
  if (wrong)
    return builder->failed(tessera::fail(Code::INVALID_ARGUMENT, "tir_builder_add_block: %s", wrong)), nullptr;
  Block *b = builder->module.createBlock();
  for (uint32_t i = 0; i < count; ++i) b->addArg(builder->module, unwrap(types[i]), builder->loc);
  r->append(b);
  return wrap(b);
}
tir_value tir_builder_add_arg(tir_builder *builder, tir_block block, tir_type type) {
  Status s = checkBlock(builder, block, "tir_builder_add_arg");
  if (s.ok() && (!type || unwrap(type)->ctx != &builder->module.ctx))
    s = tessera::fail(Code::INVALID_ARGUMENT, "tir_builder_add_arg: type is NULL or of another context");
  if (!s.ok()) return builder ? builder->failed(std::move(s)) : api::done(s), nullptr;
  return wrap(unwrap(block)->addArg(builder->module, unwrap(type), builder->loc));
}

tir_op tir_builder_build(tir_builder *builder, const tir_op_spec *user) {
  if (!builder) return bad("tir_builder_build: builder is NULL");
  tir_op_spec s = TIR_OP_SPEC_INIT;
  Status read = api::read_params(user, &s, "tir_op_spec");
  const char *wrong = nullptr;
  if (read.ok() && (s.opcode == 0 || s.opcode >= (uint32_t)Opcode::count_)) wrong = "unknown opcode";
  else if (s.opcode == TIR_OP_BUILTIN_MODULE) wrong = "modules are made by tir_module_create";
  else if ((s.num_operands && !s.operands) || (s.num_segments && !s.segments) || (s.num_attrs && !(s.attr_names && s.attr_values)))
    wrong = "an array is NULL";
  if (read.ok() && wrong) read = tessera::fail(Code::INVALID_ARGUMENT, "tir_builder_build: %s", wrong);
  if (!read.ok()) return builder->failed(std::move(read)), nullptr;
  for (uint32_t i = 0; i < s.num_attrs; ++i)
    if (tir_builder_next_attr(builder, s.attr_names[i], s.attr_values[i]) != TIR_OK) return nullptr;
  const OpInfo &info = opInfo((Opcode)s.opcode);
  Build build(builder, (Opcode)s.opcode);
  build.operands(s.num_operands, s.operands);
  build.spec.segments.clear();
  if (s.num_segments) {
    build.spec.segments.assign(s.segments, s.segments + s.num_segments);
    if (s.num_segments != info.num_operands)
      return builder->failed(tessera::fail(Code::INVALID_ARGUMENT, "tir_builder_build: %u segments, but '%s' has %u slots",
                                           s.num_segments, info.name.data(), info.num_operands)), nullptr;
  } else {
    build.spec.segments.resize(info.num_operands);
    deduceSegments(info, s.num_operands, build.spec.segments.data());
  }
  for (uint32_t i = 0; i < s.num_successors; ++i) build.successor(s.successors ? s.successors[i] : nullptr);
  if (s.num_results) build.results(s.num_results, s.result_types);
  return build.op();
}

tir_value tir_build_const_int(tir_builder *builder, tir_type type, int64_t value) {
  if (!builder) return bad("tir_build_const_int: builder is NULL");
  Type t = unwrap(type), s = t ? t->scalar() : nullptr;
  if (!t || t->ctx != &builder->module.ctx || !((s->isInt() && s->width <= 64) || s->kind == TypeKind::Index))
    return builder->failed(tessera::fail(Code::INVALID_ARGUMENT, "tir_build_const_int: needs an integer of at most 64 "
                                                                 "bits, index, or a tile of them")), nullptr;
  Context &c = builder->module.ctx;
  uint64_t bits = (uint64_t)value;
  if (s->isInt() && s->width < 64) bits &= ((uint64_t)1 << s->width) - 1;
  Build build(builder, Opcode::arith_constant);
  build.attrTypedAny("value", wrap(t->isTensor() ? c.dense(t, true, {&bits, 1})
                                   : s->isInt(1) ? c.boolean(bits) : c.integer(value, t)));
  return build.value();
}

tir_value tir_build_const_float(tir_builder *builder, tir_type type, double value) {
  if (!builder) return bad("tir_build_const_float: builder is NULL");
  Type t = unwrap(type), s = t ? t->scalar() : nullptr;
  if (!t || t->ctx != &builder->module.ctx || !s->isFloat())
    return builder->failed(tessera::fail(Code::INVALID_ARGUMENT, "tir_build_const_float: needs a float or a tile of "
                                                                 "floats")), nullptr;
  Context &c = builder->module.ctx;
  uint64_t bits = tessera::num::encode(static_cast<tessera::num::Format>(s->fkind), value);
  Build build(builder, Opcode::arith_constant);
  build.attrTypedAny("value", wrap(t->isTensor() ? c.dense(t, true, {&bits, 1}) : c.floating(bits, t)));
  return build.value();
}

#include "builder_ops.inc" // generated

} // extern "C"
