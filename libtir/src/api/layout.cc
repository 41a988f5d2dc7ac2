// SPDX-License-Identifier: MIT
// C API: layout.h.
#include "handles.hh"
#include "layout/encoding.hh"
#include "layout/picture.hh"
#include "tir/layout.h"
#include <bit>
#include <new>

using namespace tir;
using tessera::Code;
using tessera::Status;
namespace api = tessera::api;

static_assert(TIR_DIM_OFFSET == static_cast<uint32_t>(Dim::Offset) && TIR_DIM_TENSOR == static_cast<uint32_t>(Dim::Dim0));

struct tir_layout {
  LinearLayout l;
};

namespace {

constexpr unsigned kMaxBits = 62, kMaxRank = 32;

tir_status give(LinearLayout l, const char *what, tir_layout **out) {
  if (l.inBits() > kMaxBits || l.outBits() > kMaxBits || l.in().size() > kMaxRank || l.out().size() > kMaxRank)
    return api::error(Code::LIMIT, "%s: the layout has %u bits of places and %u of elements in %zu and %zu dimensions; at most %u and %u",
                      what, l.inBits(), l.outBits(), l.in().size(), l.out().size(), kMaxBits, kMaxRank);
  *out = new (std::nothrow) tir_layout{std::move(l)};
  return *out ? TIR_OK : api::error(Code::LIMIT, "%s: out of memory", what);
}

tir_status null(const char *what, const char *arg) { return api::error(Code::INVALID_ARGUMENT, "%s: %s is NULL", what, arg); }

bool knownDim(tir_dim d) { return d <= TIR_DIM_OFFSET || (d >= TIR_DIM_TENSOR && d < TIR_DIM_TENSOR + kMaxRank); }

Status dims(const char *what, const char *name, uint32_t count, const tir_layout_dim *from, std::vector<DimBits> *to, unsigned *bits) {
  if (count && !from) return tessera::fail(Code::INVALID_ARGUMENT, "%s: %s is NULL", what, name);
  if (count > kMaxRank) return tessera::fail(Code::LIMIT, "%s: %u dimensions in %s; at most %u", what, count, name, kMaxRank);
  for (uint32_t i = 0; i < count; ++i) {
    if (!knownDim(from[i].dim)) return tessera::fail(Code::INVALID_ARGUMENT, "%s: %s[%u] is no known dimension (%u)", what, name, i, from[i].dim);
    for (uint32_t k = 0; k < i; ++k)
      if (from[k].dim == from[i].dim)
        return tessera::fail(Code::INVALID_ARGUMENT, "%s: %s[%u] repeats dimension %s", what, name, i, dimName(Dim(from[i].dim)).c_str());
    if (from[i].bits > kMaxBits || (*bits += from[i].bits) > kMaxBits)
      return tessera::fail(Code::LIMIT, "%s: %s has more than %u bits", what, name, kMaxBits);
    to->push_back({Dim(from[i].dim), from[i].bits});
  }
  return tessera::ok_status();
}

/// log2 of a shape.
Status shapeBits(const char *what, uint32_t rank, const int64_t *shape, std::vector<unsigned> *bits) {
  if (rank && !shape) return tessera::fail(Code::INVALID_ARGUMENT, "%s: shape is NULL", what);
  if (rank > kMaxRank) return tessera::fail(Code::INVALID_ARGUMENT, "%s: rank is %u; at most %u", what, rank, kMaxRank);
  unsigned total = 0;
  for (uint32_t i = 0; i < rank; ++i) {
    if (shape[i] < 1 || !std::has_single_bit(static_cast<uint64_t>(shape[i])))
      return tessera::fail(Code::INVALID_ARGUMENT, "%s: shape[%u] is %lld; expected a power of two", what, i, static_cast<long long>(shape[i]));
    bits->push_back(static_cast<unsigned>(std::bit_width(static_cast<uint64_t>(shape[i])) - 1));
    total += bits->back();
  }
  if (total > 30) return tessera::fail(Code::INVALID_ARGUMENT, "%s: more than 2^30 elements", what);
  return tessera::ok_status();
}

std::string shapeText(Span<int64_t> shape) {
  std::string s;
  for (uint32_t i = 0; i < shape.count; ++i) s += (i ? "x" : "") + std::to_string(shape[i]);
  return s;
}

tir_status ofEncoding(const char *what, Attr a, Span<int64_t> shape, unsigned elementBits, tir_layout **out) {
  const Encoding *e = encodingOf(a);
  if (!e) return api::error(Code::INVALID_ARGUMENT, "%s: the attribute is no encoding", what);
  std::vector<unsigned> bits;
  if (Status s = shapeBits(what, shape.count, shape.ptr, &bits); !s.ok()) return api::done(s);
  auto l = distributedLayout(a, shape);
  if (!l) l = sharedLayout(a, shape, elementBits);
  if (!l)
    return api::error(Code::UNSUPPORTED, "%s: #%.*s has no map for a tensor of %s%s", what, static_cast<int>(std::min<size_t>(a->text.view().size(), 400)),
                      a->text.view().data(), shapeText(shape).c_str(),
                      encodingRank(*e) && encodingRank(*e) != shape.count ? " (it has another number of dimensions)" : "");
  return give(std::move(*l), what, out);
}

/// Same dimensions and sizes, in any order.
bool sameDims(const std::vector<DimBits> &a, const std::vector<DimBits> &b) {
  auto in = [](const std::vector<DimBits> &x, const std::vector<DimBits> &y) {
    for (const DimBits &d : x) {
      bool found = !d.bits;
      for (const DimBits &o : y) found |= o == d;
      if (!found) return false;
    }
    return true;
  };
  return in(a, b) && in(b, a);
}

/// Outputs named dim0, dim1, … in this order: what reshape, transpose and slice need.
bool tensorOuts(const LinearLayout &l) {
  for (size_t i = 0; i < l.out().size(); ++i)
    if (l.out()[i].dim != tensorDim(static_cast<unsigned>(i))) return false;
  return true;
}

tir_status noTensor(const char *what) {
  return api::error(Code::INVALID_ARGUMENT, "%s: the elements are not dim0, dim1, ... in this order", what);
}

} // namespace

