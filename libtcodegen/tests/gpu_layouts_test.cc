// SPDX-License-Identifier: MIT
// assign_layouts on whole kernels: what comes out verifies, every tile has an encoding, and the interpreter finds
// the same results as before. With --count: conversions per file, for comparison with other compilers.
//   gpu_layouts_test [--count | --print] [--target CAP] [--warps N] file.ttir …
#include "gpu/gpu.hh"
#include "gpu/passes/layouts.hh"
#include "gpu/passes/select_matrix.hh"
#include "../../libtir/tests/pass_support.hh"
#include "verify/verify.hh"
#include <cstdio>

using namespace tir;
using namespace tir::test;
using namespace tcodegen::gpu;

namespace {

struct Counts {
  unsigned conversions = 0, inLoops = 0, nothing = 0, allocs = 0;
};

Counts count(Op *kernel) {
  Counts c;
  kernel->walk([&](Op *op) {
    if (op->is(Opcode::ttg_local_alloc) && op->numOperands()) ++c.allocs;
    if (!op->is(Opcode::ttg_convert_layout)) return;
    Type from = op->operand(0)->type, to = op->result(0)->type;
    if (sameLayout(from->enc, to->enc, from->shape)) {
      ++c.nothing;
      return;
    }
    ++c.conversions;
    for (Op *p = op->parentOp(); p; p = p->parentOp())
      if (p->is(Opcode::scf_for) || p->is(Opcode::scf_while)) {
        ++c.inLoops;
        break;
      }
  });
  return c;
}

std::string read(const char *path) {
  std::string s;
  if (FILE *f = std::fopen(path, "rb")) {
    char buffer[65536];
    for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, f)) > 0;) s.append(buffer, n);
    std::fclose(f);
  }
  return s;
}

} // namespace

int main(int argc, char **argv) {
  bool print = false, counting = false;
  GpuOptions o;
  unsigned failures = 0, files = 0, runs = 0, skipped = 0;
  for (int i = 1; i < argc; ++i) {
    std::string_view arg = argv[i];
    if (arg == "--print") print = true;
    else if (arg == "--count") counting = true;
    else if (arg == "--target") o.capability = static_cast<unsigned>(std::atoi(argv[++i]));
    else if (arg == "--warps") o.num_warps = static_cast<unsigned>(std::atoi(argv[++i]));
    else {
      ++files;
      TestContext tc;
      std::string text = read(argv[i]);
      auto m = tc.parse(text, argv[i]);
      if (!m || !m->kernel("").ok()) {
        ++skipped;
        continue;
      }
      Op *given = m->kernel("").value;
      auto complain = [&](const std::string &why) {
        ++failures;
        std::printf("%s: %s\n", argv[i], why.c_str());
        if (print) std::printf("%s\n", test::print(*m).c_str());
      };
      auto before = cloneModule(*m);
      tessera::Status s = decompose_dots(*m, given, o);
      if (s.ok()) s = runPasses(*m, "inline,canonicalize,cse,dce");
      Op *k = m->kernel("").value;
      if (s.ok()) s = assign_layouts(*m, k, o);
      if (!s.ok()) {
        if (s.code == tessera::Code::UNSUPPORTED) ++skipped;
        else complain(s.message);
        continue;
      }
      bool bare = false;
      k->walk([&](Op *op) {
        for (unsigned r = 0; r < op->numResults(); ++r) bare |= op->result(r)->type->isTensor() && !layoutOf(op->result(r)->type);
      });
      if (bare) complain("a tile without a layout");
      tc.messages.clear();
      s = verifyModule(*m);
      if (!s.ok()) {
        complain(s.message);
        continue;
      }
      if (counting) {
        Counts c = count(k);
        std::printf("%s %u %u %u %u\n", argv[i], c.conversions, c.inLoops, c.nothing, c.allocs);
      } else if (print)
        std::printf("%s", test::print(*m).c_str());
      else {
        Outcome x = interpret(*before, 1, 300000), y = interpret(*m, 1, 300000);
        // A different number of operations may end the limit of steps at another place.
        if (x.status.code == tessera::Code::LIMIT || y.status.code == tessera::Code::LIMIT) ++skipped;
        else if (x.status.code != y.status.code) complain("before: " + x.status.message + ", after: " + y.status.message);
        else if (std::string d = difference(*before, x, y); !d.empty()) complain("the interpreter finds other results: " + d);
        else ++runs;
      }
    }
  }
  if (!counting && !print) std::printf("%u files, %u run, %u skipped, %u failures\n", files, runs, skipped, failures);
  return failures ? 1 : 0;
}
