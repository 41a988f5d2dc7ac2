// SPDX-License-Identifier: MIT
// Where a library's warnings go: a callback of the host. Without one they are dropped; no library prints.
#pragma once
#include "status.hh"

namespace tessera {

enum class LogLevel : uint32_t { ERROR = 1, WARNING = 2, INFO = 3, DEBUG = 4 };

struct LogSink {
  void (*write)(void *user, uint32_t level, const char *text) = nullptr;
  void *user = nullptr;
};

/// Formats and hands over one message without a line end. Costs nothing when there is no sink.
[[gnu::format(printf, 3, 4)]] inline void log(const LogSink &sink, LogLevel level, const char *format, ...) {
  if (!sink.write) return;
  va_list args;
  va_start(args, format);
  std::string text = vformat(format, args);
  va_end(args);
  sink.write(sink.user, static_cast<uint32_t>(level), text.c_str());
}

} // namespace tessera
