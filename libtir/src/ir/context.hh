// SPDX-License-Identifier: MIT
// Context: owns every type, attribute, location and interned string, and the diagnostic sink. One thread at a
// time. Memory of a context is an arena that goes with it.
#pragma once
#include "type.hh"
#include "arena.hh"
#include "common/status.hh"
#include <initializer_list>
#include <string>
#include <vector>

namespace tir {

enum class Severity : uint32_t { Error = 0, Warning = 1, Note = 2, Remark = 3 };

class Context {
public:
  Context();
  ~Context();
  Context(const Context &) = delete;

  Str str(std::string_view text);

  // types
  Type none();
  Type index();
  Type intType(unsigned width, Sign sign = Sign::None);
  Type i1() { return intType(1); }
  Type i8() { return intType(8); }
  Type i32() { return intType(32); }
  Type i64() { return intType(64); }
  Type floatType(FloatKind kind);
  Type f32() { return floatType(FloatKind::F32); }
  Type ptr(Type pointee, unsigned space = 1);
  Type tensor(Span<int64_t> shape, Type elem, Attr enc = nullptr);
  Type tensor(std::initializer_list<int64_t> shape, Type elem, Attr enc = nullptr);
  Type desc(Span<int64_t> shape, Type elem, Attr enc = nullptr);
  /// Without `allocShape`: the whole buffer.
  Type memdesc(Span<int64_t> shape, Type elem, Attr enc, Attr memSpace, bool isMutable, Span<int64_t> allocShape = {});
  Type asyncToken() { return opaqueType("!ttg.async.token"); }
  Type function(Span<Type> inputs, Span<Type> results);
  Type tuple(Span<Type> members);
  Type opaqueType(std::string_view text);
  /// `shape` of `like` (a tensor or a scalar) with another element type.
  Type like(Type like, Type elem);

  // attributes
  Attr unit();
  Attr boolean(bool v);                 // its `type` is i1
  Attr integer(int64_t v, Type type);   // v wraps to the type's width; i1 gives `boolean`
  Attr i32Attr(int64_t v) { return integer(v, i32()); }
  Attr floating(uint64_t bits, Type type); // bits in the format of `type`
  Attr string(std::string_view s);
  Attr typeAttr(Type t);
  Attr array(Span<Attr> a);
  Attr dict(std::vector<NamedAttr> entries); // sorts by name
  Attr dense(Type type, bool splat, Span<uint64_t> bits);
  Attr denseArray(Type elem, Span<int64_t> v);
  Attr symbol(std::string_view name);
  Attr enumeration(int64_t value, std::string_view spelling);
  Attr opaqueAttr(std::string_view text); // kept as text, also where it spells an encoding
  /// `ttg.blocked<{…}>` and its kin become encodings, all else opaque attributes. Null with a reason in *why if it
  /// is a malformed encoding.
  Attr dialectAttr(std::string_view text, std::string *why);
  /// For layout/encoding_text.cc: `text` is the canonical spelling of `fields`.
  Attr encoding(std::string_view text, Encoding &&fields);
  Attr locAttr(Loc l);

  // locations
  Loc unknownLoc();
  Loc fileLoc(std::string_view file, unsigned line, unsigned col, unsigned end_line = 0, unsigned end_col = 0);
  Loc nameLoc(std::string_view name, Loc child = nullptr);
  Loc callSiteLoc(Loc callee, Loc caller);
  Loc fusedLoc(Span<Loc> members, Attr meta = nullptr);

  /// Arena memory that lives as long as the context.
  template <class T> T *alloc(size_t n) { return arena.alloc<T>(n); }

  // diagnostics: the sink receives whole messages ("k.ttir:3:7: error: …" plus source line and caret)
  using Sink = void (*)(void *user, Severity severity, const char *text, size_t size);
  void setSink(Sink s, void *user) { sink = s; sinkUser = user; }
  Sink getSink() const { return sink; }
  void *getSinkUser() const { return sinkUser; }
  void report(Severity severity, const std::string &text);

private:
  struct Tables;
  Arena arena;
  Tables *tables;
  Sink sink = nullptr;
  void *sinkUser = nullptr;
  const TypeData *unique(const TypeData &probe);
  const AttrData *unique(const AttrData &probe);
  const LocData *unique(const LocData &probe);
  template <class T> Span<T> copy(Span<T> s);
};

unsigned floatWidth(FloatKind kind);
const char *floatName(FloatKind kind); // "f16", "bf16", "f8E4M3FN", …
/// Human text of a location: `k.py:12:4`, `"x"`, callsites joined by " at ". Never empty.
std::string locText(Loc loc);

} // namespace tir
