// SPDX-License-Identifier: MIT
// Every count and index is checked before it is used; what was read is at most a small multiple of the bytes.
#include "bytecode.hh"
#include "text/names.hh"
#include <algorithm>
#include <vector>

namespace tir {

using tessera::Code;
using tessera::fail;
using tessera::Result;
using tessera::Status;

namespace {

struct Bytes {
  std::string_view all;
  size_t at = 0, end = 0; // of the section that is read
  bool bad = false;
  size_t badAt = 0;
  std::string why;

  bool fail_(const char *what, size_t where) {
    if (!bad) {
      bad = true;
      badAt = where;
      why = what;
    }
    return false;
  }
  bool fail_(const char *what) { return fail_(what, at); }
  size_t left() const { return bad ? 0 : end - at; }
  uint8_t u8() {
    if (bad || at >= end) return fail_("the bytes end here, but more are expected"), 0;
    return static_cast<uint8_t>(all[at++]);
  }
  uint64_t fixed(unsigned n) {
    uint64_t v = 0;
    for (unsigned i = 0; i < n; ++i) v |= uint64_t(u8()) << (8 * i);
    return v;
  }
  uint64_t num() {
    uint64_t v = 0;
    size_t from = at;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      uint8_t b = u8();
      if (shift == 63 && b > 1) break;
      if (!b && shift) break; // not the shortest form
      v |= uint64_t(b & 0x7f) << shift;
      if (!(b & 0x80)) return v;
    }
    fail_("not a number", from);
    return 0;
  }
  int64_t sig() {
    uint64_t v = num();
    return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
  }
  /// A count of things that take at least `each` bytes.
  uint32_t count(size_t each = 1) {
    size_t from = at;
    uint64_t n = num();
    if (n > left() / each) return fail_("a count is larger than what is left", from), 0;
    return static_cast<uint32_t>(n);
  }
  uint32_t index(size_t limit, const char *what) {
    size_t from = at;
    uint64_t n = num();
    if (!bad && n >= limit) return fail_(what, from), 0;
    return bad ? 0 : static_cast<uint32_t>(n);
  }
};

struct Reader {
  Context &ctx;
  Bytes b;
  std::unique_ptr<Module> m;
  std::vector<Str> strings, debugStrings;
  struct Entry_ { Type type; Attr attr; unsigned depth; };
  std::vector<Entry_> entries;
  std::vector<Value *> values;
  struct Fix { Op *op; uint32_t operand, value; size_t at; };
  std::vector<Fix> fixes;
  std::vector<Op *> ops;         // in the order of the code section
  struct DebugItem { Op *op; Value *arg; };
  std::vector<DebugItem> debugOrder;
  std::vector<Loc> locs;
  std::vector<unsigned> locDepth;
  unsigned depthSeen = 0, nesting = 0;
  uint32_t inlineLocs = 0;

  Reader(Context &c, std::string_view bytes) : ctx(c) { b.all = bytes; }

  // ---- sections ----

  bool open(Section want, size_t *after) {
    b.end = b.all.size();
    size_t from = b.at;
    uint8_t kind = b.u8();
    if (b.bad) return false;
    if (kind != static_cast<uint8_t>(want)) return b.fail_("not the section that is expected here", from);
    uint32_t size = b.count();
    if (b.bad) return false;
    *after = b.at + size;
    b.end = *after;
    return true;
  }
  bool close(size_t after) {
    if (b.bad) return false;
    if (b.at != after) return b.fail_("a section is longer than what it holds");
    return true;
  }

  bool readStrings(std::vector<Str> &out) {
    uint32_t n = b.count();
    for (uint32_t i = 0; i < n && !b.bad; ++i) {
      uint32_t size = b.count();
      if (b.bad) break;
      out.push_back(ctx.str(b.all.substr(b.at, size)));
      b.at += size;
    }
    return !b.bad;
  }
  Str str(const std::vector<Str> &table) {
    uint32_t i = b.index(table.size(), "no such string");
    return b.bad ? Str() : table[i];
  }

  // ---- types and attributes ----

