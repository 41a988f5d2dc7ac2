// SPDX-License-Identifier: MIT
// Bump allocator for trivially destructible things; freed as a whole.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

namespace tir {

class Arena {
public:
  Arena() = default;
  Arena(const Arena &) = delete;
  ~Arena() {
    for (Chunk *c = head; c;) {
      Chunk *next = c->next;
      std::free(c);
      c = next;
    }
  }
  void *raw(size_t size, size_t align) {
    uintptr_t p = (cur + (align - 1)) & ~(uintptr_t)(align - 1);
    if (p + size > end || !cur) {
      size_t want = size + align + sizeof(Chunk);
      size_t chunk = want > next_size ? want : next_size;
      if (next_size < (1u << 20)) next_size *= 2;
      Chunk *c = static_cast<Chunk *>(std::malloc(chunk));
      if (!c) std::abort(); // out of memory aborts, as everywhere in the house
      c->next = head;
      head = c;
      cur = reinterpret_cast<uintptr_t>(c + 1);
      end = reinterpret_cast<uintptr_t>(c) + chunk;
      total += chunk;
      p = (cur + (align - 1)) & ~(uintptr_t)(align - 1);
    }
    cur = p + size;
    return reinterpret_cast<void *>(p);
  }
  /// Zeroed storage for n objects.
  template <class T> T *alloc(size_t n = 1) {
    static_assert(std::is_trivially_destructible_v<T>);
    void *p = raw(sizeof(T) * n, alignof(T));
    std::memset(p, 0, sizeof(T) * n);
    T *t = static_cast<T *>(p);
    for (size_t i = 0; i < n; ++i) new (t + i) T();
    return t;
  }
  size_t bytes() const { return total; }

private:
  struct Chunk { Chunk *next; };
  Chunk *head = nullptr;
  uintptr_t cur = 0, end = 0;
  size_t next_size = 16384, total = 0;
};

} // namespace tir
