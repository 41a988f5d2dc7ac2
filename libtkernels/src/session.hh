// SPDX-License-Identifier: MIT
// The session: keys, the table of loaded kernels, and the road from bytes to a loaded kernel.
#pragma once
#include "common/status.hh"
#include "tkernels/session.h"
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tkernels {

using tessera::Code;
using tessera::Result;
using tessera::Status;

/// Turns a table's answer into a Status.
Status from_report(tkernels_status status, const tkernels_report &report, const char *where);

/// The default tables (defaults.cc). `destroy` of each frees its `user`.
Result<tkernels_cache_provider> open_default_cache(const std::string &library_path, const char *dir, uint32_t flags);
Result<tkernels_driver_provider> open_default_driver(const std::string &library_path, const char *device, void *handle);
/// Opens nothing yet: the library is opened by the first compilation.
Result<tkernels_codegen_provider> default_codegen(const std::string &library_path);

class Session;

enum class KernelState { loading, ready, failed };

/// A loaded kernel. In the session's table from its first request until its last reference is gone.
struct Kernel {
  Session *session = nullptr;
  tkernels_key key{};
  std::string hex;            // of the key
  std::string name;           // asked for; may be empty
  std::thread::id loader;     // who is loading it
  uint32_t references = 1;    // guarded by the session's mutex, as is state
  KernelState state = KernelState::loading;
  Status failure;             // state failed
  void *handle = nullptr;     // the driver's
};

class Session {
public:
  static Result<Session *> create(const tkernels_session_params &params);

  Status get(const void *ir, size_t size, const tkernels_get_params &params, Kernel **out);
  Status compile(const void *ir, size_t size, const tkernels_get_params &params, tkernels_write_fn write, void *user,
                 uint32_t *from);
  Status launch(Kernel *kernel, void *stream, const uint32_t grid[3], const void *const *args, uint32_t nargs);
  Status synchronize(void *stream);
  void retain(Kernel *kernel);
  void release(Kernel *kernel);

  /// One reference of the owner, one of each kernel.
  void add_reference() { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference();

private:
  struct Request;
  struct KeyOrder {
    bool operator()(const tkernels_key &a, const tkernels_key &b) const;
  };
  Session() = default;
  ~Session();
  Status prepare(const void *ir, size_t size, const tkernels_get_params &params, Request *request, tkernels_key *key);
  Status make_key(const Request &request, tkernels_key *key);
  Status load(Request *request, Kernel *kernel);
  static tkernels_status build(void *user, tkernels_write_fn write, void *write_user, tkernels_report *report);
  void tell(tkernels_event *event, const Request &request) const;

  tkernels_codegen_provider codegen_{};
  tkernels_cache_provider cache_{};
  tkernels_driver_provider driver_{};
  tkernels_event_fn event_ = nullptr;
  void *event_user_ = nullptr;
  std::atomic<uint32_t> references_{1};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<tkernels_key, Kernel *, KeyOrder> kernels_; // guarded by mutex_
};

} // namespace tkernels
