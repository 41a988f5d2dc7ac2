// SPDX-License-Identifier: MIT
// The whole road of one compilation: IR bytes → module → passes → plan → LLVM → machine code → kernel object.
#include "pipeline.hh"
#include "bytecode/bytecode.hh"
#include "common/hash.hh"
#include "common/tko.hh"
#include "gpu/pipeline_gpu.hh"
#include "lower/lower_kernel.hh"
#include "pass/pass.hh"
#include "plan/plan.hh"
#include "text/text.hh"
#include "verify/verify.hh"
#include <chrono>
#include <memory>

namespace tcodegen {
using namespace tir;
using tessera::Code;
using tessera::fail;
using tessera::Status;
namespace tko = tessera::tko;

namespace {

/// What LLVM lowering needs done first. Functions marked noinline are expanded too: a CPU kernel is one function.
constexpr const char *kPipeline = "inline{noinline=true},symbol-dce,canonicalize,cse,licm,canonicalize,cse,dce";

class Clock {
public:
  explicit Clock(Artifact &a) : artifact(a), last(now()) {}
  void stage(const char *name) {
    uint64_t t = now();
    artifact.times.push_back({name, t - last});
    last = t;
  }

private:
  static uint64_t now() {
    return (uint64_t)std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  Artifact &artifact;
  uint64_t last;
};

void keepMessage(void *user, Severity severity, const char *text, size_t size) {
  std::string &out = *static_cast<std::string *>(user);
  if (severity != Severity::Error) return;
  if (!out.empty()) out += '\n';
  out.append(text, size);
}

/// The attribute dictionary of argument `i`, or null.
Attr argAttrs(Op *func, unsigned i) {
  Attr all = func->attr("arg_attrs");
  return all && all->kind == AttrKind::Array && i < all->attrs.size() ? all->attrs[i] : nullptr;
}
int64_t entry(Attr dict, std::string_view name) {
  if (dict && dict->kind == AttrKind::Dict)
    for (const NamedAttr &e : dict->entries)
      if (e.name.view() == name && e.value->kind == AttrKind::Int) return e.value->ival;
  return 0;
}

Status describe(const CompileRequest &request, Op *func, tko::Object &object) {
  Block *front = func->region(0)->front();
  for (unsigned i = 0; i < front->numArgs(); ++i) {
    Value *v = front->arg(i);
    tko::Argument a;
    a.name = std::string(v->name.view());
    a.kind = kindOf(v->type);
    if (a.kind == tko::Kind::none)
      return fail(Code::UNSUPPORTED, "argument %u (%s): not implemented: type %s as a kernel argument", i, a.name.c_str(),
                  typeText(v->type).c_str());
    if (v->type->isPtr()) {
      a.element = kindOf(v->type->elem);
      a.written = true;
    }
    if (v->type->isDesc()) {
      a.element = kindOf(v->type->elem);
      a.rank = (uint8_t)v->type->rank();
      a.block.assign(v->type->shape.begin(), v->type->shape.end());
      a.written = true;
    }
    if (!request.ignore_promises) {
      Attr attrs = argAttrs(func, i);
      int64_t div = entry(attrs, "tt.divisibility"), range = entry(attrs, "tt.pointer_range");
      if (div > 1 && !(div & (div - 1))) a.divisibility = (uint64_t)div;
      if (range == 32) a.pointer_range = 32;
    }
    object.arguments.push_back(std::move(a));
  }
  return tko::lay_out_params(&object);
}

/// Binds arguments to constants and adds facts, as asked for.
Status specialize(const CompileRequest &request, Module &m, Op *func, tko::Object &object) {
  Block *front = func->region(0)->front();
  for (const Specialization &s : request.specialize) {
    if (s.argument >= front->numArgs())
      return fail(Code::INVALID_ARGUMENT, "specialize: argument %u, but the kernel has %u", s.argument, front->numArgs());
    tko::Argument &a = object.arguments[s.argument];
    if (s.divisibility > 1) a.divisibility = std::max(a.divisibility, s.divisibility);
    if (s.pointer_range == 32) a.pointer_range = 32;
    if (!s.constant) continue;
    Value *v = front->arg(s.argument);
    if (!v->type->isInt() && !v->type->isFloat())
      return fail(Code::INVALID_ARGUMENT, "specialize: argument %u (%s) is %s, which cannot be constant", s.argument,
                  a.name.c_str(), typeText(v->type).c_str());
    a.constant = true;
    a.constant_bits = s.constant_bits;
    uint64_t bits = s.constant_bits;
    Attr value;
    if (v->type->isInt(1)) value = m.ctx.boolean(bits & 1);
    else if (v->type->isInt()) {
      unsigned shift = 64 - v->type->width;
      value = m.ctx.integer((int64_t)(bits << shift) >> shift, v->type);
    } else value = m.ctx.floating(bits, v->type);
    OpSpec spec;
    spec.code = Opcode::arith_constant;
    spec.loc = func->loc;
    spec.results = {v->type};
    spec.attrs = {{m.ctx.str("value"), value}};
    Op *c = m.create(spec);
    front->insertBefore(c, front->first);
    v->replaceAllUsesWith(c->result());
  }
  return tko::lay_out_params(&object);
}

/// The facts that hold in this compilation, written where the analyses read them: the promises of the IR unless they
/// are ignored, and those of the specialisation.
void writeFacts(const CompileRequest &request, Module &m, Op *func, const tko::Object &object) {
  if (!request.ignore_promises && request.specialize.empty()) return;
  std::vector<Attr> all;
  for (unsigned i = 0; i < object.arguments.size(); ++i) {
    std::vector<NamedAttr> kept;
    if (Attr old = argAttrs(func, i); old && old->kind == AttrKind::Dict)
      for (const NamedAttr &e : old->entries)
        if (std::string_view n = e.name.view();
            n != "tt.divisibility" && n != "tt.pointer_range" && n != "tt.contiguity" && n != "tt.constancy")
          kept.push_back(e);
    const tko::Argument &a = object.arguments[i];
    if (a.divisibility > 1) kept.push_back({m.ctx.str("tt.divisibility"), m.ctx.integer((int64_t)a.divisibility, m.ctx.i32())});
    if (a.pointer_range) kept.push_back({m.ctx.str("tt.pointer_range"), m.ctx.integer(a.pointer_range, m.ctx.i32())});
    all.push_back(m.ctx.dict(std::move(kept)));
  }
  bool any = false;
  for (Attr d : all) any |= !d->entries.empty();
  func->setAttr("arg_attrs", any ? m.ctx.array({all.data(), (unsigned)all.size()}) : nullptr);
}

} // namespace

Status compile(const CompileRequest &request, Artifact &artifact) {
  Clock clock(artifact);
  Context ctx;
  std::string messages;
  ctx.setSink(keepMessage, &messages);
  auto failed = [&](Status s) {
    if (!messages.empty() && s.message.empty()) s.message = messages;
    return s;
  };

  std::string_view bytes(static_cast<const char *>(request.ir), request.ir_size);
  std::unique_ptr<Module> m;
  if (looksLikeBytecode(bytes)) {
    auto r = readBytecode(ctx, bytes, request.ir_name);
    if (!r.ok()) return failed(r.status);
    m = std::move(r.value);
  } else m = parseText(ctx, bytes, request.ir_name);
  if (!m) return fail(Code::PARSE, "%s", messages.empty() ? "the text is not a module" : messages.c_str());
  clock.stage("parse");
  Status verified = verifyModule(*m);
  if (!verified.ok()) {
    if (!messages.empty()) verified.message = messages;
    return verified;
  }
  clock.stage("verify");

  auto kernel = m->kernel(request.kernel);
  if (!kernel.ok()) return kernel.status;
  artifact.kernel = std::string(kernel.value->strAttr("sym_name"));
  tko::Object object;
  object.entry = artifact.kernel;
  object.target = request.target_text;
  object.features = request.target.needed;
  object.compiler = request.build_id;
  object.source_hash = tessera::to_hex(tessera::hash256(request.ir, request.ir_size));
  object.options = request.fp_fusion ? "fp_fusion=on" : "fp_fusion=off";
  if (request.ignore_promises) object.options += " promises=ignored";
  TESSERA_TRY(describe(request, kernel.value, object));
  TESSERA_TRY(specialize(request, *m, kernel.value, object));
  writeFacts(request, *m, kernel.value, object);

  TESSERA_TRY(failed(runPasses(*m, kPipeline)));
  kernel = m->kernel(artifact.kernel);
  if (!kernel.ok()) return kernel.status;
  clock.stage("passes");
  if (request.keep & keep_ttir) {
    std::string text;
    TESSERA_TRY(printText(*m, {}, text));
    artifact.stages.push_back({"ttir", std::move(text)});
  }

  auto stage = [](void *c, const char *name) { static_cast<Clock *>(c)->stage(name); };
  if (request.gpu != GpuKind::none) {
    TESSERA_TRY(failed(gpu::compile(request, *m, kernel.value, object, artifact, stage, &clock)));
  } else {
    auto plan = makePlan(*m, kernel.value);
    if (!plan.ok()) return plan.status;
    clock.stage("plan");
    TESSERA_TRY(lowerKernel(request, *m, kernel.value, plan.value, object, artifact, stage, &clock));
    for (const std::string &r : plan.value.remarks) artifact.remarks.push_back({RemarkKind::missed, "plan", r, ""});
  }

  if (request.keep & keep_embedded)
    for (auto &s : artifact.stages) object.stages.push_back({s.first, s.second});
  auto packed = tko::write(object);
  if (!packed.ok()) return packed.status;
  artifact.tko = std::move(packed.value);
  clock.stage("pack");
  return tessera::ok_status();
}

IrVersions ir_versions() { return {}; }

} // namespace tcodegen
