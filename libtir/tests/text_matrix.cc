// SPDX-License-Identifier: MIT
// Reads files of IR and checks the round trip of each, in text and through bytecode.
//   text_matrix [--quiet] [--syntax 3.N] [--out DIR] [--compare DIR] [--time] FILE…   or: @LIST (a file of file names)
// Without files: those below $TESSERA_CORPUS (ttir, ttir39, ttgir/sm_80 and sm_90); without that: exit 77 (skipped).
// --syntax prints in that release's syntax (into DIR) instead of comparing with the source.
// --bytecode DIR writes each file as bytecode there.
// --compare DIR compares each FILE with the file of the same name in DIR: tokens, then locations.
// Last line: `N of M`. Exit 1 if N < M.
#include "bytecode/bytecode.hh"
#include "text/roundtrip.hh"
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <sys/stat.h>

using namespace tir;

namespace {

bool readFile(const std::string &path, std::string &out) {
  FILE *f = std::fopen(path.c_str(), "rb");
  if (!f) return false;
  char buf[65536];
  size_t n;
  while ((n = std::fread(buf, 1, sizeof buf, f)) > 0) out.append(buf, n);
  std::fclose(f);
  return true;
}

tessera::Status writeFile(const std::string &dir, std::string name, const std::string &bytes) {
  for (char &c : name) c = c == '/' ? '_' : c;
  FILE *f = std::fopen((dir + "/" + name).c_str(), "wb");
  if (!f) return tessera::fail(tessera::Code::IO, "cannot write into %s", dir.c_str());
  std::fwrite(bytes.data(), 1, bytes.size(), f);
  std::fclose(f);
  return tessera::ok_status();
}

/// The round trip, and the same through the generic form and with numbers for names.
tessera::Status everything(const Module &m, const std::string &text) {
  TESSERA_TRY(roundTrip(m, text, {}));
  for (PrintOptions o : {PrintOptions{.locations = true, .generic = true}, PrintOptions{.locations = true, .names = false}}) {
    std::string printed, back;
    o.syntax = m.syntax;
    TESSERA_TRY(printText(m, o, printed));
    auto again = parseText(m.ctx, printed, m.source_name);
    if (!again) return tessera::fail(tessera::Code::PARSE, "%s form cannot be read", o.generic ? "generic" : "numbered");
    TESSERA_TRY(printText(*again, PrintOptions{.syntax = m.syntax, .locations = true}, back));
    TESSERA_TRY(compareText(text, back));
  }
  return tessera::ok_status();
}

void find(const std::string &dir, std::vector<std::string> &out) {
  DIR *d = opendir(dir.c_str());
  if (!d) return;
  while (dirent *e = readdir(d)) {
    std::string name = e->d_name, path = dir + "/" + name;
    struct stat st;
    if (name[0] == '.' || stat(path.c_str(), &st)) continue;
    if (S_ISDIR(st.st_mode)) find(path, out);
    else if (name.size() > 5 && (name.ends_with(".ttir") || name.ends_with(".ttgir"))) out.push_back(path);
  }
  closedir(d);
}

double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Times { double parse = 0, print = 0, write = 0, read = 0; uint64_t ops = 0, text = 0, bytes = 0; };

tessera::Status measure(const std::string &text, const std::string &path, Times &t) {
  double best[4] = {1e9, 1e9, 1e9, 1e9};
  uint64_t ops = 0;
  for (int i = 0; i < 5; ++i) {
    Context ctx;
    double a = now();
    auto m = parseText(ctx, text, path);
    double b = now();
    if (!m) return tessera::fail(tessera::Code::PARSE, "cannot be read");
    std::string out, bytes;
    double c = now();
    TESSERA_TRY(printText(*m, PrintOptions{.locations = true}, out));
    double d = now();
    TESSERA_TRY(writeBytecode(*m, {}, bytes));
    double e = now();
    Context fresh;
    double f = now();
    auto r = readBytecode(fresh, bytes, path);
    double g = now();
    TESSERA_TRY(r.status);
    double v[4] = {b - a, d - c, e - d, g - f};
    for (int k = 0; k < 4; ++k) best[k] = v[k] < best[k] ? v[k] : best[k];
    if (!i) {
      m->op->walk([&](Op *) { ++ops; });
      t.text += text.size();
      t.bytes += bytes.size();
    }
  }
  t.parse += best[0], t.print += best[1], t.write += best[2], t.read += best[3];
  t.ops += ops;
  return tessera::ok_status();
}

} // namespace

