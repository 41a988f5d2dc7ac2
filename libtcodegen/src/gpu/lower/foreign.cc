// SPDX-License-Identifier: MIT
// What a kernel brings along or sends out as text: inline assembly, prints, tables of constants.
#include "lower.hh"
#include "plan/plan.hh"
#include "target/cpu/convert.hh"
#include <bit>
#include <llvm/IR/InlineAsm.h>
#include <llvm/Support/Error.h>

namespace tcodegen::gpu {
using namespace tir;
using tessera::Code;
using IrValue = llvm::Value;
namespace tko = tessera::tko;

// ---- tile constants ------------------------------------------------------------------------------------------------

Regs Lower::constantTable(Op *op, Type t, llvm::ArrayRef<uint64_t> elements) {
  const LinearLayout &l = layout(t);
  unsigned bits = elementBits(t->elem);
  if (failed() || elements.size() != (size_t)t->count()) {
    fail(Code::VERIFY, op, "has %zu elements, its type %lld", elements.size(), (long long)t->count());
    return Regs(regCount(t), llvm::PoisonValue::get(regType(t->elem)));
  }
  Access a{l.columnsOf(Dim::Register), l.columnsOf(Dim::Lane), l.columnsOf(Dim::Warp), {}};
  uint64_t thread = 0;
  for (const Columns *c : {&a.lane, &a.warp})
    for (uint64_t v : *c) thread |= v;
  Regs out;
  if (!thread) { // every thread holds the same
    for (unsigned r = 0; r < 1u << a.reg.size(); ++r) out.push_back(constantOf(t->elem, elements[gf2::apply(a.reg, r)]));
    return out;
  }
  llvm::SmallVector<llvm::Constant *, 64> values;
  llvm::Type *word = b.getIntNTy(bits);
  for (uint64_t v : elements) values.push_back(llvm::ConstantInt::get(word, llvm::APInt(64, v).zextOrTrunc(bits)));
  auto *type = llvm::ArrayType::get(word, values.size());
  auto *table = new llvm::GlobalVariable(this->out, type, true, llvm::GlobalValue::InternalLinkage,
                                         llvm::ConstantArray::get(type, values), "tessera_table", nullptr,
                                         llvm::GlobalValue::NotThreadLocal, 1);
  table->setAlignment(llvm::Align(16));
  for (IrValue *v : loadTile(table, 0, a, bits)) out.push_back(fromBits(v, t->elem));
  return out;
}

// ---- inline assembly -----------------------------------------------------------------------------------------------

/// `packed_element` elements of every operand at a time; those narrower than 32 bits share registers of 32 bits.
void Lower::lowerInlineAsm(Op *op) {
  unsigned pack = (unsigned)std::max<int64_t>(1, op->intAttr("packed_element", 1));
  std::string text(op->strAttr("asm_string")), constraints(op->strAttr("constraints"));
  bool pure = op->intAttr("pure") != 0;
  auto shareOf = [&](Type t) { return std::min(pack, std::max(1u, 32 / elementBits(t))); }; // elements of one register
  auto wordOf = [&](Type t) { return b.getIntNTy(std::max(16u, elementBits(t) * shareOf(t))); }; // PTX has no 8-bit registers
  auto native = [&](Type t) { // the register's type: floats alone stay floats
    llvm::Type *e = regType(t);
    return shareOf(t) == 1 && (e->isFloatingPointTy() || e->isIntegerTy()) && !e->isIntegerTy(8) && !e->isIntegerTy(1) ? e : (llvm::Type *)wordOf(t);
  };
  llvm::SmallVector<llvm::Type *, 8> ins, outs;
  unsigned n = 1;
  for (unsigned i = 0; i < op->numOperands(); ++i) {
    Type t = op->operand(i)->type;
    if (t->isTensor()) n = std::max(n, regCount(t));
    for (unsigned k = 0; k < pack; k += shareOf(t)) ins.push_back(native(t));
  }
  for (unsigned i = 0; i < op->numResults(); ++i) {
    Type t = op->result(i)->type;
    if (t->isTensor()) n = std::max(n, regCount(t));
    for (unsigned k = 0; k < pack; k += shareOf(t)) outs.push_back(native(t));
  }
  if (failed()) return;
  llvm::Type *result = outs.empty() ? b.getVoidTy() : outs.size() == 1 ? outs[0] : llvm::StructType::get(cx, outs);
  auto *type = llvm::FunctionType::get(result, ins, false);
  if (llvm::Error wrong = llvm::InlineAsm::verify(type, constraints)) {
    std::string why = llvm::toString(std::move(wrong));
    return fail(Code::VERIFY, op, "constraints \"%s\" do not fit %u outputs and %u inputs: %s", constraints.c_str(),
                (unsigned)outs.size(), (unsigned)ins.size(), why.c_str());
  }
  llvm::InlineAsm *code = llvm::InlineAsm::get(type, text, constraints, !pure);
  std::vector<Regs> results(op->numResults());
  for (unsigned at = 0; at < n; at += pack) {
    llvm::SmallVector<IrValue *, 8> args;
    for (unsigned i = 0; i < op->numOperands(); ++i) {
      Type t = op->operand(i)->type;
      const Regs &r = regs(op->operand(i));
      unsigned share = shareOf(t), bits = elementBits(t);
      for (unsigned k = 0; k < pack; k += share) {
        llvm::Type *word = native(t);
        IrValue *v = llvm::PoisonValue::get(word);
        auto element = [&](unsigned e) { return r.size() == 1 ? r[0] : at + e < r.size() ? r[at + e] : r[0]; };
        if (share == 1) v = word == regType(t) ? element(k) : toBits(element(k), word->getIntegerBitWidth());
        else {
          auto *vector = llvm::FixedVectorType::get(b.getIntNTy(bits), share);
          v = llvm::PoisonValue::get(vector);
          for (unsigned e = 0; e < share; ++e) v = b.CreateInsertElement(v, toBits(element(k + e), bits), (uint64_t)e);
          v = b.CreateBitCast(v, word);
        }
        args.push_back(v);
      }
    }
    llvm::CallInst *call = b.CreateCall(type, code, args);
    call->setDoesNotThrow();
    if (pure) call->setDoesNotAccessMemory();
    unsigned field = 0;
    for (unsigned i = 0; i < op->numResults(); ++i) {
      Type t = op->result(i)->type;
      unsigned share = shareOf(t), bits = elementBits(t), count = t->isTensor() ? regCount(t) : 1;
      for (unsigned k = 0; k < pack; k += share) {
        IrValue *v = outs.size() == 1 ? (IrValue *)call : b.CreateExtractValue(call, field);
        ++field;
        IrValue *vector = share > 1 ? b.CreateBitCast(v, llvm::FixedVectorType::get(b.getIntNTy(bits), share)) : nullptr;
        for (unsigned e = 0; e < share && results[i].size() < count; ++e) {
          IrValue *x = vector ? b.CreateExtractElement(vector, (uint64_t)e) : v;
          results[i].push_back(x->getType() == regType(t) ? x : fromBits(x, t->scalar()));
        }
      }
    }
  }
  for (unsigned i = 0; i < op->numResults(); ++i) set(op->result(i), results[i]);
}

// ---- prints --------------------------------------------------------------------------------------------------------

namespace {
std::string escaped(std::string_view s) {
  std::string out;
  for (char c : s) out += c == '%' ? "%%" : std::string(1, c);
  return out;
}
} // namespace

/// Every element once, by a thread that holds it: its place and value, and the text as printf wants it.
void Lower::lowerPrint(Op *op) {
  Attr isSigned = op->attr("isSigned");
  unsigned n = op->numOperands();
  bool hex = op->intAttr("hex");
  for (unsigned i = 0; i < std::max(n, 1u) && !failed(); ++i) {
    tko::Message message;
    message.kind = tko::MessageKind::print;
    message.text = std::string(op->strAttr("prefix"));
    message.hex = hex;
    message.operand = i;
    message.operands = n;
    tir::Value *x = n ? op->operand(i) : nullptr;
    Type t = x ? x->type : nullptr, elem = t ? t->scalar() : nullptr;
    bool sign = isSigned && i < isSigned->ints.size() && isSigned->ints[i];
    if (x) {
      message.element = kindOf(elem);
      message.is_signed = sign;
      if (t->isTensor()) message.shape.assign(t->shape.begin(), t->shape.end());
    }
    object.messages.push_back(message);
    bool tile = t && t->isTensor();
    // As the interpreter and the CPU write it.
    std::string format = "pid (%d, %d, %d)";
    if (x) {
      format += " idx (";
      for (size_t d = 0; d < message.shape.size(); ++d) {
        int width = 0;
        for (int64_t p = 1; p < message.shape[d]; p *= 10) ++width;
        format += (d ? ", %" : "%") + (width ? std::to_string(width) : std::string()) + "d";
      }
      format += ")";
    }
    format += escaped(message.text);
    if (n > 1) format += "(operand " + std::to_string(i) + ") ";
    unsigned bits = elem ? elementBits(elem) : 32, width = elem && elem->isInt(1) ? 1 : bits;
    bool asHex = elem && (hex || elem->isPtr()), asFloat = elem && elem->isFloat() && !asHex;
    const char *kind = !x ? "none" : asFloat ? "f64" : bits > 32 ? "i64" : "i32";
    if (asHex) format += "0x%0" + std::to_string((width + 3) / 4) + (bits > 32 ? "llx" : "x");
    else if (asFloat) format += "%f";
    else if (x) format += bits > 32 ? (sign ? "%lld" : "%llu") : sign ? "%d" : "%u";
    auto *text = b.CreateGlobalString(format + "\n", "tessera_format", 1, &out);
    Regs values = x ? regs(x) : Regs{};
    LinearLayout l = tile ? layout(t) : LinearLayout({{Dim::Register, 0}, {Dim::Lane, 5}}, {}, Columns(5, 0));
    if (failed()) return;
    std::vector<Regs> coordinate;
    for (unsigned d = 0; tile && d < t->rank(); ++d) coordinate.push_back(coordinates(l, d));
    IrValue *owner = tile ? isOwner(l) : b.CreateICmpEQ(tid(), b.getInt32(0));
    auto all = [&] {
      IrValue *pid[3];
      static constexpr const char *names[] = {"tessera.program.x", "tessera.program.y", "tessera.program.z"};
      for (unsigned d = 0; d < 3; ++d) pid[d] = prim(names[d], b.getInt32Ty(), {});
      IrValue *thread = tile ? threadPart(l) : (IrValue *)b.getInt32(0);
      std::map<uint64_t, bool> seen;
      for (unsigned r = 0; r < std::max<size_t>(values.size(), 1); ++r) {
        uint64_t place = tile ? l.apply(r) : 0;
        if (!seen.try_emplace(place, true).second) continue;
        llvm::SmallVector<IrValue *, 12> args{text, b.getInt32((uint32_t)object.messages.size() - 1),
                                              tile ? b.CreateXor(thread, b.getInt32((uint32_t)place)) : thread,
                                              b.getInt32(tile ? (uint32_t)t->count() : x ? 1 : 0),
                                              x ? b.CreateZExt(toBits(values[r], bits), b.getInt64Ty()) : (IrValue *)b.getInt64(0),
                                              pid[0], pid[1], pid[2]};
        for (Regs &c : coordinate) args.push_back(c[r]);
        if (asFloat) args.push_back(convertedFloat(values[r], elem, elem->ctx->floatType(FloatKind::F64)));
        else if (x) {
          IrValue *v = toBits(values[r], bits);
          if (elem->isInt(1)) v = b.CreateTrunc(v, b.getInt1Ty());
          llvm::Type *to = b.getIntNTy(bits > 32 ? 64 : 32);
          args.push_back(sign && !asHex ? b.CreateSExtOrTrunc(v, to) : b.CreateZExtOrTrunc(v, to));
        }
        prim("tessera.print." + std::to_string(coordinate.size()) + "." + std::to_string(bits / 8) + "." + kind, b.getVoidTy(), args);
      }
    };
    if (owner) ifThen(owner, all);
    else all();
  }
}

} // namespace tcodegen::gpu
