// SPDX-License-Identifier: MIT
// Global memory: predicated vector loads and stores. Which registers make one access is read off the layout (register
// bits that walk neighbouring elements) and the axis info of the pointers (neighbours in memory, aligned, one mask).
#include "lower.hh"
#include "matrix.hh"
#include "analysis/axis_info.hh"
#include <bit>

namespace tcodegen::gpu {
using namespace tir;
using IrValue = llvm::Value;

namespace {

/// Registers that go together in one access: element k of an access that starts at register r is register
/// r ^ member[k].
struct Grouping {
  std::vector<unsigned> members{0};
  uint64_t inner = 0; // register bits used up by the group
};

Grouping groupRegisters(const LinearLayout &l, const Value *ptr, const Value *mask, const AxisInfoAnalysis &axis, unsigned bits) {
  Grouping best;
  unsigned rank = (unsigned)l.out().size();
  for (unsigned d = 0; d < rank; ++d) {
    int64_t width = std::min<int64_t>(axis.vectorWidth(ptr, d, mask), 128 / bits);
    Grouping g;
    unsigned start = l.outStart(tensorDim(d));
    for (unsigned k = 0; k < l.outBits(tensorDim(d)) && (int64_t(2) << k) <= width; ++k) {
      uint64_t want = uint64_t(1) << (start + k);
      int found = -1;
      bool others = false;
      for (unsigned i = 0; i < l.inBits(); ++i) {
        uint64_t v = l.columns()[i];
        if (v == want && i < l.inBits(Dim::Register)) found = found < 0 ? (int)i : found;
        else if (v & want) others = true; // something else moves this bit too: the group would not start aligned
      }
      if (found < 0 || others) break;
      g.inner |= uint64_t(1) << found;
      size_t n = g.members.size();
      for (size_t j = 0; j < n; ++j) g.members.push_back(g.members[j] | 1u << found);
    }
    if (g.members.size() > best.members.size()) best = g;
  }
  return best;
}

const char *cacheText(int64_t c, bool store) {
  switch (c) {
  case 2: return store ? "" : ".ca";
  case 3: return ".cg";
  case 4: return store ? ".wb" : "";
  case 5: return ".cs";
  case 6: return store ? ".wt" : "";
  case 7: return store ? "" : ".cv";
  default: return "";
  }
}
std::string modifiers(Op *op, bool store) {
  std::string s = cacheText(op->intAttr("cache", 1), store);
  int64_t e = op->intAttr("evict", 1);
  if (e == 2) s += ".evict_first";
  if (e == 3) s += ".evict_last";
  if (op->intAttr("isVolatile")) s += ".volatile";
  return s;
}

struct Words {
  unsigned bits, count; // of one access
};
Words wordsOf(unsigned elementBits, unsigned elements) {
  unsigned total = elementBits * elements, word = std::max(elementBits, std::min(32u, total));
  return {word, total / word};
}

bool isTrue(IrValue *v) {
  auto *c = llvm::dyn_cast_or_null<llvm::ConstantInt>(v);
  return c && c->isOne();
}

/// Elements side by side as the words of one access.
IrValue *packed(Lower &l, llvm::ArrayRef<IrValue *> elements, unsigned bits, Words w) {
  llvm::Type *type = llvm::FixedVectorType::get(l.b.getIntNTy(w.bits), w.count);
  llvm::SmallVector<llvm::Constant *, 4> words;
  unsigned per = w.bits / bits;
  for (unsigned i = 0; i < w.count; ++i) { // constants are folded here: LLVM would have to undo vectors and casts
    llvm::APInt word(w.bits, 0);
    bool known = true;
    for (unsigned k = 0; k < per && known; ++k) {
      IrValue *e = elements[i * per + k];
      llvm::APInt v(bits, 0);
      if (auto *c = llvm::dyn_cast<llvm::ConstantInt>(e)) v = c->getValue().zext(bits);
      else if (auto *f = llvm::dyn_cast<llvm::ConstantFP>(e)) v = f->getValueAPF().bitcastToAPInt();
      else known = llvm::isa<llvm::ConstantPointerNull>(e);
      if (known) word.insertBits(v, k * bits);
    }
    if (!known) break;
    words.push_back(llvm::ConstantInt::get(l.b.getIntNTy(w.bits), word));
  }
  if (words.size() == w.count) return llvm::ConstantVector::get(words);
  if (w.bits == 32 && bits < 32) { // words that were words before
    IrValue *x = llvm::PoisonValue::get(type);
    for (unsigned i = 0; i < w.count; ++i) {
      IrValue *word = wordOf(elements.slice(i * per, per));
      if (!word) break;
      x = l.b.CreateInsertElement(x, word, (uint64_t)i);
      if (i + 1 == w.count) return x;
    }
  }
  IrValue *x = llvm::PoisonValue::get(llvm::FixedVectorType::get(l.b.getIntNTy(bits), (unsigned)elements.size()));
  for (size_t k = 0; k < elements.size(); ++k) x = l.b.CreateInsertElement(x, l.toBits(elements[k], bits), (uint64_t)k);
  return l.b.CreateBitCast(x, type);
}

} // namespace

bool Lower::lowerMemory(Op *op) {
  if (op->is(Opcode::tt_load)) {
    Value *ptr = op->slot(0), *mask = op->slot(1), *other = op->slot(2);
    Type t = op->result()->type, elem = t->scalar();
    unsigned bits = elementBits(elem);
    bool tile = t->isTensor();
    if (ptr->type->isPtr() && ptr->type->elem->isTensor()) return unsupported(op, "block pointers"), true;
    LinearLayout l = tile ? layout(t) : LinearLayout({{Dim::Register, 0}, {Dim::Lane, 5}}, {}, Columns(5, 0));
    Grouping g = tile ? groupRegisters(l, ptr, mask, *axis, bits) : Grouping{};
    Regs p = regs(ptr), mk = mask ? regs(mask) : Regs{}, ot = other ? regs(other) : Regs{};
    if (failed()) return true;
    unsigned n = tile ? 1u << l.inBits(Dim::Register) : 1;
    Regs out(n, nullptr);
    std::map<uint64_t, unsigned> first; // element (relative to the thread) → register that loads it
    Words w = wordsOf(bits, (unsigned)g.members.size());
    std::string name = "tessera.ld.global.v" + std::to_string(w.count) + ".b" + std::to_string(w.bits) + modifiers(op, false);
    llvm::Type *wordVec = llvm::FixedVectorType::get(b.getIntNTy(w.bits), w.count);
    for (unsigned r = 0; r < n; ++r) {
      if (r & g.inner) continue;
      if (tile && n > 1) {
        auto [it, fresh] = first.try_emplace(l.apply(r), r);
        if (!fresh) {
          for (unsigned k : g.members) out[r ^ k] = out[it->second ^ k];
          continue;
        }
      }
      IrValue *m = mask ? (mk.size() == 1 ? mk[0] : mk[r]) : (IrValue *)b.getTrue();
      unsigned elems = (unsigned)g.members.size();
      IrValue *x;
      if (!mask || isTrue(m)) x = prim(name, wordVec, {p.size() == 1 ? p[0] : p[r], m});
      else {
        Regs instead;
        for (unsigned k = 0; other && k < elems; ++k) instead.push_back(ot.size() == 1 ? ot[0] : ot[r ^ g.members[k]]);
        IrValue *o = other ? packed(*this, instead, bits, w) : llvm::Constant::getNullValue(wordVec);
        x = prim(name + ".or", wordVec, {p.size() == 1 ? p[0] : p[r], m, o});
      }
      x = b.CreateBitCast(x, llvm::FixedVectorType::get(b.getIntNTy(bits), elems));
      for (unsigned k = 0; k < elems; ++k) {
        out[r ^ g.members[k]] = fromBits(b.CreateExtractElement(x, (uint64_t)k), elem);
      }
    }
    set(op->result(), out);
    return true;
  }
  if (op->is(Opcode::tt_store)) {
    Value *ptr = op->slot(0), *value = op->slot(1), *mask = op->slot(2);
    Type t = value->type, elem = t->scalar();
    unsigned bits = elementBits(elem);
    bool tile = t->isTensor();
    if (ptr->type->isPtr() && ptr->type->elem->isTensor()) return unsupported(op, "block pointers"), true;
    LinearLayout l = tile ? layout(t) : LinearLayout({{Dim::Register, 0}, {Dim::Lane, 5}}, {}, Columns(5, 0));
    Grouping g = tile ? groupRegisters(l, ptr, mask, *axis, bits) : Grouping{};
    Regs p = regs(ptr), v = regs(value), mk = mask ? regs(mask) : Regs{};
    if (failed()) return true;
    IrValue *owner = tile ? isOwner(l) : b.CreateICmpEQ(tid(), b.getInt32(0));
    unsigned n = tile ? 1u << l.inBits(Dim::Register) : 1;
    std::map<uint64_t, bool> done;
    unsigned elems = (unsigned)g.members.size();
    Words w = wordsOf(bits, elems);
    std::string name = "tessera.st.global.v" + std::to_string(w.count) + ".b" + std::to_string(w.bits) + modifiers(op, true);
    for (unsigned r = 0; r < n; ++r) {
      if (r & g.inner) continue;
      if (tile && !done.try_emplace(l.apply(r), true).second) continue;
      Regs elements;
      for (unsigned k = 0; k < elems; ++k) elements.push_back(v[v.size() == 1 ? 0 : r ^ g.members[k]]);
      IrValue *x = packed(*this, elements, bits, w);
      IrValue *m = mask ? (mk.size() == 1 ? mk[0] : mk[r]) : nullptr;
      if (owner) m = m ? b.CreateAnd(m, owner) : owner;
      if (!m) m = b.getTrue();
      prim(name, b.getVoidTy(), {p.size() == 1 ? p[0] : p[r], x, m});
    }
    return true;
  }
  return false;
}

} // namespace tcodegen::gpu
