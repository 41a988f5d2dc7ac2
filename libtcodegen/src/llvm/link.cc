// SPDX-License-Identifier: MIT
// link_image: JITLink lays an object out at a fake address; what it writes becomes the flat image.
#include "emit.hh"
#include "imports.hh"
#include "llvm/ExecutionEngine/JITLink/ELF_x86_64.h"
#include "llvm/ExecutionEngine/JITLink/JITLink.h"
#include "llvm/ExecutionEngine/JITLink/x86_64.h"
#include "llvm/ExecutionEngine/Orc/SymbolStringPool.h"
#include "llvm/Support/MemoryBuffer.h"
#include <algorithm>
#include <cstring>
#include <memory>

using namespace llvm;
using namespace llvm::jitlink;
using tessera::Code;
using tessera::fail;
using tessera::Result;
using tessera::Status;
namespace tko = tessera::tko;

namespace tcodegen {
namespace {

// Both addresses lie beyond 32 bits and far from each other, so that JITLink's relaxations never turn a load of a
// GOT slot into an absolute address or a direct call: the image must not depend on where it was laid out.
constexpr uint64_t image_base = 0x100000000000;
constexpr uint64_t import_address = 0x700000000000;

struct Layout {
  tko::Image image;
  std::string entry;
  bool emulator;
  Status status; // the first reason of our own; JITLink's text otherwise
};

constexpr orc::MemProt prot_rx = orc::MemProt::Read | orc::MemProt::Exec;
constexpr orc::MemProt prot_rw = orc::MemProt::Read | orc::MemProt::Write;

std::string symbol_of(const Block &b, LinkGraph &g) {
  for (Symbol *s : g.defined_symbols())
    if (&s->getBlock() == &b && s->hasName()) return (*s->getName()).str();
  return "(unnamed)";
}

Status refuse_section(const Section &section, LinkGraph &g) {
  StringRef name = section.getName();
  if (section.empty() || section.getMemLifetime() == orc::MemLifetime::NoAlloc) return {};
  std::string symbol = symbol_of(**section.blocks().begin(), g);
  if (name.starts_with(".tdata") || name.starts_with(".tbss") || name.starts_with("$__TLS"))
    return fail(Code::COMPILE, "thread-local storage is not part of the kernel ABI: %s in %s", symbol.c_str(),
                name.str().c_str());
  if (name.starts_with(".init_array") || name.starts_with(".fini_array") || name.starts_with(".ctors") ||
      name.starts_with(".dtors") || name.starts_with(".preinit_array") || name == ".init" || name == ".fini")
    return fail(Code::COMPILE, "constructors are not part of the kernel ABI: section %s", name.str().c_str());
  bool writable = (section.getMemProt() & orc::MemProt::Write) != orc::MemProt::None;
  if (writable && !name.starts_with(".data.rel.ro") && name != "$__GOT")
    return fail(Code::COMPILE, "writable globals are not part of the kernel ABI: %s in %s", symbol.c_str(),
                name.str().c_str());
  return {};
}

Error as_error(Layout &layout, Status status) {
  layout.status = std::move(status);
  return make_error<JITLinkError>(layout.status.message);
}

/// Before pruning: refuses what the ABI has no room for, keeps what the entry needs.
Error check_and_mark(LinkGraph &g, Layout &layout) {
  for (Section &section : g.sections())
    if (Status s = refuse_section(section, g); !s.ok()) return as_error(layout, std::move(s));
  for (Symbol *s : g.external_symbols()) {
    std::string name = (*s->getName()).str();
    if (name != "_GLOBAL_OFFSET_TABLE_" && !is_import(name) && !(layout.emulator && is_emu_import(name)))
      return as_error(layout, fail(Code::COMPILE, "the code calls '%s', which is not in the kernel ABI's import table",
                                   name.c_str()));
  }
  for (Symbol *s : g.defined_symbols())
    if (s->hasName() && *s->getName() == layout.entry) {
      s->setLive(true);
      return Error::success();
    }
  return as_error(layout, fail(Code::INTERNAL, "the object defines no '%s'", layout.entry.c_str()));
}

/// After pruning (the GOT exists now): two kinds of pages, code with its constants and slots that are filled once.
Error assign_permissions(LinkGraph &g) {
  for (Section &section : g.sections()) {
    if (section.getMemLifetime() == orc::MemLifetime::NoAlloc) continue;
    StringRef name = section.getName();
    bool slots = name == "$__GOT" || name.starts_with(".data.rel.ro");
    section.setMemProt(slots ? prot_rw : prot_rx);
  }
  return Error::success();
}

/// Last: every edge that a different load address would change must be one that the loader can redo.
Error collect(LinkGraph &g, Layout &layout) {
  for (Symbol *s : g.defined_symbols())
    if (s->hasName() && *s->getName() == layout.entry) layout.image.entry = s->getAddress().getValue() - image_base;
  for (Block *block : g.blocks())
    for (Edge &e : block->edges()) {
      if (!e.isRelocation()) continue;
      Symbol &target = e.getTarget();
      uint64_t at = block->getAddress().getValue() + e.getOffset() - image_base;
      bool rw = block->getSection().getMemProt() == prot_rw;
      if (e.getKind() == x86_64::Pointer64 && rw && at % 8 == 0) {
        if (target.isExternal() && e.getAddend() == 0) {
          layout.image.imports.push_back({at, (*target.getName()).str()});
          continue;
        }
        if (target.isDefined()) {
          layout.image.relocations.push_back(at);
          continue;
        }
      }
      bool relative = e.getKind() == x86_64::Delta64 || e.getKind() == x86_64::Delta32 ||
                      e.getKind() == x86_64::NegDelta64 || e.getKind() == x86_64::NegDelta32 ||
                      e.getKind() == x86_64::BranchPCRel32 || e.getKind() == x86_64::PCRel32 ||
                      e.getKind() == x86_64::BranchPCRel32ToPtrJumpStub ||
                      e.getKind() == x86_64::BranchPCRel32ToPtrJumpStubBypassable ||
                      e.getKind() == x86_64::PCRel32GOTLoadRelaxable ||
                      e.getKind() == x86_64::PCRel32GOTLoadREXRelaxable;
      if (!relative || !target.isDefined())
        return as_error(layout,
                        fail(Code::COMPILE, "relocation %s to '%s' is not part of the kernel ABI",
                             g.getEdgeKindName(e.getKind()),
                             target.hasName() ? (*target.getName()).str().c_str() : "(unnamed)"));
    }
  auto by_slot = [](const tko::Import &a, const tko::Import &b) { return a.slot < b.slot; };
  std::sort(layout.image.imports.begin(), layout.image.imports.end(), by_slot);
  std::sort(layout.image.relocations.begin(), layout.image.relocations.end());
  return Error::success();
}

/// JITLink wrote addresses; the image holds offsets, to which the loader adds its base. Import slots hold zero.
void make_relative(tko::Image &image) {
  auto patch = [&](uint64_t at, bool import) {
    for (tko::Segment &s : image.segments)
      if (at >= s.offset && at + 8 <= s.offset + s.bytes.size()) {
        uint64_t v = 0;
        if (!import) std::memcpy(&v, &s.bytes[at - s.offset], 8), v -= image_base;
        std::memcpy(&s.bytes[at - s.offset], &v, 8);
      }
  };
  for (const tko::Import &i : image.imports) patch(i.slot, true);
  for (uint64_t at : image.relocations) patch(at, false);
}

class ImageMemory final : public JITLinkMemoryManager {
public:
  explicit ImageMemory(Layout &layout) : layout(layout) {}

