// SPDX-License-Identifier: MIT
// The memory a launch may touch: the caller's buffers, each at an address of its own far from every other, so
// that an access outside a buffer hits none. Addresses of the host that a program reads out of memory are
// found too.
#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace tir::interp {

struct Buffer {
  uint8_t *data = nullptr;
  uint64_t size = 0;
  uint64_t base = 0;            // address that programs see
  uint32_t flags = 0;           // TIR_INTERP_OUTPUT, TIR_INTERP_READONLY
  std::vector<uint8_t> shadow;  // TIR_SHADOW_* per byte; empty: all TIR_SHADOW_INITIAL and not tracked
  std::vector<uint8_t *> outs;  // the caller's shadows
  std::vector<unsigned> params; // arguments that name it
  bool contains(uint64_t offset, uint64_t bytes) const { return offset <= size && size - offset >= bytes; }
};

struct Place { // where an address lies
  Buffer *buffer = nullptr;
  uint64_t offset = 0;
  uint8_t *host() const { return buffer->data + offset; }
};

/// Sparse vector clock: program -> time. Programs that never met are absent.
class Clock {
public:
  uint32_t at(uint32_t program) const {
    auto it = t.find(program);
    return it == t.end() ? 0 : it->second;
  }
  void set(uint32_t program, uint32_t v) { t[program] = v; }
  void join(const Clock &o) {
    for (auto [p, v] : o.t) {
      uint32_t &mine = t[p];
      if (mine < v) mine = v;
    }
  }

private:
  std::unordered_map<uint32_t, uint32_t> t;
};

/// Who touched memory last, for the race detector (happens-before by vector clocks).
struct Race {
  uint32_t first_op = 0; // id of the earlier access's operation
  uint32_t first_program = 0;
  bool first_write = false;
};

class RaceShadow {
public:
  /// Notes an access of `program` (its clock `now`) to `bytes` bytes at `place`. Returns true on a race.
  bool access(const Place &place, unsigned bytes, uint32_t program, const Clock &now, bool write, bool atomic,
              uint32_t op, Race *race);
  /// Clock kept at an address for release / acquire.
  Clock &sync(const Place &place) { return syncs[place.host()]; }

private:
  struct Epoch {
    uint32_t program = 0, time = 0, op = 0; // time 0: none
    bool atomic = false;
  };
  struct Cell {
    Epoch write, atomic_write, read; // `read`: the latest reader since the last write
    uint32_t more = 0;               // further readers: index into `readers`, 0 none
  };
  struct Shadow {         // of one buffer, made where it is touched
    unsigned granule = 0; // bytes per cell: the smallest access so far
    std::unordered_map<uint64_t, std::vector<Cell>> pages;
  };
  static constexpr uint64_t page_cells = 1024;
  std::unordered_map<const Buffer *, Shadow> shadows;
  std::vector<std::vector<Epoch>> readers{1};
  std::unordered_map<const uint8_t *, Clock> syncs;

  static void split(Shadow &s, unsigned granule);
  void addReader(Cell &c, const Epoch &mine);
};

class Memory {
public:
  /// Registers a buffer or returns the one that already covers the range; overlapping ranges become one.
  /// Returns the address that programs see.
  void add(unsigned param, void *data, uint64_t size, uint32_t flags, uint8_t *shadow_out);
  /// After all add(): assigns addresses.
  void layout();
  /// The address of argument `param`'s data.
  uint64_t address(const void *data) const;
  /// The buffer that an address belongs to (inside it or in the guard around it); null if none.
  Place find(uint64_t address) {
    if (address & tag) {
      uint64_t slot = (address & ~tag) >> slot_bits;
      if (slot >= buffers.size()) return {};
      Buffer &b = buffers[slot];
      return {&b, address - b.base};
    }
    return findHost(address);
  }
  void finish(); // hands the shadows to the caller
  std::vector<Buffer> buffers;

  static constexpr uint64_t tag = uint64_t(1) << 62;
  static constexpr unsigned slot_bits = 41; // 2 TiB apart, the buffer in the middle

private:
  struct Wanted {
    uint8_t *data;
    uint64_t size;
    uint32_t flags;
    uint8_t *out;
    unsigned param;
  };
  std::vector<Wanted> wanted;
  Place findHost(uint64_t address);
};

} // namespace tir::interp
