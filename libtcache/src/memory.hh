// SPDX-License-Identifier: MIT
// The memory layer: a bounded map with the least recently used out first. The store's lock covers it.
#pragma once
#include "blob.hh"
#include "key.hh"
#include <list>
#include <unordered_map>

namespace tcache {

class MemoryLayer {
public:
  explicit MemoryLayer(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  /// *touch_due is set when the disk's time of last use should be brought up to date, at most every ten
  /// minutes for an entry: else one that a long process takes from memory all day would look unused on disk.
  BlobRef find(const Key &key, int64_t monotonic_s, bool *touch_due);
  void insert(const Key &key, const BlobRef &blob, int64_t monotonic_s);
  void erase(const Key &key);
  void clear();
  size_t entries() const { return map_.size(); }
  uint64_t bytes() const { return bytes_; }

private:
  struct Item {
    Key key;
    BlobRef blob;
    int64_t touched_s;
  };
  struct KeyHash {
    size_t operator()(const Key &key) const {
      size_t value; // a key is a hash already
      std::memcpy(&value, key.bytes, sizeof value);
      return value;
    }
  };
  using Order = std::list<Item>;

  void drop(Order::iterator item);

  uint64_t max_bytes_;
  uint64_t bytes_ = 0;
  Order order_; // the most recently used first
  std::unordered_map<Key, Order::iterator, KeyHash> map_;
};

} // namespace tcache
