// SPDX-License-Identifier: MIT
// One host thread's emulated multiprocessor: programs, each of whose threads is a fiber on a stack of its own. A fiber
// runs until it waits for others; then the next that can run goes on. Nothing here is shared between host threads but
// global memory, which is the process's.
#pragma once
#include "../cpu/cpu.hh"
#include "../cpu/run.hh"
#include "common/emu_abi.hh"
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace tdriver::emu {

using tessera::Code;
using tessera::fail;
using tessera::Status;
namespace abi = tessera::emu;

struct Program;
class Machine;

constexpr uint32_t warp_size = 32, max_threads = 1024, max_warps = 32, named_barriers = 16;
constexpr uint32_t async_agent = max_warps; // who writes for TMA, in clocks

/// Where a fiber waits.
enum class State : uint8_t { ready, warp, group, barrier, mbarrier, ended };

/// One cp.async that is not complete; it stays so until a wait asks for it.
struct Copy {
  char *to;
  const char *from;
  uint32_t bytes, group;
  bool real;
  const char *site;
};

/// One TMA transfer that is not complete.
struct Transfer {
  const abi::TensorMap *map;
  char *shared;
  void *barrier; // loads
  int32_t at[5];
  uint32_t rank, group, tid;
  const char *site;
};

struct Thread {
  abi::ThreadHead head; // first: the image reads it
  Program *program;
  void *sp;         // of the fiber while it does not run
  const char *site; // where it waits
  State state;
  uint8_t barrier; // its number
  uint16_t warp, lane;
  void *mbarrier;
  uint32_t parity;
  uint32_t in[2], out; // what a lane brings to a collective, and takes
  const void *data;
  void *result;
  uint32_t busy;       // atomics without a wait between
  uint32_t copy_group; // that the next cp.async belongs to
  uint32_t store_group;
  std::vector<Copy> copies;
  std::vector<Transfer> stores;
};

/// A place where lanes meet.
struct Meeting {
  const char *site = nullptr;
  uint32_t count = 0;
};

/// A print whose elements are coming in.
struct Print {
  uint32_t message, count, missing;
  std::vector<bool> have;
  std::vector<char> values;
};

/// What each warp, and the asynchronous agent, is known to have done: up to which time.
struct Clock {
  uint32_t seen[max_warps + 1];
};

struct NamedBarrier {
  uint32_t count = 0, expected = 0;
  const char *site = nullptr;
  Clock known;
};

/// The history of one byte of shared memory.
struct Cell {
  const char *site; // of the last write
  uint32_t written, read[2];
  uint16_t writer, reader[2]; // thread; `several` is set where lanes of its warp did the same
  uint16_t flags;
};
constexpr uint16_t several = 0x8000, no_thread = 0x7fff, async_writer = async_agent * warp_size;
enum : uint16_t { cell_atomic = 1, cell_pending = 2, cell_matrix = 4 /* a wgmma may still read it */ };

struct Kernel;

enum class Yield : uint8_t { done, spinning, failed };

struct Program {
  Machine *machine = nullptr;
  const Kernel *kernel = nullptr;
  char *window = nullptr, *shared = nullptr; // of abi::shared_window bytes; dynamic shared memory in it
  uint32_t threads = 0, live = 0, index[3] = {}, grid[3] = {};
  uint64_t linear = 0;
  const void *params = nullptr;
  void *host_sp = nullptr; // of the host thread while fibers run
  Yield yield = Yield::done;
  uint32_t spins = 0;
  uint64_t events = 0; // waits that ended, threads that ended
  std::string failure;
  bool recorded = false;
  tdriver_record record = {};
  std::deque<Print> prints;

  std::unique_ptr<Thread[]> thread;
  char *stacks = nullptr;
  uint32_t stack_count = 0;
  uint16_t ring[max_threads];
  uint32_t ring_first = 0, ring_size = 0;

  Meeting warps[max_warps], groups[max_warps / 4];
  NamedBarrier barriers[named_barriers];
  std::vector<Transfer> loads;
  std::vector<std::pair<uint32_t, Clock>> mbarrier_clocks; // by offset

  // race detection; clocks count synchronisations
  Cell *cells = nullptr;
  uint32_t now = 0, base = 0;
  Clock clock[max_warps];
  uint32_t fenced[max_warps + 1]; // time of each warp's last fence.async
  struct {
    uint32_t offset = 0, bytes = 0;
    uint16_t tid = 0, other = 0;
    const char *site = nullptr, *other_site = nullptr;
    uint8_t old[64];
  } suspect; // a store over another thread's bytes, which is none if it changes nothing
  struct MatrixRead {
    uint32_t warp_group, batch, offset; // of 16 bytes
  };
  std::vector<MatrixRead> matrix_reads; // by wgmma in flight
  uint32_t batches[max_warps / 4];      // of wgmma, committed

  Program() = default;
  Program(const Program &) = delete;
  ~Program();
  Status prepare(uint32_t threads, bool checks);
  void begin();
  /// Runs fibers until all ended, all that can run only wait for other programs, or one failed.
  Yield resume();

  void push(Thread *t);
  Thread *pop();
  /// Gives the host thread to another fiber; comes back when this one is woken.
  void block(Thread *t, State state, const char *site);
  void wake(Thread *t);
  /// A fiber that gets nowhere alone.
  void spin(Thread *t);
  [[noreturn]] void stop(Thread *t, std::string text);
  [[noreturn]] void leave(Thread *t);
  void explain_deadlock();
  std::string name_of(const Thread *t) const;
  std::string place_of(const void *address) const;

  // race.cc
  bool check_bounds(const void *p, uint64_t bytes) const {
    return static_cast<const char *>(p) >= shared && bytes <= shared_bytes() &&
           uint64_t(static_cast<const char *>(p) - shared) <= shared_bytes() - bytes;
  }
  uint64_t shared_bytes() const;
  enum Access : uint32_t { read = 0, write = 1, atomic = 2, start_copy = 3, end_copy = 4, matrix_read = 5, async_read = 6 };
  void access(Thread *t, const char *site, const void *p, uint32_t bytes, Access kind, uint32_t agent = ~0u);
  void settle();
  void reset_clocks();
  void all_meet();
  void warp_meets(uint32_t warp);
  void release(uint32_t warp, Clock *to);
  void acquire(uint32_t warp, const Clock &from);
  Clock *mbarrier_clock(const void *p);
  [[noreturn]] void race(Thread *t, const char *what, const char *site, const Cell *cell, const char *other_did,
                         const char *other_site, uint32_t other);
};

/// Does what is left of a thread's TMA stores up to group `last`.
void finish_stores(Thread *t, uint32_t last);

/// A hidden argument as the launch computes it.
struct Term {
  uint32_t source, offset; // 0 constant, 1 i32, 2 i64 of the parameters
  int64_t constant;
};
struct Hidden {
  uint32_t kind = 0, offset = 0, size = 0;
  uint64_t program_bytes = 0, launch_bytes = 0, alignment = 0; // scratch
  uint32_t what = 0;                                          // derived
  uint32_t base = 0, box[5] = {};                             // tensor map
  uint8_t element = 0, rank = 0, swizzle = 0, fill = 0, bytes = 0;
  Term extent[5] = {}, stride[5] = {};
};

struct Kernel : cpu::Kernel {
  std::string name;
  uint32_t threads = 0, shared_bytes = 0, params_size = 0, params_end = 0;
  void (*body)(const void *params, void *thread) = nullptr;
  std::vector<Hidden> hidden;
  bool checks = true;
};

class Machine {
public:
  ~Machine();
  /// Runs programs of one chunk. False: stopped, and the call says why.
  bool run(const Kernel &kernel, const void *params, const tdriver_cpu_call &call, cpu::Call *host);
  Thread *current = nullptr;
  cpu::Call *host = nullptr; // of the run

private:
  bool fill_params(const Kernel &kernel, const void *params, const tdriver_cpu_call &call, std::string *why);
  std::vector<std::unique_ptr<Program>> programs_;
  std::vector<char> params_, scratch_;
  alignas(64) char record_[64] = {};
};

struct Device : cpu::Device {
  using cpu::Device::Device;
  std::mutex lock;
  std::vector<std::unique_ptr<Machine>> idle;
};

Status parse_hidden(const tdriver_code &code, const tdriver_hidden &h, Hidden *out);
void *import_address(const char *name);
/// The entry that the cpu back end's pool calls.
int32_t run_programs(const void *params, const tdriver_cpu_call *call);

/// The last lane to come computes for all; then all go on. `size` lanes, of which `t` is one; the first is `lanes`.
template <class F>
void meet(Thread *t, Meeting &m, Thread *lanes, uint32_t size, State state, const char *site, F compute) {
  Program &p = *t->program;
  p.settle();
  t->busy = 0;
  if (m.count == 0) m.site = site;
  else if (m.site != site)
    p.stop(t, tessera::format("divergent collective: %s comes to %s, other lanes of its warp to %s",
                              p.name_of(t).c_str(), site, m.site));
  if (++m.count < size) return p.block(t, state, site);
  m.count = 0;
  ++p.events;
  compute(lanes);
  for (uint32_t i = 0; i < size; ++i)
    if (lanes + i != t) p.wake(lanes + i);
}

template <class F> void meet_warp(Thread *t, const char *site, F compute) {
  Program &p = *t->program;
  meet(t, p.warps[t->warp], &p.thread[t->warp * warp_size], warp_size, State::warp, site, compute);
}

} // namespace tdriver::emu