  Type type() {
    size_t from = b.at;
    uint32_t i = b.index(entries.size(), "no such type");
    if (b.bad) return nullptr;
    if (!entries[i].type) return b.fail_("an attribute where a type is expected", from), nullptr;
    depthSeen = std::max(depthSeen, entries[i].depth);
    return entries[i].type;
  }
  Attr attr() {
    size_t from = b.at;
    uint32_t i = b.index(entries.size(), "no such attribute");
    if (b.bad) return nullptr;
    if (!entries[i].attr) return b.fail_("a type where an attribute is expected", from), nullptr;
    depthSeen = std::max(depthSeen, entries[i].depth);
    return entries[i].attr;
  }

  Type memdesc(Span<int64_t> shape, Type elem, Attr enc) {
    size_t from = b.at;
    uint32_t space = b.index(entries.size() + 1, "no such attribute");
    if (b.bad) return nullptr;
    if (space && !entries[space - 1].attr) return b.fail_("a type where an attribute is expected", from), nullptr;
    if (space) depthSeen = std::max(depthSeen, entries[space - 1].depth);
    uint8_t isMutable = b.u8();
    uint32_t rank = b.count();
    if (b.bad) return nullptr;
    if (isMutable > 1 || rank > 64) return b.fail_("no buffer type", from), nullptr;
    int64_t whole[64];
    for (uint32_t i = 0; i < rank; ++i) {
      uint64_t d = b.num();
      if (d > (1ull << 48)) return b.fail_("a dimension of more than 2^48", from), nullptr;
      whole[i] = static_cast<int64_t>(d);
    }
    if (b.bad) return nullptr;
    return ctx.memdesc(shape, elem, enc, space ? entries[space - 1].attr : nullptr, isMutable, {whole, rank});
  }

  Type shaped(Entry kind) {
    size_t from = b.at;
    uint32_t rank = b.count();
    if (rank > 64) return b.fail_("more than 64 dimensions", from), nullptr;
    int64_t dims[64];
    uint64_t total = 1;
    for (uint32_t i = 0; i < rank; ++i) {
      uint64_t d = b.num();
      if (d > (1ull << 48) || __builtin_mul_overflow(total, d ? d : 1, &total) || total > (1ull << 48))
        return b.fail_("a shape of more than 2^48 elements", from), nullptr;
      dims[i] = static_cast<int64_t>(d);
    }
    Type elem = type();
    size_t encAt = b.at;
    uint32_t enc = b.index(entries.size() + 1, "no such attribute");
    if (b.bad) return nullptr;
    if (enc && !entries[enc - 1].attr) return b.fail_("a type where an attribute is expected", encAt), nullptr;
    if (enc) depthSeen = std::max(depthSeen, entries[enc - 1].depth);
    TypeKind k = elem->kind;
    if (k != TypeKind::Int && k != TypeKind::Float && k != TypeKind::Ptr && k != TypeKind::Index && k != TypeKind::Opaque)
      return b.fail_("no element type of a tensor", from), nullptr;
    Attr e = enc ? entries[enc - 1].attr : nullptr;
    if (kind == Entry::MemDesc) return memdesc({dims, rank}, elem, e);
    return kind == Entry::Tensor ? ctx.tensor({dims, rank}, elem, e) : ctx.desc({dims, rank}, elem, e);
  }

