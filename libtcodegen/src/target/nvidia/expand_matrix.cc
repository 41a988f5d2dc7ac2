// SPDX-License-Identifier: MIT
// Matrix instructions: mma.sync of every generation and wgmma of sm_90a.
#include "expand.hh"

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::nvidia {
namespace {

/// One shape of mma.sync: registers per thread of a, b, c and the first architecture and PTX ISA that have it.
struct MmaShape {
  const char *shape, *operand;     // "m16n8k16", type of a and b
  const char *accumulator;         // type of c and d
  uint8_t a, b, c;
  uint8_t capability, isa;
};

constexpr MmaShape shapes[] = {
    {"m16n8k8", "f16", "f32", 2, 1, 4, 75, 65},    {"m16n8k8", "f16", "f16", 2, 1, 2, 75, 65},
    {"m16n8k16", "f16", "f32", 4, 2, 4, 80, 70},   {"m16n8k16", "f16", "f16", 4, 2, 2, 80, 70},
    {"m16n8k8", "bf16", "f32", 2, 1, 4, 80, 70},   {"m16n8k16", "bf16", "f32", 4, 2, 4, 80, 70},
    {"m16n8k4", "tf32", "f32", 2, 1, 4, 80, 70},   {"m16n8k8", "tf32", "f32", 4, 2, 4, 80, 70},
    {"m8n8k16", "s8", "s32", 1, 1, 2, 75, 65},     {"m8n8k16", "u8", "s32", 1, 1, 2, 75, 65},
    {"m16n8k16", "s8", "s32", 2, 1, 4, 80, 70},    {"m16n8k16", "u8", "s32", 2, 1, 4, 80, 70},
    {"m16n8k32", "s8", "s32", 4, 2, 4, 80, 70},    {"m16n8k32", "u8", "s32", 4, 2, 4, 80, 70},
    {"m16n8k32", "e4m3", "f32", 4, 2, 4, 89, 84},  {"m16n8k32", "e5m2", "f32", 4, 2, 4, 89, 84},
    {"m16n8k16", "e4m3", "f32", 2, 1, 4, 89, 87},  {"m16n8k16", "e5m2", "f32", 2, 1, 4, 89, 87},
    {"m16n8k32", "e4m3", "f16", 4, 2, 2, 89, 87},  {"m16n8k32", "e5m2", "f16", 4, 2, 2, 89, 87},
    {"m16n8k16", "e4m3", "f16", 2, 1, 2, 89, 87},  {"m16n8k16", "e5m2", "f16", 2, 1, 2, 89, 87},
    {"m8n8k4", "f64", "f64", 1, 1, 2, 80, 70},     {"m16n8k4", "f64", "f64", 2, 1, 4, 90, 78},
    {"m16n8k8", "f64", "f64", 4, 2, 4, 90, 78},    {"m16n8k16", "f64", "f64", 8, 4, 4, 90, 78},
};

bool is_byte(StringRef t) { return t == "s8" || t == "u8"; }
bool is_fp8(StringRef t) { return t == "e4m3" || t == "e5m2"; }

/// "{$0, $1}"
template <class F> std::string registers(unsigned count, F name) {
  std::string text = "{";
  for (unsigned i = 0; i < count; ++i) text += (i ? ", " : "") + name(i);
  return text + "}";
}

bool result_is(Type *t, unsigned count, Type *element) {
  if (count == 1) return t == element;
  auto *s = dyn_cast<StructType>(t);
  return s && s->getNumElements() == count && all_of(s->elements(), [&](Type *e) { return e == element; });
}

/// mma.SHAPE.D.A.B.C
Status mma(const Primitive &p, Value **result) {
  StringRef shape = p.field(1), d = p.field(2), at = p.field(3), bt = p.field(4), c = p.field(5);
  const MmaShape *found = nullptr;
  bool mixed = (is_byte(at) && is_byte(bt)) || (is_fp8(at) && is_fp8(bt));
  for (const MmaShape &s : shapes)
    if (shape == s.shape && at == s.operand && (bt == at || mixed) && c == s.accumulator && d == c) found = &s;
  if (!found) return fail(Code::UNSUPPORTED, "there is no matrix instruction %s", p.name.str().c_str());
  TESSERA_TRY(p.need(found->capability, found->isa));
  Type *acc = c == "f32" ? p.b.getFloatTy() : c == "f64" ? p.b.getDoubleTy() : (Type *)p.b.getInt32Ty();
  Type *operand = at == "f64" ? p.b.getDoubleTy() : (Type *)p.b.getInt32Ty();
  unsigned operands = found->a + found->b;
  if (p.args() != operands + found->c || !result_is(p.type(), found->c, acc)) return p.wrong("the registers of its shape");
  for (unsigned i = 0; i < p.args(); ++i)
    if (p.arg(i)->getType() != (i < operands ? operand : acc)) return p.wrong("the register types of its shape");
  Asm a(p.b);
  unsigned next = 0;
  std::string text = "mma.sync.aligned." + shape.str() + ".row.col." + (d + "." + at + "." + bt + "." + c).str() + " ";
  text += registers(found->c, [&](unsigned) { return a.out(acc); });
  for (unsigned count : {found->a, found->b, found->c})
    text += ", " + registers(count, [&](unsigned) { return a.in(p.arg(next++)); });
  *result = a.emit(text + ";", Asm::convergent_pure);
  return {};
}

// ---- wgmma ----

/// `wait` passes its operands on, so that what uses the accumulators cannot move in front of it.
Status wgmma_order(const Primitive &p, Value **result) {
  TESSERA_TRY(p.need_specific(90, 80));
  StringRef op = p.field(1);
  std::string text = op == "fence" ? "wgmma.fence.sync.aligned;" : op == "commit" ? "wgmma.commit_group.sync.aligned;"
                                   : "wgmma.wait_group.sync.aligned " + p.field(2).str() + ";";
  Asm a(p.b);
  if (p.args()) {
    if (op != "wait" || !result_is(p.type(), p.args(), p.arg(0)->getType())) return p.wrong("as many results as operands");
    for (unsigned i = 0; i < p.args(); ++i) a.out(p.arg(i)->getType());
    for (unsigned i = 0; i < p.args(); ++i) a.tied(i, p.arg(i));
  }
  Value *v = a.emit(text, Asm::effects, true);
  if (p.args()) *result = v;
  return {};
}

/// wgmma.m64nNkK.D.A.B.{ss|rs}[.ta][.tb](accumulators, descriptor or registers of a, descriptor of b, use accumulators)
Status wgmma(const Primitive &p, Value **result) {
  StringRef shape = p.field(1), d = p.field(2), at = p.field(3), bt = p.field(4), kind = p.field(5), rest = shape;
  unsigned n = 0, k = 0;
  bool good = rest.consume_front("m64n") && !rest.consumeInteger(10, n) && rest.consume_front("k") && !rest.getAsInteger(10, k);
  bool halves = (at == "f16" || at == "bf16") && bt == at, tf32 = at == "tf32" && bt == at;
  bool bytes = is_byte(at) && is_byte(bt), fp8 = is_fp8(at) && is_fp8(bt);
  unsigned depth = halves ? 16 : tf32 ? 8 : 32;
  bool acc_good = bytes ? d == "s32" : d == "f32" || (d == "f16" && (at == "f16" || fp8));
  bool shape_good = n >= 8 && n <= 256 && n % 8 == 0 && k == depth;
  if (bytes) shape_good &= n <= 32 ? n != 8 * 5 : n % 16 == 0;
  if (!good || !(halves || tf32 || bytes || fp8) || !acc_good || !shape_good || (kind != "ss" && kind != "rs"))
    return fail(Code::UNSUPPORTED, "there is no matrix instruction %s", p.name.str().c_str());
  TESSERA_TRY(p.need_specific(90, 80));
  bool from_registers = kind == "rs", ta = p.has("ta"), tb = p.has("tb");
  if ((ta || tb) && !halves) return p.wrong("no transposition: only 16-bit operands have it");
  if (ta && from_registers) return p.wrong("a transposed operand in shared memory");
  Type *acc = d == "f32" ? p.b.getFloatTy() : (Type *)p.b.getInt32Ty();
  unsigned count = d == "f16" ? n / 4 : n / 2, a_regs = from_registers ? 4 : 1;
  if (p.args() != count + a_regs + 2 || !result_is(p.type(), count, acc)) return p.wrong("the registers of its shape");
  for (unsigned i = 0; i < p.args(); ++i) {
    Type *t = p.arg(i)->getType();
    bool fits = i < count ? t == acc : i < count + a_regs ? t->isIntegerTy(from_registers ? 32 : 64)
                                 : t->isIntegerTy(i == p.args() - 1 ? 1 : 64);
    if (!fits) return p.wrong("accumulators, a, i64, i1");
  }
  Asm a(p.b);
  std::string text = "wgmma.mma_async.sync.aligned." + shape.str() + "." + (d + "." + at + "." + bt).str() + " ";
  text += registers(count, [&](unsigned) { return a.out(acc); });
  for (unsigned i = 0; i < count; ++i) a.tied(i, p.arg(i));
  unsigned next = count;
  if (from_registers) text += ", " + registers(4, [&](unsigned) { return a.in(p.arg(next++)); });
  else text += ", " + a.in(p.arg(next++));
  text += ", " + a.in(p.arg(next));
  text += ", " + a.in(p.arg(next + 1));
  if (!bytes) text += ", 1, 1";
  if (halves && !from_registers) text += ta ? ", 1" : ", 0";
  if (halves) text += tb ? ", 1" : ", 0";
  *result = a.emit(text + ";", Asm::effects, true);
  return {};
}

constexpr Family families[] = {
    {"mma", mma},
    {"wgmma", wgmma},
    {"wgmma.fence", wgmma_order},
    {"wgmma.commit", wgmma_order},
    {"wgmma.wait", wgmma_order},
};

} // namespace

ArrayRef<Family> matrix_families() { return families; }

} // namespace tcodegen::nvidia
