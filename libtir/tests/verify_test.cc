// SPDX-License-Identifier: MIT
// verify_test --corpus : every .ttir file under $TESSERA_CORPUS verifies, and every .ttgir file for sm_80 and sm_90.
// verify_test CASES... : every case of the files must verify, or break exactly the rule that it names first.
// Every rule of rules.inc must be broken by some case, here or in the cases in code below.
#include "text/text.hh"
#include "verify/type_rules.hh"
#include "verify/verify.hh"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

using namespace tir;

namespace {

int failures, cases;
std::string messages;
std::set<unsigned> broken;
std::set<Opcode> seen; // in cases that verify

void sink(void *, Severity, const char *text, size_t size) { messages.append(text, size).append("\n"); }

void expect(bool ok, const std::string &where, const std::string &text) {
  ++cases;
  if (ok) return;
  ++failures;
  std::fprintf(stderr, "%s: %s\n", where.c_str(), text.c_str());
}

/// Checks a verifier's answer against "ok" or "TIR-V012".
void judge(const std::string &where, const std::string &expected, const tessera::Status &s) {
  if (expected.rfind("TIR-V", 0) && expected != "ok") return expect(false, where, "expects " + expected + "?");
  if (expected == "ok") return expect(s.ok(), where, "must verify: " + s.message);
  broken.insert((unsigned)std::stoul(expected.substr(5)));
  expect(!s.ok() && s.message.find("[" + expected + "]") != std::string::npos, where,
         "must break " + expected + ", found: " + (s.ok() ? "nothing" : s.message));
  expect(s.ok() || messages.find(s.message) != std::string::npos, where, "the find went to the sink, too");
}

void runCase(const std::string &where, const std::string &text) {
  auto line = [&](const char *key) -> std::string {
    size_t at = text.find(key);
    return at == std::string::npos ? "" : text.substr(at + std::string(key).size(),
                                                      text.find('\n', at) - at - std::string(key).size());
  };
  std::string expected = line("// expect: "), source = text;
  if (expected.empty()) return expect(false, where, "no `// expect:` line");
  if (text.find("// args:") != std::string::npos)
    source = "module {\n  tt.func public @f(" + line("// args:") + ") {\n" + text + "\n    tt.return\n  }\n}\n";
  messages.clear();
  Context ctx;
  ctx.setSink(sink, nullptr);
  std::unique_ptr<Module> m = parseText(ctx, source, where);
  if (!m) return expect(false, where, "does not parse: " + messages);
  judge(where, expected, verifyModule(*m));
  if (expected == "ok") m->op->walk([](Op *op) { seen.insert(op->code); });
}

void runFile(const char *path) {
  std::ifstream in(path);
  std::stringstream all;
  all << in.rdbuf();
  std::string text = all.str();
  expect(!text.empty(), path, "cannot be read");
  size_t line = 1, from = 0;
  for (;;) {
    size_t at = text.find("\n// -----\n", from);
    std::string part = text.substr(from, at == std::string::npos ? at : at + 1 - from);
    bool head_only = part.find("// expect: ") == std::string::npos && from == 0;
    const char *name = std::string_view(path).find_last_of('/') == std::string_view::npos
                           ? path
                           : path + std::string_view(path).find_last_of('/') + 1;
    if (!head_only) runCase(std::string(name) + ":" + std::to_string(line), part);
    if (at == std::string::npos) break;
    for (char c : part) line += c == '\n';
    line += 1;
    from = at + 10;
  }
}

/// Result types that builders would work out are those of the operation.
bool inferredAgain(const Op *op, TypeEnv &env) {
  const OpInfo &info = op->info();
  if (!info.inferred_results || !op->nres) return true;
  env.reset(info, op->attrs(), op->segments_, nullptr);
  for (unsigned i = 0; i < op->nops; ++i) env.types[i] = op->operand(i)->type;
  if (!inferTypes(env) || env.resultTypes().size() != op->nres) return false;
  for (unsigned i = 0; i < op->nres; ++i) {
    Type t = op->result(i)->type;
    if (t->isTensor() && t->enc) t = op->ctx()->tensor(t->shape, t->elem, env.resultTypes()[i]->enc); // not worked out
    if (env.resultTypes()[i] != t) return false;
  }
  return true;
}

/// Every .ttir file under `folder` parses and verifies.
int runCorpus(const char *folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  unsigned files = 0;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    bool gpu = it->path().extension() == ".ttgir" && it->path().parent_path().filename() != "sm_100"; // ttg.warp_specialize
    if (it->path().extension() != ".ttir" && !gpu) continue;
    ++files;
    messages.clear();
    std::ifstream in(it->path());
    std::stringstream all;
    all << in.rdbuf();
    Context ctx;
    ctx.setSink(sink, nullptr);
    std::unique_ptr<Module> m = parseText(ctx, all.str(), it->path().string());
    bool good = m && verifyModule(*m).ok();
    expect(good, it->path().string(), messages);
    if (!good) continue;
    TypeEnv env(ctx, m.get());
    m->op->walk([&](Op *op) {
      if (!inferredAgain(op, env)) expect(false, it->path().string(), std::string(op->name()) + ": " + env.error);
    });
  }
  expect(files > 0, folder, "no .ttir file");
  std::printf("%u files, %d failed\n", files, failures);
  return failures != 0;
}

