// SPDX-License-Identifier: MIT
// Known defects of LLVM that would give wrong code, each avoided before code generation sees its pattern.
#include "workarounds.hh"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace tcodegen {
namespace {

/// The only lane that a constant mask selects, or -1.
int only_lane(Value *mask) {
  auto *c = dyn_cast<Constant>(mask);
  auto *type = dyn_cast<FixedVectorType>(mask->getType());
  if (!c || !type) return -1;
  int lane = -1;
  for (unsigned i = 0; i < type->getNumElements(); ++i) {
    Constant *bit = c->getAggregateElement(i);
    if (!bit || isa<UndefValue>(bit)) return -1;
    if (bit->isNullValue()) continue;
    if (lane >= 0) return -1;
    lane = int(i);
  }
  return lane;
}

} // namespace

void avoid_known_defects(Module &module) {
  // LLVM 22, x86: a masked store of 8- or 16-bit lanes whose constant mask has one lane becomes a 32-bit store
  // when the lanes come from a truncation, so bytes behind the lane are overwritten.
  for (Function &f : module)
    for (Instruction &i : make_early_inc_range(instructions(f))) {
      auto *call = dyn_cast<IntrinsicInst>(&i);
      if (!call || call->getIntrinsicID() != Intrinsic::masked_store) continue;
      int lane = only_lane(call->getArgOperand(2));
      if (lane < 0) continue;
      IRBuilder<> b(call);
      Value *x = call->getArgOperand(0), *p = call->getArgOperand(1);
      Type *elem = x->getType()->getScalarType();
      b.CreateAlignedStore(b.CreateExtractElement(x, uint64_t(lane)), b.CreateConstGEP1_64(elem, p, lane), Align(1));
      call->eraseFromParent();
    }
}

} // namespace tcodegen
