// SPDX-License-Identifier: MIT
// Matrix instructions, with the register layouts of the PTX ISA: "Matrix fragments for mma", "Asynchronous warpgroup
// level matrix instructions". Sums are f32 in ascending k.
#include "imports.hh"
#include "common/numfmt.hh"
#include <cstring>

namespace tdriver::emu {
namespace {

using abi::Elem;
namespace num = tessera::num;

uint32_t bytes_of(Elem e) {
  switch (e) {
  case Elem::f16: case Elem::bf16: return 2;
  case Elem::s8: case Elem::u8: case Elem::e4m3: case Elem::e5m2: return 1;
  case Elem::f64: return 8;
  default: return 4;
  }
}
bool is_int(Elem e) { return e == Elem::s8 || e == Elem::u8; }

float value_of(Elem e, const void *p) {
  uint8_t b;
  uint16_t h;
  uint32_t w;
  switch (e) {
  case Elem::f16: std::memcpy(&h, p, 2); return half_to_float(h);
  case Elem::bf16: std::memcpy(&h, p, 2); return __builtin_bit_cast(float, uint32_t(h) << 16);
  case Elem::tf32: std::memcpy(&w, p, 4); return __builtin_bit_cast(float, w & 0xffffe000);
  case Elem::s8: return float(*static_cast<const int8_t *>(p));
  case Elem::u8: return float(*static_cast<const uint8_t *>(p));
  case Elem::e5m2: std::memcpy(&b, p, 1); return half_to_float(uint16_t(b << 8));
  case Elem::e4m3: {
    std::memcpy(&b, p, 1);
    if ((b & 0x7f) == 0x7f) return __builtin_nanf("");
    float f = __builtin_bit_cast(float, uint32_t(b & 0x7f) << 20) * 0x1p120f;
    return b & 0x80 ? -f : f;
  }
  default: std::memcpy(&w, p, 4); return __builtin_bit_cast(float, w);
  }
}

/// d[m][n] += a[m][k] * b[k][n], k ascending for every element.
template <class T> void multiply(T *d, const T *a, const T *b, uint32_t m, uint32_t n, uint32_t k) {
  for (uint32_t i = 0; i < m; ++i)
    for (uint32_t l = 0; l < k; ++l) {
      T x = a[i * k + l];
      for (uint32_t j = 0; j < n; ++j) d[i * n + j] += x * b[l * n + j];
    }
}

struct Shape {
  uint32_t m, n, k;
  Elem d, a, b, c;
};
Shape decode(uint64_t shape, uint32_t types) {
  return {uint32_t(shape & 0xffff), uint32_t(shape >> 16 & 0xffff), uint32_t(shape >> 32), Elem(types & 0xff),
          Elem(types >> 8 & 0xff), Elem(types >> 16 & 0xff), Elem(types >> 24)};
}

/// One warp's mma with elements as T. Register r of A holds rows lane/4 + 8 (r mod M/8), columns P (lane mod 4) + i +
/// 4P (r div M/8), P elements to a register; B the same with columns of one row each; C pairs of neighbours.
template <class T, class Load> void warp_mma(Thread *lanes, const Shape &s, Load load) {
  static thread_local T a[16 * 64], b[64 * 8], d[16 * 8]; // trivial: no constructor
  const uint32_t eb = bytes_of(s.a), register_bytes = eb == 8 ? 8 : 4, per = register_bytes / eb;
  const uint32_t row_parts = s.m / 8, a_regs = s.m * s.k * eb / 32 / register_bytes,
                 b_regs = s.k * s.n * eb / 32 / register_bytes, cb = bytes_of(s.c);
  auto each_c = [&](uint32_t lane, auto &&f) { // element number, place
    for (uint32_t i = 0; i < s.m * s.n / 32; ++i)
      f(i, (lane / 4 + 8 * (i / 2)) * s.n + lane % 4 * 2 + i % 2);
  };
  for (uint32_t lane = 0; lane < warp_size; ++lane) {
    auto *in = static_cast<const char *>(lanes[lane].data);
    uint32_t g = lane / 4, q = lane % 4;
    for (uint32_t r = 0; r < a_regs; ++r)
      for (uint32_t i = 0; i < per; ++i)
        a[(g + 8 * (r % row_parts)) * s.k + q * per + i + r / row_parts * 4 * per] =
            load(s.a, in + r * register_bytes + i * eb);
    in += a_regs * register_bytes;
    for (uint32_t r = 0; r < b_regs; ++r)
      for (uint32_t i = 0; i < per; ++i)
        b[(q * per + i + r * 4 * per) * s.n + g] = load(s.b, in + r * register_bytes + i * eb);
    in += b_regs * register_bytes;
    each_c(lane, [&](uint32_t i, uint32_t at) { d[at] = load(s.c, in + i * cb); });
  }
  multiply(d, a, b, s.m, s.n, s.k);
  const uint32_t db = bytes_of(s.d);
  for (uint32_t lane = 0; lane < warp_size; ++lane) {
    auto *out = static_cast<char *>(lanes[lane].result);
    each_c(lane, [&](uint32_t i, uint32_t at) {
      if (s.d == Elem::f16) {
        uint16_t h = uint16_t(num::encode(num::Format::F16, double(d[at])));
        std::memcpy(out + 2 * i, &h, 2);
      } else std::memcpy(out + i * db, &d[at], db);
    });
  }
}

} // namespace

void mma(Thread *t, const char *site, uint64_t shape, uint32_t types, const void *operands, void *result) {
  Shape s = decode(shape, types);
  if (s.m > 16 || s.n != 8 || s.m % 8 || s.k > 64)
    t->program->stop(t, tessera::format("%s: the emulator has no such shape", site));
  t->data = operands;
  t->result = result;
  meet_warp(t, site, [&](Thread *lanes) {
    if (s.a == Elem::f64) {
      warp_mma<double>(lanes, s, [](Elem, const void *p) {
        double v;
        std::memcpy(&v, p, 8);
        return v;
      });
    } else if (is_int(s.a)) {
      warp_mma<uint32_t>(lanes, s, [](Elem e, const void *p) {
        uint32_t v;
        if (e == Elem::s8) return uint32_t(int32_t(*static_cast<const int8_t *>(p)));
        if (e == Elem::u8) return uint32_t(*static_cast<const uint8_t *>(p));
        std::memcpy(&v, p, 4);
        return v;
      });
    } else {
      warp_mma<float>(lanes, s, value_of);
    }
  });
}

void matrix_load(Thread *t, const char *site, void *address, uint32_t count, uint32_t transpose, uint32_t *regs) {
  Program &p = *t->program;
  if (t->lane < 8 * count) {
    if (reinterpret_cast<uintptr_t>(address) % 16) p.stop(t, tessera::format("%s: %s: the row at %s is not aligned to 16 bytes", site, p.name_of(t).c_str(), p.place_of(address).c_str()));
    p.access(t, site, address, 16, Program::read);
  }
  t->data = address;
  t->result = regs;
  meet_warp(t, site, [=](Thread *lanes) {
    for (uint32_t lane = 0; lane < warp_size; ++lane)
      for (uint32_t i = 0; i < count; ++i)
        for (uint32_t h = 0; h < 2; ++h) {
          uint32_t row = transpose ? lane % 4 * 2 + h : lane / 4, column = transpose ? lane / 4 : lane % 4 * 2 + h;
          std::memcpy(static_cast<char *>(lanes[lane].result) + 4 * i + 2 * h,
                      static_cast<const char *>(lanes[8 * i + row].data) + 2 * column, 2);
        }
  });
}

void matrix_store(Thread *t, const char *site, void *address, uint32_t count, uint32_t transpose, const uint32_t *regs) {
  Program &p = *t->program;
  if (t->lane < 8 * count) {
    if (reinterpret_cast<uintptr_t>(address) % 16) p.stop(t, tessera::format("%s: %s: the row at %s is not aligned to 16 bytes", site, p.name_of(t).c_str(), p.place_of(address).c_str()));
    p.access(t, site, address, 16, Program::write);
  }
  t->data = regs;
  t->result = address;
  meet_warp(t, site, [=](Thread *lanes) {
    for (uint32_t lane = 0; lane < warp_size; ++lane)
      for (uint32_t i = 0; i < count; ++i)
        for (uint32_t h = 0; h < 2; ++h) {
          uint32_t row = transpose ? lane % 4 * 2 + h : lane / 4, column = transpose ? lane / 4 : lane % 4 * 2 + h;
          std::memcpy(static_cast<char *>(lanes[8 * i + row].result) + 2 * column,
                      static_cast<const char *>(lanes[lane].data) + 4 * i + 2 * h, 2);
        }
  });
}

namespace {

/// A matrix operand in shared memory: the 64-bit descriptor.
struct Operand {
  uint32_t start, leading, stride, width; // bytes; width of the swizzle, 0 = none
  bool transposed;                        // M or N is contiguous
  Elem elem;