  bool entry() {
    size_t from = b.at;
    depthSeen = 0;
    Entry kind = static_cast<Entry>(b.u8());
    Type t = nullptr;
    Attr a = nullptr;
    switch (kind) {
    case Entry::None: t = ctx.none(); break;
    case Entry::Index: t = ctx.index(); break;
    case Entry::Int: {
      uint64_t w = b.num();
      uint8_t s = b.u8();
      if (!w || w > 128 || s > 2) return b.fail_("no integer type of this width", from);
      t = ctx.intType(static_cast<unsigned>(w), static_cast<Sign>(s));
      break;
    }
    case Entry::Float: {
      uint8_t k = b.u8();
      if (k > static_cast<uint8_t>(FloatKind::F4E2M1FN)) return b.fail_("unknown float type", from);
      t = ctx.floatType(static_cast<FloatKind>(k));
      break;
    }
    case Entry::Ptr: {
      Type e = type();
      uint64_t space = b.num();
      if (b.bad) return false;
      if (space > 0xffff || e->kind == TypeKind::Function || e->kind == TypeKind::None || e->kind == TypeKind::Tuple)
        return b.fail_("no valid pointer type", from);
      t = ctx.ptr(e, static_cast<unsigned>(space));
      break;
    }
    case Entry::Tensor:
    case Entry::TensorDesc:
    case Entry::MemDesc: t = shaped(kind); break;
    case Entry::Function:
    case Entry::Tuple: {
      uint64_t inputs = kind == Entry::Function ? b.num() : 0;
      uint32_t n = b.count();
      std::vector<Type> types;
      for (uint32_t i = 0; i < n && !b.bad; ++i) types.push_back(type());
      if (b.bad) return false;
      if (inputs > n) return b.fail_("more inputs than types", from);
      uint32_t ni = static_cast<uint32_t>(inputs);
      t = kind == Entry::Tuple ? ctx.tuple({types.data(), n})
                               : ctx.function({types.data(), ni}, {types.data() + ni, n - ni});
      break;
    }
    case Entry::OpaqueType: t = ctx.opaqueType(str(strings).view()); break;
    default: a = attribute(kind, from); break;
    }
    if (b.bad) return false;
    if (!t && !a) return b.fail_("unknown kind of type or attribute", from);
    if (++depthSeen > bytecode_max_depth) return b.fail_("types and attributes nest too deeply", from);
    entries.push_back({t, a, depthSeen});
    return true;
  }

  Attr attribute(Entry kind, size_t from) {
    switch (kind) {
    case Entry::Unit: return ctx.unit();
    case Entry::Bool: return ctx.boolean(b.u8() & 1);
    case Entry::Integer: {
      Type t = type();
      int64_t v = b.sig();
      if (b.bad) return nullptr;
      if (!t->isInt() && t->kind != TypeKind::Index) return b.fail_("an integer of no integer type", from), nullptr;
      return ctx.integer(v, t);
    }
    case Entry::Floating: {
      Type t = type();
      uint64_t bits = b.fixed(8);
      if (b.bad) return nullptr;
      if (!t->isFloat() || (t->width < 64 && bits >> t->width)) return b.fail_("a float of no float type", from), nullptr;
      return ctx.floating(bits, t);
    }
    case Entry::String: return ctx.string(str(strings).view());
    case Entry::Symbol: return ctx.symbol(str(strings).view());
    case Entry::OpaqueAttr: { // encodings too
      std::string why;
      Str text = str(strings);
      if (b.bad) return nullptr;
      Attr a = ctx.dialectAttr(text.view(), &why);
      return a ? a : (b.fail_(why.c_str(), from), nullptr);
    }
    case Entry::TypeAttr: {
      Type t = type();
      return b.bad ? nullptr : ctx.typeAttr(t);
    }
    case Entry::Array: {
      uint32_t n = b.count();
      std::vector<Attr> items;
      for (uint32_t i = 0; i < n && !b.bad; ++i) items.push_back(attr());
      return b.bad ? nullptr : ctx.array({items.data(), n});
    }
    case Entry::Dict: {
      uint32_t n = b.count(2);
      std::vector<NamedAttr> items;
      for (uint32_t i = 0; i < n && !b.bad; ++i) {
        Str s = str(strings);
        Attr v = attr();
        if (b.bad) break;
        if (s.view().empty() || (i && !(items.back().name.view() < s.view())))
          return b.fail_("names of a dictionary are out of order", from), nullptr;
        items.push_back({s, v});
      }
      return b.bad ? nullptr : ctx.dict(std::move(items));
    }
    case Entry::Dense: return dense(from);
    case Entry::DenseArray: {
      Type t = type();
      uint32_t n = b.count();
      std::vector<int64_t> v;
      for (uint32_t i = 0; i < n && !b.bad; ++i) v.push_back(b.sig());
      if (b.bad) return nullptr;
      if (!(t->isInt() && t->width <= 64) && !t->isFloat()) return b.fail_("no element type of an array", from), nullptr;
      return ctx.denseArray(t, {v.data(), n});
    }
    case Entry::Enum: {
      int64_t v = b.sig();
      Str s = str(strings);
      return b.bad ? nullptr : ctx.enumeration(v, s.view());
    }
    case Entry::Loc: {
      Loc l = inlineLoc(0);
      return b.bad ? nullptr : ctx.locAttr(l);
    }
    default: return nullptr;
    }
  }

