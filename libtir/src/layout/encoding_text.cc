// SPDX-License-Identifier: MIT
// Encodings as text: the reader of `ttg.blocked<{…}>` and its kin, the checks on their fields, and the canonical
// spelling (the text that release 3.9 prints), by which the attributes are unique.
#include "encoding.hh"
#include <bit>
#include <charconv>
#include <cstdarg>

namespace tir {

namespace {

constexpr unsigned kMaxRank = 32;
constexpr unsigned kMaxTileBits = 30; // of all inputs together: a layout of any shape then fits 64 bits
constexpr unsigned kMaxParents = 16;  // encodings in encodings
constexpr uint64_t kMaxNumber = uint64_t(1) << 30;

using Bases = std::vector<std::vector<unsigned>>;

struct Kind {
  std::string_view name;
  EncKind kind;
};
constexpr Kind kKinds[] = {
    {"ttg.blocked", EncKind::Blocked},
    {"ttg.slice", EncKind::Slice},
    {"ttg.nvidia_mma", EncKind::NvidiaMma},
    {"ttg.dot_op", EncKind::DotOp},
    {"ttg.linear", EncKind::Linear},
    {"ttg.generic_linear", EncKind::Linear},
    {"ttg.swizzled_shared", EncKind::SwizzledShared},
    {"ttg.nvmma_shared", EncKind::NvmmaShared},
    {"ttg.shared_linear", EncKind::SharedLinear},
    {"ttg.padded_shared", EncKind::PaddedShared},
    {"ttg.shared_memory", EncKind::SharedMemory},
};

unsigned log2Of(uint64_t v) { return static_cast<unsigned>(std::bit_width(v) - 1); }
bool powerOf2(uint64_t v) { return std::has_single_bit(v); }

/// What stands behind one key.
struct Field {
  enum Form { Number, Boolean, Numbers, Lists, Encoded } form = Number;
  std::string_view key;
  uint64_t number = 0; // Boolean: 0 or 1
  std::vector<unsigned> numbers;
  Bases lists;
  Attr attr = nullptr;
};

class Reader {
public:
  Reader(Context &ctx, std::string_view text, std::string *why) : ctx(ctx), p(text.data()), end(p + text.size()), why(why) {}

  /// A whole attribute without its '#'. Null with an empty *why: no kind of ours.
  Attr encoding(unsigned depth);
  bool finished() { return blanks(), p == end; }

private:
  Context &ctx;
  const char *p, *end;
  std::string *why;

