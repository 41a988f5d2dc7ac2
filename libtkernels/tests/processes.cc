// SPDX-License-Identifier: MIT
// 64 processes fill one cache directory through sessions with the real cache while some of them are killed; then every
// entry is read back. No wrong byte may ever reach the driver. The compiler and the driver are stubs: an object is a
// pattern that depends on its IR, so the driver can tell any mix-up, and threads in each process share its session.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>
#include "tkernels/session.h"

static constexpr int processes = 64, kernels = 40;

/// Byte i of the object of kernel n, some 20 to 60 KiB each.
static size_t object_size(unsigned n) { return 20000 + n * 1021; }
static uint8_t object_byte(unsigned n, size_t i) { return uint8_t((i * 31 + n * 17 + (i >> 8)) ^ n); }

static tkernels_status compile(void *, const tkernels_compile_request *request, tkernels_write_fn write, void *user,
                               tkernels_report *) {
  unsigned n = unsigned(std::atoi(std::string(static_cast<const char *>(request->ir), request->ir_size).c_str()));
  std::string head = "kernel " + std::to_string(n) + "\n";
  std::vector<uint8_t> bytes(object_size(n));
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = object_byte(n, i);
  if (tkernels_status s = write(user, head.data(), head.size()); s != TKERNELS_OK) return s;
  usleep(500);
  return write(user, bytes.data(), bytes.size());
}

static tkernels_status load(void *, const void *object, size_t size, void **kernel, tkernels_report *report) {
  const char *p = static_cast<const char *>(object);
  const void *end = std::memchr(p, '\n', size < 32 ? size : 32);
  unsigned n = 0;
  bool good = end && std::sscanf(p, "kernel %u", &n) == 1 && n < kernels;
  size_t head = good ? size_t(static_cast<const char *>(end) - p) + 1 : 0;
  good = good && size - head == object_size(n);
  for (size_t i = 0; good && i < object_size(n); ++i) good = uint8_t(p[head + i]) == object_byte(n, i);
  if (!good) {
    std::fprintf(stderr, "WRONG BYTES reached the driver\n");
    std::snprintf(report->text, sizeof(report->text), "wrong bytes");
    _exit(9); // not a status: the session would hide it by compiling again
  }
  *kernel = reinterpret_cast<void *>(uintptr_t(n) + 1);
  return TKERNELS_OK;
}
static void unload(void *, void *) {}
static tkernels_status launch(void *, void *, void *, const uint32_t *, const void *const *, uint32_t, tkernels_report *) {
  return TKERNELS_OK;
}
static tkernels_status synchronize(void *, void *, tkernels_report *) { return TKERNELS_OK; }

static unsigned compiled; // of AFTER_COMPILE events
static void on_event(void *, const tkernels_event *event) {
  if (event->kind == TKERNELS_EVENT_AFTER_COMPILE) __atomic_fetch_add(&compiled, 1, __ATOMIC_RELAXED);
}

static tkernels_session *make_session(const char *dir) {
  static const tkernels_codegen_provider codegen = {sizeof(codegen), nullptr, "pattern 1", compile, nullptr};
  static const tkernels_driver_provider driver = {sizeof(driver), nullptr, "stub", "any", load, unload, launch, synchronize, nullptr};
  tkernels_session_params params = TKERNELS_SESSION_PARAMS_INIT;
  params.codegen = &codegen;
  params.driver = &driver;
  params.cache_dir = dir;
  params.event = on_event;
  tkernels_session *session = nullptr;
  if (tkernels_session_create(&params, &session) != TKERNELS_OK) {
    std::fprintf(stderr, "session: %s\n", tkernels_last_message());
    _exit(8);
  }
  return session;
}

static void ask(tkernels_session *session, unsigned n) {
  std::string ir = std::to_string(n);
  tkernels_kernel *kernel = nullptr;
  if (tkernels_session_get(session, ir.data(), ir.size(), nullptr, &kernel) != TKERNELS_OK ||
      reinterpret_cast<uintptr_t>(tkernels_kernel_handle(kernel)) != n + 1) {
    std::fprintf(stderr, "kernel %u: %s\n", n, tkernels_last_message());
    _exit(7);
  }
  tkernels_kernel_release(kernel);
}

/// What one process does: two threads that ask for all kernels, each in an order of its own.
static void child(const char *dir, unsigned seed) {
  tkernels_session *session = make_session(dir);
  auto work = [&](unsigned s) {
    for (unsigned i = 0; i < kernels; ++i) ask(session, (i * 7 + s) % kernels);
  };
  std::thread other(work, seed * 13 + 5);
  work(seed);
  other.join();
  tkernels_session_destroy(session);
}

int main() {
  char dir[] = "/tmp/tkernels-processes-XXXXXX";
  if (!mkdtemp(dir)) return perror("mkdtemp"), 1;
  std::vector<pid_t> children;
  std::vector<bool> killed(processes, false);
  for (int p = 0; p < processes; ++p) {
    pid_t pid = fork();
    if (pid == 0) {
      child(dir, unsigned(p));
      _exit(0);
    }
    if (pid < 0) return perror("fork"), 1;
    children.push_back(pid);
    if (p % 4 == 3) { // one that started a moment ago
      usleep(3000);
      killed[size_t(p) - 1] = true;
      kill(children[size_t(p) - 1], SIGKILL);
    }
  }
  int bad = 0, died = 0;
  for (int p = 0; p < processes; ++p) {
    int status = 0;
    if (waitpid(children[size_t(p)], &status, 0) < 0) return perror("waitpid"), 1;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && killed[size_t(p)]) ++died;
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      std::fprintf(stderr, "process %d ended with status 0x%x\n", p, status);
      ++bad;
    }
  }
  // All entries are there now, and read back good: a fresh session compiles nothing.
  tkernels_session *session = make_session(dir);
  for (unsigned n = 0; n < kernels; ++n) ask(session, n);
  tkernels_session_destroy(session);
  if (compiled) {
    std::fprintf(stderr, "%u of %d kernels were not in the directory at the end\n", compiled, kernels);
    ++bad;
  }
  std::string remove = std::string("rm -rf ") + dir;
  if (std::system(remove.c_str()) != 0) ++bad;
  std::printf("%d processes, %d killed, %d bad\n", processes, died, bad);
  return bad ? 1 : 0;
}
