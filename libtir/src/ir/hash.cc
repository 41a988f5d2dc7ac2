// SPDX-License-Identifier: MIT
// The module is fed through two mixers as a stream of words: types, attributes and locations in full where they
// first occur, afterwards as the number of that occurrence; values and blocks as their position in the walk.
#include "hash.hh"

namespace tir {
namespace {

class ModuleHasher {
public:
  ModuleHasher(const Module &m, uint32_t f) : flags(f) {
    values.resize(m.num_values, 0);
    blocks.resize(m.num_blocks, 0);
    if (flags & HashSyntax) word(static_cast<uint64_t>(m.syntax) | 0x53 << 8);
    number(m.op);
    op(m.op);
  }
  uint64_t a = 0x243f6a8885a308d3ull, b = 0x13198a2e03707344ull;

private:
  uint32_t flags;
  std::vector<uint32_t> values, blocks, types, attrs, locs; // by id: 1 + number, 0 = not seen
  uint32_t nvalues = 0, nblocks = 0, ntypes = 0, nattrs = 0, nlocs = 0;

  void word(uint64_t v) {
    a = (a ^ v) * 0x9e3779b97f4a7c15ull;
    a ^= a >> 32;
    b = (b + v) * 0xbf58476d1ce4e5b9ull;
    b ^= b >> 29;
  }
  void text(std::string_view s) {
    word(s.size());
    for (size_t i = 0; i < s.size(); i += 8) {
      uint64_t w = 0; // little-endian by construction
      for (size_t k = 0; k < 8 && i + k < s.size(); ++k) w |= uint64_t(uint8_t(s[i + k])) << (8 * k);
      word(w);
    }
  }
  /// True where the item has to be described: its first occurrence.
  bool first(std::vector<uint32_t> &seen, uint32_t id, uint32_t *next) {
    if (id >= seen.size()) seen.resize(id + 64, 0);
    bool fresh = !seen[id];
    if (fresh) seen[id] = ++*next;
    word(seen[id]);
    return fresh;
  }

  void type(Type t) {
    if (!t) return word(0);
    if (!first(types, t->id, &ntypes)) return;
    word(uint64_t(t->kind) | uint64_t(t->fkind) << 8 | uint64_t(t->sign) << 16 | uint64_t(t->width) << 32);
    word(t->space | uint64_t(t->ninputs) << 32);
    type(t->elem);
    attr(t->enc);
    word(t->shape.size());
    for (int64_t d : t->shape) word(static_cast<uint64_t>(d));
    word(t->types.size());
    for (Type m : t->types) type(m);
    text(t->text.view());
    if (t->kind != TypeKind::MemDesc) return;
    attr(t->memSpace);
    word(t->mutable_ | uint64_t(t->allocShape.size()) << 1);
    for (int64_t d : t->allocShape) word(static_cast<uint64_t>(d));
  }
  void attr(Attr x) {
    if (!x) return word(0);
    if (x->kind == AttrKind::LocA) {
      word(0x4c);
      return loc(x->loc);
    }
    if (!first(attrs, x->id, &nattrs)) return;
    word(uint64_t(x->kind) | uint64_t(x->bval) << 8);
    type(x->type);
    word(static_cast<uint64_t>(x->ival));
    word(x->fbits);
    text(x->text.view());
    word(x->attrs.size());
    for (Attr m : x->attrs) attr(m);
    named(x->entries);
    word(x->bits.size());
    for (uint64_t w : x->bits) word(w);
    word(x->ints.size());
    for (int64_t v : x->ints) word(static_cast<uint64_t>(v));
  }
  void named(Span<NamedAttr> entries) {
    word(entries.size());
    for (const NamedAttr &e : entries) {
      text(e.name.view());
      attr(e.value);
    }
  }
  void loc(Loc l) {
    if (!(flags & HashLoc)) return;
    if (!l || l->kind == LocKind::Unknown) return word(0);
    if (!first(locs, l->id, &nlocs)) return;
    word(uint64_t(l->kind) | uint64_t(l->line) << 32);
    word(l->col | uint64_t(l->end_line) << 32);
    word(l->end_col);
    text(l->text.view());
    word(l->locs.size());
    for (Loc m : l->locs) loc(m);
    attr(l->meta);
  }
  void define(const Value *v) { values[v->id] = ++nvalues; }

  /// Numbers are given before the walk that uses them: branches and uses may point forward.
  void number(Op *root) {
    root->walk([&](Op *o) {
      for (unsigned i = 0; i < o->numResults(); ++i) define(o->result(i));
      for (unsigned r = 0; r < o->numRegions(); ++r)
        for (Block *blk = o->region(r)->first; blk; blk = blk->next) {
          blocks[blk->id] = ++nblocks;
          for (unsigned i = 0; i < blk->numArgs(); ++i) define(blk->arg(i));
        }
    });
  }
  void value(const Value *v) { word(v && v->id < values.size() ? values[v->id] : 0); }
  void name(const Value *v) {
    if (flags & HashLoc) text(v->name.view());
  }
  void op(Op *o) {
    text(o->name()); // opcode numbers may change between versions, names do not
    loc(o->loc);
    word(o->nops | uint64_t(o->nres) << 32);
    for (unsigned i = 0; i < o->nops; ++i) value(o->operand(i));
    if (o->segments_)
      for (unsigned i = 0; i < o->info().num_operands; ++i) word(o->segments_[i]);
    for (unsigned i = 0; i < o->nres; ++i) {
      type(o->result(i)->type);
      name(o->result(i));
    }
    named(o->attrs());
    word(o->nsuccs | uint64_t(o->nregs) << 32);
    for (unsigned i = 0; i < o->nsuccs; ++i) word(blocks[o->succ(i)->id]);
    for (unsigned r = 0; r < o->nregs; ++r) {
      word(0x72);
      for (Block *blk = o->region(r)->first; blk; blk = blk->next) {
        word(0x62 | uint64_t(blk->numArgs()) << 8);
        for (unsigned i = 0; i < blk->numArgs(); ++i) {
          type(blk->arg(i)->type);
          loc(blk->arg(i)->loc);
          name(blk->arg(i));
        }
        for (Op *inner = blk->first; inner; inner = inner->next) op(inner);
      }
    }
  }
};

uint64_t finish(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

} // namespace

void hashModule(const Module &m, uint32_t flags, uint64_t out[2]) {
  ModuleHasher h(m, flags);
  out[0] = finish(h.a);
  out[1] = finish(h.b ^ h.a);
}

} // namespace tir
