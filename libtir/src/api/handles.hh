// SPDX-License-Identifier: MIT
// Public handles ⇔ private objects. A handle is the object's address; nothing is allocated for it.
#pragma once
#include "ir/ir.hh"
#include "common/api.hh"
#include "tir/context.h"

namespace tir {

inline Context *unwrap(tir_context *c) { return reinterpret_cast<Context *>(c); }
inline Context *unwrap(const tir_context *c) {
  return const_cast<Context *>(reinterpret_cast<const Context *>(c));
}
inline Module *unwrap(tir_module *m) { return reinterpret_cast<Module *>(m); }
inline const Module *unwrap(const tir_module *m) { return reinterpret_cast<const Module *>(m); }
inline Type unwrap(tir_type t) { return reinterpret_cast<Type>(t); }
inline Attr unwrap(tir_attr a) { return reinterpret_cast<Attr>(a); }
inline Loc unwrap(tir_loc l) { return reinterpret_cast<Loc>(l); }
inline Op *unwrap(tir_op o) { return reinterpret_cast<Op *>(o); }
inline Block *unwrap(tir_block b) { return reinterpret_cast<Block *>(b); }
inline Region *unwrap(tir_region r) { return reinterpret_cast<Region *>(r); }
inline Value *unwrap(tir_value v) { return reinterpret_cast<Value *>(v); }
inline Use *unwrap(tir_use u) { return reinterpret_cast<Use *>(u); }

inline tir_context *wrap(Context *c) { return reinterpret_cast<tir_context *>(c); }
inline tir_module *wrap(Module *m) { return reinterpret_cast<tir_module *>(m); }
inline tir_type wrap(Type t) { return reinterpret_cast<tir_type>(t); }
inline tir_attr wrap(Attr a) { return reinterpret_cast<tir_attr>(a); }
inline tir_loc wrap(Loc l) { return reinterpret_cast<tir_loc>(l); }
inline tir_op wrap(Op *o) { return reinterpret_cast<tir_op>(o); }
inline tir_block wrap(Block *b) { return reinterpret_cast<tir_block>(b); }
inline tir_region wrap(Region *r) { return reinterpret_cast<tir_region>(r); }
inline tir_value wrap(Value *v) { return reinterpret_cast<tir_value>(v); }
inline tir_use wrap(Use *u) { return reinterpret_cast<tir_use>(u); }

/// For functions that return a handle: sets the last message, gives null (converts to every handle).
[[gnu::format(printf, 1, 2)]] std::nullptr_t bad(const char *format, ...);

/// Types and attributes made through the API nest no deeper: printing, hashing and writing them is recursive.
inline constexpr uint32_t kMaxDepth = 256;

/// The op behind a handle, or null with a message when it is NULL or erased. `what` names the function.
Op *liveOp(tir_op op, const char *what);

} // namespace tir
