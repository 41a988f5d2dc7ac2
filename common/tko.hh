// SPDX-License-Identifier: MIT
// The kernel object (.tko), version 0: what a compiler hands to a driver. libtcodegen writes it, libtdriver
// reads it. The bytes are described in libtdriver/docs/kernel-object.md; this file is their in-memory form.
// Owned data only, so an Object outlives the bytes it was read from. No ABI.
#pragma once
#include "status.hh"
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::tko {

constexpr uint32_t format_version = 0;
constexpr uint64_t page_size = 4096; // segments start at multiples of it; every target so far has this page

/// Bounds that reader and writer share; anything beyond is Code::LIMIT (writer) or Code::CORRUPT (reader).
constexpr uint64_t max_file_bytes = uint64_t(1) << 30;
constexpr uint64_t max_image_bytes = uint64_t(1) << 28; // mapped size of a CPU image
constexpr uint64_t max_arena_bytes = uint64_t(1) << 30;
constexpr uint32_t max_alignment = 4096; // of an arena or an argument
constexpr uint32_t max_params_bytes = 65536;
constexpr uint32_t max_arguments = 4096;
constexpr uint32_t max_rank = 8;
constexpr uint32_t max_string = 1 << 20; // every string but code and stage texts

/// Element and argument kinds. The numbers are file format: append only.
enum class Kind : uint8_t {
  none = 0, // "no element": a pointer to something that is not an element, a print without operand
  ptr = 1,
  i1 = 2,
  i8 = 3,
  i16 = 4,
  i32 = 5,
  i64 = 6,
  f16 = 7,
  bf16 = 8,
  f32 = 9,
  f64 = 10,
  f8e4m3fn = 11,
  f8e5m2 = 12,
  f8e4m3fnuz = 13,
  f8e5m2fnuz = 14,
  tensordesc = 15, // {pointer, i64 shape[rank], i64 stride in elements[rank]}, 16-byte aligned
  last = tensordesc
};

/// "ptr", "i1", "f8E4M3FN", … ; "none" for none; "unknown" outside the enum.
const char *kind_name(Kind kind);
/// Bytes of one value in the parameter buffer and in a print's value array (i1: 1, ptr: 8); 0 for none,
/// tensordesc.
uint32_t kind_size(Kind kind);

/// One argument of the kernel's signature, in order. Those that specialisation made constant stay in the list
/// (so that callers can pass the whole signature) but occupy no bytes of the parameter buffer.
struct Argument {
  std::string name;          // as in the IR; may be empty
  Kind kind = Kind::none;    // never none in a valid object
  Kind element = Kind::none; // ptr and tensordesc: what they point to
  uint8_t rank = 0;          // tensordesc only, 1 … max_rank
  bool constant = false;     // bound at compile time to constant_bits; offset, size, alignment are 0
  bool written = false; // ptr and tensordesc: the kernel may store through it (true when unknown is fine)
  uint64_t constant_bits = 0; // the value's bits, zero-extended (kinds of up to 8 bytes)
  uint32_t offset = 0;        // bytes from the start of the parameter buffer; set by lay_out_params
  uint32_t size = 0;
  uint32_t alignment = 0;
  uint64_t divisibility =
      1; // promise: the integer, or the address in bytes, is a multiple of it (power of two)
  uint32_t pointer_range = 0; // promise: byte offsets from this pointer fit so many bits (32); 0 = no promise
  std::vector<int64_t> block; // tensordesc only: the block shape, rank entries
};

/// What the driver appends after the user's arguments. None is needed on the CPU yet; a driver refuses kinds
/// that it does not know by number.
struct HiddenArgument {
  uint32_t kind = 0; // 1 scratch, 2 record, 3 print, 4 tensormap, 5 derived
  uint32_t offset = 0;
  uint32_t size = 0;
  uint32_t alignment = 0;
  std::vector<uint8_t> data; // meaning depends on kind
};

struct LaunchShape {
  uint32_t threads = 1; // hardware threads per program (CPU: 1)
  uint32_t cluster[3] = {1, 1, 1};
  uint32_t shared_bytes = 0; // dynamic shared memory
  uint32_t attributes = 0;   // bit 0 cooperative, bit 1 programmatic dependent launch
  uint32_t grid_map = 0;     // 0 identity, 1 persistent
};

enum class Permission : uint8_t {
  r = 1,     // constants
  rx = 2,    // code
  relro = 3, // writable while the loader fills import slots and relocations, then read-only
};

/// A run of pages of the flat image. Offsets are from the load base; segments ascend and do not share a page.
struct Segment {
  Permission permission = Permission::r;
  uint64_t offset = 0;        // a multiple of page_size
  std::vector<uint8_t> bytes; // file contents
  uint64_t zero_fill = 0;     // further zero bytes after them
};

/// An 8-byte aligned slot (in a relro segment) that receives the address of an imported function.
struct Import {
  uint64_t slot = 0;
  std::string name;
};

/// A CPU image: position independent but for `relocations`. The load base is aligned to page_size.
struct Image {
  std::vector<Segment> segments;
  uint64_t entry = 0; // offset of the entry function, inside an rx segment
  std::vector<Import> imports;
  std::vector<uint64_t>
      relocations; // 8-byte aligned relro slots that hold an image offset; the base is added
};

enum class CodeKind : uint8_t { none = 0, cpu_image = 1, cubin = 2, ptx = 3, hsaco = 4, emu_image = 5, last = emu_image };
/// Kinds whose code is `Object::image`: CPU code that runs a kernel, or a thread of one (emu).
constexpr bool has_image(CodeKind kind) { return kind == CodeKind::cpu_image || kind == CodeKind::emu_image; }

enum class MessageKind : uint8_t {
  assertion = 1, // text: the message of tt.assert
  trap = 2,      // text: what went wrong
  print = 3,     // text: the prefix; one Message per printed operand
};

/// What tessera_record's and tessera_print's message_id select. For a print of several operands there is one
/// Message, and one call, per operand, in order; a print without operand is one Message with element none,
/// count 0.
struct Message {
  MessageKind kind = MessageKind::assertion;
  std::string text;
  Kind element = Kind::none;  // print: element kind of the value array (kind_size bytes each, row-major)
  bool hex = false;           // print: as 0x…, padded to the width of the type
  bool is_signed = true;      // print: of integers
  uint32_t operand = 0;       // print: this operand's index …
  uint32_t operands = 0;      // … of so many
  std::vector<int64_t> shape; // print: of the tile; empty = scalar
};

/// Optional text of one stage of the compilation: "ttir", "llir", "asm", …
struct Stage {
  std::string name;
  std::string text;
};

struct Object {
  std::string entry;                 // the kernel's name in the IR
  std::string target;                // resolved: "cpu:x86-64-v4", "cuda:90a", …
  std::vector<std::string> features; // CPU features the code needs, LLVM's names without '+': "avx512f", …
  std::string compiler;              // build id of the compiler
  std::string source_hash;           // hash of the IR that was compiled, as text
  std::string options;               // canonical spelling of all options that change code
  std::vector<Argument> arguments;
  uint32_t params_size = 0; // bytes of the parameter buffer, a multiple of 8; set by lay_out_params
  std::vector<HiddenArgument> hidden;
  LaunchShape launch;
  uint64_t arena_bytes = 0; // scratch of one thread; the driver gives at least this, zeroed by nobody
  uint32_t arena_alignment = 64;
  uint32_t registers = 0, spill_bytes = 0; // information; 0 = not known
  CodeKind code_kind = CodeKind::none;
  Image image;               // code_kind cpu_image, emu_image
  std::vector<uint8_t> code; // the other code kinds
  std::vector<Message> messages;
  std::vector<std::string> locations; // "file:line:column", inlined callers after it; by location_id
  std::vector<Stage> stages;
};

/// Sets offset, size, alignment of every argument and params_size as the kernel ABI says: each argument at
/// its natural alignment from offset 0, constants left out, the whole rounded up to 8.
Status lay_out_params(Object *object);

/// The rules an object obeys in memory and in a file. `write` and `read` both apply them. A violation is
/// INVALID_ARGUMENT with the part's name ("argument 3 (n): …").
Status check(const Object &object);

/// The bytes of a checked object: deterministic, the same for equal objects.
Result<std::vector<uint8_t>> write(const Object &object);

/// Reads any bytes whatever: a status with the offset, never a crash; allocates no more than a small multiple
/// of `size`. CORRUPT for damage, VERSION for a version this code does not know.
Result<Object> read(const void *bytes, size_t size);

/// Writes size and checksum into the header of bytes that were changed by hand (tests, fuzzing).
void seal(std::vector<uint8_t> *bytes);

/// The first bytes tell a kernel object from other files.
bool looks_like_object(const void *bytes, size_t size);

} // namespace tessera::tko
