// SPDX-License-Identifier: MIT
// Any bytes given to the entry reader end in a status; what it accepts is exactly what the writer writes.
#include "../src/entry.hh"
#include "../src/disk.hh"
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  tcache::EntryView view;
  tessera::Status status = tcache::read_entry(data, size, nullptr, &view);
  if (status.ok()) {
    uint8_t head[tcache::header_size];
    tcache::encode_header(view.key, view.payload, view.size, head);
    if (view.size != size - sizeof head || std::memcmp(head, data, sizeof head) != 0) std::abort();
    tcache::Key other = view.key;
    other.bytes[0] ^= 1;
    if (tcache::read_entry(data, size, &other, &view).ok()) std::abort();
  } else if (status.message.empty()) {
    std::abort();
  }
  // Repair the length, so that what lies behind that check is reached with any size.
  if (size >= tcache::header_size) {
    uint8_t head[tcache::header_size];
    std::memcpy(head, data, sizeof head);
    for (int i = 0; i < 8; ++i) head[16 + i] = static_cast<uint8_t>((size - sizeof head) >> 8 * i);
    tcache::Header header;
    if (tcache::check_header(head, sizeof head, size, nullptr, &header).ok() &&
        header.payload_size != size - sizeof head)
      std::abort();
  }
  tcache::Usage usage;
  if (tcache::decode_usage(data, size, &usage) && tcache::encode_usage(usage).size() != size) std::abort();
  return 0;
}
