// SPDX-License-Identifier: MIT
// Rules TIR-V001 … are listed in rules.inc. Order of work: structure of every operation (slots, attributes, types,
// regions), then what needs code (ops.cc, regions.cc), then dominance over modules whose structure is sound.
#include "analysis/dominance.hh"
#include "checker.hh"
#include <algorithm>
#include <cstdarg>

namespace tir {

using tessera::Code;

const char *ruleText(unsigned number) {
  switch (number) {
#define TIR_RULE(n, name, text) \
  case n: return text;
#include "rules.inc"
#undef TIR_RULE
  default: return nullptr;
  }
}

bool Checker::fail(Rule rule, const Op *op, const char *text, ...) {
  if (full()) return false;
  va_list args;
  va_start(args, text);
  std::string what = tessera::vformat(text, args);
  va_end(args);
  bool placed = op->loc && op->loc->kind != LocKind::Unknown;
  std::string where = placed ? locText(op->loc) : module.source_name;
  std::string message = tessera::format("%s: error: [TIR-V%03u] '%.*s' op %s", where.c_str(), (unsigned)rule,
                                        (int)op->name().size(), op->name().data(), what.c_str());
  if (!finds++) first = tessera::fail(Code::VERIFY, "%s", message.c_str());
  if (!quiet) module.ctx.report(Severity::Error, message);
  return false;
}

Op *Checker::function(std::string_view name) const {
  auto it = std::lower_bound(functions.begin(), functions.end(), name,
                             [](const auto &f, std::string_view n) { return f.first < n; });
  return it != functions.end() && it->first == name ? it->second : nullptr;
}

int64_t safeCount(Type t) {
  int64_t n = 1;
  for (int64_t d : t->shape) {
    if (d <= 0 || d > (int64_t)1 << 40) return -1;
    n *= d;
    if (n > (int64_t)1 << 20) return n = (int64_t)1 << 21; // too large; no need to know how much
  }
  return n;
}

bool sameTypes(Checker &c, Rule rule, const Op *op, unsigned from, Span<Type> expected, const char *what) {
  unsigned n = op->nops - from;
  if (n != expected.size())
    return c.fail(rule, op, "has %u values, but %s %u", n, what, expected.size());
  for (unsigned i = 0; i < n; ++i)
    if (Type t = op->operand(from + i)->type; t != expected[i])
      return c.fail(rule, op, "value %u is %s, but %s %s", i, typeText(t).c_str(), what,
                    typeText(expected[i]).c_str());
  return true;
}

namespace {

class Verifier {
public:
  explicit Verifier(const Module &m) : module(m), c(m), env(m.ctx, &m) {}
  tessera::Status run();
  tessera::Status single(const Op *op) {
    c.quiet = true;
    checkAlone(op) && checkOp(c, op) && checkGpuOp(c, op) && checkLayouts(c, op);
    return c.first;
  }

private:
  const Module &module;
  Checker c;
  TypeEnv env;

