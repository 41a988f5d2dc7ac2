// SPDX-License-Identifier: MIT
#include "sibling.hh"
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tkernels {

using tessera::Code;
using tessera::fail;
using tessera::format;
using tessera::Result;

static std::string own_folder() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&own_folder), &info) || !info.dli_fname) return "";
  const char *slash = std::strrchr(info.dli_fname, '/');
  return slash ? std::string(info.dli_fname, slash) : ".";
}

static std::vector<std::string> candidates(const char *soname, const std::string &library_path) {
  std::vector<std::string> paths;
  for (size_t start = 0; start < library_path.size();) {
    size_t end = library_path.find(':', start);
    if (end == std::string::npos) end = library_path.size();
    if (end > start) paths.push_back(library_path.substr(start, end - start) + "/" + soname);
    start = end + 1;
  }
  std::string own = own_folder();
  if (!own.empty()) {
    paths.push_back(own + "/" + soname);
    const char *dot = std::strchr(soname, '.');
    paths.push_back(own + "/../" + std::string(soname, dot ? size_t(dot - soname) : std::strlen(soname)) + "/" + soname);
  }
  return paths;
}

std::string find_sibling(const char *soname, const std::string &library_path) {
  for (const std::string &path : candidates(soname, library_path))
    if (access(path.c_str(), R_OK) == 0) return path;
  return "";
}

static std::string loaded_path(void *handle) {
  link_map *map = nullptr;
  return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name ? map->l_name : "";
}

Result<Sibling> open_sibling(const char *soname, const std::string &library_path) {
  Sibling sibling;
  // A second copy of a library would have its own devices and caches: what the process has wins.
  sibling.handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  std::string why;
  if (!sibling.handle) {
    std::string path = find_sibling(soname, library_path);
    sibling.handle = dlopen(path.empty() ? soname : path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!sibling.handle) {
      const char *text = dlerror();
      why = text ? text : "no reason given";
    }
  }
  if (!sibling.handle) {
    std::string places;
    for (const std::string &path : candidates(soname, library_path)) places += (places.empty() ? "" : ", ") + path;
    return fail(Code::NOT_FOUND, "%s cannot be opened: %s (looked at %s, and where the system looks)", soname, why.c_str(),
                places.c_str());
  }
  sibling.path = loaded_path(sibling.handle);
  return sibling;
}

Result<void *> Sibling::symbol(const char *name) const {
  void *address = dlsym(handle, name);
  if (!address) return fail(Code::VERSION, "%s has no function %s: it is of another version", path.c_str(), name);
  return address;
}

namespace {
/// A file mapped for reading; every access is bounds-checked, the file may be anything.
struct Mapped {
  const uint8_t *data = nullptr;
  size_t size = 0;
  explicit Mapped(const std::string &path) {
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
      void *p = mmap(nullptr, size_t(st.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
      if (p != MAP_FAILED) data = static_cast<const uint8_t *>(p), size = size_t(st.st_size);
    }
    close(fd);
  }
  ~Mapped() {
    if (data) munmap(const_cast<uint8_t *>(data), size);
  }
  Mapped(const Mapped &) = delete;
  Mapped &operator=(const Mapped &) = delete;
  template <class T> bool read(uint64_t offset, T *out) const {
    if (offset > size || size - offset < sizeof(T)) return false;
    std::memcpy(out, data + offset, sizeof(T));
    return true;
  }
  std::string text(uint64_t offset) const {
    if (offset >= size) return "";
    const void *end = std::memchr(data + offset, 0, size - offset);
    return end ? std::string(reinterpret_cast<const char *>(data + offset)) : "";
  }
};

struct ElfFacts {
  std::string build_id;
  std::vector<std::string> needed;
  std::string runpath;
};
} // namespace

static std::string hex(const uint8_t *bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) text += format("%02x", bytes[i]);
  return text;
}

static void read_notes(const Mapped &file, const Elf64_Phdr &segment, ElfFacts *facts) {
  uint64_t at = segment.p_offset, end = segment.p_offset + segment.p_filesz;
  Elf64_Nhdr note;
  while (at < end && file.read(at, &note)) {
    uint64_t name = at + sizeof(note), desc = name + ((uint64_t(note.n_namesz) + 3) & ~uint64_t(3));
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz <= 64 && desc + note.n_descsz <= file.size)
      facts->build_id = hex(file.data + desc, note.n_descsz);
    at = desc + ((uint64_t(note.n_descsz) + 3) & ~uint64_t(3));
  }
}

static ElfFacts read_elf(const Mapped &file) {
  ElfFacts facts;
  Elf64_Ehdr header;
  if (!file.read(0, &header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
    return facts;
  std::vector<Elf64_Phdr> segments;
  for (unsigned i = 0; i < header.e_phnum && i < 256; ++i) {
    Elf64_Phdr segment;
    if (!file.read(header.e_phoff + uint64_t(i) * header.e_phentsize, &segment)) break;
    segments.push_back(segment);
  }
  auto file_offset = [&](uint64_t address) -> uint64_t {
    for (const Elf64_Phdr &s : segments)
      if (s.p_type == PT_LOAD && address >= s.p_vaddr && address - s.p_vaddr < s.p_filesz) return address - s.p_vaddr + s.p_offset;
    return ~uint64_t(0);
  };
  std::vector<uint64_t> needed;
  uint64_t strings = ~uint64_t(0), runpath = ~uint64_t(0);
  for (const Elf64_Phdr &s : segments) {
    if (s.p_type == PT_NOTE) read_notes(file, s, &facts);
    if (s.p_type != PT_DYNAMIC) continue;
    Elf64_Dyn entry;
    for (uint64_t at = s.p_offset; at < s.p_offset + s.p_filesz && file.read(at, &entry) && entry.d_tag != DT_NULL; at += sizeof(entry)) {
      if (entry.d_tag == DT_NEEDED) needed.push_back(entry.d_un.d_val);
      if (entry.d_tag == DT_STRTAB) strings = file_offset(entry.d_un.d_ptr);
      if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH) runpath = entry.d_un.d_val;
    }
  }
  if (strings == ~uint64_t(0)) return facts;
  for (uint64_t offset : needed) facts.needed.push_back(file.text(strings + offset));
  if (runpath != ~uint64_t(0)) facts.runpath = file.text(strings + runpath);
  return facts;
}

static std::string one_identity(const std::string &path, ElfFacts *facts) {
  {
    Mapped file(path);
    if (file.data) *facts = read_elf(file);
  }
  if (!facts->build_id.empty()) return facts->build_id;
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return "missing";
  return format("%lld-%lld.%09ld", (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

std::string elf_identity(const std::string &path, const char *needs) {
  ElfFacts facts;
  std::string identity = one_identity(path, &facts);
  for (const std::string &name : facts.needed) {
    if (name.compare(0, std::strlen(needs), needs) != 0) continue;
    identity += " " + name + ":";
    std::string folders = facts.runpath + ":/usr/lib/x86_64-linux-gnu:/usr/lib64:/usr/lib:/usr/local/lib";
    for (size_t start = 0; start < folders.size();) {
      size_t end = folders.find(':', start);
      if (end == std::string::npos) end = folders.size();
      std::string candidate = folders.substr(start, end - start) + "/" + name;
      start = end + 1;
      if (candidate[0] != '/' || access(candidate.c_str(), R_OK) != 0) continue;
      ElfFacts unused;
      identity += one_identity(candidate, &unused);
      break;
    }
  }
  return identity;
}

} // namespace tkernels
