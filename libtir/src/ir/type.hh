// SPDX-License-Identifier: MIT
// Types, attributes and locations. All three are uniqued in a Context: equal means same pointer.
#pragma once
#include <cstdint>
#include <string_view>

namespace tir {

class Context;
struct TypeData;
struct AttrData;
struct LocData;
struct Encoding;

using Type = const TypeData *; // nullptr = no type
using Attr = const AttrData *; // nullptr = no attribute
using Loc = const LocData *;   // nullptr = unknown

/// An interned string of a Context: compare by pointer; `view()` lives as long as the context.
struct StrData {
  uint32_t size;
  uint32_t hash;
  char text[1];
};
struct Str {
  const StrData *data = nullptr;
  std::string_view view() const { return data ? std::string_view(data->text, data->size) : std::string_view(); }
  explicit operator bool() const { return data; }
  bool operator==(const Str &) const = default;
};

template <class T> struct Span { // a view of an array that the context or module owns
  const T *ptr = nullptr;
  uint32_t count = 0;
  const T *begin() const { return ptr; }
  const T *end() const { return ptr + count; }
  uint32_t size() const { return count; }
  bool empty() const { return !count; }
  const T &operator[](uint32_t i) const { return ptr[i]; }
};

// ---- types ----------------------------------------------------------------------------------------------

enum class TypeKind : uint8_t {
  None,     // none
  Index,    // index
  Int,      // i1 … i128, si8, ui8
  Float,    // see FloatKind
  Ptr,      // !tt.ptr<elem, space>
  Tensor,   // tensor<shape x elem, attr>
  TensorDesc, // !tt.tensordesc<shape x elem, attr>
  Function, // (inputs) -> (results)
  Tuple,    // tuple<…>
  Opaque,   // any other dialect type, kept as text (`!ttg.async.token`)
  MemDesc,  // !ttg.memdesc<shape x elem, enc, memSpace[, mutable][, allocShape]>: a view of a buffer
};

enum class FloatKind : uint8_t { F16, BF16, F32, F64, TF32, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0FNU, F4E2M1FN };
enum class Sign : uint8_t { None, Signed, Unsigned }; // signless, si, ui

struct TypeData {
  TypeKind kind;
  FloatKind fkind{};    // Float
  Sign sign{};          // Int
  uint32_t width = 0;   // Int, Float: bits
  uint32_t space = 1;   // Ptr: address space (1 global, 0 descriptor, 4 constant)
  Type elem = nullptr;  // Ptr, Tensor, TensorDesc, MemDesc: element / pointee
  Attr enc = nullptr;   // Tensor, TensorDesc, MemDesc: encoding or layout, may be null
  Attr memSpace = nullptr; // MemDesc: #ttg.shared_memory, #ttng.tensor_memory
  bool mutable_ = false;   // MemDesc
  Span<int64_t> shape{};  // Tensor, TensorDesc, MemDesc
  Span<int64_t> allocShape{}; // MemDesc: of the buffer that it is a part of; `shape` where the text has none
  Span<Type> types{};     // Function: inputs then results; Tuple: members
  uint32_t ninputs = 0; // Function
  Str text{};           // Opaque
  Context *ctx = nullptr;
  uint32_t id = 0;      // dense number in the context, in order of creation
  uint32_t depth = 0;   // nesting, 1 for what holds no other; walks of types are recursive

  bool isInt() const { return kind == TypeKind::Int; }
  bool isInt(unsigned w) const { return kind == TypeKind::Int && width == w; }
  bool isFloat() const { return kind == TypeKind::Float; }
  bool isFloat(FloatKind k) const { return kind == TypeKind::Float && fkind == k; }
  bool isPtr() const { return kind == TypeKind::Ptr; }
  bool isTensor() const { return kind == TypeKind::Tensor; }
  bool isMemDesc() const { return kind == TypeKind::MemDesc; }
  bool isDesc() const { return kind == TypeKind::TensorDesc; }
  /// The element of a tensor, else the type itself.
  Type scalar() const { return kind == TypeKind::Tensor ? elem : this; }
  unsigned rank() const { return shape.size(); }
  int64_t count() const { // elements; 1 for scalars
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
};

// ---- attributes -----------------------------------------------------------------------------------------

enum class AttrKind : uint8_t {
  Unit,   // unit
  Bool,   // true / false
  Int,    // 42 : i32          (ival, type)
  Float,  // 1.0 : f32         (fbits: the bits in the attribute's type; type)
  String, // "…"               (text, unescaped bytes)
  TypeA,  // a type            (type)
  Array,  // [a, b]            (attrs)
  Dict,   // {a = 1}           (entries)
  Dense,  // dense<…> : type   (type, splat?, raw element bits in `bits`, one per element or one)
  DenseArray, // array<i32: 1, 2> (type = element, ints)
  Symbol, // @name             (text)
  Enum,   // an enum of the op table (ival = value, text = spelling, type null)
  Opaque, // any other dialect attribute, normalised text after '#' (`#ttg.blocked<{…}>`, `#llvm.loop_annotation<…>`)
  LocA,   // loc(…) used as attribute (loc)
  Encoding, // a layout (encoding; text = canonical spelling after '#'; attrs = [parent] of a slice or dot operand)
};

struct NamedAttr {
  Str name;
  Attr value;
};

struct AttrData {
  AttrKind kind;
  bool bval = false;     // Bool (type is i1); Dense: is a splat
  Type type = nullptr;   // see above
  int64_t ival = 0;      // Int (sign-extended; wider than 64 bits is refused), Enum
  uint64_t fbits = 0;    // Float
  Str text{};            // String, Symbol, Enum, Opaque
  Span<Attr> attrs{};      // Array
  Span<NamedAttr> entries{}; // Dict, sorted by name
  Span<uint64_t> bits{};   // Dense: element bits, zero-extended to 64 (1 entry when splat)
  Span<int64_t> ints{};    // DenseArray
  Loc loc = nullptr;     // LocA
  const tir::Encoding *encoding = nullptr; // Encoding: fields, owned by the context (layout/encoding.hh)
  Context *ctx = nullptr;
  uint32_t id = 0;
  uint32_t depth = 0;
};

// ---- locations ------------------------------------------------------------------------------------------

/// Call sites and fusions nest no deeper: what would is cut at the callee's end.
inline constexpr uint32_t kMaxLocDepth = 512;

enum class LocKind : uint8_t { Unknown, File, Name, CallSite, Fused };

struct LocData {
  LocKind kind;
  Str text{};                          // File: path; Name: name
  uint32_t line = 0, col = 0;          // File
  uint32_t end_line = 0, end_col = 0;  // File range; 0 = none
  Span<Loc> locs{};                      // Name: [child] (or empty); CallSite: [callee, caller]; Fused: members
  Attr meta = nullptr;                 // Fused<meta>
  Context *ctx = nullptr;
  uint32_t id = 0;
  uint32_t depth = 0;                  // at most kMaxLocDepth
};

} // namespace tir