extern "C" {

tir_status tir_layout_create(uint32_t in_count, const tir_layout_dim *in, uint32_t out_count, const tir_layout_dim *outs,
                             const uint64_t *bases, tir_layout **out) {
  const char *what = "tir_layout_create";
  if (!out) return null(what, "out");
  *out = nullptr;
  std::vector<DimBits> i, o;
  unsigned in_bits = 0, out_bits = 0;
  if (Status s = dims(what, "in", in_count, in, &i, &in_bits); !s.ok()) return api::done(s);
  if (Status s = dims(what, "outs", out_count, outs, &o, &out_bits); !s.ok()) return api::done(s);
  if (in_bits && !bases) return null(what, "bases");
  for (unsigned b = 0; b < in_bits; ++b)
    if (bases[b] >> out_bits)
      return api::error(Code::INVALID_ARGUMENT, "%s: bases[%u] is %llu; the elements have %u bits", what, b,
                        static_cast<unsigned long long>(bases[b]), out_bits);
  return give(LinearLayout(std::move(i), std::move(o), Columns(bases, bases + in_bits)), what, out);
}

tir_status tir_layout_from_encoding(tir_attr encoding, uint32_t rank, const int64_t *shape, uint32_t element_bits, tir_layout **out) {
  const char *what = "tir_layout_from_encoding";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!encoding) return null(what, "encoding");
  return ofEncoding(what, unwrap(encoding), {shape, rank}, element_bits, out);
}

tir_status tir_layout_from_text(const char *text, size_t size, uint32_t rank, const int64_t *shape, uint32_t element_bits,
                                tir_layout **out) {
  const char *what = "tir_layout_from_text";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!text) return null(what, "text");
  Context ctx;
  std::string why;
  std::string_view s(text, size);
  while (!s.empty() && (s[0] == ' ' || s[0] == '\n')) s.remove_prefix(1);
  if (!s.empty() && s[0] == '#') s.remove_prefix(1);
  Attr a = parseEncoding(ctx, s, &why);
  if (!a)
    return api::error(Code::PARSE, "%s: %s", what,
                      why.empty() ? "expected an encoding such as #ttg.blocked<{sizePerThread = [1], threadsPerWarp = [32], "
                                    "warpsPerCTA = [4], order = [0]}>"
                                  : why.c_str());
  return ofEncoding(what, a, {shape, rank}, element_bits, out);
}

