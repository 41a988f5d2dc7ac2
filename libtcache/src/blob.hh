// SPDX-License-Identifier: MIT
// Immutable counted bytes, one allocation each. tcache_blob is the public handle itself.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

struct tcache_blob {
  static constexpr size_t alignment = 64;

  /// The bytes are for the caller to fill before anyone else sees the blob. One owner: the caller.
  static tcache_blob *create(size_t size) {
    // Never empty, so data() is a real address.
    size_t total = alignment + ((size + alignment) & ~(alignment - 1));
    void *memory = std::aligned_alloc(alignment, total);
    if (!memory) std::abort(); // sizes are bounded by the callers; out of memory aborts in all of the house
    return new (memory) tcache_blob(size);
  }
  void retain() { owners_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) std::free(this);
  }
  uint8_t *data() { return reinterpret_cast<uint8_t *>(this) + alignment; }
  const uint8_t *data() const { return reinterpret_cast<const uint8_t *>(this) + alignment; }
  size_t size() const { return size_; }

private:
  explicit tcache_blob(size_t size) : owners_(1), size_(size) {}
  std::atomic<uint32_t> owners_;
  size_t size_;
};

namespace tcache {

/// One owner of a blob.
class BlobRef {
public:
  BlobRef() = default;
  /// Takes over the caller's ownership.
  explicit BlobRef(tcache_blob *owned) : blob_(owned) {}
  BlobRef(const BlobRef &other) : blob_(other.blob_) {
    if (blob_) blob_->retain();
  }
  BlobRef(BlobRef &&other) noexcept : blob_(other.blob_) { other.blob_ = nullptr; }
  BlobRef &operator=(BlobRef other) noexcept {
    tcache_blob *mine = blob_;
    blob_ = other.blob_;
    other.blob_ = mine;
    return *this;
  }
  ~BlobRef() {
    if (blob_) blob_->release();
  }
  tcache_blob *operator->() const { return blob_; }
  explicit operator bool() const { return blob_ != nullptr; }
  /// Hands the ownership over.
  tcache_blob *take() {
    tcache_blob *mine = blob_;
    blob_ = nullptr;
    return mine;
  }

private:
  tcache_blob *blob_ = nullptr;
};

} // namespace tcache