/// A function `f` with one i32 argument and an empty body.
struct Fixture {
  Context ctx;
  Module module{ctx};
  Op *func;
  Block *body;
  Fixture() {
    ctx.setSink(sink, nullptr);
    messages.clear();
    Type i32 = ctx.i32();
    Type type = ctx.function({&i32, 1}, {});
    func = module.create({.code = Opcode::tt_func,
                          .attrs = {{ctx.str("sym_name"), ctx.string("f")}, {ctx.str("function_type"), ctx.typeAttr(type)}},
                          .regions = 1});
    module.body()->append(func);
    body = module.createBlock();
    body->addArg(module, i32);
    func->region(0)->append(body);
  }
  Op *add(OpSpec spec, Block *to = nullptr) {
    Op *op = module.create(spec);
    (to ? to : body)->append(op);
    return op;
  }
};

/// What text cannot say, because the parser refuses it or cannot express it.
void codeCases() {
  {
    Fixture f; // a value of another function
    Op *x = f.add({.code = Opcode::arith_addi, .operands = {f.body->arg(0), f.body->arg(0)}, .results = {f.ctx.i32()}});
    f.add({.code = Opcode::tt_return});
    Type type = f.ctx.function({}, {});
    Op *g = f.module.create({.code = Opcode::tt_func,
                             .attrs = {{f.ctx.str("sym_name"), f.ctx.string("g")},
                                       {f.ctx.str("function_type"), f.ctx.typeAttr(type)}},
                             .regions = 1});
    f.module.body()->append(g);
    Block *b = f.module.createBlock();
    g->region(0)->append(b);
    f.add({.code = Opcode::arith_addi, .operands = {x->result(0), x->result(0)}, .results = {f.ctx.i32()}}, b);
    f.add({.code = Opcode::tt_return}, b);
    judge("value of another function", "TIR-V005", verifyModule(f.module));
  }
  {
    Fixture f; // a value of another module
    Fixture g;
    f.add({.code = Opcode::arith_addi, .operands = {g.body->arg(0), g.body->arg(0)}, .results = {f.ctx.i32()}});
    f.add({.code = Opcode::tt_return});
    expect(!verifyModule(f.module).ok(), "value of another module", "must not verify");
  }
  {
    Fixture f; // a module operation with a value that the function inside uses
    Op *x = f.module.create({.code = Opcode::ub_poison, .results = {f.ctx.i32()}});
    f.module.body()->insertBefore(x, f.func);
    f.add({.code = Opcode::arith_addi, .operands = {x->result(0), x->result(0)}, .results = {f.ctx.i32()}});
    f.add({.code = Opcode::tt_return});
    judge("value from outside a function", "TIR-V006", verifyModule(f.module));
  }
  {
    Fixture f; // what the parser counts itself
    Value *x = f.body->arg(0);
    f.add({.code = Opcode::arith_addi, .operands = {x}, .results = {f.ctx.i32()}});
    f.add({.code = Opcode::tt_return});
    judge("one operand", "TIR-V007", verifyModule(f.module));
    f.body->first->erase();
    Op *op = f.module.create({.code = Opcode::arith_addi, .operands = {x, x}, .results = {f.ctx.i32(), f.ctx.i32()}});
    f.body->insertBefore(op, f.body->first);
    judge("two results", "TIR-V008", verifyModule(f.module));
    op->erase();
    op = f.module.create({.code = Opcode::arith_addi, .operands = {x, x}, .results = {f.ctx.i32()}, .regions = 1});
    f.body->insertBefore(op, f.body->first);
    judge("a region too many", "TIR-V009", verifyModule(f.module));
    op->erase();
    op = f.module.create({.code = Opcode::arith_cmpi, .operands = {x, x}, .results = {f.ctx.i1()},
                          .attrs = {{f.ctx.str("predicate"), f.ctx.enumeration(10, "never")}}});
    f.body->insertBefore(op, f.body->first);
    judge("unknown predicate", "TIR-V014", verifyModule(f.module));
    op->setOperand(0, nullptr);
    judge("no operand", "TIR-V007", verifyModule(f.module));
  }
  {
    Fixture f; // slots that do not hold the operands
    Op *op = f.add({.code = Opcode::tt_reduce_return, .operands = {f.body->arg(0)}, .segments = {2}});
    expect(!verifyOperation(op).ok(), "segments", "must not verify");
    expect(messages.empty(), "segments", "verifyOperation is quiet");
  }
  {
    Fixture f; // a successor that is the entry, and one of another region
    f.add({.code = Opcode::cf_br, .operands = {f.body->arg(0)}, .succs = {f.body}});
    judge("branch to the entry", "TIR-V010", verifyModule(f.module));
  }
  {
    Fixture f;
    Block *other = f.module.createBlock();
    f.add({.code = Opcode::cf_br, .succs = {other}});
    judge("branch to no block", "TIR-V010", verifyModule(f.module));
  }
  {
    Fixture f; // 300 regions deep
    Block *at = f.body;
    Op *c = f.add({.code = Opcode::ub_poison, .results = {f.ctx.i1()}});
    for (int i = 0; i < 300; ++i) {
      Op *branch = f.add({.code = Opcode::scf_if, .operands = {c->result(0)}, .regions = 2}, at);
      f.add({.code = at == f.body ? Opcode::tt_return : Opcode::scf_yield}, at);
      at = f.module.createBlock();
      branch->region(0)->append(at);
    }
    f.add({.code = Opcode::scf_yield}, at);
    judge("deep nesting", "TIR-V011", verifyModule(f.module));
  }
  {
    Fixture f; // constants that only code can make
    Op *op = f.add({.code = Opcode::arith_constant, .results = {f.ctx.i8()},
                    .attrs = {{f.ctx.str("value"), f.ctx.integer(5, f.ctx.i8())}}});
    expect(verifyOperation(op).ok(), "constant", "5 : i8 verifies");
    Type tile = f.ctx.tensor({4}, f.ctx.i32());
    uint64_t bits[3] = {1, 2, 3};
    op = f.add({.code = Opcode::arith_constant, .results = {tile},
                .attrs = {{f.ctx.str("value"), f.ctx.dense(tile, false, {bits, 3})}}});
    f.add({.code = Opcode::tt_return});
    judge("dense with 3 of 4 elements", "TIR-V029", verifyModule(f.module));
  }
  {
    Fixture f; // finds are bounded
    for (int i = 0; i < 100; ++i)
      f.add({.code = Opcode::math_exp, .operands = {f.body->arg(0)}, .results = {f.ctx.i32()}});
    f.add({.code = Opcode::tt_return});
    judge("many finds", "TIR-V012", verifyModule(f.module));
    size_t n = 0;
    for (size_t at = 0; (at = messages.find("TIR-V012", at)) != std::string::npos; ++at) ++n;
    expect(n == 20, "many finds", "20 are reported, found " + std::to_string(n));
  }
}

