// SPDX-License-Identifier: MIT
// Uniquing of strings, types, attributes and locations; construction helpers; diagnostics.
#include "context.hh"
#include "layout/encoding.hh"
#include <algorithm>
#include <deque>

namespace tir {

namespace {

// FNV-1a over words with a final mix: deterministic between runs and machines.
struct Hash {
  uint64_t h = 0xcbf29ce484222325ull;
  void add(uint64_t v) {
    h = (h ^ v) * 0x9e3779b97f4a7c15ull;
    h ^= h >> 29;
  }
  void bytes(std::string_view s) {
    size_t i = 0;
    for (; i + 8 <= s.size(); i += 8) {
      uint64_t w;
      std::memcpy(&w, s.data() + i, 8);
      add(w);
    }
    uint64_t w = s.size();
    for (; i < s.size(); ++i) w = (w << 8) | static_cast<unsigned char>(s[i]);
    add(w);
  }
  void ptr(const void *p) { add(reinterpret_cast<uintptr_t>(p)); }
};

/// Open addressing over pointers with their hashes; grows at three quarters.
template <class D> struct Table {
  struct Slot { const D *item; uint64_t hash; };
  std::vector<Slot> slots = std::vector<Slot>(64, Slot{nullptr, 0});
  uint32_t count = 0;

  template <class Eq> const D *find(uint64_t hash, Eq eq) const {
    for (size_t mask = slots.size() - 1, i = hash & mask;; i = (i + 1) & mask) {
      const Slot &s = slots[i];
      if (!s.item) return nullptr;
      if (s.hash == hash && eq(*s.item)) return s.item;
    }
  }
  void insert(const D *item, uint64_t hash) {
    if ((count + 1) * 4 > slots.size() * 3) {
      std::vector<Slot> old(slots.size() * 2, Slot{nullptr, 0});
      old.swap(slots);
      for (const Slot &s : old)
        if (s.item) place(s);
    }
    place({item, hash});
    ++count;
  }
  void place(Slot s) {
    size_t mask = slots.size() - 1, i = s.hash & mask;
    while (slots[i].item) i = (i + 1) & mask;
    slots[i] = s;
  }
};

template <class T> bool same(Span<T> a, Span<T> b) {
  return a.count == b.count && std::equal(a.begin(), a.end(), b.begin());
}
bool same(Span<NamedAttr> a, Span<NamedAttr> b) {
  return a.count == b.count && std::equal(a.begin(), a.end(), b.begin(), [](auto &x, auto &y) {
           return x.name == y.name && x.value == y.value;
         });
}

// Ids, not addresses, go into the hash wherever there is one, so table order never depends on addresses; it
// would not matter for results, but keeps runs comparable under a profiler.
uint64_t hashOf(const TypeData &t) {
  Hash h;
  h.add(uint64_t(t.kind) | uint64_t(t.fkind) << 8 | uint64_t(t.sign) << 16 | uint64_t(t.width) << 24);
  h.add(uint64_t(t.space) << 32 | t.ninputs);
  if (t.elem) h.add(t.elem->id + 1);
  if (t.enc) h.add(uint64_t(t.enc->id) << 20);
  for (int64_t d : t.shape) h.add(uint64_t(d));
  for (Type m : t.types) h.add(m ? m->id : 0);
  h.ptr(t.text.data);
  if (t.kind == TypeKind::MemDesc) {
    h.add(uint64_t(t.memSpace ? t.memSpace->id + 1 : 0) << 1 | t.mutable_);
    for (int64_t d : t.allocShape) h.add(uint64_t(d));
  }
  return h.h;
}
bool equal(const TypeData &a, const TypeData &b) {
  return a.kind == b.kind && a.fkind == b.fkind && a.sign == b.sign && a.width == b.width &&
         a.space == b.space && a.elem == b.elem && a.enc == b.enc && a.ninputs == b.ninputs &&
         a.text == b.text && same(a.shape, b.shape) && same(a.types, b.types) && a.memSpace == b.memSpace &&
         a.mutable_ == b.mutable_ && same(a.allocShape, b.allocShape);
}

uint64_t hashOf(const AttrData &a) {
  Hash h;
  h.add(uint64_t(a.kind) | uint64_t(a.bval) << 8);
  if (a.type) h.add(a.type->id + 1);
  h.add(uint64_t(a.ival));
  h.add(a.fbits);
  h.ptr(a.text.data);
  for (Attr x : a.attrs) h.add(x ? x->id : 0);
  for (const NamedAttr &e : a.entries) {
    h.ptr(e.name.data);
    h.add(e.value ? e.value->id : 0);
  }
  for (uint64_t b : a.bits) h.add(b);
  for (int64_t v : a.ints) h.add(uint64_t(v));
  h.ptr(a.loc);
  return h.h;
}
bool equal(const AttrData &a, const AttrData &b) {
  return a.kind == b.kind && a.bval == b.bval && a.type == b.type && a.ival == b.ival && a.fbits == b.fbits &&
         a.text == b.text && a.loc == b.loc && same(a.attrs, b.attrs) && same(a.entries, b.entries) &&
         same(a.bits, b.bits) && same(a.ints, b.ints);
}

uint64_t hashOf(const LocData &l) {
  Hash h;
  h.add(uint64_t(l.kind));
  h.add(uint64_t(l.line) << 32 | l.col);
  h.add(uint64_t(l.end_line) << 32 | l.end_col);
  h.ptr(l.text.data);
  for (Loc m : l.locs) h.add(m ? m->id + 1 : 0);
  h.ptr(l.meta);
  return h.h;
}
bool equal(const LocData &a, const LocData &b) {
  return a.kind == b.kind && a.text == b.text && a.line == b.line && a.col == b.col &&
         a.end_line == b.end_line && a.end_col == b.end_col && a.meta == b.meta && same(a.locs, b.locs);
}

constexpr unsigned kFloatKinds = 11;
constexpr struct { const char *name; unsigned width; } kFloats[kFloatKinds] = {
    {"f16", 16},         {"bf16", 16},    {"f32", 32},        {"f64", 64},       {"tf32", 19},
    {"f8E4M3FN", 8},     {"f8E4M3FNUZ", 8}, {"f8E5M2", 8},    {"f8E5M2FNUZ", 8}, {"f8E8M0FNU", 8},
    {"f4E2M1FN", 4},
};

int64_t wrap(int64_t v, unsigned width) {
  if (width >= 64 || width == 0) return v;
  return static_cast<int64_t>(static_cast<uint64_t>(v) << (64 - width)) >> (64 - width);
}

} // namespace

unsigned floatWidth(FloatKind kind) { return kFloats[static_cast<unsigned>(kind)].width; }
const char *floatName(FloatKind kind) { return kFloats[static_cast<unsigned>(kind)].name; }

struct Context::Tables {
  Table<StrData> strings;
  Table<TypeData> types;
  Table<AttrData> attrs;
  Table<LocData> locs;
  std::deque<Encoding> encodings;
  Type ints[65] = {};              // signless, by width
  Type floats[kFloatKinds] = {};
  Type index = nullptr;
  Loc unknown = nullptr;
};

Context::Context() : tables(new Tables) {}
Context::~Context() { delete tables; }

Str Context::str(std::string_view text) {
  Hash h;
  h.bytes(text);
  const StrData *found = tables->strings.find(
      h.h, [&](const StrData &s) { return std::string_view(s.text, s.size) == text; });
  if (!found) {
    void *mem = arena.raw(offsetof(StrData, text) + text.size() + 1, alignof(StrData));
    StrData *d = static_cast<StrData *>(mem);
    d->size = static_cast<uint32_t>(text.size());
    d->hash = static_cast<uint32_t>(h.h);
    if (!text.empty()) std::memcpy(d->text, text.data(), text.size());
    d->text[text.size()] = 0;
    tables->strings.insert(d, h.h);
    found = d;
  }
  Str s;
  s.data = found;
  return s;
}

template <class T> Span<T> Context::copy(Span<T> s) {
  if (s.empty()) return {};
  T *p = arena.alloc<T>(s.count);
  std::copy(s.begin(), s.end(), p);
  return {p, s.count};
}

static uint32_t depthOf(const TypeData &t) {
  uint32_t d = 0;
  if (t.elem) d = t.elem->depth;
  if (t.enc) d = std::max(d, t.enc->depth);
  if (t.memSpace) d = std::max(d, t.memSpace->depth);
  for (Type m : t.types) d = std::max(d, m ? m->depth : 0);
  return d + 1;
}
static uint32_t depthOf(const AttrData &a) {
  uint32_t d = 0;
  if (a.type) d = a.type->depth;
  for (Attr x : a.attrs) d = std::max(d, x ? x->depth : 0);
  for (const NamedAttr &e : a.entries) d = std::max(d, e.value ? e.value->depth : 0);
  if (a.loc) d = std::max(d, a.loc->depth);
  return d + 1;
}
static uint32_t depthOf(const LocData &l) {
  uint32_t d = l.meta ? l.meta->depth : 0;
  for (Loc m : l.locs) d = std::max(d, m ? m->depth : 0);
  return d + 1;
}

const TypeData *Context::unique(const TypeData &probe) {
  uint64_t h = hashOf(probe);
  if (auto *t = tables->types.find(h, [&](const TypeData &t) { return equal(t, probe); })) return t;
  TypeData *d = arena.alloc<TypeData>();
  *d = probe;
  d->shape = copy(probe.shape);
  d->allocShape = copy(probe.allocShape);
  d->types = copy(probe.types);
  d->ctx = this;
  d->id = tables->types.count;
  d->depth = depthOf(*d);
  tables->types.insert(d, h);
  return d;
}

const AttrData *Context::unique(const AttrData &probe) {
  uint64_t h = hashOf(probe);
  if (auto *a = tables->attrs.find(h, [&](const AttrData &a) { return equal(a, probe); })) return a;
  AttrData *d = arena.alloc<AttrData>();
  *d = probe;
  d->attrs = copy(probe.attrs);
  d->entries = copy(probe.entries);
  d->bits = copy(probe.bits);
  d->ints = copy(probe.ints);
  d->ctx = this;
  d->id = tables->attrs.count;
  d->depth = depthOf(*d);
  tables->attrs.insert(d, h);
  return d;
}

const LocData *Context::unique(const LocData &probe) {
  uint64_t h = hashOf(probe);
  if (auto *l = tables->locs.find(h, [&](const LocData &l) { return equal(l, probe); })) return l;
  LocData *d = arena.alloc<LocData>();
  *d = probe;
  d->locs = copy(probe.locs);
  d->ctx = this;
  d->id = tables->locs.count;
  d->depth = depthOf(*d);
  tables->locs.insert(d, h);
  return d;
}

// ---- types ------------------------------------------------------------------------------------------------

Type Context::none() { return unique(TypeData{.kind = TypeKind::None}); }

Type Context::index() {
  if (!tables->index) tables->index = unique(TypeData{.kind = TypeKind::Index});
  return tables->index;
}

Type Context::intType(unsigned width, Sign sign) {
  if (sign == Sign::None && width <= 64) {
    Type &t = tables->ints[width];
    if (!t) t = unique(TypeData{.kind = TypeKind::Int, .width = width});
    return t;
  }
  return unique(TypeData{.kind = TypeKind::Int, .sign = sign, .width = width});
}

Type Context::floatType(FloatKind kind) {
  Type &t = tables->floats[static_cast<unsigned>(kind)];
  if (!t) t = unique(TypeData{.kind = TypeKind::Float, .fkind = kind, .width = floatWidth(kind)});
  return t;
}

Type Context::ptr(Type pointee, unsigned space) {
  return unique(TypeData{.kind = TypeKind::Ptr, .space = space, .elem = pointee});
}

Type Context::tensor(Span<int64_t> shape, Type elem, Attr enc) {
  return unique(TypeData{.kind = TypeKind::Tensor, .elem = elem, .enc = enc, .shape = shape});
}
Type Context::tensor(std::initializer_list<int64_t> shape, Type elem, Attr enc) {
  return tensor(Span<int64_t>{shape.begin(), static_cast<uint32_t>(shape.size())}, elem, enc);
}

Type Context::desc(Span<int64_t> shape, Type elem, Attr enc) {
  return unique(TypeData{.kind = TypeKind::TensorDesc, .elem = elem, .enc = enc, .shape = shape});
}

Type Context::memdesc(Span<int64_t> shape, Type elem, Attr enc, Attr memSpace, bool isMutable,
                      Span<int64_t> allocShape) {
  return unique(TypeData{.kind = TypeKind::MemDesc, .elem = elem, .enc = enc, .memSpace = memSpace,
                         .mutable_ = isMutable, .shape = shape,
                         .allocShape = allocShape.empty() ? shape : allocShape});
}

Type Context::function(Span<Type> inputs, Span<Type> results) {
  std::vector<Type> all(inputs.begin(), inputs.end());
  all.insert(all.end(), results.begin(), results.end());
  return unique(TypeData{.kind = TypeKind::Function,
                         .types = {all.data(), static_cast<uint32_t>(all.size())},
                         .ninputs = inputs.count});
}

Type Context::tuple(Span<Type> members) { return unique(TypeData{.kind = TypeKind::Tuple, .types = members}); }
Type Context::opaqueType(std::string_view text) {
  return unique(TypeData{.kind = TypeKind::Opaque, .text = str(text)});
}
Type Context::like(Type like, Type elem) {
  return like->isTensor() ? tensor(like->shape, elem, like->enc) : elem;
}

// ---- attributes -------------------------------------------------------------------------------------------

Attr Context::unit() { return unique(AttrData{.kind = AttrKind::Unit}); }
Attr Context::boolean(bool v) { return unique(AttrData{.kind = AttrKind::Bool, .bval = v, .type = i1()}); }

Attr Context::integer(int64_t v, Type type) {
  if (type && type->isInt(1) && type->sign == Sign::None) return boolean(v & 1);
  if (type && type->isInt()) {
    bool is_unsigned = type->sign == Sign::Unsigned && type->width < 64;
    v = is_unsigned ? v & static_cast<int64_t>((uint64_t(1) << type->width) - 1) : wrap(v, type->width);
  }
  return unique(AttrData{.kind = AttrKind::Int, .type = type, .ival = v});
}
Attr Context::floating(uint64_t bits, Type type) {
  return unique(AttrData{.kind = AttrKind::Float, .type = type, .fbits = bits});
}
Attr Context::string(std::string_view s) { return unique(AttrData{.kind = AttrKind::String, .text = str(s)}); }
Attr Context::typeAttr(Type t) { return unique(AttrData{.kind = AttrKind::TypeA, .type = t}); }
Attr Context::array(Span<Attr> a) { return unique(AttrData{.kind = AttrKind::Array, .attrs = a}); }

Attr Context::dict(std::vector<NamedAttr> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const NamedAttr &a, const NamedAttr &b) {
    return a.name.view() < b.name.view();
  });
  return unique(AttrData{.kind = AttrKind::Dict,
                         .entries = {entries.data(), static_cast<uint32_t>(entries.size())}});
}
Attr Context::dense(Type type, bool splat, Span<uint64_t> bits) {
  return unique(AttrData{.kind = AttrKind::Dense, .bval = splat, .type = type, .bits = bits});
}
Attr Context::denseArray(Type elem, Span<int64_t> v) {
  return unique(AttrData{.kind = AttrKind::DenseArray, .type = elem, .ints = v});
}
Attr Context::symbol(std::string_view name) {
  return unique(AttrData{.kind = AttrKind::Symbol, .text = str(name)});
}
Attr Context::enumeration(int64_t value, std::string_view spelling) {
  return unique(AttrData{.kind = AttrKind::Enum, .ival = value, .text = str(spelling)});
}
Attr Context::opaqueAttr(std::string_view text) {
  return unique(AttrData{.kind = AttrKind::Opaque, .text = str(text)});
}
Attr Context::dialectAttr(std::string_view text, std::string *why) {
  Attr a = parseEncoding(*this, text, why);
  return a || !why->empty() ? a : opaqueAttr(text);
}
Attr Context::encoding(std::string_view text, Encoding &&fields) {
  Attr parent = fields.parent;
  uint32_t before = tables->attrs.count;
  Attr a = unique(AttrData{.kind = AttrKind::Encoding, .text = str(text), .attrs = {&parent, parent ? 1u : 0u}});
  if (tables->attrs.count != before) {
    tables->encodings.push_back(std::move(fields));
    const_cast<AttrData *>(a)->encoding = &tables->encodings.back();
  }
  return a;
}
Attr Context::locAttr(Loc l) { return unique(AttrData{.kind = AttrKind::LocA, .loc = l}); }

