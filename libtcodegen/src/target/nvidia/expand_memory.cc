// SPDX-License-Identifier: MIT
// Global loads and stores, atomics, ldmatrix and stmatrix, asynchronous copies, mbarriers, TMA.
#include "expand.hh"

using namespace llvm;
using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen::nvidia {
namespace {

bool number(StringRef text, StringRef prefix, unsigned *out) {
  return text.consume_front(prefix) && !text.getAsInteger(10, *out);
}

/// How a vector travels: registers of one width.
struct Pieces {
  unsigned count, bits;
  Type *type;
};

bool pieces(IRBuilderBase &b, unsigned lanes, unsigned width, Pieces *p) {
  unsigned total = lanes * width;
  if (!lanes || total > 128 || !isPowerOf2_32(total) || total < 8 || (width != 8 && width != 16 && width != 32 && width != 64))
    return false;
  p->bits = width == 64 ? 64 : std::min(total, 32u);
  p->count = total / p->bits;
  p->type = b.getIntNTy(p->bits == 8 ? 16 : p->bits); // PTX has no 8-bit registers
  return true;
}

std::string vector_suffix(const Pieces &p) {
  return (p.count > 1 ? ".v" + std::to_string(p.count) : std::string()) + ".b" + std::to_string(p.bits);
}

/// Cache modifiers of the name as PTX spells them, behind ld.global or st.global.
Status modifiers(const Primitive &p, unsigned from, bool load, std::string *text) {
  std::string cache, level;
  bool is_volatile = false;
  for (StringRef m : p.fields.drop_front(from)) {
    if (m == "evict_first" || m == "evict_last") level = (".L1::" + m).str();
    else if (m == "or" && load) continue; // not a modifier: says that there is a third argument
    else if (m == "volatile" && load) is_volatile = true;
    else if (m == "ca" || m == "cg" || m == "cs" || (load && (m == "cv" || m == "lu")) || (!load && (m == "wb" || m == "wt")))
      cache = ("." + m).str();
    else return fail(Code::UNSUPPORTED, "not implemented: modifier .%s of %s", m.str().c_str(), p.name.str().c_str());
  }
  if (cache == ".ca" && load) cache.clear(); // the default, and eviction priorities stand with it only
  if (cache == ".wb") cache.clear();
  *text = is_volatile ? ".volatile.global" : cache + std::string();
  if (is_volatile) return {};
  *text = ".global" + (level.empty() ? cache : cache.empty() ? level : cache);
  if (!level.empty() && cache.empty()) return p.need(75, 74);
  return {};
}

Value *from_pieces(IRBuilderBase &b, Value *asm_result, const Pieces &p, Type *result) {
  if (p.count == 1) {
    Value *v = p.bits == 8 ? b.CreateTrunc(asm_result, b.getInt8Ty()) : asm_result;
    return b.CreateBitCast(v, result);
  }
  Value *v = PoisonValue::get(FixedVectorType::get(p.type, p.count));
  for (unsigned i = 0; i < p.count; ++i) v = b.CreateInsertElement(v, b.CreateExtractValue(asm_result, i), i);
  return b.CreateBitCast(v, result);
}

/// Register `i` of a vector of integers, as an operand of assembly: a number where it is constant.
std::string piece(IRBuilderBase &b, Asm &a, Value *v, const Pieces &p, unsigned i) {
  auto *t = cast<FixedVectorType>(v->getType());
  unsigned width = t->getScalarSizeInBits(), per = std::max(1u, p.bits / width);
  if (auto *c = dyn_cast<Constant>(v)) {
    uint64_t bits = 0;
    bool known = true;
    for (unsigned k = 0; k < per && known; ++k) {
      auto *e = dyn_cast_or_null<ConstantInt>(c->getAggregateElement(i * per + k));
      known = e != nullptr;
      if (e) bits |= e->getZExtValue() << (k * width);
    }
    if (known) return std::to_string(bits);
  }
  v = p.count == 1 ? b.CreateBitCast(v, b.getIntNTy(p.bits))
                   : b.CreateExtractElement(b.CreateBitCast(v, FixedVectorType::get(p.type, p.count)), i);
  return a.in(v);
}

Status load(const Primitive &p, Value **result) {
  unsigned lanes, width;
  auto *t = dyn_cast<FixedVectorType>(p.type());
  bool instead = p.fields.back() == "or"; // a value for lanes that do not load
  if (!number(p.field(2), "v", &lanes) || !number(p.field(3), "b", &width) || !t || t->getNumElements() != lanes ||
      !t->getElementType()->isIntegerTy(width) || p.args() != (instead ? 3u : 2u) || (instead && p.arg(2)->getType() != t))
    return p.wrong("<N x iW> (ptr addrspace(1), i1[, <N x iW>]) as its name says");
  Pieces q;
  if (!pieces(p.b, lanes, width, &q)) return p.wrong("vectors of 8 to 128 bits");
  int known = p.known(1);
  if (known == 0) {
    *result = instead ? p.arg(2) : (Value *)Constant::getNullValue(t);
    return {};
  }
  if (known == 1 && p.fields.size() == 4u + instead) { // LLVM may know more of it than of assembly
    *result = p.b.CreateAlignedLoad(t, p.arg(0), Align(lanes * width / 8));
    return {};
  }
  std::string mods;
  TESSERA_TRY(modifiers(p, 4, true, &mods));
  Asm a(p.b);
  std::vector<std::string> regs;
  for (unsigned i = 0; i < q.count; ++i) regs.push_back(a.out(q.type));
  std::string text, from = a.address(p.arg(0));
  if (known < 0) {
    // Defined on every path: else the register of the last round stays alive around a loop.
    Value *other = instead ? p.arg(2) : Constant::getNullValue(t);
    for (unsigned i = 0; i < q.count; ++i)
      text += "mov.b" + std::to_string(q.type->getIntegerBitWidth()) + " " + regs[i] + ", " + piece(p.b, a, other, q, i) + ";\n\t";
    text += "@" + a.in(p.arg(1)) + " ";
  }
  text += "ld" + mods + vector_suffix(q) + " ";
  a.list(regs, &text);
  text += ", " + from + ";";
  bool is_volatile = p.has("volatile") || p.has("cv");
  *result = from_pieces(p.b, a.emit(text, is_volatile ? Asm::effects : Asm::reads), q, t);
  return {};
}

Status store(const Primitive &p, Value **) {
  unsigned lanes, width;
  if (p.args() != 3 || !number(p.field(2), "v", &lanes) || !number(p.field(3), "b", &width))
    return p.wrong("void (ptr addrspace(1), <N x iW>, i1)");
  auto *t = dyn_cast<FixedVectorType>(p.arg(1)->getType());
  if (!t || t->getNumElements() != lanes || !t->getElementType()->isIntegerTy(width))
    return p.wrong("void (ptr addrspace(1), <N x iW>, i1) as its name says");
  Pieces q;
  if (!pieces(p.b, lanes, width, &q)) return p.wrong("vectors of 8 to 128 bits");
  int known = p.known(2);
  if (known == 0) return {};
  if (known == 1 && p.fields.size() == 4) {
    p.b.CreateAlignedStore(p.arg(1), p.arg(0), Align(lanes * width / 8));
    return {};
  }
  std::string mods;
  TESSERA_TRY(modifiers(p, 4, false, &mods));
  Asm a(p.b);
  std::string text, to = a.address(p.arg(0));
  std::vector<std::string> regs;
  if (q.count == 1) {
    Value *v = p.b.CreateBitCast(p.arg(1), p.b.getIntNTy(q.bits));
    regs.push_back(a.in(v));
  } else {
    Value *v = p.b.CreateBitCast(p.arg(1), FixedVectorType::get(q.type, q.count));
    for (unsigned i = 0; i < q.count; ++i) regs.push_back(a.in(p.b.CreateExtractElement(v, i)));
  }
  if (known < 0) text = "@" + a.in(p.arg(2)) + " ";
  text += "st" + mods + vector_suffix(q) + " " + to + ", ";
  a.list(regs, &text);
  a.emit(text + ";", Asm::effects);
  return {};
}

// ---- atomics ----

struct AtomicType {
  const char *name;
  unsigned bits;
  bool is_float;
};
constexpr AtomicType atomic_types[] = {{"i8", 8, false},  {"i16", 16, false}, {"i32", 32, false}, {"i64", 64, false}, {"f16", 16, true},
                                       {"bf16", 16, true}, {"f32", 32, true},  {"f64", 64, true}};

const AtomicType *atomic_type(StringRef name) {
  for (const AtomicType &t : atomic_types)
    if (name == t.name) return &t;
  return nullptr;
}

/// `.sem.scope.space` behind atom; the fields behind operation and type.
Status atomic_order(const Primitive &p, std::string *text) {
  StringRef space = p.field(1), sem = p.field(4), scope = p.field(5);
  if ((space != "global" && space != "shared") || p.fields.size() != 6 ||
      (sem != "relaxed" && sem != "acquire" && sem != "release" && sem != "acq_rel") ||
      (scope != "gpu" && scope != "cta" && scope != "sys"))
    return p.wrong("a name atom.{global|shared}.OP.TYPE.SEM.SCOPE");
  *text = ("." + sem + "." + scope + "." + space).str();
  return {};
}

/// Operation on floats that the hardware lacks: a loop around compare-and-swap, in one piece of assembly so that the
/// predicate stays a predicate. `body` computes %n from %o, both .bN registers. Orders with fences around.
Status atomic_loop(const Primitive &p, const AtomicType &t, const std::string &order, const std::string &body,
                   Value **result) {
  std::string w = std::to_string(t.bits), b = ".b" + w;
  Asm a(p.b);
  Type *reg = p.b.getIntNTy(t.bits);
  std::string out = a.out(reg), at = a.address(p.arg(0));
  std::string value = a.in(p.b.CreateBitCast(p.arg(1), reg)), pred = a.in(p.arg(2));
  std::string space = p.field(1).str(), text = "{\n\t.reg .pred go, again;\n\t.reg " + b + " o, n, g, v;\n\t";
  text += "mov" + b + " v, " + value + ";\n\tmov" + b + " o, 0;\n\tmov.pred go, " + pred + ";\n\t@!go bra DONE;\n\t";
  text += "ld.relaxed." + p.field(5).str() + "." + space + b + " o, " + at + ";\nAGAIN:\n\t" + body + "\n\t";
  text += "atom" + order + ".cas" + b + " g, " + at + ", o, n;\n\tsetp.ne" + std::string(t.bits == 16 ? ".s" : ".s") + w +
          " again, g, o;\n\tmov" + b + " o, g;\n\t@again bra AGAIN;\nDONE:\n\tmov" + b + " " + out + ", o;\n\t}";
  *result = p.b.CreateBitCast(a.emit(text, Asm::effects), p.type());
  return {};
}

/// n = o OP v for the loop; floats of 16 bits are computed in f32 where the architecture has no instruction.
std::string float_step(StringRef op, StringRef type) {
  std::string f = op == "fadd" ? "add" : op == "fmax" ? "max" : "min";
  if (type == "f32" || type == "f64") {
    std::string t = "." + type.str();
    std::string bits = type == "f32" ? ".b32" : ".b64";
    return "{ .reg " + t + " x, y;\n\tmov" + bits + " x, o; mov" + bits + " y, v;\n\t" + f + (f == "add" ? ".rn" : "") + t +
           " x, x, y; mov" + bits + " n, x; }";
  }
  if (type == "f16")
    return "{ .reg .f32 x, y;\n\tcvt.f32.f16 x, o; cvt.f32.f16 y, v;\n\t" + f + (f == "add" ? ".rn" : "") +
           ".f32 x, x, y; cvt.rn.f16.f32 n, x; }";
  // bf16: widened by shifting; rounded by the integer rule, NaN made quiet
  return "{ .reg .f32 x, y; .reg .b32 a, c, d; .reg .b16 z; .reg .pred q;\n\tmov.b16 z, 0; mov.b32 a, {z, o}; mov.b32 x, a;"
         " mov.b32 a, {z, v}; mov.b32 y, a;\n\t" + f + (f == "add" ? ".rn" : "") +
         ".f32 x, x, y;\n\tmov.b32 a, x; shr.u32 c, a, 16; and.b32 c, c, 1; add.s32 c, c, 0x7fff; add.s32 c, c, a;"
         " or.b32 d, a, 0x400000;\n\tsetp.nan.f32 q, x, x; selp.b32 c, d, c, q; mov.b32 {z, n}, c; }";
}

/// Integers of 8 and 16 bits: compare-and-swap on the word that holds them.
Status atomic_subword(const Primitive &p, const AtomicType &t, const std::string &order, Value **result) {
  StringRef op = p.field(2);
  bool cas = op == "cas", is_signed = op == "max" || op == "min";
  std::string step = cas ? "setp.eq.u32 q, o, c; selp.b32 n, v, o, q;"
                     : op == "exch" ? "mov.b32 n, v;"
                     : op == "and" || op == "or" || op == "xor" ? (op + ".b32 n, o, v;").str()
                     : op == "add" ? "add.u32 n, o, v;"
                     : is_signed ? (op + ".s32 n, o, v;").str()
                     : op == "umax" || op == "umin" ? (op.drop_front(1) + ".u32 n, o, v;").str() : std::string();
  if (step.empty()) return p.wrong("an operation on integers");
  IRBuilderBase &b = p.b;
  Type *word = b.getInt64Ty();
  Value *address = p.arg(0), *number = b.CreatePtrToInt(address, word);
  Value *shift = b.CreateShl(b.CreateTrunc(b.CreateAnd(number, 3), b.getInt32Ty()), 3);
  Value *base = b.CreateIntToPtr(b.CreateAnd(number, ~uint64_t(3)), address->getType());
  auto wide = [&](Value *v) { return is_signed ? b.CreateSExt(v, b.getInt32Ty()) : b.CreateZExt(v, b.getInt32Ty()); };
  Asm a(b);
  std::string out = a.out(b.getInt32Ty()), at = a.address(base), sh = a.in(shift);
  std::string value = a.in(wide(p.arg(cas ? 2 : 1))), compare = cas ? a.in(wide(p.arg(1))) : "0";
  std::string pred = a.in(p.arg(p.args() - 1)), mask = t.bits == 8 ? "0xff" : "0xffff", bits = std::to_string(t.bits);
  std::string old = is_signed ? "bfe.s32 o, w, " + sh + ", " + bits + ";" : "bfe.u32 o, w, " + sh + ", " + bits + ";";
  std::string text = "{\n\t.reg .pred go, again, q;\n\t.reg .b32 w, g, o, n, v, c;\n\tmov.b32 v, " + value +
                     ";\n\tmov.b32 c, " + compare + ";\n\tmov.b32 w, 0;\n\tmov.pred go, " + pred + ";\n\t@!go bra DONE;\n\tld.relaxed." +
                     p.field(5).str() + "." + p.field(1).str() + ".b32 w, " + at + ";\nAGAIN:\n\t" + old + "\n\t" + step +
                     "\n\tbfi.b32 n, n, w, " + sh + ", " + bits + ";\n\tatom" + order + ".cas.b32 g, " + at +
                     ", w, n;\n\tsetp.ne.u32 again, g, w;\n\tmov.b32 w, g;\n\t@again bra AGAIN;\nDONE:\n\tbfe.u32 " + out +
                     ", w, " + sh + ", " + bits + ";\n\t}";
  *result = b.CreateTrunc(a.emit(text, Asm::effects), p.type());
  return {};
}

/// atom.SPACE.{load|store}.TYPE.SEM.SCOPE: ld and st with an order.
Status atomic_access(const Primitive &p, const AtomicType &t, bool load, Value **result) {
  StringRef sem = p.field(4);
  if (p.args() != (load ? 2u : 3u) || t.is_float || (sem != "relaxed" && sem != (load ? "acquire" : "release")))
    return p.wrong(load ? "iN (ptr, i1), relaxed or acquire" : "void (ptr, iN, i1), relaxed or release");
  int known = p.known(p.args() - 1);
  if (known == 0) {
    if (load) *result = Constant::getNullValue(p.type());
    return {};
  }
  Type *reg = p.b.getIntNTy(std::max(16u, t.bits)); // PTX has no 8-bit registers
  std::string order = ("." + sem + "." + p.field(5) + "." + p.field(1) + ".b").str() + std::to_string(t.bits) + " ", text;
  Asm a(p.b);
  std::string out = load ? a.out(reg) : std::string(), at = a.address(p.arg(0));
  std::string value = load ? std::string() : a.in(p.arg(1));
  if (known < 0) {
    if (load) text = "mov.b" + std::to_string(reg->getIntegerBitWidth()) + " " + out + ", 0;\n\t";
    text += "@" + a.in(p.arg(p.args() - 1)) + " ";
  }
  text += load ? "ld" + order + out + ", " + at + ";" : "st" + order + at + ", " + value + ";";
  Value *v = a.emit(text, Asm::effects);
  if (load) *result = p.b.CreateTrunc(v, p.type());
  return {};
}

Status atomic(const Primitive &p, Value **result) {
  StringRef op = p.field(2), type = p.field(3);
  const AtomicType *t = atomic_type(type);
  std::string order;
  TESSERA_TRY(atomic_order(p, &order));
  if (t && (op == "load" || op == "store")) return atomic_access(p, *t, op == "load", result);
  bool cas = op == "cas";
  if (!t || p.args() != (cas ? 4u : 3u) || p.arg(1)->getType()->getPrimitiveSizeInBits() != t->bits || p.type() != p.arg(1)->getType())
    return p.wrong("T (ptr, T, [T,] i1) with T of its name");
  int known = p.known(p.args() - 1);
  if (known == 0) {
    *result = Constant::getNullValue(p.type());
    return {};
  }
  if (!t->is_float && t->bits <= 16 && !(cas && t->bits == 16)) return atomic_subword(p, *t, order, result);
  std::string bits = std::to_string(t->bits), suffix;
  bool floats = op == "fadd" || op == "fmax" || op == "fmin";
  if (floats && !t->is_float) return p.wrong("a float type for a float operation");
  if (floats) {
    if (op != "fadd") return atomic_loop(p, *t, order, float_step(op, type), result);
    if (type == "bf16" && p.options.target.capability < 90) return atomic_loop(p, *t, order, float_step(op, type), result);
    if (type == "bf16") TESSERA_TRY(p.need(90, 78));
    suffix = (t->bits == 16 ? ".add.noftz." : ".add.") + type.str();
  } else if (op == "exch" || cas) {
    if (t->bits == 16 && !cas) return atomic_loop(p, *t, order, "mov.b16 n, v;", result);
    suffix = (cas ? ".cas.b" : ".exch.b") + bits;
  } else if (t->is_float || t->bits == 16) {
    return p.wrong("a type that the operation has");
  } else if (op == "add") suffix = ".add.u" + bits;
  else if (op == "and" || op == "or" || op == "xor") suffix = ("." + op).str() + ".b" + bits;
  else if (op == "max" || op == "min") suffix = ("." + op).str() + ".s" + bits;
  else if (op == "umax" || op == "umin") suffix = ("." + op.drop_front(1)).str() + ".u" + bits;
  else return fail(Code::UNSUPPORTED, "not implemented: primitive %s on NVIDIA GPUs", p.name.str().c_str());

  Asm a(p.b);
  bool is_float_reg = t->is_float && floats && t->bits >= 32;
  Type *reg = is_float_reg ? p.type() : (Type *)p.b.getIntNTy(t->bits);
  std::string out = a.out(reg), at = a.address(p.arg(0)), text;
  std::string first = a.in(p.b.CreateBitCast(p.arg(1), reg)), second;
  if (cas) second = ", " + a.in(p.b.CreateBitCast(p.arg(2), reg));
  if (known < 0) {
    text = "mov.b" + bits + " " + out + ", 0";
    if (is_float_reg) text = "mov." + type.str() + " " + out + (t->bits == 32 ? ", 0f00000000" : ", 0d0000000000000000");
    text += ";\n\t@" + a.in(p.arg(p.args() - 1)) + " ";
  }
  text += "atom" + order + suffix + " " + out + ", " + at + ", " + first + second + ";";
  *result = p.b.CreateBitCast(a.emit(text, Asm::effects), p.type());
  return {};
}

// ---- shared-memory matrices ----

Status ldmatrix(const Primitive &p, Value **result) {
  unsigned n;
  if (!number(p.field(1), "x", &n) || (n != 1 && n != 2 && n != 4) || p.args() != 1) return p.wrong("x1, x2 or x4, (ptr)");
  TESSERA_TRY(p.need(75, 65));
  Asm a(p.b);
  std::vector<std::string> regs;
  for (unsigned i = 0; i < n; ++i) regs.push_back(a.out(p.b.getInt32Ty()));
  std::string text = "ldmatrix.sync.aligned.m8n8." + p.field(1).str() + (p.has("trans") ? ".trans" : "") + ".shared.b16 {";
  for (unsigned i = 0; i < n; ++i) text += (i ? ", " : "") + regs[i];
  *result = a.emit(text + "}, " + a.address(p.arg(0)) + ";", Asm::effects, true);
  return {};
}

Status stmatrix(const Primitive &p, Value **) {
  unsigned n;
  if (!number(p.field(1), "x", &n) || (n != 1 && n != 2 && n != 4) || p.args() != n + 1)
    return p.wrong("x1, x2 or x4, (ptr, i32 …)");
  TESSERA_TRY(p.need(90, 78));
  Asm a(p.b);
  std::string to = a.address(p.arg(0)), regs;
  for (unsigned i = 0; i < n; ++i) regs += (i ? ", " : "") + a.in(p.arg(i + 1));
  a.emit("stmatrix.sync.aligned.m8n8." + p.field(1).str() + (p.has("trans") ? ".trans" : "") + ".shared.b16 " + to + ", {" +
             regs + "};", Asm::effects, true);
  return {};
}

// ---- asynchronous copies ----

Status cp_async(const Primitive &p, Value **) {
  StringRef level = p.field(2);
  unsigned bytes;
  if (p.field(3).getAsInteger(10, bytes) || (level != "ca" && level != "cg") || p.args() != 3 ||
      (bytes != 16 && (level == "cg" || (bytes != 4 && bytes != 8))))
    return p.wrong("cp.async.{ca|cg}.{4|8|16} (ptr as3, ptr as1, i1); cg has 16 bytes only");
  TESSERA_TRY(p.need(80, 70));
  Asm a(p.b);
  std::string text = "cp.async." + level.str() + ".shared.global " + a.address(p.arg(0)) + ", " + a.address(p.arg(1)) + ", " +
                     std::to_string(bytes);
  if (p.known(2) != 1) text += ", " + a.in(p.b.CreateSelect(p.arg(2), p.b.getInt32(bytes), p.b.getInt32(0)));
  a.emit(text + ";", Asm::effects);
  return {};
}

Status plain(const Primitive &p, const std::string &text) {
  if (p.args()) return p.wrong("no arguments");
  Asm(p.b).emit(text, Asm::effects);
  return {};
}

Status cp_commit(const Primitive &p, Value **) {
  TESSERA_TRY(p.need(80, 70));
  return plain(p, "cp.async.commit_group;");
}

Status cp_wait(const Primitive &p, Value **) {
  TESSERA_TRY(p.need(80, 70));
  return plain(p, "cp.async.wait_group " + p.field(3).str() + ";");
}

// ---- mbarriers ----

Status mbarrier(const Primitive &p, Value **) {
  StringRef op = p.field(1);
  unsigned wanted = op == "inval" ? 1 : op == "expect_tx" ? 3 : 2;
  if (p.args() != wanted || !p.arg(0)->getType()->isPointerTy()) return p.wrong("(ptr as3, …) as PRIMITIVES.md says");
  TESSERA_TRY(op == "expect_tx" ? p.need(90, 80) : p.need(80, 71));
  Asm a(p.b);
  std::string at = a.address(p.arg(0));
  auto guard = [&](unsigned i) { return p.known(i) == 1 ? std::string() : "@" + a.in(p.arg(i)) + " "; };
  if (op == "init") a.emit("mbarrier.init.shared.b64 " + at + ", " + a.in(p.arg(1)) + ";", Asm::effects);
  else if (op == "inval") a.emit("mbarrier.inval.shared.b64 " + at + ";", Asm::effects);
  else if (op == "expect_tx") {
    std::string bytes = a.in(p.arg(1)), g = guard(2);
    a.emit("{\n\t.reg .b64 state;\n\t" + g + "mbarrier.arrive.expect_tx.shared.b64 state, " + at + ", " + bytes + ";\n\t}",
           Asm::effects);
  } else if (op == "arrive") {
    std::string g = guard(1);
    a.emit("{\n\t.reg .b64 state;\n\t" + g + "mbarrier.arrive.shared.b64 state, " + at + ";\n\t}", Asm::effects);
  } else if (op == "wait" && p.field(2) == "parity") {
    bool hopper = p.options.target.capability >= 90; // try_wait sleeps in hardware
    std::string parity = a.in(p.arg(1));
    if (hopper) TESSERA_TRY(p.need(90, 78));
    a.emit(std::string("{\n\t.reg .pred done;\nWAIT:\n\tmbarrier.") + (hopper ? "try" : "test") +
               "_wait.parity.shared.b64 done, " + at + ", " + parity + ";\n\t@!done bra WAIT;\n\t}", Asm::effects);
  } else return fail(Code::UNSUPPORTED, "not implemented: primitive %s on NVIDIA GPUs", p.name.str().c_str());
  return {};
}

// ---- tensor memory accelerator ----

std::string coordinates(Asm &a, const Primitive &p, unsigned from, unsigned rank) {
  std::string text = "{";
  for (unsigned i = 0; i < rank; ++i) text += (i ? ", " : "") + a.in(p.arg(from + i));
  return text + "}";
}

Status tma(const Primitive &p, Value **) {
  StringRef op = p.field(1), rank_text = p.field(2);
  TESSERA_TRY(p.need(90, 80));
  if (op == "store" && p.field(2) == "commit") return plain(p, "cp.async.bulk.commit_group;");
  if (op == "store" && p.field(2) == "wait")
    return plain(p, "cp.async.bulk.wait_group" + std::string(p.field(4) == "read" ? ".read " : " ") + p.field(3).str() + ";");
  unsigned rank;
  if (!rank_text.consume_back("d") || rank_text.getAsInteger(10, rank) || rank < 1 || rank > 5 ||
      p.args() != rank + (op == "load" ? 4 : 3))
    return p.wrong("tma.load.{1…5}d(ptr dst, ptr map, ptr bar, i32 …, i1) or tma.store.{1…5}d(ptr map, ptr src, i32 …, i1)");
  Asm a(p.b);
  std::string text;
  bool guarded = p.known(p.args() - 1) != 1;
  std::string g;
  if (op == "load") {
    std::string dst = a.address(p.arg(0)), map = a.in(p.arg(1)), bar = a.address(p.arg(2)), at = coordinates(a, p, 3, rank);
    if (guarded) g = "@" + a.in(p.arg(p.args() - 1)) + " ";
    text = g + "cp.async.bulk.tensor." + p.field(2).str() + ".shared::cluster.global.tile.mbarrier::complete_tx::bytes " + dst +
           ", [" + map + ", " + at + "], " + bar + ";";
  } else if (op == "store") {
    std::string map = a.in(p.arg(0)), src = a.address(p.arg(1)), at = coordinates(a, p, 2, rank);
    if (guarded) g = "@" + a.in(p.arg(p.args() - 1)) + " ";
    text = g + "cp.async.bulk.tensor." + p.field(2).str() + ".global.shared::cta.tile.bulk_group [" + map + ", " + at + "], " + src + ";";
  } else return fail(Code::UNSUPPORTED, "not implemented: primitive %s on NVIDIA GPUs", p.name.str().c_str());
  a.emit(text, Asm::effects);
  return {};
}

constexpr Family families[] = {
    {"ld.global", load},          {"st.global", store},       {"atom", atomic},
    {"ldmatrix", ldmatrix},       {"stmatrix", stmatrix},     {"cp.async", cp_async},
    {"cp.async.commit", cp_commit}, {"cp.async.wait", cp_wait}, {"mbarrier", mbarrier},
    {"tma", tma},
};

} // namespace

ArrayRef<Family> memory_families() { return families; }

} // namespace tcodegen::nvidia
