// SPDX-License-Identifier: MIT
#include "effects.hh"
#include "constants.hh"

namespace tir {

unsigned effectsOf(const Op *op) {
  const OpInfo &info = op->info();
  if (info.has(TraitPureIfAttr)) return op->intAttr("pure") ? EffectNone : EffectRead | EffectWrite;
  unsigned effects = 0;
  if (info.has(TraitReads)) effects |= EffectRead;
  if (info.has(TraitWrites)) effects |= EffectWrite;
  if (info.has(TraitAllocates)) effects |= EffectAllocate;
  if (op->is(Opcode::tt_load) && op->intAttr("isVolatile")) effects |= EffectWrite;
  if (info.has(TraitRecursiveEffects)) {
    for (unsigned r = 0; r < op->numRegions(); ++r)
      for (Block *b = op->region(r)->first; b; b = b->next)
        for (Op *o = b->first; o; o = o->next)
          if (((effects |= effectsOf(o)) & 7) == 7) return effects;
    return effects;
  }
  if (!effects && !info.has(TraitPure)) return EffectRead | EffectWrite; // nothing is known: the safe answer
  return effects;
}

bool isRemovable(const Op *op) {
  return !op->info().has(TraitTerminator | TraitSymbol) && !(effectsOf(op) & EffectWrite);
}

bool isSpeculatable(const Op *op) {
  switch (op->code) {
  case Opcode::arith_divui:
  case Opcode::arith_remui:
  case Opcode::arith_ceildivui: {
    Constant c(op->operand(1));
    return c.all([](uint64_t bits, unsigned) { return bits != 0; });
  }
  case Opcode::arith_divsi:
  case Opcode::arith_remsi:
  case Opcode::arith_ceildivsi:
  case Opcode::arith_floordivsi: {
    Constant c(op->operand(1));
    return c.all([](uint64_t bits, unsigned width) { return bits != 0 && bits != lowMask(width); });
  }
  case Opcode::arith_shli:
  case Opcode::arith_shrsi:
  case Opcode::arith_shrui: {
    Constant c(op->operand(1));
    return c.all([](uint64_t bits, unsigned width) { return bits < width; });
  }
  default: break;
  }
  if (op->info().has(TraitTerminator | TraitSymbol) || !isPure(op)) return false;
  // A while loop need not end; everything else inside must be harmless as well.
  if (op->is(Opcode::scf_while)) return false;
  for (unsigned r = 0; r < op->numRegions(); ++r)
    for (Block *b = op->region(r)->first; b; b = b->next)
      for (Op *o = b->first; o; o = o->next)
        if (!o->info().has(TraitTerminator) && !isSpeculatable(o)) return false;
  return true;
}

} // namespace tir
