// SPDX-License-Identifier: MIT
// The text form of the IR: reading (every spelling of Triton 3.6 to 3.9) and printing (one of them).
#pragma once
#include "ir/ir.hh"
#include <memory>
#include <string>
#include <string_view>

namespace tir {

struct PrintOptions {
  Syntax syntax = Syntax::Auto; // Auto: the syntax the module was read in, else 3.9
  bool locations = false;       // `loc(…)` on operations and arguments, with aliases
  bool names = true;            // use name hints for SSA values; false: numbers and constants' names only
  bool generic = false;         // every operation in generic form
};

/// Reads a module. Null on error; the messages (`name:line:column: error: …`, source line, caret) have then gone
/// to the context's sink. Never crashes, whatever the bytes; at most 20 errors.
std::unique_ptr<Module> parseText(Context &ctx, std::string_view text, std::string_view name);

/// Appends the text to `out`. UNSUPPORTED with operation and location where the syntax asked for cannot say
/// something; LIMIT when the text would not be of sane size.
tessera::Status printText(const Module &module, const PrintOptions &options, std::string &out);

/// One type or attribute alone; null (with a message in the sink) on error or when text follows it.
Type parseType(Context &ctx, std::string_view text);
Attr parseAttr(Context &ctx, std::string_view text);

/// For messages; never fail. `syntax` as in PrintOptions.
std::string typeText(Type type, Syntax syntax = Syntax::Auto);
std::string attrText(Attr attr, Syntax syntax = Syntax::Auto);
/// One operation without its regions' contents, on one line.
std::string opText(const Op *op);

/// An operation whose text has no location gets the place of the text itself. Such a location is never printed
/// after `loc`; everything else may treat it as an ordinary file location.
Loc textLoc(Context &ctx, std::string_view name, unsigned line, unsigned col);
bool isTextLoc(Loc loc);

} // namespace tir
