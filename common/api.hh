// SPDX-License-Identifier: MIT
// What every src/api/*.cc needs: turning a Status into the C status plus the thread's last message, and
// reading a params struct whose caller may be older or newer than this library.
#pragma once
#include "status.hh"
#include <cstddef>
#include <cstring>

namespace tessera::api {

/// This thread's last message in this library (each shared library has its own copy).
std::string &last_message();

inline int32_t done(const Status &s) {
  if (!s.ok()) last_message() = s.message;
  return static_cast<int32_t>(s.code);
}

[[gnu::format(printf, 2, 3)]] int32_t error(Code code, const char *format, ...);

/// Copies `min(user->struct_size, sizeof(T))` bytes over the defaults. NULL gives the defaults. A struct_size
/// smaller than the size field itself is an error; a larger one (a newer caller) is accepted when the part
/// that this library does not know is zero.
template <class T> Status read_params(const T *user, T *out, const char *name) {
  if (!user) return ok_status();
  size_t size = user->struct_size;
  if (size < sizeof(size_t))
    return fail(Code::INVALID_ARGUMENT, "%s.struct_size is %zu: initialise the struct with its _INIT macro",
                name, size);
  if (size > sizeof(T)) {
    if (size > 65536) return fail(Code::INVALID_ARGUMENT, "%s.struct_size is %zu: too large", name, size);
    const char *tail = reinterpret_cast<const char *>(user);
    for (size_t i = sizeof(T); i < size; ++i)
      if (tail[i])
        return fail(Code::VERSION, "%s: byte %zu is set, but this library knows only %zu bytes", name, i,
                    sizeof(T));
    size = sizeof(T);
  }
  std::memcpy(out, user, size);
  out->struct_size = sizeof(T);
  return ok_status();
}

} // namespace tessera::api
