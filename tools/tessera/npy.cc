// SPDX-License-Identifier: MIT
#include "npy.hh"
#include "common/atomic_file.hh"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tool {

using tessera::Code;
using tessera::fail;
using tessera::Result;
using tessera::Status;

static constexpr size_t max_file = size_t(1) << 36;
static constexpr size_t max_rank = 32; // numpy's own bound was 32 for long

unsigned npy_element_size(std::string_view descr) {
  static constexpr const char *known[] = {"<f2", "<f4", "<f8", "|i1", "<i2", "<i4", "<i8",
                                          "|u1", "<u2", "<u4", "<u8", "|b1"};
  for (const char *k : known)
    if (descr == k) return unsigned(k[2] - '0');
  return 0;
}

std::string shape_text(const std::vector<int64_t> &shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (int64_t n : shape) text += (text.empty() ? "" : "x") + std::to_string(n);
  return text;
}

/// The header is the text of a Python dictionary; numpy writes keys 'descr', 'fortran_order', 'shape'.
namespace {
struct Header {
  std::string_view text;
  size_t at = 0;
  void blanks() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n')) ++at;
  }
  bool take(char c) {
    blanks();
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
  }
  bool quoted(std::string *out) {
    blanks();
    if (at >= text.size() || (text[at] != '\'' && text[at] != '"')) return false;
    char quote = text[at++];
    size_t end = text.find(quote, at);
    if (end == std::string_view::npos) return false;
    out->assign(text.substr(at, end - at));
    at = end + 1;
    return true;
  }
  bool word(std::string_view w) {
    blanks();
    if (text.substr(at, w.size()) != w) return false;
    at += w.size();
    return true;
  }
  bool number(int64_t *out) {
    blanks();
    size_t start = at;
    uint64_t n = 0;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      if (n > (uint64_t(1) << 48)) return false;
      n = n * 10 + uint64_t(text[at++] - '0');
    }
    if (at == start) return false;
    if (at < text.size() && text[at] == 'L') ++at; // files of Python 2
    *out = int64_t(n);
    return true;
  }
};
} // namespace

static bool parse_header(Header h, std::string *descr, bool *fortran, std::vector<int64_t> *shape, bool *structured) {
  bool seen[3] = {};
  if (!h.take('{')) return false;
  while (!h.take('}')) {
    std::string key;
    if (!h.quoted(&key) || !h.take(':')) return false;
    if (key == "descr" && !seen[0]) {
      seen[0] = true;
      if (!h.quoted(descr)) {
        *structured = true; // a list of fields
        return true;
      }
    } else if (key == "fortran_order" && !seen[1]) {
      seen[1] = true;
      *fortran = h.word("True");
      if (!*fortran && !h.word("False")) return false;
    } else if (key == "shape" && !seen[2]) {
      seen[2] = true;
      if (!h.take('(')) return false;
      while (!h.take(')')) {
        int64_t n;
        if (!h.number(&n) || shape->size() == max_rank) return false;
        shape->push_back(n);
        h.take(',');
      }
    } else {
      return false;
    }
    h.take(',');
  }
  return seen[0] && seen[1] && seen[2];
}

