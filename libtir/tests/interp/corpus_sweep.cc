// SPDX-License-Identifier: MIT
// Runs kernels of .ttir files on made-up arguments: each ends, stops with a status, or is refused by name;
// none crashes. usage: corpus_sweep FILE|@LIST...   (@LIST: a file of paths). Last line: `N ran, N stopped, N
// refused, N bad`.
#include "interp/interp.hh"
#include "text/text.hh"
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

using namespace tir;
using tessera::Code;

namespace {

std::string readFile(const std::string &path) {
  std::string s;
  FILE *f = std::fopen(path.c_str(), "rb");
  if (!f) return s;
  char block[65536];
  while (size_t n = std::fread(block, 1, sizeof block, f)) s.append(block, n);
  std::fclose(f);
  return s;
}

int ran, stopped, refused, bad;
std::map<std::string, int> reasons;

void sweep(const std::string &path) {
  std::string text = readFile(path);
  Context ctx;
  std::unique_ptr<Module> m = parseText(ctx, text, path);
  if (!m) {
    ++bad;
    std::printf("%s: does not parse\n", path.c_str());
    return;
  }
  for (Op *f = m->body()->first; f; f = f->next) {
    if (!f->is(Opcode::tt_func) || f->strAttr("sym_visibility") == "private" || f->region(0)->empty())
      continue;
    Block *entry = f->region(0)->front();
    std::vector<tir_interp_arg> args;
    std::vector<std::vector<uint64_t>> memory;
    memory.reserve(entry->numArgs());
    static const int64_t shape[8] = {48, 40, 64, 16, 8, 8, 8, 8};
    uint64_t seed = 0x9e3779b97f4a7c15;
    for (unsigned i = 0; i < entry->numArgs(); ++i) {
      Type t = entry->arg(i)->type;
      tir_interp_arg a{};
      a.struct_size = sizeof a;
      if (t->isPtr() || t->isDesc()) {
        a.kind = t->isPtr() ? TIR_INTERP_BUFFER : TIR_INTERP_DESCRIPTOR;
        memory.emplace_back(8192);
        for (uint64_t &v : memory.back()) {
          seed = seed * 6364136223846793005ull + 1442695040888963407ull;
          // floats near 1, or small integers where the pointee is one
          v = t->elem->isInt() ? (seed >> 33 & 0x0000001f0000001full)
                               : (seed & 0x000f3c7f000f3c7full) | 0x3c003c003c003c00ull;
        }
        a.data = memory.back().data();
        a.size = 65536;
        a.rank = t->isDesc() ? t->rank() : 0;
        a.shape = shape;
      } else if (t->isFloat()) {
        a.bits = t->width == 64 ? 0x3ff0000000000000 : t->width == 32 ? 0x3f800000 : 0x3c00;
      } else {
        a.bits = t->width == 1 ? 1 : 16 + 16 * (i % 3);
      }
      args.push_back(a);
    }
    tir_interp_params p = TIR_INTERP_PARAMS_INIT;
    p.grid[0] = p.grid[1] = 2;
    p.errors = 0;
    p.notes = TIR_SANITIZE_ALL;
    p.max_steps = 3000;
    p.print = [](void *, const char *, size_t) {};
    p.report = [](void *, const tir_interp_report *) {};
    auto start = std::chrono::steady_clock::now();
    tessera::Status s = interp::run(*m, f->strAttr("sym_name"), p, args);
    double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (took > 5) std::printf("%s: %.1f s\n", path.c_str(), took);
    if (s.ok())
      ++ran;
    else if (s.code == Code::UNSUPPORTED) {
      ++refused;
      size_t at = s.message.find("not implemented");
      ++reasons[at == std::string::npos ? s.message : s.message.substr(at, 90)];
    } else if (s.code == Code::LAUNCH || s.code == Code::LIMIT) {
      ++stopped;
      ++reasons[s.message.substr(s.message.find('\''), 40)];
    } else {
      ++bad;
      std::printf("%s: %s\n", path.c_str(), s.message.c_str());
    }
  }
}

} // namespace

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] != '@') {
      sweep(argv[i]);
      continue;
    }
    std::string list = readFile(argv[i] + 1), line;
    for (char c : list)
      if (c == '\n') {
        sweep(line);
        line.clear();
      } else {
        line += c;
      }
  }
  for (auto &[why, n] : reasons) std::printf("%5d %s\n", n, why.c_str());
  std::printf("%d ran, %d stopped, %d refused, %d bad\n", ran, stopped, refused, bad);
  return bad != 0;
}
