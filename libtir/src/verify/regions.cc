// SPDX-License-Identifier: MIT
// Verifier: functions, calls, structured control flow, scalar regions.
#include "checker.hh"

namespace tir {
namespace {

std::vector<Type> resultTypes(const Op *op) {
  std::vector<Type> types;
  for (unsigned i = 0; i < op->nres; ++i) types.push_back(op->result(i)->type);
  return types;
}
Span<Type> span(const std::vector<Type> &v) { return {v.data(), (uint32_t)v.size()}; }

/// Compares the arguments of the first block of region `r` with `expected`.
bool checkArguments(Checker &c, Rule rule, const Op *op, unsigned r, Span<Type> expected) {
  Block *b = op->region(r)->front();
  if (b->nargs != expected.size())
    return c.fail(rule, op, "region %u has %u arguments, expected %u", r, b->nargs, expected.size());
  for (unsigned i = 0; i < b->nargs; ++i)
    if (b->arg(i)->type != expected[i])
      return c.fail(rule, op, "argument %u of region %u is %s, expected %s", i, r, typeText(b->arg(i)->type).c_str(),
                    typeText(expected[i]).c_str());
  return true;
}

Type functionType(const Op *func) {
  Attr a = func->attr("function_type");
  return a && a->kind == AttrKind::TypeA && a->type->kind == TypeKind::Function ? a->type : nullptr;
}
Span<Type> inputs(Type f) { return {f->types.ptr, f->ninputs}; }
Span<Type> outputs(Type f) { return {f->types.ptr + f->ninputs, f->types.size() - f->ninputs}; }

bool checkAttrList(Checker &c, const Op *op, const char *name, uint32_t expected) {
  Attr a = op->attr(name);
  if (!a) return true;
  bool ok = a->kind == AttrKind::Array && a->attrs.size() == expected;
  if (ok)
    for (Attr e : a->attrs) ok &= e->kind == AttrKind::Dict;
  return ok || c.fail(Rule::Function, op, "attribute '%s' must be %u dictionaries", name, expected);
}

/// What passes and code generation trust must at least be of the right kind.
bool checkArgumentHints(Checker &c, const Op *op) {
  Attr lists = op->attr("arg_attrs");
  if (!lists) return true;
  for (uint32_t i = 0; i < lists->attrs.size(); ++i)
    for (const NamedAttr &a : lists->attrs[i]->entries) {
      std::string_view name = a.name.view();
      if (name != "tt.divisibility" && name != "tt.pointer_range") continue;
      if (a.value->kind != AttrKind::Int || a.value->ival <= 0)
        return c.fail(Rule::Hint, op, "'%.*s' of argument %u must be a positive integer", (int)name.size(), name.data(), i);
    }
  return true;
}

bool checkFunction(Checker &c, const Op *op) {
  Type type = functionType(op);
  if (op->strAttr("sym_name").empty()) return c.fail(Rule::Function, op, "has no name");
  if (!type) return c.fail(Rule::Function, op, "attribute 'function_type' must be a function type");
  std::string_view visibility = op->strAttr("sym_visibility");
  if (!visibility.empty() && visibility != "public" && visibility != "private" && visibility != "nested")
    return c.fail(Rule::Function, op, "visibility must be public, private or nested");
  if (!checkAttrList(c, op, "arg_attrs", type->ninputs) ||
      !checkAttrList(c, op, "res_attrs", type->types.size() - type->ninputs))
    return false;
  return checkArgumentHints(c, op) &&
         (op->region(0)->empty() || checkArguments(c, Rule::Function, op, 0, inputs(type)));
}

bool checkCall(Checker &c, const Op *op) {
  std::string_view name = op->strAttr("callee");
  const Op *f = c.function(name);
  Type type = f ? functionType(f) : nullptr;
  if (!f) return c.fail(Rule::Call, op, "calls '@%.*s', which is not in this module", (int)name.size(), name.data());
  if (!type) return false; // reported at the function
  std::vector<Type> results = resultTypes(op);
  if (!sameTypes(c, Rule::Call, op, 0, inputs(type), "the callee takes")) return false;
  Span<Type> expected = outputs(type);
  if (results.size() != expected.size())
    return c.fail(Rule::Call, op, "has %zu results, but the callee gives %u", results.size(), expected.size());
  for (uint32_t i = 0; i < expected.size(); ++i)
    if (results[i] != expected[i])
      return c.fail(Rule::Call, op, "result %u is %s, but the callee gives %s", i, typeText(results[i]).c_str(),
                    typeText(expected[i]).c_str());
  return true;
}

bool checkReturn(Checker &c, const Op *op) {
  Type type = functionType(op->parentOp());
  return !type || sameTypes(c, Rule::Return, op, 0, outputs(type), "the function returns");
}

bool checkFor(Checker &c, const Op *op) {
  std::vector<Type> results = resultTypes(op), args = results;
  args.insert(args.begin(), op->operand(0)->type);
  const Op *yield = op->region(0)->front()->last;
  return checkArguments(c, Rule::For, op, 0, span(args)) &&
         sameTypes(c, Rule::For, yield, 0, span(results), "the loop carries");
}

bool checkIf(Checker &c, const Op *op) {
  std::vector<Type> results = resultTypes(op);
  for (unsigned r = 0; r < 2; ++r) {
    if (op->region(r)->empty()) {
      if (!results.empty()) return c.fail(Rule::If, op, "gives %zu results, but has no else", results.size());
      continue;
    }
    if (!checkArguments(c, Rule::If, op, r, {}) ||
        !sameTypes(c, Rule::If, op->region(r)->front()->last, 0, span(results), "the scf.if gives"))
      return false;
  }
  return true;
}

bool checkWhile(Checker &c, const Op *op) {
  std::vector<Type> inits, results = resultTypes(op);
  for (unsigned i = 0; i < op->nops; ++i) inits.push_back(op->operand(i)->type);
  return checkArguments(c, Rule::While, op, 0, span(inits)) && checkArguments(c, Rule::While, op, 1, span(results)) &&
         sameTypes(c, Rule::While, op->region(0)->front()->last, 1, span(results), "the loop gives") &&
         sameTypes(c, Rule::While, op->region(1)->front()->last, 0, span(inits), "the loop carries");
}

bool checkCombine(Checker &c, const Op *op) {
  std::vector<Type> elements, args;
  for (unsigned i = 0; i < op->nops; ++i) elements.push_back(op->operand(i)->type->elem);
  args = elements;
  args.insert(args.end(), elements.begin(), elements.end());
  return checkArguments(c, Rule::Combine, op, 0, span(args)) &&
         sameTypes(c, Rule::Combine, op->region(0)->front()->last, 0, span(elements), "the tiles have");
}

/// A call writes when its function does. Beyond `budget` operations the answer is yes.
bool writes(Checker &c, const Op *op, unsigned &budget) {
  if (op->is(Opcode::tt_call)) {
    Op *callee = const_cast<Op *>(c.function(op->strAttr("callee")));
    bool found = !callee;
    if (callee)
      callee->walk([&](Op *inner) {
        if (!found && inner != callee) found = budget-- <= 1 || writes(c, inner, budget);
      });
    return found;
  }
  if (op->info().has(TraitPureIfAttr)) return !op->intAttr("pure");
  return op->info().has(TraitWrites) || (op->is(Opcode::tt_load) && op->intAttr("isVolatile"));
}

bool checkMap(Checker &c, const Op *op) {
  const Rule rule = Rule::MapElementwise;
  std::vector<Type> args, results;
  for (unsigned i = 0; i < op->nops + op->nres; ++i) {
    Type t = i < op->nops ? op->operand(i)->type : op->result(i - op->nops)->type;
    for (int64_t k = 0; k < op->intAttr("pack"); ++k) (i < op->nops ? args : results).push_back(t->elem);
  }
  if (!checkArguments(c, rule, op, 0, span(args))) return false;
  bool ok = true;
  unsigned budget = 2000;
  for (Block *b = op->region(0)->first; b && ok; b = b->next) {
    if (b->last->is(Opcode::tt_map_elementwise_return))
      ok = sameTypes(c, rule, b->last, 0, span(results), "the region gives");
    for (Op *o = b->first; o && ok; o = o->next)
      o->walk([&](Op *inner) {
        if (ok && writes(c, inner, budget)) ok = c.fail(rule, inner, "has effects, which tt.map_elementwise does not allow");
      });
  }
  return ok;
}

} // namespace

bool checkRegions(Checker &c, const Op *op) {
  switch (op->code) {
  case Opcode::tt_func: return checkFunction(c, op);
  case Opcode::tt_call: return checkCall(c, op);
  case Opcode::tt_return: return checkReturn(c, op);
  case Opcode::scf_for: return checkFor(c, op);
  case Opcode::scf_if: return checkIf(c, op);
  case Opcode::scf_while: return checkWhile(c, op);
  case Opcode::tt_reduce:
  case Opcode::tt_scan: return checkCombine(c, op);
  case Opcode::tt_map_elementwise: return checkMap(c, op);
  default: return true;
  }
}

} // namespace tir
