// SPDX-License-Identifier: MIT
#include "printer.hh"

namespace tir {

void Printer::moduleOp(const Op *o) {
  out += "module";
  if (Attr n = o->attr("sym_name"); n && n->kind == AttrKind::String) {
    out += " @";
    if (isBareSymbol(n->text.view())) out += n->text.view();
    else appendQuoted(n->text.view(), out);
  }
  attrDict(o, nullptr, false, "attributes", {"sym_name"});
  out += ' ';
  region(*o->region(), false, true);
}

bool Printer::func(const Op *o) {
  Attr name = o->attr("sym_name"), type_attr = o->attr("function_type"), vis = o->attr("sym_visibility");
  Attr args = o->attr("arg_attrs"), res = o->attr("res_attrs");
  if (!name || name->kind != AttrKind::String || !type_attr || type_attr->kind != AttrKind::TypeA ||
      type_attr->type->kind != TypeKind::Function || (vis && vis->kind != AttrKind::String))
    return false;
  Type t = type_attr->type;
  auto dicts = [](Attr a, size_t n) {
    if (!a) return true;
    if (a->kind != AttrKind::Array || a->attrs.count != n) return false;
    for (Attr d : a->attrs)
      if (!d || d->kind != AttrKind::Dict) return false;
    return true;
  };
  if (!dicts(args, t->ninputs) || !dicts(res, t->types.count - t->ninputs) || name->text.view().empty()) return false;
  const Block *entry = o->region()->first;
  if (entry) {
    if (entry->numArgs() != t->ninputs) return false;
    for (unsigned i = 0; i < t->ninputs; ++i)
      if (entry->arg(i)->type != t->types[i]) return false;
  }
  out += "tt.func ";
  if (vis) {
    if (vis->text.view() != "public" && vis->text.view() != "private" && vis->text.view() != "nested") return false;
    out.append(vis->text.view()).append(" ");
  }
  out += '@';
  if (isBareSymbol(name->text.view())) out += name->text.view();
  else appendQuoted(name->text.view(), out);
  out += '(';
  for (unsigned i = 0; i < t->ninputs; ++i) {
    if (i) out += ", ";
    if (entry) {
      value(entry->arg(i));
      out += ": ";
    }
    type(t->types[i]);
    if (args && !args->attrs[i]->entries.empty()) {
      out += ' ';
      dict(args->attrs[i]->entries);
    }
    if (entry) trailing(entry->arg(i)->loc, true);
  }
  out += ')';
  Span<Type> outs{t->types.ptr + t->ninputs, t->types.count - t->ninputs};
  if (!outs.empty()) {
    out += " -> ";
    if (!res) {
      resultTypes(outs);
    } else {
      out += '(';
      for (uint32_t i = 0; i < outs.count; ++i) {
        if (i) out += ", ";
        type(outs[i]);
        if (!res->attrs[i]->entries.empty()) {
          out += ' ';
          dict(res->attrs[i]->entries);
        }
      }
      out += ')';
    }
  }
  attrDict(o, nullptr, false, "attributes", {"sym_name", "function_type", "sym_visibility", "arg_attrs", "res_attrs"});
  if (!entry) return true;
  out += ' ';
  region(*o->region(), false, true);
  return true;
}

namespace {
bool singleBlock(const Region *r) { return r->first && r->first == r->last; }
} // namespace

bool Printer::forLoop(const Op *o) {
  if (o->numOperands() < 3 || o->numResults() != o->numOperands() - 3 || !singleBlock(o->region()) ||
      o->region()->first->numArgs() != o->numResults() + 1)
    return false;
  for (unsigned i = 0; i < o->numOperands(); ++i)
    if (!o->operand(i)) return false;
  Type iv = o->operand(0)->type;
  const Block *b = o->region()->first;
  if (!b->last || !b->last->is(Opcode::scf_yield) || b->arg(0)->type != iv || o->operand(1)->type != iv ||
      o->operand(2)->type != iv)
    return false;
  for (unsigned i = 0; i < o->numResults(); ++i)
    if (o->operand(3 + i)->type != o->result(i)->type || b->arg(1 + i)->type != o->result(i)->type) return false;
  out += o->attr("unsignedCmp") ? "scf.for unsigned " : "scf.for ";
  value(b->arg(0));
  out += " = ";
  value(o->operand(0));
  out += " to ";
  value(o->operand(1));
  out += " step ";
  value(o->operand(2));
  if (o->numResults()) {
    out += " iter_args(";
    for (unsigned i = 0; i < o->numResults(); ++i) {
      if (i) out += ", ";
      value(b->arg(i + 1));
      out += " = ";
      value(o->operand(3 + i));
    }
    out += ") -> (";
    for (unsigned i = 0; i < o->numResults(); ++i) {
      if (i) out += ", ";
      type(o->result(i)->type);
    }
    out += ')';
  }
  out += ' ';
  if (iv->kind != TypeKind::Index) {
    out += " : ";
    type(iv);
    out += ' ';
  }
  region(*o->region(), false, o->numResults() || b->last->numOperands());
  attrDict(o, nullptr, false, nullptr, {"unsignedCmp"});
  return true;
}

bool Printer::ifElse(const Op *o) {
  if (o->numOperands() != 1 || !o->operand(0) || o->operand(0)->type != ctx.i1() || o->numRegions() != 2) return false;
  for (unsigned r = 0; r < 2; ++r) {
    const Region *reg = o->region(r);
    if (r == 1 && !reg->first) continue;
    if (!singleBlock(reg) || !reg->first->last || !reg->first->last->is(Opcode::scf_yield) || reg->first->numArgs())
      return false;
    if (!o->numResults() && reg->first->last->numOperands()) return false;
  }
  out += "scf.if ";
  value(o->operand(0));
  if (o->numResults()) {
    out += " -> (";
    for (unsigned i = 0; i < o->numResults(); ++i) {
      if (i) out += ", ";
      type(o->result(i)->type);
    }
    out += ')';
  }
  out += ' ';
  region(*o->region(0), false, o->numResults());
  if (o->region(1)->first) {
    out += " else ";
    region(*o->region(1), false, o->numResults());
  }
  attrDict(o, nullptr, false);
  return true;
}

bool Printer::whileLoop(const Op *o) {
  if (o->numRegions() != 2 || !singleBlock(o->region(0)) || !singleBlock(o->region(1))) return false;
  const Block *b = o->region(0)->first;
  if (b->numArgs() != o->numOperands()) return false;
  std::vector<Type> ins, outs;
  for (unsigned i = 0; i < o->numOperands(); ++i) {
    if (!o->operand(i) || o->operand(i)->type != b->arg(i)->type) return false;
    ins.push_back(o->operand(i)->type);
  }
  for (unsigned i = 0; i < o->numResults(); ++i) outs.push_back(o->result(i)->type);
  out += "scf.while";
  for (unsigned i = 0; i < o->numOperands(); ++i) {
    out += i ? ", " : " (";
    value(b->arg(i));
    out += " = ";
    value(o->operand(i));
  }
  if (o->numOperands()) out += ')';
  out += " : ";
  functionType({ins.data(), static_cast<uint32_t>(ins.size())}, {outs.data(), static_cast<uint32_t>(outs.size())});
  out += ' ';
  region(*o->region(0), false, true);
  out += " do ";
  region(*o->region(1), true, true);
  attrDict(o, nullptr, false, "attributes");
  return true;
}

bool Printer::custom(const Op *o) {
  if (o->numRegions() != o->info().num_regions) return false;
  switch (o->code) {
  case Opcode::builtin_module: moduleOp(o); return true;
  case Opcode::tt_func: return func(o);
  case Opcode::scf_for: return forLoop(o);
  case Opcode::scf_if: return ifElse(o);
  case Opcode::scf_while: return whileLoop(o);
  default: return false;
  }
}

} // namespace tir
