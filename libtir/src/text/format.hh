// SPDX-License-Identifier: MIT
// The printed forms of the op table (ops/README.md has the language), cut into elements. Reader and printer both
// walk these.
#pragma once
#include "ir/op_info.hh"
#include "lexer.hh"
#include <vector>

namespace tir {

enum class El : uint8_t {
  Literal,    // `text`
  Operand,    // $slot: values of an operand slot
  AttrValue,  // $attr
  List,       // list($attr): [1, 2]
  AttrDict,   // what is left
  AttrDictPolicy, // the same; cache and evict as #tt.cache_policy
  OpType, ResType, OpStripped, ResStripped, // type($slot), stripped($slot)
  AllOpTypes, AllResTypes,                  // type(operands), type(results)
  FuncType,   // functional-type(…, …)
  Operands,   // all operands
  Succ,
  OpBundles, SelectTypes, Token, Barriers, // custom<…>
  Group,      // ( … )?   up to `end`; `anchor` decides when printing
  Oilist,     // oilist( Clause | Clause )
  Clause,
};

struct Elem {
  El kind = El::Literal;
  uint8_t index = 0;     // slot or attribute
  bool anchor = false;   // followed by ^
  Tok tok = Tok::Word;   // of a literal
  uint16_t end = 0;      // Group, Oilist, Clause: one past its last element
  uint16_t anchorAt = 0; // Group: element that says whether it is printed
  uint8_t inSlot = 255, outSlot = 255; // FuncType: a slot, or all
  std::string_view text; // of a literal
};

struct Format {
  std::vector<Elem> elems;
  bool attr_printed[32] = {}; // inherent attribute i has a place of its own
  const char *bad = nullptr;  // where the form in the op table cannot be understood
};

/// The form in variant `variant` of info.formats; parsed once per process.
const Format &formatOf(const OpInfo &info, unsigned variant);

} // namespace tir
