// SPDX-License-Identifier: MIT
#include "api.hh"

namespace tessera::api {

std::string &last_message() {
  static thread_local std::string message;
  return message;
}

int32_t error(Code code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  last_message() = vformat(format, args);
  va_end(args);
  return static_cast<int32_t>(code);
}

} // namespace tessera::api