  Attr dense(size_t from) {
    Type t = type();
    uint8_t splat = b.u8();
    if (b.bad) return nullptr;
    Type e = t->isTensor() ? t->elem : nullptr;
    if (!e || !(e->isFloat() || (e->isInt() && e->width <= 64) || e->kind == TypeKind::Index))
      return b.fail_("no type of dense elements", from), nullptr;
    unsigned width = e->kind == TypeKind::Index ? 64 : e->width;
    unsigned step = (width + 7) / 8;
    uint32_t n = b.count(step);
    if (b.bad) return nullptr;
    if (splat > 1 || n != (splat ? 1 : static_cast<uint64_t>(t->count())))
      return b.fail_("another number of elements than the type has", from), nullptr;
    std::vector<uint64_t> bits;
    bits.reserve(n);
    for (uint32_t i = 0; i < n; ++i) {
      uint64_t v = b.fixed(step);
      if (width < 64 && v >> width) return b.fail_("an element has more bits than its type", from), nullptr;
      bits.push_back(v);
    }
    return b.bad ? nullptr : ctx.dense(t, splat, {bits.data(), n});
  }

  // ---- locations ----

  /// The fields of a location; kids come from `kid`.
  template <class Kid> Loc location(uint8_t kind, const std::vector<Str> &table, size_t from, Kid kid) {
    if (kind > static_cast<uint8_t>(LocKind::Fused)) return b.fail_("unknown kind of location", from), nullptr;
    switch (static_cast<LocKind>(kind)) {
    case LocKind::Unknown: return ctx.unknownLoc();
    case LocKind::File: {
      Str s = str(table);
      uint64_t v[4];
      for (uint64_t &x : v)
        if ((x = b.num()) > UINT32_MAX) return b.fail_("a line or column out of range", from), nullptr;
      if (b.bad) return nullptr;
      return ctx.fileLoc(s.view(), static_cast<unsigned>(v[0]), static_cast<unsigned>(v[1]), static_cast<unsigned>(v[2]),
                         static_cast<unsigned>(v[3]));
    }
    case LocKind::Name: {
      Str s = str(table);
      uint32_t n = b.index(2, "a named location has one place");
      Loc child = n && !b.bad ? kid() : nullptr;
      return b.bad ? nullptr : ctx.nameLoc(s.view(), child);
    }
    case LocKind::CallSite: {
      Loc callee = kid(), caller = b.bad ? nullptr : kid();
      return b.bad ? nullptr : ctx.callSiteLoc(callee, caller);
    }
    case LocKind::Fused: {
      uint32_t meta = b.index(entries.size() + 1, "no such attribute");
      if (!b.bad && meta && !entries[meta - 1].attr) return b.fail_("a type where an attribute is expected", from), nullptr;
      uint32_t n = b.count();
      std::vector<Loc> kids;
      for (uint32_t i = 0; i < n && !b.bad; ++i) kids.push_back(kid());
      return b.bad ? nullptr : ctx.fusedLoc({kids.data(), n}, meta ? entries[meta - 1].attr : nullptr);
    }
    }
    return nullptr;
  }

  Loc inlineLoc(unsigned d) {
    size_t from = b.at;
    if (d > bytecode_max_loc_depth || ++inlineLocs > 4096)
      return b.fail_("a location used as attribute is too large", from), nullptr;
    uint8_t kind = b.u8();
    if (b.bad) return nullptr;
    return location(kind, strings, from, [&] { return inlineLoc(d + 1); });
  }

  bool readLocs() {
    uint32_t n = b.count();
    for (uint32_t i = 0; i < n && !b.bad; ++i) {
      size_t from = b.at;
      unsigned deepest = 0;
      uint8_t kind = b.u8();
      if (b.bad) return false;
      Loc l = location(kind, debugStrings, from, [&]() -> Loc {
        uint32_t k = b.index(locs.size() + 1, "a location that comes later");
        if (b.bad) return nullptr;
        if (!k) return ctx.unknownLoc();
        deepest = std::max(deepest, locDepth[k - 1]);
        return locs[k - 1];
      });
      if (b.bad) return false;
      if (deepest + 1 > bytecode_max_loc_depth) return b.fail_("locations nest too deeply", from);
      locs.push_back(l);
      locDepth.push_back(deepest + 1);
    }
    return !b.bad;
  }