  void allocate(const JITLinkDylib *, LinkGraph &g, OnAllocatedFunction done) override {
    BasicLayout sizes(g);
    auto alloc = std::make_unique<Allocation>(*this);
    uint64_t at = 0;
    for (auto &[group, segment] : sizes.segments()) {
      if (segment.Alignment.value() > tko::page_size)
        return done(as_error(layout, fail(Code::LIMIT, "alignment of %llu bytes in the code, the limit is a page",
                                          (unsigned long long)segment.Alignment.value())));
      at = (at + tko::page_size - 1) & ~(tko::page_size - 1);
      segment.Addr = orc::ExecutorAddr(image_base + at);
      tko::Segment out;
      out.permission = group.getMemProt() == prot_rx ? tko::Permission::rx : tko::Permission::relro;
      out.offset = at;
      out.zero_fill = segment.ZeroFillSize;
      out.bytes.resize(segment.ContentSize);
      at += segment.ContentSize + segment.ZeroFillSize;
      if (at > tko::max_image_bytes)
        return done(as_error(layout, fail(Code::LIMIT, "the image has more than %llu bytes",
                                          (unsigned long long)tko::max_image_bytes)));
      alloc->segments.push_back(std::move(out));
      segment.WorkingMem = reinterpret_cast<char *>(alloc->segments.back().bytes.data());
    }
    if (Error e = sizes.apply()) return done(std::move(e));
    done(std::unique_ptr<InFlightAlloc>(std::move(alloc)));
  }

