// SPDX-License-Identifier: MIT
// Status: how every private function of the house reports failure. Crosses no ABI.
#pragma once
#include <cstdarg>
#include <cstdint>
#include <string>
#include <utility>

namespace tessera {

enum class Code : int32_t {
#define X(name, value, text) name = value,
#include "status.inc"
#undef X
};

/// The English meaning of a code, never NULL.
const char *code_text(Code code);

struct [[nodiscard]] Status {
  Code code = Code::OK;
  std::string message; // empty when ok
  bool ok() const { return code == Code::OK; }
};

inline Status ok_status() { return {}; }

/// printf-style construction of a failure.
[[gnu::format(printf, 2, 3)]] Status fail(Code code, const char *format, ...);
std::string vformat(const char *format, va_list args);
[[gnu::format(printf, 1, 2)]] std::string format(const char *format, ...);

/// A value or a failure.
template <class T> struct [[nodiscard]] Result {
  Status status;
  T value{};
  Result(T v) : value(std::move(v)) {}
  Result(Status s) : status(std::move(s)) {}
  bool ok() const { return status.ok(); }
};

#define TESSERA_TRY(expr)                                                                                    \
  do {                                                                                                       \
    ::tessera::Status tessera_try_ = (expr);                                                                 \
    if (!tessera_try_.ok()) return tessera_try_;                                                             \
  } while (0)

} // namespace tessera