  // ---- code ----

  Op *op(const std::vector<Block *> *blocks) {
    size_t from = b.at;
    uint64_t number = b.num();
    if (b.bad) return nullptr;
    if (!number || number >= static_cast<uint64_t>(Opcode::count_) ||
        opInfo(static_cast<Opcode>(number)).code != static_cast<Opcode>(number))
      return b.fail_("unknown operation", from), nullptr;
    OpSpec spec;
    spec.code = static_cast<Opcode>(number);
    const OpInfo &info = opInfo(spec.code);
    uint32_t n = b.count();
    std::vector<uint32_t> operands;
    for (uint32_t i = 0; i < n && !b.bad; ++i) {
      uint64_t v = b.num();
      if (v > b.all.size()) return b.fail_("no such value"), nullptr; // each value takes a byte somewhere
      operands.push_back(static_cast<uint32_t>(v));
      spec.operands.push_back(v < values.size() ? values[v] : nullptr);
    }
    uint8_t segments = b.u8();
    if (segments > 1) return b.fail_("expected 0 or 1", from), nullptr;
    for (unsigned s = 0; segments && s < info.num_operands && !b.bad; ++s) {
      uint64_t k = b.num();
      if (k > n) return b.fail_("more values for an operand than there are", from), nullptr;
      spec.segments.push_back(static_cast<uint32_t>(k));
    }
    n = b.count();
    for (uint32_t i = 0; i < n && !b.bad; ++i) spec.results.push_back(type());
    n = b.count(2);
    for (uint32_t i = 0; i < n && !b.bad; ++i) {
      Str name = str(strings);
      Attr a = attr();
      if (b.bad) return nullptr;
      if (name.view().empty() || (i && !(spec.attrs.back().name.view() < name.view())))
        return b.fail_("names of attributes are out of order", from), nullptr;
      if (const AttrInfo *ai = info.attr(name.view()); ai && ai->type == AttrType::Enum && a->kind == AttrKind::Enum) {
        std::string spelling;
        if (!enumSpelling(*ai->enums, a->ival, spelling) || spelling != a->text.view())
          return b.fail_("no value of this enum", from), nullptr;
      }
      spec.attrs.push_back({name, a});
    }
    n = b.count();
    for (uint32_t i = 0; i < n && !b.bad; ++i) {
      uint32_t k = b.index(blocks ? blocks->size() : 0, "no such block");
      if (!b.bad) spec.succs.push_back((*blocks)[k]);
    }
    n = b.count();
    if (b.bad) return nullptr;
    spec.regions = n;
    if (std::string problem = shapeProblem(spec); !problem.empty()) return b.fail_(problem.c_str(), from), nullptr;
    Op *o = m->create(spec);
    for (uint32_t i = 0; i < operands.size(); ++i)
      if (!spec.operands[i]) fixes.push_back({o, i, operands[i], from});
    for (unsigned i = 0; i < o->numResults(); ++i) values.push_back(o->result(i));
    debugOrder.push_back({o, nullptr});
    if (nesting >= bytecode_max_nesting) return b.fail_("regions nest too deeply", from), nullptr;
    ++nesting;
    for (uint32_t r = 0; r < n && !b.bad; ++r) region(*o->region(r));
    --nesting;
    return b.bad ? nullptr : o;
  }

  void region(Region &r) {
    uint32_t n = b.count();
    std::vector<Block *> blocks;
    for (uint32_t i = 0; i < n && !b.bad; ++i) {
      Block *blk = m->createBlock();
      blocks.push_back(blk);
      r.append(blk);
      uint32_t args = b.count();
      for (uint32_t k = 0; k < args && !b.bad; ++k) {
        Type t = type();
        if (b.bad) return;
        values.push_back(blk->addArg(*m, t));
        debugOrder.push_back({nullptr, values.back()});
      }
    }
    for (uint32_t i = 0; i < n && !b.bad; ++i) {
      uint32_t count = b.count();
      for (uint32_t k = 0; k < count && !b.bad; ++k)
        if (Op *o = op(&blocks)) blocks[i]->append(o);
    }
  }