tir_status tir_layout_of_type(tir_type type, tir_layout **out) {
  const char *what = "tir_layout_of_type";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!type) return null(what, "type");
  Type t = unwrap(type);
  if (!(t->isTensor() || t->isMemDesc()) || !t->enc)
    return api::error(Code::INVALID_ARGUMENT, "%s: the type is no tensor or buffer with an encoding", what);
  unsigned bits = t->isMemDesc() && (t->elem->isInt() || t->elem->isFloat()) ? t->elem->width : 0;
  return ofEncoding(what, t->enc, t->shape, bits, out);
}

void tir_layout_destroy(tir_layout *layout) { delete layout; }

uint32_t tir_layout_rank(const tir_layout *layout, tir_layout_side side) {
  if (!layout || side > TIR_LAYOUT_OUT) return 0;
  return static_cast<uint32_t>(side == TIR_LAYOUT_IN ? layout->l.in().size() : layout->l.out().size());
}
uint32_t tir_layout_bits(const tir_layout *layout, tir_layout_side side) {
  if (!layout || side > TIR_LAYOUT_OUT) return 0;
  return side == TIR_LAYOUT_IN ? layout->l.inBits() : layout->l.outBits();
}
tir_status tir_layout_get_dim(const tir_layout *layout, tir_layout_side side, uint32_t i, tir_layout_dim *out) {
  if (!layout || !out) return null("tir_layout_get_dim", layout ? "out" : "layout");
  if (i >= tir_layout_rank(layout, side))
    return api::error(Code::INVALID_ARGUMENT, "tir_layout_get_dim: dimension %u of side %u; there are %u", i, side, tir_layout_rank(layout, side));
  const DimBits &d = (side == TIR_LAYOUT_IN ? layout->l.in() : layout->l.out())[i];
  *out = {static_cast<tir_dim>(d.dim), d.bits};
  return TIR_OK;
}
tir_status tir_layout_get_basis(const tir_layout *layout, uint32_t i, uint64_t *out) {
  if (!layout || !out) return null("tir_layout_get_basis", layout ? "out" : "layout");
  if (i >= layout->l.inBits())
    return api::error(Code::INVALID_ARGUMENT, "tir_layout_get_basis: bit %u; there are %u", i, layout->l.inBits());
  *out = layout->l.columns()[i];
  return TIR_OK;
}
tir_status tir_layout_apply(const tir_layout *layout, uint64_t place, uint64_t *out) {
  if (!layout || !out) return null("tir_layout_apply", layout ? "out" : "layout");
  if (place >> layout->l.inBits())
    return api::error(Code::INVALID_ARGUMENT, "tir_layout_apply: place %llu; there are 2^%u", static_cast<unsigned long long>(place),
                      layout->l.inBits());
  *out = layout->l.apply(place);
  return TIR_OK;
}
tir_status tir_layout_coordinate(const tir_layout *layout, uint64_t element, tir_dim dim, uint64_t *out) {
  if (!layout || !out) return null("tir_layout_coordinate", layout ? "out" : "layout");
  if (element >> layout->l.outBits())
    return api::error(Code::INVALID_ARGUMENT, "tir_layout_coordinate: element %llu; there are 2^%u",
                      static_cast<unsigned long long>(element), layout->l.outBits());
  if (!knownDim(dim)) return api::error(Code::INVALID_ARGUMENT, "tir_layout_coordinate: unknown dimension %u", dim);
  *out = layout->l.coordinate(element, Dim(dim));
  return TIR_OK;
}
int tir_layout_is_surjective(const tir_layout *layout) { return layout && layout->l.isSurjective(); }
int tir_layout_is_injective(const tir_layout *layout) { return layout && layout->l.isInjective(); }
int tir_layout_equal(const tir_layout *a, const tir_layout *b) { return a && b && a->l == b->l; }

