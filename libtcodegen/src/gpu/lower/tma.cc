// SPDX-License-Identifier: MIT
// Copies by descriptor and the mbarriers that count them, of text that has layouts. A descriptor argument becomes a
// tensor map that the driver encodes (a hidden argument); what the map writes to shared memory has to be what the
// buffer's layout says, which is checked on the maps of both.
#include "lower.hh"
#include <bit>

namespace tcodegen::gpu {
using namespace tir;
using tessera::Code;
using IrValue = llvm::Value;
namespace tko = tessera::tko;

namespace {

/// How one descriptor's block is cut into boxes.
struct Boxes {
  unsigned swizzle = 0; // bytes
  std::vector<int64_t> box;
  bool good = false;
};

Boxes boxesOf(Type desc) {
  Boxes b;
  const Encoding *e = desc->enc ? encodingOf(desc->enc) : nullptr;
  if (!e || e->kind != EncKind::NvmmaShared || e->transposed || desc->rank() < 1 || desc->rank() > 5) return b;
  b.swizzle = e->swizzlingByteWidth;
  unsigned bytes = desc->elem->width / 8;
  for (int64_t d : desc->shape) b.box.push_back(std::min<int64_t>(d, 256));
  if (b.swizzle && bytes) b.box.back() = std::min<int64_t>(b.box.back(), b.swizzle / bytes);
  b.good = bytes > 0 && b.box.back() * bytes % 16 == 0;
  return b;
}

/// Offsets (in elements) of the block's element bits in the buffer, row-major.
bool offsetsOf(const LinearLayout &shared, Columns *out) {
  Columns unit;
  for (unsigned i = 0; i < shared.outBits(); ++i) unit.push_back(uint64_t(1) << i);
  return gf2::solve(shared.columnsOf(Dim::Offset), unit, out);
}

/// Within a box the unit writes rows one behind the other, 16-byte pieces exchanged by the row's number.
bool writesAsUnit(const Columns &offsets, Type desc, const Boxes &b) {
  unsigned bytes = desc->elem->width / 8, rank = desc->rank(), bit = 0;
  uint64_t place = bytes; // of the box, dense
  for (unsigned d = rank; d-- > 0;) {
    unsigned n = (unsigned)std::countr_zero((uint64_t)desc->shape[d]), inside = (unsigned)std::countr_zero((uint64_t)b.box[d]);
    for (unsigned i = 0; i < n; ++i, ++bit) {
      if (i >= inside) continue; // chooses the box
      uint64_t want = place;
      // 128-byte swizzle: bits 7 … 9 of the address go into 4 … 6; 64: 7, 8; 32: 7.
      unsigned bits = b.swizzle == 128 ? 3 : b.swizzle == 64 ? 2 : b.swizzle == 32 ? 1 : 0;
      want ^= (place >> 7 & ((1u << bits) - 1)) << 4;
      if (offsets[bit] * bytes != want) return false;
      place *= 2;
    }
  }
  return true;
}

template <class T> void put(std::vector<uint8_t> &to, T v) {
  for (unsigned i = 0; i < sizeof(T); ++i) to.push_back((uint8_t)((uint64_t)v >> (8 * i)));
}

} // namespace

bool Lower::describeTensorMap(unsigned argument, Type desc, tko::HiddenArgument *hidden) {
  const tko::Argument &a = object.arguments[argument];
  Boxes b = boxesOf(desc);
  if (!b.good) {
    fail(Code::UNSUPPORTED, func, "not implemented: the layout of descriptor argument %u (%s)", argument, a.name.c_str());
    return false;
  }
  unsigned rank = desc->rank();
  std::vector<uint8_t> &d = hidden->data;
  hidden->kind = 4;
  hidden->size = 128;
  hidden->alignment = 64;
  put<uint32_t>(d, a.offset);
  put<uint8_t>(d, (uint8_t)a.element);
  put<uint8_t>(d, (uint8_t)rank);
  put<uint8_t>(d, (uint8_t)(b.swizzle ? std::countr_zero(b.swizzle / 16) : 0));
  put<uint8_t>(d, 0); // interleave
  put<uint8_t>(d, 2); // L2: 128 bytes
  put<uint8_t>(d, 0); // outside: zeros
  put<uint16_t>(d, 0);
  for (unsigned k = 0; k < 2 * rank; ++k) { // sizes, then strides, i64 each behind the pointer
    put<uint32_t>(d, 2);
    put<uint32_t>(d, a.offset + 8 + 8 * k);
    put<int64_t>(d, 0);
  }
  for (int64_t n : b.box) put<uint32_t>(d, (uint32_t)n);
  return true;
}

void Lower::lowerTmaCopy(Op *op, bool load) {
  unsigned first, rank;
  op->slotRange(unsigned(op->info().operandSlot("coord")), &first, &rank);
  Value *desc = op->operand(0), *buffer = op->slot(unsigned(op->info().operandSlot(load ? "result" : "src")));
  Type dt = desc->type, mt = buffer->type;
  if (load) {
    unsigned f, n;
    op->slotRange(unsigned(op->info().operandSlot("offsets")), &f, &n);
    if (n || op->attr("multicast")) return unsupported(op, "offsets or multicast");
  }
  Boxes b = boxesOf(dt);
  LinearLayout shared = sharedLayoutOf(mt);
  Columns offsets;
  if (failed()) return;
  MemDesc d = memdesc(buffer);
  unsigned bytes = elementBits(mt->elem) / 8;
  bool same = mt->elem->width == dt->elem->width && mt->count() == dt->count() && rank == dt->rank() && !d.shift;
  if (!b.good || !same || !offsetsOf(shared, &offsets) || !writesAsUnit(offsets, dt, b))
    return unsupported(op, "a buffer in a layout that the copy unit does not write");
  IrValue *one = firstThread();
  IrValue *pred = load ? this->b.CreateAnd(one, scalar(op->slot(unsigned(op->info().operandSlot("pred"))))) : one;
  IrValue *bar = load ? memdesc(op->slot(unsigned(op->info().operandSlot("barrier")))).base : nullptr;
  std::vector<int64_t> at(rank, 0);
  for (bool more = true; more;) {
    uint64_t flat = 0;
    for (unsigned k = 0; k < rank; ++k) flat = flat * (uint64_t)dt->shape[k] + (uint64_t)at[k];
    IrValue *place = this->b.CreateConstGEP1_32(this->b.getInt8Ty(), d.base, (unsigned)(gf2::apply(offsets, flat) * bytes));
    llvm::SmallVector<IrValue *, 8> args;
    if (load) args = {place, scalar(desc), bar};
    else args = {scalar(desc), place};
    for (unsigned k = rank; k-- > 0;) args.push_back(this->b.CreateAdd(scalar(op->operand(first + k)), this->b.getInt32((uint32_t)at[k])));
    args.push_back(pred);
    prim(std::string(load ? "tessera.tma.load." : "tessera.tma.store.") + std::to_string(rank) + "d", this->b.getVoidTy(), args);
    more = false;
    for (unsigned k = rank; k-- > 0 && !more;) {
      at[k] += b.box[k];
      more = at[k] < dt->shape[k];
      if (!more) at[k] = 0;
    }
  }
  if (!load) prim("tessera.tma.store.commit", this->b.getVoidTy(), {});
}

IrValue *Lower::firstThread() { return b.CreateICmpEQ(tid(), b.getInt32(0)); }

/// One thread tells an mbarrier; all wait for it.
bool Lower::lowerTma(Op *op) {
  llvm::Type *none = b.getVoidTy();
  auto first = [&] { return firstThread(); };
  auto given = [&](const char *slot) -> IrValue * {
    Value *v = op->slot(unsigned(op->info().operandSlot(slot)));
    return v ? scalar(v) : (IrValue *)b.getTrue();
  };
  auto base = [&] { return memdesc(op->operand(0)).base; };
  bool mine = op->name().starts_with("ttng.");
  switch (op->code) {
  case Opcode::ttng_init_barrier:
  case Opcode::ttng_inval_barrier:
  case Opcode::ttng_barrier_expect:
  case Opcode::ttng_wait_barrier:
  case Opcode::ttng_arrive_barrier:
  case Opcode::ttng_async_tma_copy_global_to_local:
  case Opcode::ttng_async_tma_copy_local_to_global:
  case Opcode::ttng_async_tma_store_wait: break;
  default: mine = false;
  }
  if (!mine) return false;
  if (options.capability < 90) return unsupported(op, "it needs sm_90"), true;
  if (op->attr("fromCTA") || op->intAttr("multicastCTA")) return unsupported(op, "barriers of a cluster"), true;
  switch (op->code) {
  case Opcode::ttng_init_barrier:
    ifThen(first(), [&] { prim("tessera.mbarrier.init", none, {base(), b.getInt32((uint32_t)op->intAttr("count", 1))}); });
    return true;
  case Opcode::ttng_inval_barrier:
    ifThen(first(), [&] { prim("tessera.mbarrier.inval", none, {base()}); });
    return true;
  case Opcode::ttng_barrier_expect:
    prim("tessera.mbarrier.expect_tx", none, {base(), b.getInt32((uint32_t)op->intAttr("size")), b.CreateAnd(first(), given("pred"))});
    return true;
  case Opcode::ttng_arrive_barrier: {
    int64_t n = op->intAttr("count", 1);
    if (n < 1 || n > 16) return unsupported(op, "more than 16 arrivals at once"), true;
    IrValue *pred = b.CreateAnd(first(), given("pred"));
    for (int64_t i = 0; i < n; ++i) prim("tessera.mbarrier.arrive", none, {base(), pred});
    return true;
  }
  case Opcode::ttng_wait_barrier:
    ifThen(given("pred"), [&] { prim("tessera.mbarrier.wait.parity", none, {base(), scalar(op->operand(1))}); });
    return true;
  case Opcode::ttng_async_tma_copy_global_to_local: return lowerTmaCopy(op, true), true;
  case Opcode::ttng_async_tma_copy_local_to_global: return lowerTmaCopy(op, false), true;
  default:
    prim("tessera.tma.store.wait." + std::to_string(op->intAttr("pendings")) + (op->attr("read_only") ? ".read" : ""), none, {});
    return true;
  }
}

} // namespace tcodegen::gpu
