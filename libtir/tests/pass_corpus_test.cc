// SPDX-License-Identifier: MIT
// Passes keep the meaning of whole kernels: the interpreter on the same random arguments before and after, verifier
// and round trip between. usage: pass_corpus_test [--corpus N] DIRECTORY|FILE…
// --corpus N: every N-th .ttir file of the folder that TESSERA_CORPUS names as well; exit code 77 (skipped) if it names
// none. --ttgir N: every N-th .ttgir file there; it must also do what the .ttir file of the same name does. The last line is `N of M` (runs that agree, of those that the interpreter finishes).
#include "pass_support.hh"
#include <algorithm>
#include <dirent.h>
#include <sys/stat.h>

using namespace tir;
using namespace tir::test;

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

void collect(const std::string &path, std::vector<std::string> &out) {
  struct stat st;
  if (stat(path.c_str(), &st)) return;
  if (!S_ISDIR(st.st_mode)) {
    if (path.ends_with(".ttir") || path.ends_with(".ttgir")) out.push_back(path);
    return;
  }
  DIR *d = opendir(path.c_str());
  std::vector<std::string> names;
  while (dirent *e = d ? readdir(d) : nullptr)
    if (e->d_name[0] != '.') names.push_back(e->d_name);
  if (d) closedir(d);
  std::sort(names.begin(), names.end());
  for (const std::string &n : names) collect(path + "/" + n, out);
}

constexpr const char *kPipelines[] = {
    "inline,canonicalize,cse,licm,dce,symbol-dce",
    "inline{noinline=true},cse,canonicalize,dce,licm,cse,canonicalize",
};

int agreed, compared, failed, unread, not_run;

void fail(const std::string &path, const char *pipeline, const std::string &why) {
  std::fprintf(stderr, "%s: %s: %s\n", path.c_str(), pipeline, why.c_str());
  ++failed;
}

void check(const std::string &path) {
  std::string text = readFile(path);
  TestContext t;
  std::unique_ptr<Module> original = t.parse(text, path);
  if (!original) {
    ++unread; // the text tests' business
    return;
  }
  Outcome before = interpret(*original, 7, 60000);
  for (const char *pipeline : kPipelines) {
    std::unique_ptr<Module> m = cloneModule(*original);
    RunOptions o;
    o.verify_each = o.roundtrip_each = true;
    if (tessera::Status s = runPasses(*m, pipeline, o); !s.ok()) {
      fail(path, pipeline, s.message + "\n" + t.messages);
      continue;
    }
    // Once more: passes leave nothing that they would do again, except for chances that a later pass made.
    if (tessera::Status s = runPasses(*m, "canonicalize,cse,dce"); !s.ok()) fail(path, pipeline, s.message);
    if (!before.status.ok()) {
      ++not_run;
      continue;
    }
    ++compared;
    Outcome after = interpret(*m, 7, 120000);
    std::string d = after.status.ok() ? difference(*m, before, after) : after.status.message;
    if (d.empty()) ++agreed;
    else fail(path, pipeline, d);
  }
}

std::vector<std::string> tile_files; // that .ttgir files may have been made from

/// What a .ttgir file does and what the .ttir file that it was made from does are the same.
void checkLevels(const std::string &path) {
  std::string name = path.substr(path.rfind('/') + 1);
  name = "/" + name.substr(0, name.size() - 5) + "ttir"; // NAME.HASH.ttir
  auto from = std::find_if(tile_files.begin(), tile_files.end(), [&](const std::string &f) { return f.ends_with(name); });
  if (from == tile_files.end()) return;
  TestContext t;
  std::unique_ptr<Module> low = t.parse(readFile(path), path), high = t.parse(readFile(*from), *from);
  if (!low || !high) {
    ++unread;
    return;
  }
  bool scaled = false; // Triton computes it in bf16 then, which is another arithmetic
  high->op->walk([&](Op *o) { scaled |= o->is(Opcode::tt_dot_scaled); });
  Outcome a = interpret(*high, 7, 60000);
  if (!a.status.ok() || scaled) {
    ++not_run;
    return;
  }
  ++compared;
  Outcome b = interpret(*low, 7, 240000);
  std::string d = b.status.ok() ? difference(*low, a, b) : b.status.message;
  if (d.empty()) ++agreed;
  else fail(path, "against its .ttir file", d);
}

} // namespace

int main(int argc, char **argv) {
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    bool levels = std::string_view(argv[i]) == "--ttgir";
    std::vector<std::string> corpus;
    if ((std::string_view(argv[i]) != "--corpus" && !levels) || i + 1 == argc) {
      collect(argv[i], files);
      continue;
    }
    size_t every = static_cast<size_t>(std::max(1, std::atoi(argv[++i])));
    const char *root = std::getenv("TESSERA_CORPUS");
    std::vector<const char *> parts = {"/ttir39", "/ttir"};
    if (levels) parts = {"/ttgir/sm_80", "/ttgir/sm_90"};
    for (const char *part : parts)
      if (root) collect(std::string(root) + part, corpus);
    if (root && levels) collect(std::string(root) + "/ttir39", tile_files);
    if (corpus.empty()) {
      std::printf("skipped: no corpus\n");
      return 77;
    }
    for (size_t k = 0; k < corpus.size(); k += every) files.push_back(corpus[k]);
  }
  for (const std::string &f : files) {
    if (f.ends_with(".ttgir")) checkLevels(f);
    check(f);
  }
  std::printf("%zu files, %d did not parse, %d runs that the interpreter does not finish\n", files.size(), unread,
              not_run);
  std::printf("%d of %d\n", agreed, compared);
  return failed || unread || !compared ? 1 : 0;
}