// ---- locations --------------------------------------------------------------------------------------------

Loc Context::unknownLoc() {
  if (!tables->unknown) tables->unknown = unique(LocData{.kind = LocKind::Unknown});
  return tables->unknown;
}
Loc Context::fileLoc(std::string_view file, unsigned line, unsigned col, unsigned end_line, unsigned end_col) {
  return unique(LocData{.kind = LocKind::File, .text = str(file), .line = line, .col = col,
                        .end_line = end_line, .end_col = end_col});
}
Loc Context::nameLoc(std::string_view name, Loc child) {
  if (child && child->depth >= kMaxLocDepth) child = nullptr;
  return unique(LocData{.kind = LocKind::Name, .text = str(name), .locs = {&child, child ? 1u : 0u}});
}
Loc Context::callSiteLoc(Loc callee, Loc caller) {
  Loc both[2] = {callee ? callee : unknownLoc(), caller ? caller : unknownLoc()};
  if (std::max(both[0]->depth, both[1]->depth) >= kMaxLocDepth) return both[1]->depth < both[0]->depth ? both[1] : both[0];
  return unique(LocData{.kind = LocKind::CallSite, .locs = {both, 2}});
}
Loc Context::fusedLoc(Span<Loc> members, Attr meta) {
  std::vector<Loc> kept;
  for (Loc m : members)
    if (!m || m->depth < kMaxLocDepth) kept.push_back(m);
  return unique(LocData{.kind = LocKind::Fused, .locs = {kept.data(), static_cast<uint32_t>(kept.size())}, .meta = meta});
}

