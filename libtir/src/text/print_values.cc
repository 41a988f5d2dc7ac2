// SPDX-License-Identifier: MIT
#include "printer.hh"
#include "float_text.hh"
#include "names.hh"
#include <algorithm>
#include <cstdio>

namespace tir {

using tessera::Code;

// ---- types ------------------------------------------------------------------------------------------------

void Printer::type(Type t) {
  if (!t) {
    out += "<no type>"; // only in modules that do not verify
    return;
  }
  if (t->id >= typeCache.size()) typeCache.resize(std::max<size_t>(t->id + 64, typeCache.size() * 2));
  if (typeCache[t->id].empty()) {
    size_t from = out.size();
    auto alias = typeAliases.find(t);
    if (alias != typeAliases.end()) out.append("!").append(alias->second.view());
    else typeBody(t);
    if (depth == 0 && out.size() - from < 4096) typeCache[t->id] = out.substr(from);
    return;
  }
  out += typeCache[t->id];
}

void Printer::typeBody(Type t) {
  if (depth > 100) {
    fail(Code::LIMIT, "a type nests too deeply");
    return;
  }
  ++depth;
  char buf[32];
  switch (t->kind) {
  case TypeKind::None: out += "none"; break;
  case TypeKind::Index: out += "index"; break;
  case TypeKind::Int:
    std::snprintf(buf, sizeof buf, "%si%u", t->sign == Sign::Signed ? "s" : t->sign == Sign::Unsigned ? "u" : "", t->width);
    out += buf;
    break;
  case TypeKind::Float: out += floatName(t->fkind); break;
  case TypeKind::Ptr:
    out += "!tt.ptr";
    typeTail(t);
    break;
  case TypeKind::Tensor:
    out += "tensor<";
    shaped(t);
    out += '>';
    break;
  case TypeKind::TensorDesc:
    out += "!tt.tensordesc";
    typeTail(t);
    break;
  case TypeKind::MemDesc:
    out += "!ttg.memdesc";
    typeTail(t);
    break;
  case TypeKind::Function: functionType({t->types.ptr, t->ninputs}, {t->types.ptr + t->ninputs, t->types.count - t->ninputs}); break;
  case TypeKind::Tuple:
    out += "tuple<";
    for (uint32_t i = 0; i < t->types.count && !tooLarge(); ++i) {
      if (i) out += ", ";
      type(t->types[i]);
    }
    out += '>';
    break;
  case TypeKind::Opaque: {
    std::string_view s = t->text.view();
    out += '!';
    opaque(s.substr(!s.empty() && s[0] == '!'));
    break;
  }
  }
  --depth;
}

// , #smem[, mutable][, 4x64]
void Printer::memdescTail(Type t) {
  out += ", ";
  attr(t->memSpace);
  if (t->mutable_) out += ", mutable";
  if (t->shape.count == t->allocShape.count && std::equal(t->shape.begin(), t->shape.end(), t->allocShape.begin()))
    return;
  char buf[24];
  for (uint32_t i = 0; i < t->allocShape.count; ++i) {
    std::snprintf(buf, sizeof buf, "%s%lld", i ? "x" : ", ", static_cast<long long>(t->allocShape[i]));
    out += buf;
  }
}

// What stands after `!tt.ptr`, `!tt.tensordesc` and `!ttg.memdesc`, brackets included.
void Printer::typeTail(Type t) {
  if (t->kind == TypeKind::MemDesc) {
    if (syntax < 39) fail(Code::UNSUPPORTED, "a buffer type");
    out += '<';
    shaped(t);
    memdescTail(t);
    out += '>';
    return;
  }
  if (t->kind == TypeKind::TensorDesc) {
    if (syntax <= 37) out += "<tensor";
    out += '<';
    shaped(t);
    out += syntax <= 37 ? ">>" : ">";
    return;
  }
  TypeKind k = t->elem->kind;
  if (k == TypeKind::Tensor && syntax > 37) fail(Code::UNSUPPORTED, "a pointer to a tile (releases 3.6 and 3.7 only)");
  if ((k == TypeKind::Ptr || k == TypeKind::Index) && syntax > 38)
    fail(Code::UNSUPPORTED, k == TypeKind::Ptr ? "a pointer to a pointer" : "a pointer to index");
  out += '<';
  type(t->elem);
  if (t->space != 1) {
    if (syntax < 39) {
      char buf[24];
      std::snprintf(buf, sizeof buf, ", %u", t->space);
      out += buf;
    } else if (t->space == 0 || t->space == 4) {
      out += t->space ? ", \"constant\"" : ", \"descriptor\"";
    } else {
      fail(Code::UNSUPPORTED, tessera::format("a pointer to address space %u", t->space));
    }
  }
  out += '>';
}

void Printer::stripped(Type t) {
  if (t && (t->kind == TypeKind::Ptr || t->kind == TypeKind::TensorDesc || t->kind == TypeKind::MemDesc)) typeTail(t);
  else type(t);
}

void Printer::shaped(Type t) {
  char buf[24];
  for (int64_t d : t->shape) {
    std::snprintf(buf, sizeof buf, "%lldx", static_cast<long long>(d));
    out += buf;
  }
  type(t->elem);
  if (t->enc) {
    out += ", ";
    attr(t->enc);
  }
}

void Printer::resultTypes(Span<Type> outs) {
  bool parens = outs.count != 1 || (outs[0] && outs[0]->kind == TypeKind::Function);
  if (parens) out += '(';
  for (uint32_t i = 0; i < outs.count && !tooLarge(); ++i) {
    if (i) out += ", ";
    type(outs[i]);
  }
  if (parens) out += ')';
}

void Printer::functionType(Span<Type> ins, Span<Type> outs) {
  out += '(';
  for (uint32_t i = 0; i < ins.count && !tooLarge(); ++i) {
    if (i) out += ", ";
    type(ins[i]);
  }
  out += ") -> ";
  resultTypes(outs);
}

// ---- attributes -------------------------------------------------------------------------------------------

void Printer::intValue(int64_t v, Type t) {
  char buf[24];
  bool is_unsigned = t && t->isInt() && t->sign == Sign::Unsigned;
  std::snprintf(buf, sizeof buf, is_unsigned ? "%llu" : "%lld", static_cast<long long>(v));
  out += buf;
}

void Printer::element(Type elem, uint64_t bits) {
  if (elem->isFloat()) {
    appendFloat(elem->fkind, bits, out);
  } else if (elem->isInt(1) && elem->sign == Sign::None) {
    out += bits & 1 ? "true" : "false";
  } else {
    unsigned w = elem->isInt() && elem->width < 64 ? elem->width : 64;
    bool extend = !(elem->isInt() && elem->sign == Sign::Unsigned);
    int64_t v = static_cast<int64_t>(bits << (64 - w));
    intValue(extend ? v >> (64 - w) : static_cast<int64_t>(static_cast<uint64_t>(v) >> (64 - w)), elem);
  }
}

void Printer::denseList(Attr a, unsigned dim, uint64_t &at) {
  Type t = a->type;
  if (dim == t->rank()) {
    element(t->elem, at < a->bits.count ? a->bits[static_cast<uint32_t>(at)] : 0);
    ++at;
    return;
  }
  out += '[';
  for (int64_t i = 0; i < t->shape[dim] && !tooLarge(); ++i) {
    if (i) out += ", ";
    denseList(a, dim + 1, at);
  }
  out += ']';
}

// MLIR writes more than 100 elements as the hexadecimal digits of their bytes.
void Printer::dense(Attr a) {
  out += "dense<";
  Type elem = a->type->elem;
  if (a->bval) {
    element(elem, a->bits[0]);
  } else if (a->bits.count > 100 && !elem->isInt(1)) {
    unsigned width = elem->isFloat() ? floatWidth(elem->fkind) : elem->isInt() ? elem->width : 64;
    static const char hex[] = "0123456789ABCDEF";
    out += "\"0x";
    for (uint64_t b : a->bits)
      for (unsigned k = 0; k < (width + 7) / 8; ++k) {
        out += hex[b >> (8 * k + 4) & 15];
        out += hex[b >> (8 * k) & 15];
      }
    out += '"';
  } else if (a->bits.count) {
    uint64_t at = 0;
    denseList(a, 0, at);
  }
  out += "> : ";
  type(a->type);
}

// Text of a dialect attribute or type. Where the source used an alias inside, it is used again.
void Printer::opaque(std::string_view s) {
  while (!nestedAliases.empty() && !s.empty()) {
    size_t hash = s.find('#', 1);
    if (hash == std::string_view::npos) break;
    const Module::TextAlias *found = nullptr;
    for (const Module::TextAlias *a : nestedAliases) {
      std::string_view text = a->attr->text.view();
      if (s.substr(hash + 1, text.size()) == text && (!found || text.size() > found->attr->text.view().size())) found = a;
    }
    out += s.substr(0, hash + 1);
    if (found) out += found->name.view();
    s.remove_prefix(hash + 1 + (found ? found->attr->text.view().size() : 0));
  }
  out += s;
}

// A parent that has an alias is written by it.
void Printer::encoding(Attr a) {
  std::string_view s = a->text.view();
  out += '#';
  if (!a->attrs.empty()) {
    std::string_view parent = a->attrs[0]->text.view();
    size_t at = s.find('#');
    if (at == std::string_view::npos || s.substr(at + 1, parent.size()) != parent) return void(out += s);
    out += s.substr(0, at);
    attr(a->attrs[0]);
    s.remove_prefix(at + 1 + parent.size());
  }
  out += s;
}

void Printer::attr(Attr a, bool elide) {
  if (!a) {
    out += "<no attribute>";
    return;
  }
  if (tooLarge()) return;
  if (!attrAliases.empty())
    if (auto it = attrAliases.find(a); it != attrAliases.end()) {
      out.append("#").append(it->second.view());
      return;
    }
  if (depth > 100) {
    fail(Code::LIMIT, "an attribute nests too deeply");
    return;
  }
  ++depth;
  switch (a->kind) {
  case AttrKind::Unit: out += "unit"; break;
  case AttrKind::Bool: out += a->bval ? "true" : "false"; break;
  case AttrKind::Int:
    intValue(a->ival, a->type);
    if (!(elide && a->type->isInt(64) && a->type->sign == Sign::None)) {
      out += " : ";
      type(a->type);
    }
    break;
  case AttrKind::Float:
    appendFloat(a->type->fkind, a->fbits, out);
    if (!(elide && a->type->isFloat(FloatKind::F64))) {
      out += " : ";
      type(a->type);
    }
    break;
  case AttrKind::String: appendQuoted(a->text.view(), out); break;
  case AttrKind::TypeA: type(a->type); break;
  case AttrKind::Array:
    out += '[';
    for (uint32_t i = 0; i < a->attrs.count && !tooLarge(); ++i) {
      if (i) out += ", ";
      attr(a->attrs[i], true);
    }
    out += ']';
    break;
  case AttrKind::Dict: dict(a->entries); break;
  case AttrKind::Dense: dense(a); break;
  case AttrKind::DenseArray:
    out += "array<";
    type(a->type);
    for (uint32_t i = 0; i < a->ints.count; ++i) {
      out += i ? ", " : ": ";
      element(a->type, static_cast<uint64_t>(a->ints[i]));
    }
    out += '>';
    break;
  case AttrKind::Symbol:
    out += '@';
    if (isBareSymbol(a->text.view())) out += a->text.view();
    else appendQuoted(a->text.view(), out);
    break;
  case AttrKind::Enum: enumAttr(a, nullptr, true); break;
  case AttrKind::Opaque:
    out += '#';
    opaque(a->text.view());
    break;
  case AttrKind::Encoding: encoding(a); break;
  case AttrKind::LocA:
    out += "loc(";
    locBody(a->loc, 0);
    out += ')';
    break;
  }
  --depth;
}

// In a dictionary an enum is its number or a dialect attribute; where the printed form names it, its spelling.
void Printer::enumAttr(Attr a, const AttrInfo *info, bool in_dict) {
  const EnumInfo *e = info ? info->enums : nullptr;
  bool dialect = e && e->storage[0] == '#';
  if (!in_dict) {
    if (dialect) out += '<';
    out += a->text.view();
    if (dialect) out += '>';
  } else if (dialect) {
    out.append(e->storage).append("<").append(a->text.view()).append(">");
  } else {
    intValue(a->ival, nullptr);
    out.append(" : ").append(e ? e->storage : "i32");
  }
}

void Printer::entry(Str name, Attr value, const AttrInfo *info) {
  std::string_view n = name.view();
  if (isBareWord(n)) out += n;
  else appendQuoted(n, out);
  if (value && value->kind == AttrKind::Unit) return;
  out += " = ";
  if (value && value->kind == AttrKind::Enum) enumAttr(value, info, true);
  else attr(value);
}

void Printer::dict(Span<NamedAttr> entries) {
  out += '{';
  bool first = true;
  for (const NamedAttr &e : entries) {
    if (tooLarge()) break;
    if (!first) out += ", ";
    first = false;
    entry(e.name, e.value, nullptr);
  }
  out += '}';
}

std::string typeText(Type t, Syntax syntax) {
  std::string s;
  if (!t) return "<no type>";
  Printer p(*t->ctx, nullptr, PrintOptions{.syntax = syntax}, s);
  p.type(t);
  return s;
}

std::string attrText(Attr a, Syntax syntax) {
  std::string s;
  if (!a) return "<no attribute>";
  Printer p(*a->ctx, nullptr, PrintOptions{.syntax = syntax}, s);
  p.attr(a);
  return s;
}

} // namespace tir