  void deallocate(std::vector<FinalizedAlloc> allocs, OnDeallocatedFunction done) override {
    for (FinalizedAlloc &a : allocs) a.release();
    done(Error::success());
  }

private:
  struct Allocation final : InFlightAlloc {
    explicit Allocation(ImageMemory &memory) : memory(memory) {}
    void finalize(OnFinalizedFunction done) override {
      memory.layout.image.segments = std::move(segments);
      done(FinalizedAlloc(orc::ExecutorAddr(image_base)));
    }
    void abandon(OnAbandonedFunction done) override { done(Error::success()); }
    ImageMemory &memory;
    std::vector<tko::Segment> segments; // moving the vector keeps each segment's bytes where they are
  };
  Layout &layout;
};

class ImageContext final : public JITLinkContext {
public:
  explicit ImageContext(Layout &layout) : JITLinkContext(nullptr), layout(layout), memory(layout) {}
  JITLinkMemoryManager &getMemoryManager() override { return memory; }
  void notifyFailed(Error e) override {
    std::string text = toString(std::move(e));
    if (layout.status.ok()) layout.status = fail(Code::COMPILE, "linking the kernel: %s", text.c_str());
  }
  void lookup(const LookupMap &symbols, std::unique_ptr<JITLinkAsyncLookupContinuation> done) override {
    AsyncLookupResult found;
    for (auto &entry : symbols)
      found[entry.first] = orc::ExecutorSymbolDef(orc::ExecutorAddr(import_address), JITSymbolFlags::Exported);
    done->run(std::move(found));
  }
  Error notifyResolved(LinkGraph &) override { return Error::success(); }
  void notifyFinalized(JITLinkMemoryManager::FinalizedAlloc a) override { a.release(); }
  LinkGraphPassFunction getMarkLivePass(const Triple &) const override {
    return [&l = layout](LinkGraph &g) { return check_and_mark(g, l); };
  }
  Error modifyPassConfig(LinkGraph &, PassConfiguration &config) override {
    config.PostPrunePasses.push_back(assign_permissions);
    config.PreFixupPasses.push_back([&l = layout](LinkGraph &g) { return collect(g, l); });
    return Error::success();
  }

private:
  Layout &layout;
  ImageMemory memory;
};

} // namespace

Result<tko::Image> link_image(std::string_view object, std::string_view entry, bool emulator) {
  Layout layout;
  layout.emulator = emulator;
  layout.entry = std::string(entry);
  MemoryBufferRef buffer(StringRef(object.data(), object.size()), "kernel");
  auto pool = std::make_shared<orc::SymbolStringPool>();
  auto graph = createLinkGraphFromELFObject_x86_64(buffer, pool);
  if (!graph)
    return fail(Code::COMPILE, "reading the object of '%s': %s", layout.entry.c_str(),
                toString(graph.takeError()).c_str());
  link_ELF_x86_64(std::move(*graph), std::make_unique<ImageContext>(layout));
  if (!layout.status.ok()) return layout.status;
  if (layout.image.segments.empty())
    return fail(Code::INTERNAL, "linking '%s' gave no bytes", layout.entry.c_str());
  make_relative(layout.image);
  return std::move(layout.image);
}

} // namespace tcodegen
