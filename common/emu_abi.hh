// SPDX-License-Identifier: MIT
// What an emulator image (tko::CodeKind::emu_image) and the driver's back end `emu` agree on. The image's entry is
// `void entry(const void *params, void *thread)`, called once per GPU thread on a stack of its own; `thread` begins
// with ThreadHead. It calls only what common/emu_imports.inc and common/cpu_imports.inc name. No ABI.
//
// A `site` is the address of a NUL-terminated text inside the image, one per place in the code: "tessera.barrier",
// or with " at file:line:column" behind it. Lanes of a warp that meet in a collective must come from one site.
#pragma once
#include <cstdint>

namespace tessera::emu {

struct ThreadHead {
  uint32_t tid;         // in the program: 0 … threads - 1
  uint32_t program[3];  // x, y, z
  uint32_t programs[3]; // the grid
  uint32_t reserved;
  void *shared; // dynamic shared memory; its low 18 bits are the address that matrix descriptors hold
};

/// Where dynamic shared memory begins in a program's 256 KiB of address space: as on sm_90, whose first KiB is the
/// system's. The space is aligned to its size and lies below 4 GiB, so that 32-bit addresses come back whole.
constexpr uint32_t shared_window = 256 * 1024, shared_begin = 1024;

/// What shared memory holds before the first write, and a register whose value an instruction leaves open.
constexpr uint64_t poison = 0xffb5ffb5ffb5ffb5; // NaN as f16, bf16, f32, f64 and half of fp8

enum class Shuffle : uint32_t { bfly, idx, up, down };
enum class Fence : uint32_t { async, membar };

enum class AtomOp : uint32_t { add, fadd, and_, or_, xor_, max, min, umax, umin, fmax, fmin, exch, cas };
enum class AtomType : uint32_t { i16, i32, i64, f16, bf16, f32, f64, i8 };
/// op | type << 8 | (shared memory) << 16
constexpr uint32_t atom_code(AtomOp op, AtomType type, bool shared) {
  return uint32_t(op) | uint32_t(type) << 8 | uint32_t(shared) << 16;
}

/// Element types of matrix instructions.
enum class Elem : uint32_t { f16, bf16, tf32, s8, u8, e4m3, e5m2, f64, f32, s32 };
/// m | n << 16 | k << 32 in one word; types d | a << 8 | b << 16 | c << 24, and above: wgmma's flags
constexpr uint64_t mma_shape(uint32_t m, uint32_t n, uint32_t k) {
  return uint64_t(m) | uint64_t(n) << 16 | uint64_t(k) << 32;
}
constexpr uint32_t mma_types(Elem d, Elem a, Elem b, Elem c) {
  return uint32_t(d) | uint32_t(a) << 8 | uint32_t(b) << 16 | uint32_t(c) << 24;
}
enum : uint32_t { wgmma_a_registers = 1, wgmma_transpose_a = 2, wgmma_transpose_b = 4, wgmma_negate = 8 };

enum class Barrier : uint32_t { init, inval, expect_tx, arrive, wait_parity };

/// Formats of conversions, and the element kinds behind them.
enum class Form : uint32_t { f16, bf16, f32, f64, tf32, e4m3, e5m2, s8, u8, s16, u16, s32, u32, s64, u64 };
enum : uint32_t { convert_rtz = 1, convert_saturate = 2 };

/// A tensor map as this back end encodes it: what cuTensorMapEncodeTiled is given.
struct TensorMap {
  uint64_t base;
  uint64_t size[5];   // elements, fastest first
  uint64_t stride[4]; // bytes, of dimensions 1 …
  uint16_t box[5];    // elements
  uint8_t rank, element_bytes, swizzle /* 0, 32, 64, 128 */, fill_nan, element_step[5], element_kind;
  uint8_t reserved[26];
};
static_assert(sizeof(TensorMap) == 128);

} // namespace tessera::emu