tir_status tir_layout_product(const tir_layout *low, const tir_layout *high, tir_layout **out) {
  const char *what = "tir_layout_product";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!low || !high) return null(what, low ? "high" : "low");
  if (low->l.inBits() + high->l.inBits() > kMaxBits || low->l.outBits() + high->l.outBits() > kMaxBits)
    return api::error(Code::LIMIT, "%s: more than %u bits", what, kMaxBits);
  return give(low->l * high->l, what, out);
}
tir_status tir_layout_compose(const tir_layout *inner, const tir_layout *outer, tir_layout **out) {
  const char *what = "tir_layout_compose";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!inner || !outer) return null(what, inner ? "outer" : "inner");
  if (!sameDims(inner->l.out(), outer->l.in()))
    return api::error(Code::INVALID_ARGUMENT, "%s: the elements of inner are not the places of outer", what);
  return give(inner->l.compose(outer->l), what, out);
}
tir_status tir_layout_invert(const tir_layout *layout, tir_layout **out) {
  const char *what = "tir_layout_invert";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!layout) return null(what, "layout");
  if (!layout->l.isSurjective()) return api::error(Code::INVALID_ARGUMENT, "%s: not every element has a place", what);
  return give(layout->l.invert(), what, out);
}
tir_status tir_layout_convert(const tir_layout *from, const tir_layout *to, tir_layout **out) {
  const char *what = "tir_layout_convert";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!from || !to) return null(what, from ? "to" : "from");
  if (!sameDims(from->l.out(), to->l.out())) return api::error(Code::INVALID_ARGUMENT, "%s: the layouts have different elements", what);
  if (!to->l.isSurjective()) return api::error(Code::INVALID_ARGUMENT, "%s: not every element has a place in `to`", what);
  return give(from->l.invertAndCompose(to->l), what, out);
}
tir_status tir_layout_quotient(const tir_layout *layout, const tir_layout *small, tir_layout **out) {
  const char *what = "tir_layout_quotient";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!layout || !small) return null(what, layout ? "small" : "layout");
  LinearLayout q;
  if (!layout->l.divideLeft(small->l, &q)) return api::error(Code::NOT_FOUND, "%s: the layout is no multiple of `small`", what);
  return give(std::move(q), what, out);
}
tir_status tir_layout_kernel(const tir_layout *layout, uint64_t *masks, uint32_t capacity, uint32_t *count) {
  const char *what = "tir_layout_kernel";
  if (!layout || !count || (capacity && !masks)) return null(what, !layout ? "layout" : !count ? "count" : "masks");
  Columns k = layout->l.kernel();
  *count = static_cast<uint32_t>(k.size());
  for (size_t i = 0; i < k.size() && i < capacity; ++i) masks[i] = k[i];
  return k.size() <= capacity ? TIR_OK : api::error(Code::LIMIT, "%s: %zu masks, room for %u", what, k.size(), capacity);
}
tir_status tir_layout_reshape(const tir_layout *layout, uint32_t rank, const int64_t *shape, tir_layout **out) {
  const char *what = "tir_layout_reshape";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!layout) return null(what, "layout");
  std::vector<unsigned> bits;
  if (Status s = shapeBits(what, rank, shape, &bits); !s.ok()) return api::done(s);
  if (!tensorOuts(layout->l)) return noTensor(what);
  unsigned total = 0;
  for (unsigned b : bits) total += b;
  if (total != layout->l.outBits())
    return api::error(Code::INVALID_ARGUMENT, "%s: 2^%u elements; the layout has 2^%u", what, total, layout->l.outBits());
  return give(layout->l.reshapeOuts(bits), what, out);
}
tir_status tir_layout_transpose(const tir_layout *layout, uint32_t rank, const uint32_t *order, tir_layout **out) {
  const char *what = "tir_layout_transpose";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!layout || (rank && !order)) return null(what, layout ? "order" : "layout");
  if (!tensorOuts(layout->l)) return noTensor(what);
  if (rank != layout->l.out().size())
    return api::error(Code::INVALID_ARGUMENT, "%s: %u entries in order; the layout has %zu dimensions", what, rank, layout->l.out().size());
  uint64_t seen = 0;
  for (uint32_t i = 0; i < rank; ++i) {
    if (order[i] >= rank || seen >> order[i] & 1) return api::error(Code::INVALID_ARGUMENT, "%s: order is no permutation", what);
    seen |= uint64_t(1) << order[i];
  }
  return give(layout->l.transposeOuts(std::vector<unsigned>(order, order + rank)), what, out);
}
tir_status tir_layout_slice(const tir_layout *layout, uint32_t axis, tir_layout **out) {
  const char *what = "tir_layout_slice";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!layout) return null(what, "layout");
  if (!tensorOuts(layout->l)) return noTensor(what);
  if (axis >= layout->l.out().size())
    return api::error(Code::INVALID_ARGUMENT, "%s: axis %u; the layout has %zu dimensions", what, axis, layout->l.out().size());
  return give(layout->l.dropOut(axis).removeFreeRegisters(), what, out);
}
tir_status tir_layout_to_encoding(tir_context *context, const tir_layout *layout, tir_attr *out) {
  const char *what = "tir_layout_to_encoding";
  if (!out) return null(what, "out");
  *out = nullptr;
  if (!context || !layout) return null(what, context ? "layout" : "context");
  if (!tensorOuts(layout->l)) return noTensor(what);
  bool memory = layout->l.hasIn(Dim::Offset);
  for (const DimBits &d : layout->l.in())
    if (isTensorDim(d.dim) || (memory ? d.dim != Dim::Offset && d.dim != Dim::Block : d.dim == Dim::Offset))
      return api::error(Code::INVALID_ARGUMENT, "%s: the places are neither registers (register, lane, warp, block) nor memory (offset, block)", what);
  Attr a = memory ? sharedLinearAttr(*unwrap(context), layout->l, 16) : linearAttr(*unwrap(context), layout->l);
  if (!a) return api::error(Code::INVALID_ARGUMENT, "%s: not every element has a place, or the layout is larger than an encoding can be", what);
  *out = wrap(a);
  return TIR_OK;
}

