// SPDX-License-Identifier: MIT
#include "status.hh"
#include <cstdio>

namespace tessera {

const char *code_text(Code code) {
  switch (code) {
#define X(name, value, text)                                                                                 \
  case Code::name: return text;
#include "status.inc"
#undef X
  }
  return "unknown status";
}

std::string vformat(const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int size = std::vsnprintf(nullptr, 0, format, args);
  std::string text(size > 0 ? size : 0, '\0');
  if (size > 0) std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  return text;
}

std::string format(const char *format, ...) {
  va_list args;
  va_start(args, format);
  std::string text = vformat(format, args);
  va_end(args);
  return text;
}

Status fail(Code code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  Status status{code, vformat(format, args)};
  va_end(args);
  return status;
}

} // namespace tessera