  bool readCode() {
    uint8_t syntax = b.u8();
    if (syntax && (syntax < 36 || syntax > 39)) return b.fail_("unknown syntax");
    size_t from = b.at;
    Op *root = op(nullptr);
    if (b.bad) return false;
    if (!root->is(Opcode::builtin_module) || !root->region(0)->first || root->region(0)->first != root->region(0)->last)
      return b.fail_("the outermost operation is no module with one block", from);
    for (const Fix &f : fixes) {
      if (f.value >= values.size()) return b.fail_("a value that nothing defines", f.at);
      f.op->setOperand(f.operand, values[f.value]);
    }
    m->syntax = static_cast<Syntax>(syntax);
    m->op = root;
    return true;
  }

  // ---- debug ----

  Loc loc() {
    uint32_t i = b.index(locs.size() + 1, "no such location");
    return b.bad || !i ? nullptr : locs[i - 1];
  }
  Str name() {
    uint32_t i = b.index(debugStrings.size() + 1, "no such string");
    return b.bad || !i ? Str() : debugStrings[i - 1];
  }

  bool readDebug() {
    if (!readStrings(debugStrings)) return false;
    Str source = str(debugStrings);
    if (b.bad || !readLocs()) return false;
    m->source_name = source.view();
    for (const DebugItem &d : debugOrder) {
      Loc l = loc();
      if (d.op && l) d.op->loc = l;
      if (d.arg) {
        d.arg->loc = l;
        d.arg->name = name();
      }
      for (unsigned i = 0; d.op && i < d.op->numResults(); ++i) d.op->result(i)->name = name();
      if (b.bad) return false;
    }
    uint32_t n = b.count(3);
    for (uint32_t i = 0; i < n && !b.bad; ++i) {
      Module::TextAlias a;
      a.name = str(debugStrings);
      uint8_t is_type = b.u8();
      if (b.bad) return false;
      if (is_type) a.type = type();
      else a.attr = attr();
      if (!b.bad && (!isPlainName(a.name.view()) || is_type > 1)) return b.fail_("no name of an alias");
      m->aliases.push_back(a);
    }
    return !b.bad;
  }
  static bool isPlainName(std::string_view s) {
    if (s.empty()) return false;
    for (char c : s)
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c == '-')) return false;
    return true;
  }

  bool all() {
    size_t after = 0;
    if (!open(Section::Strings, &after) || !readStrings(strings) || !close(after)) return false;
    if (!open(Section::Values, &after)) return false;
    for (uint32_t n = b.count(), i = 0; i < n && !b.bad; ++i) entry();
    if (!close(after)) return false;
    if (!open(Section::Code, &after) || !readCode() || !close(after)) return false;
    if (b.at == b.all.size()) return true;
    if (!open(Section::Debug, &after) || !readDebug() || !close(after)) return false;
    return b.at == b.all.size() || b.fail_("bytes after the last section");
  }
};

} // namespace

Result<std::unique_ptr<Module>> readBytecode(Context &ctx, std::string_view bytes, std::string_view name) {
  std::string file(name);
  if (bytes.size() < 8 || bytes.substr(0, 4) != std::string_view(bytecode_magic, 4))
    return fail(Code::CORRUPT, "%s: offset 0: not bytecode: expected the bytes 7f 54 49 52", file.c_str());
  uint32_t version = 0;
  for (unsigned i = 0; i < 4; ++i) version |= uint32_t(static_cast<uint8_t>(bytes[4 + i])) << (8 * i);
  if (version != bytecode_version)
    return fail(Code::VERSION, "%s: offset 4: bytecode version %u, this library reads version %u", file.c_str(), version,
                bytecode_version);
  if (bytes.size() > UINT32_MAX) return fail(Code::LIMIT, "%s: bytecode of more than 4 GiB", file.c_str());
  Reader r(ctx, bytes);
  r.m = std::make_unique<Module>(ctx);
  r.m->source_name = name;
  r.b.at = 8;
  if (!r.all()) return fail(Code::CORRUPT, "%s: offset %zu: %s", file.c_str(), r.b.badAt, r.b.why.c_str());
  return std::move(r.m);
}

} // namespace tir