  bool checkTree(Op *op, unsigned depth);
  bool checkAlone(const Op *op) {
    return checkSlots(op) && checkAttributes(op) && checkSizes(op) && checkTypes(op) && checkElementwise(op);
  }
  bool checkSlots(const Op *op);
  bool checkSizes(const Op *op);
  bool checkAttributes(const Op *op);
  bool checkAttribute(const Op *op, const AttrInfo &info, Attr value);
  bool checkTypes(const Op *op);
  bool checkElementwise(const Op *op);
  bool checkBlocks(Op *op);
  bool checkSuccessors(const Op *op);
  void collectFunctions();
  void checkUses();
};

// ---- one operation ----------------------------------------------------------------------------------------

bool Verifier::checkSlots(const Op *op) {
  const OpInfo &info = op->info();
  if (op->segments_) {
    uint64_t total = 0;
    for (unsigned i = 0; i < info.num_operands; ++i) {
      uint32_t n = op->segments_[i];
      total += n;
      Arity a = info.operands[i].arity;
      if ((a == Arity::One && n != 1) || (a == Arity::Optional && n > 1))
        return c.fail(Rule::Operands, op, "takes %s value as '%s', found %u", a == Arity::One ? "one" : "at most one",
                      info.operands[i].name, n);
    }
    if (total != op->nops)
      return c.fail(Rule::Operands, op, "has %u operands, but its slots hold %llu", op->nops,
                    (unsigned long long)total);
  } else if (op->nops != info.num_operands) {
    return c.fail(Rule::Operands, op, "takes %u operands, found %u", info.num_operands, op->nops);
  }
  for (unsigned i = 0; i < op->nops; ++i)
    if (!op->operand(i) || !op->operand(i)->type) return c.fail(Rule::Operands, op, "operand %u is missing", i);
  unsigned single = 0;
  bool variadic = false;
  for (unsigned i = 0; i < info.num_results; ++i) {
    variadic |= info.results[i].arity != Arity::One;
    single += info.results[i].arity == Arity::One;
  }
  if (op->nres < single || (op->nres > single && !variadic))
    return c.fail(Rule::Results, op, "gives %u results, found %u", single, op->nres);
  for (unsigned i = 0; i < op->nres; ++i)
    if (!op->result(i)->type) return c.fail(Rule::Results, op, "result %u has no type", i);
  if (op->nregs != info.num_regions)
    return c.fail(Rule::Regions, op, "has %u regions, expected %u", op->nregs, info.num_regions);
  if (op->nsuccs != info.num_succs)
    return c.fail(Rule::Regions, op, "has %u successors, expected %u", op->nsuccs, info.num_succs);
  return true;
}

bool Verifier::checkSizes(const Op *op) {
  bool powers = op->info().dialect == "tt";
  auto check = [&](const Value *v, const char *what, unsigned i) {
    Type t = v->type;
    if (t->isPtr()) t = t->elem;
    if (!t->isTensor() && !t->isDesc()) return true;
    int64_t n = safeCount(t);
    if (n < 0)
      return c.fail(Rule::TileSize, op, "%s %u, %s, has a dimension that is not positive", what, i,
                    typeText(t).c_str());
    if (n > 1 << 20)
      return c.fail(Rule::TileSize, op, "%s %u, %s, has more than 1048576 elements", what, i, typeText(t).c_str());
    if (powers && t->isTensor() && (n & (n - 1)))
      return c.fail(Rule::TileSize, op, "%s %u, %s, has %lld elements, which is no power of two", what, i,
                    typeText(t).c_str(), (long long)n);
    return true;
  };
  for (unsigned i = 0; i < op->nops; ++i)
    if (!check(op->operand(i), "operand", i)) return false;
  for (unsigned i = 0; i < op->nres; ++i)
    if (!check(op->result(i), "result", i)) return false;
  return true;
}

bool isIntegerAttr(Attr a, unsigned width) { return a->kind == AttrKind::Int && a->type && a->type->isInt(width); }

bool Verifier::checkAttribute(const Op *op, const AttrInfo &info, Attr value) {
  auto bad = [&](const char *expected) {
    return c.fail(Rule::Attribute, op, "attribute '%s' must be %s", info.name, expected);
  };
  switch (info.type) {
  case AttrType::I32: return isIntegerAttr(value, 32) || bad("a 32-bit integer");
  case AttrType::I64: return isIntegerAttr(value, 64) || bad("a 64-bit integer");
  case AttrType::Bool: return value->kind == AttrKind::Bool || isIntegerAttr(value, 1) || bad("true or false");
  case AttrType::Unit: return value->kind == AttrKind::Unit || bad("a unit attribute");
  case AttrType::String: return value->kind == AttrKind::String || bad("a string");
  case AttrType::TypeA: return value->kind == AttrKind::TypeA || bad("a type");
  case AttrType::Symbol: return value->kind == AttrKind::Symbol || bad("a symbol");
  case AttrType::Any: return true;
  case AttrType::TypedAny:
    switch (value->kind) {
    case AttrKind::Bool: case AttrKind::Int: case AttrKind::Float: case AttrKind::Dense: case AttrKind::Opaque:
      return true;
    default: return bad("a number or a dense tile");
    }
  case AttrType::ArrayI32:
  case AttrType::ArrayI64: {
    unsigned width = info.type == AttrType::ArrayI32 ? 32 : 64;
    return (value->kind == AttrKind::DenseArray && (!value->type || value->type->isInt(width))) ||
           bad(width == 32 ? "array<i32: …>" : "array<i64: …>");
  }
  case AttrType::Enum: break;
  }
  const EnumInfo &e = *info.enums;
  if (value->kind != AttrKind::Enum && value->kind != AttrKind::Int) return bad("a case of its enum");
  int64_t mask = 0;
  for (unsigned i = 0; i < e.count; ++i) mask |= e.cases[i].value;
  bool known = e.separator ? !(value->ival & ~mask) : enumCase(e, value->ival) != nullptr;
  if (known) return true;
  std::string cases;
  for (unsigned i = 0; i < e.count; ++i) cases.append(i ? ", " : "").append(e.cases[i].spelling);
  return c.fail(Rule::Attribute, op, "attribute '%s' has no case %lld; the cases are %s", info.name,
                (long long)value->ival, cases.c_str());
}

bool Verifier::checkAttributes(const Op *op) {
  const OpInfo &info = op->info();
  for (const NamedAttr &a : op->attrs()) {
    std::string_view name = a.name.view();
    if (name != "tt.divisibility" && name != "tt.contiguity" && name != "tt.constancy") continue;
    Attr v = a.value;
    if (v->kind != AttrKind::Dense || !v->type || !v->type->elem->isInt())
      return c.fail(Rule::Hint, op, "'%.*s' must be a dense tile of integers", (int)name.size(), name.data());
  }
  for (unsigned i = 0; i < info.num_attrs; ++i) {
    Attr value = op->attr(info.attrs[i].name);
    if (!value) {
      if (info.attrs[i].required) return c.fail(Rule::Attribute, op, "attribute '%s' is missing", info.attrs[i].name);
      continue;
    }
    if (!checkAttribute(op, info.attrs[i], value)) return false;
  }
  return true;
}

bool Verifier::checkTypes(const Op *op) {
  const OpInfo &info = op->info();
  env.reset(*op);
  for (unsigned i = 0; i < env.numSlots(); ++i) {
    const SlotInfo &slot = i < info.num_operands ? info.operands[i] : info.results[i - info.num_operands];
    for (Type t : env.slot(i))
      if (!holds(slot.constraint, t))
        return c.fail(Rule::SlotType, op, "'%s' must be %s, found %s", slot.name, constraintText(slot.constraint),
                      typeText(t).c_str());
  }
  if (op->is(Opcode::tt_call)) return true; // TIR-V019, with a fast symbol table
  return tir::checkTypes(env) || c.fail(Rule::TypeRules, op, "%s", env.error.c_str());
}

bool Verifier::checkElementwise(const Op *op) {
  if (!op->info().has(TraitElementwise)) return true;
  Type tile = nullptr;
  for (unsigned i = 0; i < op->nops + op->nres; ++i) {
    Type t = i < op->nops ? op->operand(i)->type : op->result(i - op->nops)->type;
    if (!t->isTensor()) {
      if (tile && i >= op->nops)
        return c.fail(Rule::Elementwise, op, "gives the scalar %s for the tile %s", typeText(t).c_str(),
                      typeText(tile).c_str());
    } else if (tile && !sameShape(tile, t)) {
      return c.fail(Rule::Elementwise, op, "has tiles of different shapes, %s and %s", typeText(tile).c_str(),
                    typeText(t).c_str());
    } else if (!tile && i >= op->nops && op->nops) {
      return c.fail(Rule::Elementwise, op, "gives the tile %s, but no operand is a tile", typeText(t).c_str());
    } else {
      tile = t;
    }
  }
  return true;
}

// ---- blocks -----------------------------------------------------------------------------------------------

bool Verifier::checkSuccessors(const Op *op) {
  unsigned slot = op->info().num_operands - op->nsuccs; // the last slots are the successors' values
  for (unsigned s = 0; s < op->nsuccs; ++s, ++slot) {
    const Block *b = op->succ(s);
    if (!b || !op->parent || b->parent != op->parent->parent)
      return c.fail(Rule::Successor, op, "successor %u is no block of this region", s);
    if (b == b->parent->front()) return c.fail(Rule::Successor, op, "successor %u is the entry of the region", s);
    unsigned first, n;
    op->slotRange(slot, &first, &n);
    if (n != b->nargs)
      return c.fail(Rule::Successor, op, "passes %u values to successor %u, which has %u arguments", n, s, b->nargs);
    for (unsigned i = 0; i < n; ++i)
      if (op->operand(first + i)->type != b->arg(i)->type)
        return c.fail(Rule::Successor, op, "passes %s as argument %u of successor %u, which is %s",
                      typeText(op->operand(first + i)->type).c_str(), i, s, typeText(b->arg(i)->type).c_str());
  }
  return true;
}

bool Verifier::checkBlocks(Op *op) {
  const OpInfo &info = op->info();
  for (unsigned r = 0; r < op->nregs; ++r) {
    const Region &region = *op->region(r);
    bool may_be_empty = op->is(Opcode::tt_func) || (op->is(Opcode::scf_if) && r == 1);
    if (region.empty() && !may_be_empty) return c.fail(Rule::RegionShape, op, "region %u is empty", r);
    if (info.has(TraitSingleBlock) && region.first != region.last)
      return c.fail(Rule::RegionShape, op, "region %u must have one block", r);
    for (const Block *b = region.first; b; b = b->next) {
      if (info.has(TraitNoTerminator)) continue;
      const Op *last = b->last;
      if (!last || !last->info().has(TraitTerminator))
        return c.fail(Rule::Terminator, last ? last : op, last ? "ends a block, but is no terminator"
                                                                : "has a block without operations in region %u", r);
      Opcode wanted = info.terminator;
      if (op->is(Opcode::scf_while)) wanted = r ? Opcode::scf_yield : Opcode::scf_condition;
      bool leaves = !last->nsuccs && !last->is(Opcode::ub_unreachable);
      if (wanted != Opcode::invalid && leaves && !last->is(wanted))
        return c.fail(Rule::RegionEnd, last, "ends a block of '%.*s', which needs '%.*s'", (int)info.name.size(),
                      info.name.data(), (int)opInfo(wanted).name.size(), opInfo(wanted).name.data());
      if (wanted != Opcode::invalid && info.has(TraitSingleBlock) && !last->is(wanted))
        return c.fail(Rule::RegionEnd, last, "ends the block of '%.*s'", (int)info.name.size(), info.name.data());
    }
    for (const Block *b = region.first; b; b = b->next)
      for (unsigned i = 0; i < b->nargs; ++i)
        if (!b->arg(i)->type) return c.fail(Rule::RegionShape, op, "argument %u of a block has no type", i);
  }
  return true;
}

/// Checks `op` and all below it; false when something was found (its regions are then not entered).
bool Verifier::checkTree(Op *op, unsigned depth) {
  if (c.full()) return false;
  const OpInfo &info = op->info();
  if (depth > 256) return c.fail(Rule::Depth, op, "is nested more than 256 regions deep");
  bool parent_ok = !info.parents;
  const Op *parent = op->parentOp();
  for (unsigned i = 0; i < info.num_parents; ++i) parent_ok |= parent && parent->is(info.parents[i]);
  if (!parent_ok) {
    std::string names;
    for (unsigned i = 0; i < info.num_parents; ++i)
      names.append(i ? " or '" : "'").append(opInfo(info.parents[i]).name).append("'");
    return c.fail(Rule::Parent, op, "must stand directly in %s", names.c_str());
  }
  if (info.has(TraitTerminator) && op->next)
    return c.fail(Rule::Terminator, op, "is a terminator, but more operations follow it");
  if (parent && op->is(Opcode::builtin_module)) return c.fail(Rule::Parent, op, "must not be nested");
  if (!checkAlone(op) || !checkBlocks(op) || !checkSuccessors(op)) return false;
  bool ok = checkOp(c, op) && checkGpuOp(c, op) && checkLayouts(c, op);
  for (unsigned r = 0; r < op->nregs; ++r)
    for (Block *b = op->region(r)->first; b; b = b->next)
      for (Op *o = b->first; o; o = o->next) ok &= checkTree(o, depth + 1);
  return ok && checkRegions(c, op);
}

// ---- dominance --------------------------------------------------------------------------------------------

/// Every operand is a value of this module, defined before it is used, and not from outside a function.
void Verifier::checkUses() {
  std::vector<const Value *> defined(module.num_values, nullptr);
  module.op->walk([&](Op *o) {
    for (unsigned i = 0; i < o->nres; ++i) defined[o->result(i)->id] = o->result(i);
    for (unsigned r = 0; r < o->nregs; ++r)
      for (const Block *b = o->region(r)->first; b; b = b->next)
        for (unsigned i = 0; i < b->nargs; ++i) defined[b->arg(i)->id] = b->arg(i);
  });
  Dominance dominance(module.op);
  module.op->walk([&](Op *o) {
    for (unsigned i = 0; i < o->nops && !c.full(); ++i) {
      const Value *v = o->operand(i);
      if (v->id >= defined.size() || defined[v->id] != v) {
        c.fail(Rule::Dominance, o, "operand %u is no value of this module", i);
      } else if (!dominance.dominates(v, o)) {
        c.fail(Rule::Dominance, o, "operand %u is used where its definition (%s) is not known to have run", i,
               v->def ? ("'" + std::string(v->def->name()) + "'").c_str() : "a block argument");
      } else {
        const Region *home = v->parentBlock()->parent;
        for (const Op *at = o; at->parent->parent != home; at = at->parentOp())
          if (at->parentOp()->info().has(TraitIsolated)) {
            c.fail(Rule::Isolation, o, "operand %u is a value from outside its function", i);
            break;
          }
      }
    }
  });
}

// ---- module -----------------------------------------------------------------------------------------------

void Verifier::collectFunctions() {
  if (!module.op->nregs || module.op->region(0)->empty()) return;
  for (Op *o = module.body()->first; o; o = o->next)
    if (o->is(Opcode::tt_func)) c.functions.push_back({o->strAttr("sym_name"), o});
  std::stable_sort(c.functions.begin(), c.functions.end(),
                   [](const auto &a, const auto &b) { return a.first < b.first; });
  for (size_t i = 1; i < c.functions.size(); ++i)
    if (c.functions[i].first == c.functions[i - 1].first)
      c.fail(Rule::Function, c.functions[i].second, "'@%.*s' is defined twice", (int)c.functions[i].first.size(),
             c.functions[i].first.data());
}

tessera::Status Verifier::run() {
  if (!module.op->is(Opcode::builtin_module)) return tessera::fail(Code::INTERNAL, "the module has no module operation");
  collectFunctions();
  if (checkTree(module.op, 0) && !c.finds) checkUses();
  return c.finds ? c.first : tessera::ok_status();
}

} // namespace

tessera::Status verifyModule(const Module &module) { return Verifier(module).run(); }
tessera::Status verifyOperation(const Op *op) { return Verifier(*op->module).single(op); }

} // namespace tir