/// Inference in both directions, as parser and builder use it.
void inference() {
  Context ctx;
  TypeEnv env(ctx);
  Type tile = ctx.tensor({8}, ctx.f32()), ptrs = ctx.tensor({8}, ctx.ptr(ctx.f32())), mask = ctx.tensor({8}, ctx.i1());
  uint32_t load[3] = {1, 1, 1}, one[1] = {1};
  env.reset(opInfo(Opcode::tt_load), {}, load, one);
  env.at(0, 0) = ptrs;
  expect(inferTypes(env), "tt.load", env.error);
  expect(env.one(1) == mask && env.one(2) == tile && env.one(3) == tile, "tt.load", "mask, other, result follow from ptr");
  env.reset(opInfo(Opcode::arith_addf), {}, nullptr, nullptr);
  env.at(2, 0) = tile;
  expect(inferTypes(env) && env.one(0) == tile && env.one(1) == tile, "arith.addf", "operands follow from the result");
  env.reset(opInfo(Opcode::tt_splat), {}, nullptr, nullptr);
  env.at(0, 0) = ctx.f32();
  expect(!inferTypes(env) && env.error.find("result") != std::string::npos, "tt.splat", "the result is not known");
  env.reset(opInfo(Opcode::tt_load), {}, load, one);
  env.at(0, 0) = tile;
  expect(!inferTypes(env) && env.error.find("pointer") != std::string::npos, "tt.load", "refuses " + env.error);
  uint32_t two[1] = {2};
  NamedAttr axis{ctx.str("axis"), ctx.i32Attr(0)};
  env.reset(opInfo(Opcode::tt_reduce), {&axis, 1}, two, nullptr);
  env.at(0, 0) = tile;
  env.at(0, 1) = ctx.tensor({8, 4}, ctx.i32());
  expect(inferTypes(env) && env.resultTypes().size() == 2, "tt.reduce", env.error);
  expect(env.resultTypes()[0] == ctx.f32() && env.resultTypes()[1] == ctx.tensor({4}, ctx.i32()), "tt.reduce", "types");
}

void coverage() {
  for (unsigned n = 1; n < 100; ++n)
    if (ruleText(n)) expect(broken.count(n), "rules.inc", "no case breaks rule " + std::to_string(n));
  for (unsigned i = 1; i < (unsigned)Opcode::count_; ++i)
    expect(seen.count((Opcode)i), "op table", "no case has '" + std::string(opInfo((Opcode)i).name) + "'");
  expect(!ruleText(0), "rules.inc", "there is no rule 0");
}

} // namespace

int main(int argc, char **argv) {
  if (argc == 2 && !std::strcmp(argv[1], "--corpus")) {
    const char *folder = std::getenv("TESSERA_CORPUS");
    if (folder && *folder) return runCorpus(folder);
    std::puts("skipped: no corpus");
    return 77;
  }
  for (int i = 1; i < argc; ++i) runFile(argv[i]);
  codeCases();
  inference();
  coverage();
  std::printf("%d checks, %d failed\n", cases, failures);
  return failures != 0;
}