// ---- diagnostics ------------------------------------------------------------------------------------------

void Context::report(Severity severity, const std::string &text) {
  if (sink) sink(sinkUser, severity, text.data(), text.size());
}

/// `budget` bounds the visits: shared parts of hostile locations multiply.
static bool appendLoc(Loc loc, std::string &out, int &budget) {
  if (!loc || --budget < 0) return false;
  switch (loc->kind) {
  case LocKind::Unknown: return false;
  case LocKind::File:
    out += loc->text.view();
    out += tessera::format(":%u:%u", loc->line, loc->col);
    return true;
  case LocKind::Name:
    if (!loc->locs.empty() && appendLoc(loc->locs[0], out, budget)) return true;
    out += '"';
    out += loc->text.view();
    out += '"';
    return true;
  case LocKind::CallSite: {
    bool any = appendLoc(loc->locs[0], out, budget);
    std::string caller;
    if (appendLoc(loc->locs[1], caller, budget)) {
      if (any) out += " at ";
      out += caller;
      any = true;
    }
    return any;
  }
  case LocKind::Fused:
    for (Loc m : loc->locs)
      if (appendLoc(m, out, budget)) return true;
    return false;
  }
  return false;
}

std::string locText(Loc loc) {
  std::string out;
  int budget = 100;
  if (!appendLoc(loc, out, budget)) out = "<unknown location>";
  return out;
}

} // namespace tir
