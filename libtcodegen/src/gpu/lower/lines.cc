// SPDX-License-Identifier: MIT
#include "lines.hh"
#include <llvm/BinaryFormat/Dwarf.h>
#include <llvm/IR/Module.h>

namespace tcodegen::gpu {
using namespace tir;

namespace {
/// The file position that a location comes down to: of what was called rather than of the call.
Loc innermost(Loc loc) {
  for (unsigned steps = 0; loc && steps < 64; ++steps) {
    if (loc->kind == LocKind::File) return loc;
    Loc next = nullptr;
    for (Loc l : loc->locs)
      if (!next && l && l->kind != LocKind::Unknown) next = l;
    loc = next;
  }
  return nullptr;
}
} // namespace

Lines::Lines(llvm::Function &kernel, Loc at) : context(kernel.getContext()), builder(*kernel.getParent()) {
  Loc l = innermost(at);
  if (l) own = l->text;
  kernel.getParent()->addModuleFlag(llvm::Module::Warning, "Debug Info Version", llvm::DEBUG_METADATA_VERSION);
  llvm::DIFile *f = file(own);
  builder.createCompileUnit(llvm::DISourceLanguageName(llvm::dwarf::DW_LANG_C), f, "tessera", true, "", 0, "",
                            llvm::DICompileUnit::DebugDirectivesOnly);
  program = builder.createFunction(f, kernel.getName(), kernel.getName(), f, l ? l->line : 0,
                                   builder.createSubroutineType(builder.getOrCreateTypeArray({})), l ? l->line : 0,
                                   llvm::DINode::FlagZero, llvm::DISubprogram::SPFlagDefinition);
  kernel.setSubprogram(program);
}

llvm::DIFile *Lines::file(Str path) {
  std::string_view text = path.view();
  if (text.empty()) text = "unknown"; // LLVM wants a name
  size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return builder.createFile(llvm::StringRef(text.data(), text.size()), ".");
  return builder.createFile(llvm::StringRef(text.data() + slash + 1, text.size() - slash - 1), llvm::StringRef(text.data(), slash));
}

llvm::DIScope *Lines::scope(Str path) {
  if (path == own) return program;
  llvm::DIScope *&s = scopes[path.data];
  if (!s) s = builder.createLexicalBlockFile(program, file(path));
  return s;
}

llvm::DebugLoc Lines::at(Loc loc) {
  if (!loc) return {};
  auto [it, fresh] = made.try_emplace(loc);
  if (!fresh) return it->second;
  if (Loc l = innermost(loc); l && l->line) it->second = llvm::DILocation::get(context, l->line, l->col, scope(l->text));
  return it->second;
}

} // namespace tcodegen::gpu
