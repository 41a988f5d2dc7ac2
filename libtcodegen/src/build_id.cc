// SPDX-License-Identifier: MIT
#include "build_id.hh"
#include "llvm/emit.hh"
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <mutex>
#include <tcodegen/version.h>

// The linker defines it: the ELF header at the start of the mapped file that this code is in.
extern "C" const char __ehdr_start[] __attribute__((visibility("hidden")));

namespace tcodegen {
namespace {

uint64_t padded(uint64_t v) { return (v + 3) & ~uint64_t(3); }

/// The NT_GNU_BUILD_ID note of this file as hex.
void linker_build_id(char *out, size_t capacity) {
  std::snprintf(out, capacity, "unknown");
  Elf64_Ehdr header;
  std::memcpy(&header, __ehdr_start, sizeof header);
  const char *rows = __ehdr_start + header.e_phoff;
  uint64_t base = reinterpret_cast<uint64_t>(__ehdr_start);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr p;
    std::memcpy(&p, rows + size_t(i) * header.e_phentsize, sizeof p);
    if (p.p_type == PT_LOAD && p.p_offset == 0) base -= p.p_vaddr; // 0 but for programs at a fixed address
  }
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr p;
    std::memcpy(&p, rows + size_t(i) * header.e_phentsize, sizeof p);
    if (p.p_type != PT_NOTE) continue;
    const char *at = reinterpret_cast<const char *>(base + p.p_vaddr), *end = at + p.p_memsz;
    while (at + sizeof(Elf64_Nhdr) <= end) {
      Elf64_Nhdr note;
      std::memcpy(&note, at, sizeof note);
      const char *name = at + sizeof note, *data = name + padded(note.n_namesz);
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !std::memcmp(name, "GNU", 4)) {
        for (unsigned k = 0; k < note.n_descsz && 2 * k + 3 <= capacity; ++k)
          std::snprintf(out + 2 * k, 3, "%02x", static_cast<unsigned char>(data[k]));
        return;
      }
      at = data + padded(note.n_descsz);
    }
  }
}

} // namespace

const char *build_id() {
  static std::once_flag once;
  static char text[160];
  std::call_once(once, [] {
    char hash[80];
    linker_build_id(hash, sizeof hash);
    std::snprintf(text, sizeof text, "tcodegen %d.%d.%d %s llvm %s", TCODEGEN_VERSION_MAJOR, TCODEGEN_VERSION_MINOR,
                  TCODEGEN_VERSION_PATCH, hash, llvm_version().c_str());
  });
  return text;
}

} // namespace tcodegen
