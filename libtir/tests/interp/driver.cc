// SPDX-License-Identifier: MIT
// Runs one launch of the reference interpreter from a plain description, for test scripts in other languages.
// usage: interp-driver SPEC...   each SPEC is a text file of lines:
//   file PATH | kernel NAME | grid X Y Z | errors MASK | notes MASK | steps N
//   scalar BITS
//   buffer PATH FLAGS                                 raw bytes, written back; PATH.shadow gets the shadow
//   desc PATH FLAGS PADDING RANK SHAPE… STRIDES…
// Prints `status N` after each launch, reports on lines `report …`, output of tt.print as it is.
#include "interp/interp.hh"
#include "text/text.hh"
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>

using namespace tir;

namespace {

bool readFile(const std::string &path, std::string *out) {
  FILE *f = std::fopen(path.c_str(), "rb");
  if (!f) return false;
  char block[65536];
  while (size_t n = std::fread(block, 1, sizeof block, f)) out->append(block, n);
  std::fclose(f);
  return true;
}
bool writeFile(const std::string &path, const void *data, size_t size) {
  FILE *f = std::fopen(path.c_str(), "wb");
  if (!f) return false;
  bool ok = std::fwrite(data, 1, size, f) == size;
  return std::fclose(f) == 0 && ok;
}

struct Buffer {
  std::string path, data;
  std::vector<uint8_t> shadow;
  std::vector<int64_t> shape, strides;
};

int runSpec(const char *spec) {
  std::string text, source, file, kernel, word;
  if (!readFile(spec, &text)) return std::fprintf(stderr, "%s: cannot read\n", spec), 1;
  tir_interp_params p = TIR_INTERP_PARAMS_INIT;
  std::vector<tir_interp_arg> args;
  std::vector<std::unique_ptr<Buffer>> buffers;
  std::istringstream in(text);
  while (in >> word) {
    tir_interp_arg a{};
    a.struct_size = sizeof a;
    if (word == "file")
      in >> file;
    else if (word == "kernel")
      in >> kernel;
    else if (word == "grid")
      in >> p.grid[0] >> p.grid[1] >> p.grid[2];
    else if (word == "errors")
      in >> p.errors;
    else if (word == "notes")
      in >> p.notes;
    else if (word == "steps")
      in >> p.max_steps;
    else if (word == "scalar") {
      in >> a.bits;
      args.push_back(a);
    } else if (word == "buffer" || word == "desc") {
      auto b = std::make_unique<Buffer>();
      in >> b->path >> a.flags;
      if (!readFile(b->path, &b->data)) return std::fprintf(stderr, "%s: cannot read\n", b->path.c_str()), 1;
      a.kind = TIR_INTERP_BUFFER;
      if (word == "desc") {
        a.kind = TIR_INTERP_DESCRIPTOR;
        in >> a.padding >> a.rank;
        b->shape.resize(a.rank);
        b->strides.resize(a.rank);
        for (int64_t &v : b->shape) in >> v;
        for (int64_t &v : b->strides) in >> v;
        a.shape = b->shape.data();
        a.strides = b->strides.data();
      }
      b->shadow.resize(b->data.size() + 1);
      a.data = b->data.data();
      a.size = b->data.size();
      a.shadow = b->shadow.data();
      args.push_back(a);
      buffers.push_back(std::move(b));
    } else {
      return std::fprintf(stderr, "%s: unknown word '%s'\n", spec, word.c_str()), 1;
    }
  }
  if (!readFile(file, &source)) return std::fprintf(stderr, "%s: cannot read\n", file.c_str()), 1;
  Context ctx;
  ctx.setSink([](void *, Severity, const char *t, size_t n) { std::fprintf(stderr, "%.*s\n", int(n), t); },
              nullptr);
  std::unique_ptr<Module> m = parseText(ctx, source, file);
  if (!m) return std::printf("status 2\n"), 0;
  p.print = [](void *, const char *t, size_t n) { std::fwrite(t, 1, n, stdout); };
  p.report = [](void *, const tir_interp_report *r) { std::printf("report %s\n", r->message); };
  auto start = std::chrono::steady_clock::now();
  tessera::Status s = interp::run(*m, kernel, p, args);
  std::printf("seconds %.3f\n",
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (!s.ok()) std::printf("message %s\n", s.message.c_str());
  for (auto &b : buffers) {
    writeFile(b->path, b->data.data(), b->data.size());
    writeFile(b->path + ".shadow", b->shadow.data(), b->data.size());
  }
  std::printf("status %d\n", static_cast<int>(s.code));
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i)
    if (int rc = runSpec(argv[i])) return rc;
  return 0;
}