  bool fail(const std::string &what) {
    if (why->empty()) *why = what;
    return false;
  }
  void blanks() {
    while (p != end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) ++p;
  }
  bool peek(char c) { return blanks(), p != end && *p == c; }
  bool accept(char c) { return peek(c) ? (++p, true) : false; }
  bool expect(char c) {
    if (accept(c)) return true;
    return fail(tessera::format("expected '%c', found %s", c,
                                p == end ? "the end" : tessera::format("'%.*s'", int(std::min<size_t>(end - p, 12)), p).c_str()));
  }
  std::string_view word() {
    blanks();
    const char *from = p;
    while (p != end && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' || *p == '.'))
      ++p;
    return {from, static_cast<size_t>(p - from)};
  }
  bool number(uint64_t *out) {
    blanks();
    auto r = std::from_chars(p, end, *out);
    if (r.ec != std::errc() || *out > kMaxNumber) return fail("expected a number of at most 2^30");
    p = r.ptr;
    return true;
  }
  bool numbers(std::vector<unsigned> *out) {
    if (!expect('[')) return false;
    if (accept(']')) return true;
    do {
      uint64_t v;
      if (!number(&v)) return false;
      if (out->size() > 64) return fail("a list is longer than 64");
      out->push_back(static_cast<unsigned>(v));
    } while (accept(','));
    return expect(']');
  }
  bool value(Field *f, unsigned depth);
  bool fields(std::vector<Field> *out, unsigned depth);
  bool fill(Encoding *e, std::vector<Field> &fields);
  bool padded(std::string *text);
  Attr other(std::string_view name, const char *from);
};

bool Reader::value(Field *f, unsigned depth) {
  if (accept('#')) {
    f->form = Field::Encoded;
    const char *from = p;
    f->attr = encoding(depth + 1);
    if (!f->attr && why->empty()) {
      p = from;
      f->attr = other(word(), from);
    }
    return f->attr;
  }
  if (peek('[')) {
    const char *from = p;
    ++p;
    bool nested = peek('[');
    if (!nested) {
      p = from;
      f->form = Field::Numbers;
      return numbers(&f->numbers);
    }
    f->form = Field::Lists;
    do {
      f->lists.emplace_back();
      if (f->lists.size() > 64) return fail("a list is longer than 64");
      if (!numbers(&f->lists.back())) return false;
    } while (accept(','));
    return expect(']');
  }
  if (p != end && *p >= '0' && *p <= '9') return number(&f->number);
  std::string_view w = word();
  f->form = Field::Boolean;
  f->number = w == "true";
  if (w != "true" && w != "false") return fail(tessera::format("'%s' has no value", std::string(f->key).c_str()));
  return true;
}

bool Reader::fields(std::vector<Field> *out, unsigned depth) {
  if (!expect('{')) return false;
  if (accept('}')) return true;
  do {
    Field f;
    f.key = word();
    if (f.key.empty()) return fail("expected a key");
    for (const Field &o : *out)
      if (o.key == f.key) return fail(tessera::format("'%s' is given twice", std::string(f.key).c_str()));
    if (!expect('=') || !value(&f, depth)) return false;
    out->push_back(std::move(f));
  } while (accept(','));
  return expect('}');
}

// An attribute that is none of ours, inside one of ours: kept as text.
Attr Reader::other(std::string_view name, const char *from) {
  if (name.find('.') == std::string_view::npos) return fail("expected an attribute after '#'"), nullptr;
  if (p != end && *p == '<') {
    unsigned open = 0;
    do {
      open += *p == '<';
      open -= *p == '>';
      ++p;
    } while (open && p != end);
    if (open) return fail("a '<' is never closed"), nullptr;
  }
  return ctx.opaqueAttr({from, static_cast<size_t>(p - from)});
}

// `<[4:+2, …] {…}>`: kept as it stands.
bool Reader::padded(std::string *text) {
  const char *from = p;
  if (!expect('<')) return false;
  unsigned open = 1;
  for (; p != end && open; ++p) {
    open += *p == '<';
    open -= *p == '>';
  }
  if (open) return fail("the '<' is never closed");
  *text = std::string(from, p);
  return true;
}

LinearLayout fromBases(const std::vector<Dim> &dims, const std::vector<const Bases *> &bases, unsigned rank) {
  std::vector<unsigned> bits(rank, 0);
  for (const Bases *b : bases)
    for (const auto &v : *b)
      for (unsigned d = 0; d < rank; ++d) bits[d] = std::max<unsigned>(bits[d], std::bit_width(v[d]));
  std::vector<unsigned> shift(rank, 0);
  for (unsigned d = rank; d-- > 1;) shift[d - 1] = shift[d] + bits[d];
  std::vector<DimBits> in, out;
  for (unsigned d = 0; d < rank; ++d) out.push_back({tensorDim(d), bits[d]});
  Columns cols;
  for (size_t i = 0; i < dims.size(); ++i) {
    in.push_back({dims[i], static_cast<uint32_t>(bases[i]->size())});
    for (const auto &v : *bases[i]) {
      uint64_t c = 0;
      for (unsigned d = 0; d < rank; ++d) c |= uint64_t(v[d]) << shift[d];
      cols.push_back(c);
    }
  }
  return LinearLayout(std::move(in), std::move(out), std::move(cols));
}

bool Reader::fill(Encoding *e, std::vector<Field> &all) {
  Bases reg, lane, warp, block, offset;
  unsigned seen = 0;
  auto take = [&](std::string_view key, Field::Form form) -> Field * {
    for (Field &f : all)
      if (f.key == key) {
        ++seen;
        // An empty list of lists reads as an empty list.
        bool ok = f.form == form || (form == Field::Lists && f.form == Field::Numbers && f.numbers.empty());
        if (!ok) fail(tessera::format("'%s' has a value of another kind", std::string(key).c_str()));
        return ok ? &f : nullptr;
      }
    return nullptr;
  };
  auto need = [&](std::string_view key, Field::Form form) -> Field * {
    Field *f = take(key, form);
    if (!f) fail(tessera::format("'%s' is missing", std::string(key).c_str()));
    return f;
  };
  auto list = [&](std::string_view key, std::vector<unsigned> *out) {
    if (Field *f = need(key, Field::Numbers)) *out = std::move(f->numbers);
  };
  auto num = [&](std::string_view key, unsigned *out, bool required = true) {
    if (Field *f = required ? need(key, Field::Number) : take(key, Field::Number)) *out = static_cast<unsigned>(f->number);
  };
  auto flag = [&](std::string_view key, bool *out, bool required) {
    if (Field *f = required ? need(key, Field::Boolean) : take(key, Field::Boolean)) *out = f->number;
  };
  auto lists = [&](std::string_view key, Bases *out, bool required) {
    if (Field *f = required ? need(key, Field::Lists) : take(key, Field::Lists)) *out = std::move(f->lists);
  };
  switch (e->kind) {
  case EncKind::Blocked:
    list("sizePerThread", &e->sizePerThread);
    list("threadsPerWarp", &e->threadsPerWarp);
    list("warpsPerCTA", &e->warpsPerCTA);
    list("order", &e->order);
    lists("CGALayout", &e->cgaBases, false);
    break;
  case EncKind::Slice:
    num("dim", &e->dim);
    if (Field *f = need("parent", Field::Encoded)) e->parent = f->attr;
    break;
  case EncKind::NvidiaMma:
    num("versionMajor", &e->versionMajor);
    num("versionMinor", &e->versionMinor);
    list("warpsPerCTA", &e->warpsPerCTA);
    list("instrShape", &e->instrShape);
    lists("CGALayout", &e->cgaBases, false);
    break;
  case EncKind::DotOp:
    num("opIdx", &e->opIdx);
    if (Field *f = need("parent", Field::Encoded)) e->parent = f->attr;
    num("kWidth", &e->kWidth, false);
    break;
  case EncKind::Linear:
    lists("register", &reg, true);
    lists("lane", &lane, true);
    lists("warp", &warp, true);
    lists("block", &block, true);
    break;
  case EncKind::SwizzledShared:
    num("vec", &e->vec);
    num("perPhase", &e->perPhase);
    num("maxPhase", &e->maxPhase);
    list("order", &e->order);
    lists("CGALayout", &e->cgaBases, false);
    break;
  case EncKind::NvmmaShared:
    num("swizzlingByteWidth", &e->swizzlingByteWidth);
    flag("transposed", &e->transposed, true);
    num("elementBitWidth", &e->elementBitWidth);
    flag("fp4Padded", &e->fp4Padded, false);
    lists("CGALayout", &e->cgaBases, false);
    e->rank = e->cgaBases.empty() ? 2 : static_cast<unsigned>(e->cgaBases[0].size());
    num("rank", &e->rank, false);
    break;
  case EncKind::SharedLinear:
    lists("offset", &offset, true);
    lists("block", &block, false);
    break;
  default: break;
  }
  if (!why->empty()) return false;
  if (seen != all.size()) {
    for (const Field &f : all) {
      static constexpr std::string_view known[] = {"sizePerThread", "threadsPerWarp", "warpsPerCTA", "order", "CGALayout", "dim",
        "parent", "versionMajor", "versionMinor", "instrShape", "opIdx", "kWidth", "register", "lane", "warp", "block", "vec",
        "perPhase", "maxPhase", "swizzlingByteWidth", "transposed", "elementBitWidth", "fp4Padded", "rank", "offset"};
      bool is_known = false;
      for (std::string_view k : known) is_known |= f.key == k;
      if (!is_known) return fail(tessera::format("unknown key '%.60s'", std::string(f.key).c_str()));
    }
    return fail("a key of another kind of encoding is given");
  }
  if (e->kind != EncKind::Linear && e->kind != EncKind::SharedLinear) return true;
  bool shared = e->kind == EncKind::SharedLinear;
  std::vector<const Bases *> parts = shared ? std::vector<const Bases *>{&offset, &block}
                                            : std::vector<const Bases *>{&reg, &lane, &warp, &block};
  unsigned rank = 0, bits = 0, total = 0;
  for (const Bases *b : parts) {
    bits += b->size();
    if (!b->empty() && !rank) rank = (*b)[0].size();
  }
  if (!rank || rank > kMaxRank || bits > kMaxTileBits + 2)
    return fail(tessera::format("the bases have %u dimensions and %u bits (expected 1 to %u, and at most %u)", rank, bits, kMaxRank,
                                kMaxTileBits + 2));
  std::vector<unsigned> widths(rank, 0);
  for (const Bases *b : parts)
    for (const auto &v : *b) {
      if (v.size() != rank) return fail("bases of different lengths");
      for (unsigned d = 0; d < rank; ++d) widths[d] = std::max<unsigned>(widths[d], std::bit_width(v[d]));
    }
  for (unsigned w : widths) total += w;
  if (total > kMaxTileBits) return fail("the bases reach more than 2^30 elements");
  e->linear = shared ? fromBases({Dim::Offset, Dim::Block}, parts, rank)
                     : fromBases({Dim::Register, Dim::Lane, Dim::Warp, Dim::Block}, parts, rank);
  return true;
}

Attr Reader::encoding(unsigned depth) {
  const char *from = p;
  std::string_view name = word();
  const Kind *kind = nullptr;
  for (const Kind &k : kKinds)
    if (k.name == name) kind = &k;
  if (!kind) return p = from, nullptr;
  if (depth > kMaxParents) return fail("encodings nest too deeply"), nullptr;
  Encoding e;
  e.kind = kind->kind;
  e.generic = name == "ttg.generic_linear";
  if (e.kind == EncKind::SharedMemory) return encodingAttr(ctx, e);
  std::vector<Field> all;
  bool ok;
  if (e.kind == EncKind::PaddedShared) {
    ok = padded(&e.padding);
  } else {
    ok = expect('<') && fields(&all, depth) && fill(&e, all);
    if (ok && e.kind == EncKind::SharedLinear) { // `, alignment = 16` stands behind the braces
      uint64_t align = 0;
      ok = expect(',') && (word() == "alignment" || fail("'alignment' is missing")) && expect('=') && number(&align);
      e.alignment = static_cast<unsigned>(align);
    }
    ok = ok && expect('>');
  }
  Attr a = nullptr;
  if (ok && checkEncoding(e, why)) a = encodingAttr(ctx, e);
  if (!a && why->compare(0, 1, "#") != 0) *why = "#" + std::string(name) + ": " + *why; // once, by the innermost
  return a;
}

// ---- checks -------------------------------------------------------------------------------------------------

struct Check {
  std::string *why;
  [[gnu::format(printf, 2, 3)]] bool bad(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    if (why) *why = tessera::vformat(fmt, args);
    va_end(args);
    return false;
  }
  bool factors(const char *key, const std::vector<unsigned> &v, unsigned rank, unsigned *bits) {
    if (v.size() != rank) return bad("'%s' has %zu entries, expected %u", key, v.size(), rank);
    for (unsigned f : v) {
      if (!powerOf2(f)) return bad("'%s' holds %u, which is no power of two", key, f);
      *bits += log2Of(f);
    }
    return *bits <= kMaxTileBits || bad("more than 2^%u elements in one tile", kMaxTileBits);
  }
  bool permutation(const std::vector<unsigned> &order) {
    uint64_t seen = 0;
    for (unsigned d : order) {
      if (d >= order.size() || seen >> d & 1) return bad("'order' is no permutation of its %zu dimensions", order.size());
      seen |= uint64_t(1) << d;
    }
    return true;
  }
  /// After the zero bases are put aside, each basis is one power of two in one dimension, and no two agree.
  bool cga(const Bases &bases, unsigned rank) {
    if (bases.size() > 10) return bad("'CGALayout' has more than 10 bases");
    std::vector<unsigned> seen(rank, 0);
    for (const auto &b : bases) {
      if (b.size() != rank) return bad("a basis of 'CGALayout' has %zu entries, expected %u", b.size(), rank);
      unsigned used = 0;
      for (unsigned d = 0; d < rank; ++d) {
        if (!b[d]) continue;
        if (used++ || !powerOf2(b[d]) || b[d] > 512 || seen[d] & b[d])
          return bad("'CGALayout' is no permutation (zero bases put aside)");
        seen[d] |= b[d];
      }
    }
    for (unsigned s : seen)
      if (s & (s + 1)) return bad("'CGALayout' leaves out a bit of a dimension");
    return true;
  }
};

bool permutationLike(const LinearLayout &l) {
  uint64_t seen = 0;
  for (uint64_t c : l.columns()) {
    if (!c) continue;
    if (!powerOf2(c) || seen & c) return false;
    seen |= c;
  }
  return true;
}

bool checkMma(const Encoding &e, Check &c) {
  unsigned rank = e.warpsPerCTA.size(), bits = 0;
  if (!rank || rank > kMaxRank) return c.bad("'warpsPerCTA' has %u entries", rank);
  if (!c.factors("warpsPerCTA", e.warpsPerCTA, rank, &bits) || !c.cga(e.cgaBases, rank)) return false;
  unsigned total = 0;
  return c.factors("instrShape", e.instrShape, e.instrShape.size(), &total);
}

bool checkDot(const Encoding &e, Check &c) {
  if (e.opIdx > 1) return c.bad("'opIdx' is %u, expected 0 or 1", e.opIdx);
  const Encoding *p = encodingOf(e.parent);
  if (!p) return true; // a parent of a kind that is not ours
  if (p->kind == EncKind::NvidiaMma) {
    if (p->versionMajor == 3 && e.opIdx == 1) return c.bad("the second operand of wgmma is read from shared memory");
    if (!powerOf2(e.kWidth) || e.kWidth > 16) return c.bad("'kWidth' is %u, expected 1, 2, 4, 8 or 16", e.kWidth);
    return true;
  }
  if (p->kind == EncKind::Blocked) return !e.kWidth || c.bad("'kWidth' needs an mma parent");
  return c.bad("the parent is neither blocked nor an mma");
}

} // namespace

unsigned encodingRank(const Encoding &e) {
  const Encoding *p = encodingOf(e.parent);
  switch (e.kind) {
  case EncKind::Blocked:
  case EncKind::SwizzledShared: return e.order.size();
  case EncKind::NvidiaMma: return e.warpsPerCTA.size();
  case EncKind::Slice: return p && encodingRank(*p) ? encodingRank(*p) - 1 : 0;
  case EncKind::DotOp: return p ? encodingRank(*p) : 0;
  case EncKind::Linear:
  case EncKind::SharedLinear: return e.linear ? e.linear->out().size() : 0;
  case EncKind::NvmmaShared: return e.rank;
  default: return 0;
  }
}

bool checkEncoding(const Encoding &e, std::string *why) {
  Check c{why};
  unsigned bits = 0, rank = encodingRank(e);
  if (rank > kMaxRank) return c.bad("%u dimensions, expected at most %u", rank, kMaxRank);
  if (e.parent && e.parent->depth > kMaxParents) return c.bad("encodings nest too deeply");
  switch (e.kind) {
  case EncKind::Blocked:
    if (!rank) return c.bad("'order' is empty");
    return c.permutation(e.order) && c.factors("sizePerThread", e.sizePerThread, rank, &bits) &&
           c.factors("threadsPerWarp", e.threadsPerWarp, rank, &bits) && c.factors("warpsPerCTA", e.warpsPerCTA, rank, &bits) &&
           c.cga(e.cgaBases, rank);
  case EncKind::Slice:
    if (!e.parent) return c.bad("'parent' is missing");
    if (const Encoding *p = encodingOf(e.parent); p && encodingRank(*p)) {
      if (e.dim >= encodingRank(*p)) return c.bad("'dim' is %u, the parent has %u dimensions", e.dim, encodingRank(*p));
      if (encodingRank(*p) < 2) return c.bad("the parent has one dimension");
    }
    return true;
  case EncKind::NvidiaMma: return checkMma(e, c);
  case EncKind::DotOp: return e.parent ? checkDot(e, c) : c.bad("'parent' is missing");
  case EncKind::Linear:
    if (!e.linear || !rank) return c.bad("no bases");
    if (!e.linear->isSurjective()) return c.bad("the bases do not reach every element");
    if (!e.generic && !permutationLike(*e.linear))
      return c.bad("a basis is neither zero nor a single bit of its own (#ttg.generic_linear holds any)");
    return true;
  case EncKind::SwizzledShared:
    if (!rank) return c.bad("'order' is empty");
    if (!powerOf2(e.vec) || !powerOf2(e.perPhase) || !powerOf2(e.maxPhase))
      return c.bad("'vec', 'perPhase' and 'maxPhase' must be powers of two");
    return c.permutation(e.order) && c.cga(e.cgaBases, rank);
  case EncKind::NvmmaShared: {
    unsigned s = e.swizzlingByteWidth, w = e.elementBitWidth;
    if (s != 0 && s != 32 && s != 64 && s != 128) return c.bad("'swizzlingByteWidth' is %u, expected 0, 32, 64 or 128", s);
    if (!powerOf2(w) || w > 128) return c.bad("'elementBitWidth' is %u, expected a power of two of at most 128", w);
    if (!e.rank) return c.bad("'rank' is 0");
    return c.cga(e.cgaBases, rank);
  }
  case EncKind::SharedLinear:
    if (!e.linear || !rank) return c.bad("no bases");
    if (!e.linear->isSurjective()) return c.bad("the bases do not reach every element");
    if (!powerOf2(e.alignment)) return c.bad("'alignment' is %u, expected a power of two", e.alignment);
    return true;
  default: return true;
  }
}

// ---- spelling -----------------------------------------------------------------------------------------------

namespace {

void put(std::string &out, const std::vector<unsigned> &v) {
  out += '[';
  for (size_t i = 0; i < v.size(); ++i) {
    if (i) out += ", ";
    out += std::to_string(v[i]);
  }
  out += ']';
}

void put(std::string &out, const char *key, const std::vector<unsigned> &v) {
  out += key;
  out += " = ";
  put(out, v);
}

void put(std::string &out, const char *key, uint64_t v) {
  out += key;
  out += " = ";
  out += std::to_string(v);
}

void putCga(std::string &out, const Encoding &e) {
  if (e.cgaBases.empty()) return;
  out += ", CGALayout = [";
  for (size_t i = 0; i < e.cgaBases.size(); ++i) {
    if (i) out += ", ";
    put(out, e.cgaBases[i]);
  }
  out += ']';
}

void putBases(std::string &out, const char *key, const LinearLayout &l, Dim d) {
  out += key;
  out += " = [";
  for (unsigned i = 0; i < l.inBits(d); ++i) {
    if (i) out += ", ";
    std::vector<unsigned> v;
    for (const DimBits &o : l.out()) v.push_back(static_cast<unsigned>(l.coordinate(l.basis(d, i), o.dim)));
    put(out, v);
  }
  out += ']';
}

} // namespace

std::string encodingText(const Encoding &e) {
  std::string s;
  switch (e.kind) {
  case EncKind::Blocked:
    put(s = "ttg.blocked<{", "sizePerThread", e.sizePerThread);
    put(s += ", ", "threadsPerWarp", e.threadsPerWarp);
    put(s += ", ", "warpsPerCTA", e.warpsPerCTA);
    put(s += ", ", "order", e.order);
    putCga(s, e);
    break;
  case EncKind::Slice:
    put(s = "ttg.slice<{", "dim", e.dim);
    s.append(", parent = #").append(e.parent->text.view());
    break;
  case EncKind::NvidiaMma:
    put(s = "ttg.nvidia_mma<{", "versionMajor", e.versionMajor);
    put(s += ", ", "versionMinor", e.versionMinor);
    put(s += ", ", "warpsPerCTA", e.warpsPerCTA);
    putCga(s, e);
    put(s += ", ", "instrShape", e.instrShape);
    break;
  case EncKind::DotOp:
    put(s = "ttg.dot_op<{", "opIdx", e.opIdx);
    s.append(", parent = #").append(e.parent->text.view());
    if (e.kWidth) put(s += ", ", "kWidth", e.kWidth);
    break;
  case EncKind::Linear:
    putBases(s = e.generic ? "ttg.generic_linear<{" : "ttg.linear<{", "register", *e.linear, Dim::Register);
    putBases(s += ", ", "lane", *e.linear, Dim::Lane);
    putBases(s += ", ", "warp", *e.linear, Dim::Warp);
    putBases(s += ", ", "block", *e.linear, Dim::Block);
    break;
  case EncKind::SwizzledShared:
    put(s = "ttg.swizzled_shared<{", "vec", e.vec);
    put(s += ", ", "perPhase", e.perPhase);
    put(s += ", ", "maxPhase", e.maxPhase);
    put(s += ", ", "order", e.order);
    putCga(s, e);
    break;
  case EncKind::NvmmaShared:
    put(s = "ttg.nvmma_shared<{", "swizzlingByteWidth", e.swizzlingByteWidth);
    s.append(", transposed = ").append(e.transposed ? "true" : "false");
    put(s += ", ", "elementBitWidth", e.elementBitWidth);
    if (e.fp4Padded) s += ", fp4Padded = true";
    putCga(s, e);
    if (e.cgaBases.empty() && e.rank != 2) put(s += ", ", "rank", e.rank); // else the bases say it
    break;
  case EncKind::SharedLinear:
    putBases(s = "ttg.shared_linear<{", "offset", *e.linear, Dim::Offset);
    if (e.linear->inBits(Dim::Block)) putBases(s += ", ", "block", *e.linear, Dim::Block);
    put(s += "}, ", "alignment", e.alignment);
    return s + '>';
  case EncKind::PaddedShared: return "ttg.padded_shared" + e.padding;
  case EncKind::SharedMemory: return "ttg.shared_memory";
  case EncKind::Other: return {};
  }
  return s + "}>";
}

Attr encodingAttr(Context &ctx, const Encoding &e) {
  Encoding full = e;
  if (full.kind == EncKind::NvmmaShared && !full.rank)
    full.rank = full.cgaBases.empty() ? 2 : static_cast<unsigned>(full.cgaBases[0].size());
  if (full.kind == EncKind::Other || !checkEncoding(full, nullptr)) return nullptr;
  return ctx.encoding(encodingText(full), std::move(full));
}

Attr parseEncoding(Context &ctx, std::string_view text, std::string *why) {
  why->clear();
  Reader r(ctx, text, why);
  Attr a = r.encoding(0);
  if (a && !r.finished()) return *why = "#" + std::string(text.substr(0, 60)) + ": something follows the encoding", nullptr;
  return a;
}

} // namespace tir
