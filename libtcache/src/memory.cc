// SPDX-License-Identifier: MIT
#include "memory.hh"

namespace tcache {

static constexpr int64_t touch_interval_s = 600;

BlobRef MemoryLayer::find(const Key &key, int64_t monotonic_s, bool *touch_due) {
  *touch_due = false;
  auto found = map_.find(key);
  if (found == map_.end()) return {};
  Order::iterator item = found->second;
  order_.splice(order_.begin(), order_, item);
  if (monotonic_s - item->touched_s >= touch_interval_s) {
    item->touched_s = monotonic_s;
    *touch_due = true;
  }
  return item->blob;
}

void MemoryLayer::insert(const Key &key, const BlobRef &blob, int64_t monotonic_s) {
  erase(key);
  if (blob->size() > max_bytes_ || max_bytes_ == 0) return;
  order_.push_front({key, blob, monotonic_s});
  map_[key] = order_.begin();
  bytes_ += blob->size();
  // Empty payloads weigh nothing, so the count is bounded too.
  while (bytes_ > max_bytes_ || map_.size() > max_bytes_ / 64 + 1) drop(std::prev(order_.end()));
}

void MemoryLayer::erase(const Key &key) {
  auto found = map_.find(key);
  if (found != map_.end()) drop(found->second);
}

void MemoryLayer::clear() {
  map_.clear();
  order_.clear();
  bytes_ = 0;
}

void MemoryLayer::drop(Order::iterator item) {
  bytes_ -= item->blob->size();
  map_.erase(item->key);
  order_.erase(item);
}

} // namespace tcache
