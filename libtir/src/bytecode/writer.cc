// SPDX-License-Identifier: MIT
#include "bytecode.hh"
#include <unordered_map>
#include <vector>

namespace tir {

using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace {

struct Bytes {
  std::string s;
  void u8(uint8_t v) { s += static_cast<char>(v); }
  void fixed(uint64_t v, unsigned n) {
    for (unsigned i = 0; i < n; ++i) u8(static_cast<uint8_t>(v >> (8 * i)));
  }
  void num(uint64_t v) { // LEB128
    for (; v >= 0x80; v >>= 7) u8(static_cast<uint8_t>(v | 0x80));
    u8(static_cast<uint8_t>(v));
  }
  void sig(int64_t v) { num(static_cast<uint64_t>(v) << 1 ^ static_cast<uint64_t>(v >> 63)); } // zigzag
};

struct Strings {
  Bytes bytes;
  std::unordered_map<const StrData *, uint32_t> of;
  uint64_t add(Str s) {
    auto [it, fresh] = of.try_emplace(s.data, static_cast<uint32_t>(of.size()));
    if (fresh) {
      bytes.num(s.view().size());
      bytes.s += s.view();
    }
    return it->second;
  }
  void emit(Bytes &out) {
    out.num(of.size());
    out.s += bytes.s;
  }
};

struct Writer {
  const Module &m;
  Strings strings, debugStrings;
  Bytes values, code, debug, locs;
  uint32_t numValues = 0; // entries of the section of types and attributes
  std::unordered_map<Type, uint32_t> types;
  std::unordered_map<Attr, uint32_t> attrs;
  std::unordered_map<Loc, uint32_t> locOf;
  std::vector<uint32_t> valueNumber; // by value id
  uint32_t nextValue = 0;
  std::unordered_map<const Block *, uint32_t> blockNumber;
  Status status;
  unsigned depth = 0, nesting = 0;
  uint32_t inlineLocs = 0;

  bool with_debug;

  Writer(const Module &m, bool with_debug) : m(m), with_debug(with_debug) { valueNumber.assign(m.num_values, UINT32_MAX); }

  bool limit(const char *what) {
    if (status.ok()) status = fail(Code::LIMIT, "bytecode: %s", what);
    return false;
  }

  // Entries stand after the entries they use: one pass reads them. Indices are of this common table.
  uint32_t type(Type t) {
    if (!t) return limit("a value without type"), 0;
    if (auto it = types.find(t); it != types.end()) return it->second;
    if (++depth > bytecode_max_depth) return --depth, limit("types nest too deeply"), 0;
    Bytes b;
    auto kind = [&](Entry e) { b.u8(static_cast<uint8_t>(e)); };
    auto shaped = [&](Entry e) {
      uint32_t elem = type(t->elem), enc = t->enc ? attr(t->enc) + 1 : 0;
      kind(e);
      b.num(t->shape.count);
      for (int64_t d : t->shape) b.num(static_cast<uint64_t>(d));
      b.num(elem);
      b.num(enc);
    };
    auto list = [&](Entry e) {
      std::vector<uint32_t> ids;
      for (Type x : t->types) ids.push_back(type(x));
      kind(e);
      if (e == Entry::Function) b.num(t->ninputs);
      b.num(ids.size());
      for (uint32_t i : ids) b.num(i);
    };
    switch (t->kind) {
    case TypeKind::None: kind(Entry::None); break;
    case TypeKind::Index: kind(Entry::Index); break;
    case TypeKind::Int:
      kind(Entry::Int);
      b.num(t->width);
      b.u8(static_cast<uint8_t>(t->sign));
      break;
    case TypeKind::Float:
      kind(Entry::Float);
      b.u8(static_cast<uint8_t>(t->fkind));
      break;
    case TypeKind::Ptr: {
      uint32_t e = type(t->elem);
      kind(Entry::Ptr);
      b.num(e);
      b.num(t->space);
      break;
    }
    case TypeKind::Tensor: shaped(Entry::Tensor); break;
    case TypeKind::TensorDesc: shaped(Entry::TensorDesc); break;
    case TypeKind::Function: list(Entry::Function); break;
    case TypeKind::Tuple: list(Entry::Tuple); break;
    case TypeKind::MemDesc: {
      uint32_t space = t->memSpace ? attr(t->memSpace) + 1 : 0;
      shaped(Entry::MemDesc);
      b.num(space);
      b.u8(t->mutable_);
      b.num(t->allocShape.count);
      for (int64_t d : t->allocShape) b.num(static_cast<uint64_t>(d));
      break;
    }
    case TypeKind::Opaque:
      kind(Entry::OpaqueType);
      b.num(strings.add(t->text));
      break;
    }
    --depth;
    values.s += b.s;
    return types[t] = numValues++;
  }

  uint32_t attr(Attr a) {
    if (!a) return limit("an attribute without value"), 0;
    if (auto it = attrs.find(a); it != attrs.end()) return it->second;
    if (++depth > bytecode_max_depth) return --depth, limit("attributes nest too deeply"), 0;
    Bytes b;
    auto kind = [&](Entry e) { b.u8(static_cast<uint8_t>(e)); };
    switch (a->kind) {
    case AttrKind::Unit: kind(Entry::Unit); break;
    case AttrKind::Bool:
      kind(Entry::Bool);
      b.u8(a->bval);
      break;
    case AttrKind::Int: {
      uint32_t t = type(a->type);
      kind(Entry::Integer);
      b.num(t);
      b.sig(a->ival);
      break;
    }
    case AttrKind::Float: {
      uint32_t t = type(a->type);
      kind(Entry::Floating);
      b.num(t);
      b.fixed(a->fbits, 8);
      break;
    }
    case AttrKind::String:
    case AttrKind::Symbol:
    case AttrKind::Opaque:
    case AttrKind::Encoding: // its text, which says it all
      kind(a->kind == AttrKind::String ? Entry::String : a->kind == AttrKind::Symbol ? Entry::Symbol : Entry::OpaqueAttr);
      b.num(strings.add(a->text));
      break;
    case AttrKind::TypeA: {
      uint32_t t = type(a->type);
      kind(Entry::TypeAttr);
      b.num(t);
      break;
    }
    case AttrKind::Array: {
      std::vector<uint32_t> ids;
      for (Attr x : a->attrs) ids.push_back(attr(x));
      kind(Entry::Array);
      b.num(ids.size());
      for (uint32_t i : ids) b.num(i);
      break;
    }
    case AttrKind::Dict: {
      std::vector<uint32_t> ids;
      for (const NamedAttr &e : a->entries) ids.push_back(attr(e.value));
      kind(Entry::Dict);
      b.num(ids.size());
      for (size_t i = 0; i < ids.size(); ++i) {
        b.num(strings.add(a->entries[static_cast<uint32_t>(i)].name));
        b.num(ids[i]);
      }
      break;
    }
    case AttrKind::Dense: {
      uint32_t t = type(a->type);
      unsigned width = a->type->elem->kind == TypeKind::Index ? 64 : a->type->elem->width;
      kind(Entry::Dense);
      b.num(t);
      b.u8(a->bval);
      b.num(a->bits.count);
      for (uint64_t v : a->bits) b.fixed(v, (width + 7) / 8);
      break;
    }
    case AttrKind::DenseArray: {
      uint32_t t = type(a->type);
      kind(Entry::DenseArray);
      b.num(t);
      b.num(a->ints.count);
      for (int64_t v : a->ints) b.sig(v);
      break;
    }
    case AttrKind::Enum:
      kind(Entry::Enum);
      b.sig(a->ival);
      b.num(strings.add(a->text));
      break;
    case AttrKind::LocA:
      kind(Entry::Loc);
      inlineLoc(a->loc, b, 0);
      break;
    }
    --depth;
    values.s += b.s;
    return attrs[a] = numValues++;
  }

  // A location used as attribute is code, not debug information: written out in place.
  void inlineLoc(Loc l, Bytes &b, unsigned d) {
    if (d > bytecode_max_loc_depth || ++inlineLocs > 4096) {
      limit("a location used as attribute is too large");
      return;
    }
    b.u8(l ? static_cast<uint8_t>(l->kind) : 0);
    if (!l || l->kind == LocKind::Unknown) return;
    locFields(l, b, strings);
    for (Loc k : l->locs) inlineLoc(k, b, d + 1);
  }

  void locFields(Loc l, Bytes &b, Strings &table) {
    switch (l->kind) {
    case LocKind::Unknown: break;
    case LocKind::File:
      b.num(table.add(l->text));
      b.num(l->line);
      b.num(l->col);
      b.num(l->end_line);
      b.num(l->end_col);
      break;
    case LocKind::Name:
      b.num(table.add(l->text));
      b.num(l->locs.count);
      break;
    case LocKind::CallSite: break;
    case LocKind::Fused:
      b.num(l->meta ? attr(l->meta) + 1 : 0);
      b.num(l->locs.count);
      break;
    }
  }

  /// Index + 1 in the table of locations; 0: none.
  uint32_t loc(Loc l, unsigned d = 0) {
    if (!l) return 0;
    if (auto it = locOf.find(l); it != locOf.end()) return it->second;
    if (d > bytecode_max_loc_depth) return limit("locations nest too deeply"), 0;
    std::vector<uint32_t> kids;
    for (Loc k : l->locs) kids.push_back(loc(k, d + 1));
    locs.u8(static_cast<uint8_t>(l->kind));
    locFields(l, locs, debugStrings);
    for (uint32_t k : kids) locs.num(k);
    uint32_t id = static_cast<uint32_t>(locOf.size()) + 1;
    return locOf[l] = id;
  }

  void name(Str s) { debug.num(s.data ? debugStrings.add(s) + 1 : 0); }

  // Values are numbered as they are defined in the bytes: results with their operation, arguments of all blocks of
  // a region before its operations.
  void number(const Op *o) {
    for (unsigned i = 0; i < o->numResults(); ++i) valueNumber[o->result(i)->id] = nextValue++;
    for (unsigned r = 0; r < o->numRegions(); ++r) {
      uint32_t n = 0;
      for (const Block *b = o->region(r)->first; b; b = b->next) {
        blockNumber[b] = n++;
        for (unsigned i = 0; i < b->numArgs(); ++i) valueNumber[b->arg(i)->id] = nextValue++;
      }
      for (const Block *b = o->region(r)->first; b; b = b->next)
        for (const Op *p = b->first; p; p = p->next) number(p);
    }
  }

  void op(const Op *o) {
    const OpInfo &info = o->info();
    code.num(static_cast<uint64_t>(o->code));
    code.num(o->numOperands());
    for (unsigned i = 0; i < o->numOperands(); ++i) {
      const Value *v = o->operand(i);
      if (!v || valueNumber[v->id] == UINT32_MAX) limit("an operand that no operation of the module defines");
      else code.num(valueNumber[v->id]);
    }
    code.u8(o->segments_ ? 1 : 0);
    if (o->segments_)
      for (unsigned s = 0; s < info.num_operands; ++s) code.num(o->segments_[s]);
    code.num(o->numResults());
    for (unsigned i = 0; i < o->numResults(); ++i) code.num(type(o->result(i)->type));
    code.num(o->attrs().count);
    for (const NamedAttr &a : o->attrs()) {
      code.num(strings.add(a.name));
      code.num(attr(a.value));
    }
    code.num(o->numSuccs());
    for (unsigned i = 0; i < o->numSuccs(); ++i) code.num(blockNumber[o->succ(i)]);
    if (with_debug) {
      debug.num(loc(o->loc));
      for (unsigned i = 0; i < o->numResults(); ++i) name(o->result(i)->name);
    }
    code.num(o->numRegions());
    if (++nesting > bytecode_max_nesting) limit("regions nest too deeply");
    for (unsigned r = 0; r < o->numRegions() && status.ok(); ++r) region(*o->region(r));
    --nesting;
  }

  void region(const Region &r) {
    uint64_t n = 0;
    for (const Block *b = r.first; b; b = b->next) ++n;
    code.num(n);
    for (const Block *b = r.first; b; b = b->next) {
      code.num(b->numArgs());
      for (unsigned i = 0; i < b->numArgs(); ++i) {
        code.num(type(b->arg(i)->type));
        if (!with_debug) continue;
        debug.num(loc(b->arg(i)->loc));
        name(b->arg(i)->name);
      }
    }
    for (const Block *b = r.first; b; b = b->next) {
      uint64_t ops = 0;
      for (const Op *o = b->first; o; o = o->next) ++ops;
      code.num(ops);
      for (const Op *o = b->first; o && status.ok(); o = o->next) op(o);
    }
  }

  void aliases(Bytes &b) {
    b.num(m.aliases.size());
    for (const Module::TextAlias &a : m.aliases) {
      b.num(debugStrings.add(a.name));
      b.u8(a.type ? 1 : 0);
      b.num(a.type ? type(a.type) : attr(a.attr));
    }
  }
};

void section(Bytes &out, Section kind, const Bytes &content) {
  out.u8(static_cast<uint8_t>(kind));
  out.num(content.s.size());
  out.s += content.s;
}

} // namespace

Status writeBytecode(const Module &m, const BytecodeOptions &options, std::string &out) {
  Writer w(m, options.debug);
  w.code.u8(static_cast<uint8_t>(m.syntax));
  w.number(m.op);
  w.op(m.op);
  Bytes debug;
  if (options.debug) {
    Bytes tail;
    w.aliases(tail);
    uint64_t source = w.debugStrings.add(m.ctx.str(m.source_name));
    w.debugStrings.emit(debug);
    debug.num(source);
    debug.num(w.locOf.size());
    debug.s += w.locs.s;
    debug.s += w.debug.s;
    debug.s += tail.s;
  }
  TESSERA_TRY(w.status);
  Bytes strings, values, all;
  w.strings.emit(strings);
  values.num(w.numValues);
  values.s += w.values.s;
  all.s.assign(bytecode_magic, sizeof bytecode_magic);
  all.fixed(bytecode_version, 4);
  section(all, Section::Strings, strings);
  section(all, Section::Values, values);
  section(all, Section::Code, w.code);
  if (options.debug) section(all, Section::Debug, debug);
  out += all.s;
  return tessera::ok_status();
}

bool looksLikeBytecode(std::string_view b) {
  return b.size() >= 4 && b.substr(0, 4) == std::string_view(bytecode_magic, 4);
}

} // namespace tir
