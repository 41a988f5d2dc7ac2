// SPDX-License-Identifier: MIT
// The record that a GPU kernel leaves when an assert fails or it traps (hidden argument kind 2). Host memory that the
// device sees, zeroed by the driver before a launch; generated code fills it, the driver reads it. No ABI.
#pragma once
#include <cstdint>

namespace tessera::gpu_record {

struct Record {
  uint32_t state;    // 0 empty, 1 being filled, 2 complete
  uint32_t kind;     // tko::MessageKind: 1 assertion, 2 trap
  uint32_t message;  // index into tko::Object::messages
  uint32_t location; // index into tko::Object::locations, ~0u = none
  uint64_t program;  // x + grid[0] * (y + grid[1] * z)
  uint64_t reserved;
};
constexpr unsigned state_offset = 0, kind_offset = 4, message_offset = 8, location_offset = 12, program_offset = 16;
static_assert(sizeof(Record) == 32);

} // namespace tessera::gpu_record