int main(int argc, char **argv) {
  std::vector<std::string> files;
  Syntax syntax = Syntax::Auto;
  std::string out_dir, other_dir, bytes_dir;
  bool time = false;
  for (int i = 1; i < argc; ++i) {
    std::string a = argv[i];
    if (a == "--time") time = true;
    else if (a == "--syntax" && i + 1 < argc) syntax = static_cast<Syntax>(30 + std::atoi(argv[++i] + 2));
    else if (a == "--out" && i + 1 < argc) out_dir = argv[++i];
    else if (a == "--bytecode" && i + 1 < argc) bytes_dir = argv[++i];
    else if (a == "--compare" && i + 1 < argc) other_dir = argv[++i];
    else if (a[0] == '@') {
      std::string list;
      readFile(a.substr(1), list);
      for (size_t at = 0, nl; (nl = list.find('\n', at)) != std::string::npos; at = nl + 1)
        if (nl > at) files.push_back(list.substr(at, nl - at));
    } else files.push_back(a);
  }
  if (files.empty()) {
    const char *corpus = std::getenv("TESSERA_CORPUS");
    if (corpus && *corpus)
      for (const char *part : {"/ttir", "/ttir39", "/ttgir/sm_80", "/ttgir/sm_90"}) find(corpus + std::string(part), files);
    if (files.empty()) {
      std::puts("skipped: no corpus");
      return 77;
    }
  }
  size_t good = 0;
  Times t;
  for (const std::string &path : files) {
    std::string text;
    std::string messages;
    Context ctx;
    ctx.setSink([](void *user, Severity, const char *s, size_t n) { static_cast<std::string *>(user)->append(s, n) += '\n'; },
                &messages);
    tessera::Status st = tessera::ok_status();
    if (!readFile(path, text)) st = tessera::fail(tessera::Code::IO, "cannot be opened");
    else if (!other_dir.empty()) {
      std::string other;
      if (!readFile(other_dir + path.substr(path.rfind('/')), other)) st = tessera::fail(tessera::Code::IO, "no other text");
      else st = compareText(text, other);
      if (st.ok()) {
        auto a = parseText(ctx, text, path), b = parseText(ctx, other, path);
        st = a && b ? compareLocations(*a, *b, true) : tessera::fail(tessera::Code::PARSE, "cannot be read");
      }
    } else if (time) st = measure(text, path, t);
    else if (auto m = parseText(ctx, text, path); m && !bytes_dir.empty()) {
      std::string out;
      st = writeBytecode(*m, {}, out);
      if (st.ok()) st = writeFile(bytes_dir, path, out);
    } else if (m && syntax == Syntax::Auto) st = everything(*m, text);
    else if (m) {
      std::string out;
      st = printText(*m, PrintOptions{.syntax = syntax, .locations = true}, out);
      if (st.ok()) {
        std::string messages_before = messages;
        auto again = parseText(ctx, out, path);
        if (!again) st = tessera::fail(tessera::Code::PARSE, "what was printed cannot be read");
        else if (again->syntax != syntax && again->syntax != Syntax::Auto &&
                 static_cast<unsigned>(again->syntax) < static_cast<unsigned>(syntax))
          st = tessera::fail(tessera::Code::PARSE, "what was printed is of syntax %u", static_cast<unsigned>(again->syntax));
        else st = compareLocations(*m, *again);
      }
      if (st.ok() && !out_dir.empty()) st = writeFile(out_dir, path, out);
    } else st = tessera::fail(tessera::Code::PARSE, "cannot be read");
    if (st.ok()) ++good;
    else std::fprintf(stderr, "%s: %s\n%s", path.c_str(), st.message.c_str(), messages.substr(0, 2000).c_str());
  }
  if (time)
    std::printf("%llu operations, %llu bytes of text, %llu of bytecode: parse %.3f ms, print %.3f ms, write %.3f ms, "
                "read %.3f ms; per 1,000 operations %.3f, %.3f, %.3f, %.3f ms\n",
                static_cast<unsigned long long>(t.ops), static_cast<unsigned long long>(t.text),
                static_cast<unsigned long long>(t.bytes), t.parse, t.print, t.write, t.read, t.parse * 1000 / t.ops,
                t.print * 1000 / t.ops, t.write * 1000 / t.ops, t.read * 1000 / t.ops);
  std::printf("%zu of %zu\n", good, files.size());
  return good == files.size() ? 0 : 1;
}