tir_status tir_layout_write(const tir_layout *layout, tir_write_fn write, void *user) {
  if (!layout || !write) return null("tir_layout_write", layout ? "write" : "layout");
  std::string s = layout->l.text();
  write(user, s.data(), s.size());
  return TIR_OK;
}
tir_status tir_layout_write_picture(const tir_layout *layout, tir_layout_view view, tir_write_fn write, void *user) {
  const char *what = "tir_layout_write_picture";
  if (!layout || !write) return null(what, layout ? "write" : "layout");
  if (view > TIR_LAYOUT_VIEW_HARDWARE) return api::error(Code::INVALID_ARGUMENT, "%s: unknown view %u", what, view);
  if (layout->l.inBits() > kMaxPictureBits || layout->l.outBits() > kMaxPictureBits)
    return api::error(Code::LIMIT, "%s: 2^%u places and 2^%u elements; at most 2^%u", what, layout->l.inBits(), layout->l.outBits(),
                      kMaxPictureBits);
  std::string s = view == TIR_LAYOUT_VIEW_TENSOR ? tensorPicture(layout->l) : hardwarePicture(layout->l);
  write(user, s.data(), s.size());
  return TIR_OK;
}
tir_status tir_layout_bank_conflicts(const tir_layout *shared, const tir_layout *distributed, uint32_t element_bits, uint32_t vector,
                                     uint32_t *wavefronts, uint32_t *least) {
  const char *what = "tir_layout_bank_conflicts";
  if (!shared || !distributed || !wavefronts || !least)
    return null(what, !shared ? "shared" : !distributed ? "distributed" : !wavefronts ? "wavefronts" : "least");
  BankUse use;
  std::string why;
  if (!bankUse(shared->l, distributed->l, element_bits, vector, &use, &why))
    return api::error(Code::INVALID_ARGUMENT, "%s: %s", what, why.c_str());
  *wavefronts = use.wavefronts;
  *least = use.least;
  return TIR_OK;
}

} // extern "C"