  /// Offset in the window of the 16 bytes that hold element (row, k).
  uint32_t chunk(uint32_t row, uint32_t k) const {
    uint32_t eb = bytes_of(elem), per = 16 / eb, at;
    if (!transposed) {
      uint32_t c = k / per;
      at = start + row / 8 * stride + (width ? row % 8 * width + c * 16 : row % 8 * 16 + c * leading);
    } else {
      uint32_t c = row / per, unit = width / 16;
      at = start + (width ? c / unit * leading + c % unit * 16 + k / 8 * stride + k % 8 * width
                          : c * stride + k / 8 * leading + k % 8 * 16);
    }
    if (width) at ^= (at >> 7 & (width / 16 - 1)) << 4;
    return at & (abi::shared_window - 1);
  }
  uint32_t inside(uint32_t row, uint32_t k) const {
    uint32_t eb = bytes_of(elem), per = 16 / eb;
    return (transposed ? row % per : k % per) * eb;
  }
};

Operand operand_of(Thread *t, const char *site, uint64_t desc, bool transposed, Elem elem) {
  Program &p = *t->program;
  constexpr uint32_t widths[] = {0, 128, 64, 32};
  Operand o = {uint32_t(desc & 0x3fff) << 4, uint32_t(desc >> 16 & 0x3fff) << 4, uint32_t(desc >> 32 & 0x3fff) << 4,
               widths[desc >> 62], transposed, elem};
  if (desc >> 49 & 7)
    p.stop(t, tessera::format("%s: not implemented: base offset %u in a matrix descriptor", site, unsigned(desc >> 49 & 7)));
  if (transposed && bytes_of(elem) != 2)
    p.stop(t, tessera::format("%s: only elements of 16 bits may lie transposed", site));
  return o;
}

/// `rows` × k elements as floats (or ints in floats' bits), read through the asynchronous proxy.
template <class T> void read_operand(Thread *t, const char *site, const Operand &o, uint32_t rows, uint32_t depth, T *out, bool by_k) {
  Program &p = *t->program;
  uint32_t eb = bytes_of(o.elem), per = 16 / eb, group = t->warp / 4;
  for (uint32_t r = 0; r < rows; r += o.transposed ? per : 1)
    for (uint32_t k = 0; k < depth; k += o.transposed ? 1 : per) {
      uint32_t at = o.chunk(r, k);
      const char *from = p.window + at;
      p.access(t, site, from, 16, Program::matrix_read);
      if (p.cells) p.matrix_reads.push_back({group, p.batches[group], at});
      for (uint32_t i = 0; i < per; ++i) {
        uint32_t row = o.transposed ? r + i : r, kk = o.transposed ? k : k + i;
        T v;
        if constexpr (sizeof(T) == 4 && T(1) / 2 == 0)
          v = o.elem == Elem::s8 ? T(int32_t(int8_t(from[i]))) : T(uint8_t(from[i]));
        else v = value_of(o.elem, from + i * eb);
        out[by_k ? kk * rows + row : row * depth + kk] = v;
      }
    }
}

template <class T>
void group_mma(Thread *t, Thread *lanes, const char *site, const Shape &s, uint32_t flags, uint64_t desc_a,
               uint64_t desc_b, bool accumulate) {
  static thread_local T a[64 * 64], b[64 * 256], d[64 * 256];
  read_operand(t, site, operand_of(t, site, desc_b, flags & abi::wgmma_transpose_b, s.b), s.n, s.k, b, true);
  if (!(flags & abi::wgmma_a_registers)) {
    read_operand(t, site, operand_of(t, site, desc_a, flags & abi::wgmma_transpose_a, s.a), 64, s.k, a, false);
  } else {
    uint32_t eb = bytes_of(s.a), per = 4 / eb;
    for (uint32_t i = 0; i < 128; ++i) {
      auto *in = static_cast<const char *>(lanes[i].data);
      uint32_t row = i / 32 * 16 + i % 32 / 4, q = i % 4;
      for (uint32_t r = 0; r < 4; ++r)
        for (uint32_t e = 0; e < per; ++e) {
          T v;
          const char *at = in + 4 * r + e * eb;
          if constexpr (sizeof(T) == 4 && T(1) / 2 == 0)
            v = s.a == Elem::s8 ? T(int32_t(int8_t(*at))) : T(uint8_t(*at));
          else v = value_of(s.a, at);
          a[(row + 8 * (r % 2)) * s.k + q * per + e + r / 2 * 4 * per] = v;
        }
    }
  }
  auto each = [&](auto &&f) { // thread, element number, place
    for (uint32_t i = 0; i < 128; ++i)
      for (uint32_t e = 0; e < s.n / 2; ++e)
        f(i, e, (i / 32 * 16 + i % 32 / 4 + 8 * (e / 2 % 2)) * s.n + e / 4 * 8 + i % 4 * 2 + e % 2);
  };
  uint32_t db = bytes_of(s.d);
  each([&](uint32_t i, uint32_t e, uint32_t at) {
    auto *in = static_cast<const char *>(lanes[i].result) + e * db;
    if (!accumulate) d[at] = 0;
    else if (s.d == Elem::f16) d[at] = T(value_of(s.d, in));
    else std::memcpy(&d[at], in, 4);
  });
  multiply(d, a, b, 64, s.n, s.k);
  each([&](uint32_t i, uint32_t e, uint32_t at) {
    auto *out = static_cast<char *>(lanes[i].result) + e * db;
    if (s.d == Elem::f16) {
      uint16_t h = uint16_t(num::encode(num::Format::F16, double(d[at])));
      std::memcpy(out, &h, 2);
    } else std::memcpy(out, &d[at], 4);
  });
}

} // namespace

void wgmma(Thread *t, const char *site, uint64_t shape, uint32_t types, uint32_t flags, const uint32_t *a, uint64_t desc_a,
           uint64_t desc_b, uint32_t accumulate, uint32_t *acc) {
  Program &p = *t->program;
  Shape s = decode(shape, types);
  if (s.m != 64 || s.n > 256 || s.n % 8 || s.k * bytes_of(s.a) != 32 || p.threads % 128)
    p.stop(t, tessera::format("%s: the emulator has no such shape, or the program no warp groups (%u threads)", site, p.threads));
  t->data = a;
  t->result = acc;
  t->in[0] = uint32_t(desc_a) ^ uint32_t(desc_a >> 32) * 3 ^ uint32_t(desc_b) * 5 ^ uint32_t(desc_b >> 32) * 7;
  uint32_t group = t->warp / 4;
  meet(t, p.groups[group], &p.thread[group * 128], 128, State::group, site, [&](Thread *lanes) {
    for (uint32_t i = 0; i < 128; ++i)
      if (lanes[i].in[0] != t->in[0])
        p.stop(t, tessera::format("%s: threads %u and %u give different matrix descriptors", site, lanes[i].head.tid, t->head.tid));
    if (is_int(s.a)) group_mma<uint32_t>(t, lanes, site, s, flags, desc_a, desc_b, accumulate);
    else group_mma<float>(t, lanes, site, s, flags, desc_a, desc_b, accumulate);
  });
}

/// kind 0 fence, 1 commit, 2 wait for all but `pending` batches.
void wgmma_group(Thread *t, const char *site, uint32_t kind, uint32_t pending) {
  Program &p = *t->program;
  if (p.threads % 128) p.stop(t, tessera::format("%s: a program of %u threads has no warp groups", site, p.threads));
  uint32_t group = t->warp / 4;
  meet(t, p.groups[group], &p.thread[group * 128], 128, State::group, site, [&](Thread *) {
    if (kind == 1) ++p.batches[group];
    if (kind != 2) return;
    std::erase_if(p.matrix_reads, [&](const Program::MatrixRead &r) {
      if (r.warp_group != group || r.batch + pending >= p.batches[group]) return false;
      for (uint32_t i = 0; i < 16; ++i) p.cells[r.offset + i].flags &= uint16_t(~cell_matrix);
      return true;
    });
  });
}

} // namespace tdriver::emu
