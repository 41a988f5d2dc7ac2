// SPDX-License-Identifier: MIT
// What fits nowhere else: program ids, asserts, histograms, gathers, element-by-element regions.
#include "lower.hh"
#include <bit>

namespace tcodegen::gpu {
using namespace tir;
using IrValue = llvm::Value;
namespace tko = tessera::tko;

/// Places of a tile's elements in a row-major buffer: the identity map.
static Access rowMajor(const LinearLayout &l) {
  return {l.columnsOf(Dim::Register), l.columnsOf(Dim::Lane), l.columnsOf(Dim::Warp), {}};
}

void Lower::lowerAssert(Op *op) {
  tko::Message message;
  message.kind = tko::MessageKind::assertion;
  message.text = std::string(op->strAttr("message"));
  object.messages.push_back(message);
  IrValue *bad = nullptr;
  for (IrValue *c : regs(op->operand(0))) {
    IrValue *f = b.CreateNot(c);
    bad = bad ? b.CreateOr(bad, f) : f;
  }
  uint32_t id = (uint32_t)object.messages.size() - 1, where = locationId(op);
  ifThen(bad, [&] {
    auto wide = [&](const char *name) { return b.CreateZExt(prim(name, b.getInt32Ty(), {}), b.getInt64Ty()); };
    IrValue *x = wide("tessera.program.x"), *y = wide("tessera.program.y"), *z = wide("tessera.program.z");
    IrValue *gx = wide("tessera.nprograms.x"), *gy = wide("tessera.nprograms.y");
    IrValue *linear = b.CreateAdd(x, b.CreateMul(gx, b.CreateAdd(y, b.CreateMul(gy, z))));
    prim("tessera.record", b.getVoidTy(), {record, b.getInt32(1), b.getInt32(id), b.getInt32(where), linear});
    prim("tessera.trap", b.getVoidTy(), {});
  });
}

void Lower::lowerHistogram(Op *op) {
  Type t = op->result()->type;
  unsigned bins = (unsigned)t->count();
  tir::Value *src = op->operand(0), *mask = op->numOperands() > 1 ? op->operand(1) : nullptr;
  const LinearLayout &l = layout(src), &to = layout(op->result());
  if (failed()) return;
  enterScratch(op);
  IrValue *base = scratch(op);
  unsigned threads = numWarps * 32;
  for (unsigned at = 0; at < bins; at += threads) {
    IrValue *bin = b.CreateAdd(tid(), b.getInt32(at));
    auto clear = [&] { storeShared(b.CreateGEP(b.getInt32Ty(), base, bin), {b.getInt32(0)}); };
    if (at + threads > bins) ifThen(b.CreateICmpULT(bin, b.getInt32(bins)), clear);
    else clear();
  }
  barrier();
  const Regs &x = regs(src);
  Regs mk = mask ? regs(mask) : Regs{};
  IrValue *owner = isOwner(l);
  std::map<uint64_t, bool> seen;
  for (unsigned r = 0; r < x.size(); ++r) {
    if (!seen.try_emplace(l.apply(r), true).second) continue;
    IrValue *v = b.CreateSExtOrTrunc(x[r], b.getInt64Ty());
    IrValue *in = b.CreateICmpULT(v, b.getInt64(bins));
    if (mask) in = b.CreateAnd(in, mk[r]);
    if (owner) in = b.CreateAnd(in, owner);
    IrValue *at = b.CreateGEP(b.getInt32Ty(), base, b.CreateSelect(in, v, b.getInt64(0)));
    prim("tessera.atom.shared.add.i32.relaxed.cta", b.getInt32Ty(), {at, b.getInt32(1), in});
  }
  barrier();
  Regs counts;
  for (IrValue *v : loadTile(base, 0, rowMajor(to), 32)) counts.push_back(b.CreateZExtOrTrunc(v, regType(t)));
  set(op->result(), counts);
}

void Lower::lowerGather(Op *op) {
  tir::Value *src = op->operand(0), *index = op->operand(1);
  Type st = src->type, t = op->result()->type;
  unsigned axis = (unsigned)op->intAttr("axis"), bits = elementBits(st);
  const LinearLayout &ls = layout(src), &li = layout(index), &to = layout(op->result());
  if (failed()) return;
  std::vector<unsigned> which;
  if (!matchRegisters(li, to, &which)) return unsupported(op, "indices and result in different layouts");
  enterScratch(op);
  IrValue *base = scratch(op);
  Regs in;
  for (IrValue *v : regs(src)) in.push_back(toBits(v, bits));
  storeTile(base, 0, rowMajor(ls), in, bits, isOwner(ls));
  barrier();
  // src[…, index, …]: the coordinates of the result with the axis replaced.
  std::vector<Regs> coord;
  for (unsigned d = 0; d < t->rank(); ++d) coord.push_back(coordinates(to, d));
  const Regs &ix = regs(index);
  Regs out;
  for (unsigned r = 0; r < which.size(); ++r) {
    IrValue *raw = ix[which[r]];
    IrValue *wide = b.CreateSExtOrTrunc(raw, b.getInt64Ty());
    IrValue *ok = b.CreateICmpULT(wide, b.getInt64((uint64_t)st->shape[axis]));
    IrValue *flat = b.getInt32(0);
    for (unsigned d = 0; d < t->rank(); ++d) {
      IrValue *c = d == axis ? b.CreateSelect(ok, b.CreateTrunc(wide, b.getInt32Ty()), b.getInt32(0)) : coord[d][r];
      flat = b.CreateAdd(b.CreateMul(flat, b.getInt32((uint32_t)st->shape[d])), c);
    }
    Regs got;
    loadShared(b.CreateGEP(b.getIntNTy(bits), base, flat), bits, 1, got);
    out.push_back(b.CreateSelect(ok, fromBits(got[0], t->elem), llvm::Constant::getNullValue(regType(t->elem))));
  }
  set(op->result(), out);
}

void Lower::lowerMap(Op *op) {
  unsigned pack = (unsigned)op->intAttr("pack", 1), results = op->numResults();
  const LinearLayout &given = layout(op->operand(0));
  if (failed()) return;
  LinearLayout l = packedLayout(given, pack);
  std::vector<Regs> in, out(results, Regs(size_t(1) << l.inBits(Dim::Register), nullptr));
  for (unsigned i = 0; i < op->numOperands(); ++i)
    in.push_back(convert(op, regs(op->operand(i)), layout(op->operand(i)), l, op->operand(i)->type->elem));
  Columns units, step; // step: what to add to a register's number to come to the k-th element of its run
  for (unsigned u = 1; u < pack; u *= 2) units.push_back(u);
  gf2::solve(l.columnsOf(Dim::Register), units, &step);
  std::map<uint64_t, unsigned> first;
  for (unsigned r = 0; r < out[0].size() && !failed(); ++r) {
    uint64_t element = l.apply(r);
    if (element & (pack - 1)) continue;
    auto [it, fresh] = first.try_emplace(element, r);
    if (fresh) {
      Regs x;
      for (const Regs &operand : in)
        for (unsigned k = 0; k < pack; ++k) x.push_back(operand[r ^ gf2::apply(step, k)]);
      Regs y = applyRegion(op, x);
      for (unsigned i = 0; i < results && !failed(); ++i)
        for (unsigned k = 0; k < pack; ++k) out[i][r ^ gf2::apply(step, k)] = y[i * pack + k];
    } else {
      for (Regs &o : out)
        for (unsigned k = 0; k < pack; ++k) o[r ^ gf2::apply(step, k)] = o[it->second ^ gf2::apply(step, k)];
    }
  }
  if (failed()) return;
  for (unsigned i = 0; i < results; ++i)
    set(op->result(i), convert(op, out[i], l, layout(op->result(i)), op->result(i)->type->elem));
}

/// Packed e2m1: the bits at the top of a float's mantissa, times what the biases differ by; exact.
void Lower::lowerFp4(Op *op) {
  unsigned axis = (unsigned)op->intAttr("axis");
  const LinearLayout &from = layout(op->operand(0)), &to = layout(op->result());
  Type elem = op->result()->type->elem;
  if (failed()) return;
  Regs bytes = convert(op, regs(op->operand(0)), from, halvedAlong(to, from, axis), op->operand(0)->type->elem);
  unsigned bit = to.outStart(tensorDim(axis));
  bool moves = false; // threads differ in which half they take
  for (Dim d : {Dim::Lane, Dim::Warp})
    for (uint64_t c : to.columnsOf(d)) moves = moves || (c >> bit & 1);
  Regs which = moves ? coordinates(to, axis) : Regs{}, out;
  for (unsigned r = 0; r < bytes.size(); ++r) {
    IrValue *x = b.CreateZExt(bytes[r], b.getInt32Ty());
    IrValue *shift = moves ? b.CreateShl(b.CreateAnd(which[r], 1), 2) : (IrValue *)b.getInt32((to.apply(r) >> bit & 1) * 4);
    x = b.CreateLShr(x, shift);
    IrValue *f = b.CreateOr(b.CreateShl(b.CreateAnd(x, 7), 22), b.CreateShl(b.CreateAnd(x, 8), 28));
    f = b.CreateFMul(b.CreateBitCast(f, b.getFloatTy()), llvm::ConstantFP::get(b.getFloatTy(), 0x1p126));
    out.push_back(convertedFloat(f, elem->ctx->f32(), elem));
  }
  set(op->result(), out);
}

bool Lower::lowerMisc(Op *op) {
  static constexpr const char *axes[] = {"x", "y", "z"};
  switch (op->code) {
  case Opcode::tt_get_program_id:
  case Opcode::tt_get_num_programs: {
    std::string name = std::string(op->is(Opcode::tt_get_program_id) ? "tessera.program." : "tessera.nprograms.") +
                       axes[op->intAttr("axis") % 3];
    llvm::IRBuilder<>::InsertPointGuard g(b);
    b.SetInsertPoint(entryEnd);
    set(op->result(), {prim(name, b.getInt32Ty(), {})});
    return true;
  }
  case Opcode::tt_assert: return lowerAssert(op), true;
  case Opcode::tt_histogram: return lowerHistogram(op), true;
  case Opcode::tt_gather: return lowerGather(op), true;
  case Opcode::tt_grid_dependency_wait: // before sm_90 a grid never begins early
    if (options.capability >= 90) prim("tessera.grid.wait", b.getVoidTy(), {});
    return true;
  case Opcode::tt_grid_dependency_launch_dependents:
    if (options.capability >= 90) prim("tessera.grid.launch", b.getVoidTy(), {});
    return true;
  case Opcode::llvm_intr_assume: return true; // a hint; axis info has read it
  case Opcode::tt_map_elementwise: return lowerMap(op), true;
  case Opcode::ttg_fp4_to_fp: return lowerFp4(op), true;
  case Opcode::tt_print: return lowerPrint(op), true;
  case Opcode::tt_elementwise_inline_asm: return lowerInlineAsm(op), true;
  default: return false;
  }
}

} // namespace tcodegen::gpu