Result<Npy> npy_parse(const void *data, size_t size, const std::string &name) {
  const auto *p = static_cast<const uint8_t *>(data);
  auto bad = [&](const char *what) { return fail(Code::PARSE, "%s: %s", name.c_str(), what); };
  if (size < 10 || std::memcmp(p, "\x93NUMPY", 6) != 0) return bad("not a .npy file (its first bytes are not \\x93NUMPY)");
  unsigned version = p[6];
  if (version < 1 || version > 3)
    return fail(Code::VERSION, "%s: .npy version %u.%u, expected 1.0, 2.0 or 3.0", name.c_str(), p[6], p[7]);
  size_t start = version == 1 ? 10 : 12;
  if (size < start) return bad("ends inside the header");
  size_t length = version == 1 ? p[8] | size_t(p[9]) << 8 : p[8] | size_t(p[9]) << 8 | size_t(p[10]) << 16 | size_t(p[11]) << 24;
  if (length > size - start || length > (1u << 20)) return bad("ends inside the header");
  Npy out;
  bool fortran = false, structured = false;
  std::string_view text(reinterpret_cast<const char *>(p) + start, length);
  if (!parse_header({text}, &out.descr, &fortran, &out.shape, &structured)) return bad("the header is not understood");
  if (structured) return bad("structured element types are not supported, expected one of the plain numeric types");
  unsigned element = npy_element_size(out.descr);
  if (!element)
    return fail(Code::UNSUPPORTED,
                "%s: element type '%s' is not supported, expected one of <f2 <f4 <f8 |i1 <i2 <i4 <i8 |u1 <u2 <u4 <u8 |b1",
                name.c_str(), out.descr.c_str());
  if (fortran && out.shape.size() > 1)
    return bad("is in Fortran order, expected C order (numpy.ascontiguousarray makes it so)");
  uint64_t count = 1;
  for (int64_t n : out.shape)
    if (__builtin_mul_overflow(count, uint64_t(n), &count) || count > max_file) return bad("the shape is too large");
  uint64_t expected = count * element;
  if (size - start - length != expected)
    return fail(Code::PARSE, "%s: shape %s of %s needs %llu bytes of data, the file has %zu", name.c_str(),
                shape_text(out.shape).c_str(), out.descr.c_str(), (unsigned long long)expected, size - start - length);
  out.bytes.assign(p + start + length, p + size);
  return out;
}

Result<std::vector<uint8_t>> read_file(const std::string &path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(errno == ENOENT ? Code::NOT_FOUND : Code::IO, "%s: %s", path.c_str(), std::strerror(errno));
  std::vector<uint8_t> bytes;
  struct stat st;
  if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
    close(fd);
    return fail(Code::IO, "%s: is a directory, expected a file", path.c_str());
  }
  if (st.st_size > 0 && size_t(st.st_size) < max_file) bytes.reserve(size_t(st.st_size));
  uint8_t chunk[65536];
  for (;;) {
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int error = errno;
      close(fd);
      return fail(Code::IO, "%s: %s", path.c_str(), std::strerror(error));
    }
    if (n == 0) break;
    bytes.insert(bytes.end(), chunk, chunk + n);
    if (bytes.size() > max_file) {
      close(fd);
      return fail(Code::LIMIT, "%s: larger than 64 GiB", path.c_str());
    }
  }
  close(fd);
  return bytes;
}

Result<Npy> npy_read(const std::string &path) {
  auto bytes = read_file(path);
  if (!bytes.ok()) return bytes.status;
  return npy_parse(bytes.value.data(), bytes.value.size(), path);
}

static Status write_parts(const std::string &path, const void *head, size_t head_size, const void *body, size_t body_size) {
  if (path == "-") {
    auto put = [](const void *data, size_t size) { return !size || std::fwrite(data, 1, size, stdout) == size; };
    if (put(head, head_size) && put(body, body_size) && std::fflush(stdout) == 0)
      return tessera::ok_status();
    return fail(Code::IO, "standard output: %s", std::strerror(errno));
  }
  const tessera::ByteSpan parts[] = {{head, head_size}, {body, body_size}};
  tessera::AtomicWrite how;
  how.sync = false; // a result that a power loss takes can be made again
  return tessera::atomic_write(path, parts, 2, how);
}

Status write_file(const std::string &path, const void *bytes, size_t size) {
  return write_parts(path, nullptr, 0, bytes, size);
}

Status npy_write(const std::string &path, std::string_view descr, const std::vector<int64_t> &shape, const void *bytes,
                 size_t size) {
  std::string dict = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < shape.size(); ++i)
    dict += std::to_string(shape[i]) + (i + 1 < shape.size() ? ", " : shape.size() == 1 ? "," : "");
  dict += "), }";
  while ((10 + dict.size() + 1) % 64) dict += ' ';
  dict += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  head += char(dict.size() & 255);
  head += char(dict.size() >> 8);
  head += dict;
  return write_parts(path, head.data(), head.size(), bytes, size);
}

} // namespace tool
