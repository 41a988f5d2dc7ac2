// SPDX-License-Identifier: MIT
// The writer of the text form. printer.cc: frame, names of values, locations; print_values.cc: types, attributes;
// print_ops.cc: operations by their form in the op table, generic and custom.
#pragma once
#include "format.hh"
#include "text.hh"
#include <unordered_map>

namespace tir {

class Printer {
public:
  Printer(Context &ctx, const Module *module, const PrintOptions &options, std::string &out);
  tessera::Status module();
  void oneOp(const Op *op);
  void type(Type t);
  void attr(Attr a, bool elide = false); // elide: without `: i64`, `: f64`
  tessera::Status status;

private:
  // ---- frame (printer.cc) ----
  bool fail(tessera::Code code, const std::string &what); // false; names the operation in print
  bool tooLarge();
  void number(const Op *isolated);
  void numberRegion(const Region &r);
  void numberOp(const Op *op);
  void nameValue(const Value *v, std::string_view hint);
  std::string_view unique(std::string_view name);
  void value(const Value *v);
  void values(const Op *op, unsigned first, unsigned count);
  void collectLocs();
  void collectLoc(Loc l, std::vector<Loc> &order, unsigned depth);
  void collectOf(const Op *op, bool args, std::vector<Loc> &order);
  void locBody(Loc l, unsigned depth);
  void locRef(Loc l, unsigned depth);
  void trailing(Loc l, bool inline_); // ` loc(…)`, if wanted
  void locLines(const std::vector<Loc> &locs);
  void newline() { out.append("\n").append(indent * 2, ' '); }

  // ---- types, attributes (print_values.cc) ----
  void typeBody(Type t);
  void shaped(Type t);
  void stripped(Type t);
  void typeTail(Type t);
  void memdescTail(Type t);
  void functionType(Span<Type> ins, Span<Type> outs);
  void resultTypes(Span<Type> outs);
  void dense(Attr a);
  void denseList(Attr a, unsigned dim, uint64_t &at);
  void element(Type elem, uint64_t bits);
  void intValue(int64_t v, Type t);
  void opaque(std::string_view text);
  void encoding(Attr a);
  void dict(Span<NamedAttr> entries);
  void entry(Str name, Attr value, const AttrInfo *info);
  void enumAttr(Attr a, const AttrInfo *info, bool in_dict);

  // ---- operations (print_ops.cc) ----
  void op(const Op *o);
  bool checkSyntax(const Op *o);
  void results(const Op *o);
  void generic(const Op *o);
  void formatted(const Op *o, const Format &f);
  void elements(const Op *o, const Format &f, size_t from, size_t to);
  bool present(const Op *o, const Elem &e);
  bool wellFormed(const Op *o, const Format &f);
  void attrDict(const Op *o, const Format *f, bool policy, const char *keyword = nullptr,
                std::initializer_list<std::string_view> skip = {});
  bool policyEntry(const Op *o, std::string &text);
  void region(const Region &r, bool entry_args, bool terminators);
  void block(const Block *b, bool header, bool terminators);
  void blockArg(const Value *v);
  void slotTypes(const Op *o, unsigned slot);
  void opBundles(const Op *o);
  bool custom(const Op *o); // false: it does not have the shape of its form
  void moduleOp(const Op *o);
  bool func(const Op *o);
  bool forLoop(const Op *o);
  bool ifElse(const Op *o);
  bool whileLoop(const Op *o);
  void space() { // one blank between elements, none after an opening bracket
    char c = out.back();
    if (c != ' ' && c != '(' && c != '[' && c != '<') out += ' ';
  }

  Context &ctx;
  const Module *mod; // may be null: only types and attributes then
  PrintOptions opt;
  unsigned syntax; // 36 … 39
  std::string &out;
  size_t start;    // of what this printer added
  unsigned indent = 0, depth = 0;
  const Op *current = nullptr;
  bool nameless = false; // types and attributes without a module: errors do not matter

  struct Name { const char *text = nullptr; uint32_t size = 0; uint32_t number = 0; int32_t sub = -1; };
  std::vector<Name> names;          // by value id. text null: %number
  std::vector<uint32_t> blockNumbers; // by block id
  Arena chars;
  struct Used { std::string_view name; uint64_t hash; int32_t next; };
  std::vector<Used> used;
  std::vector<int32_t> buckets;
  uint32_t nextValue = 0, nextArg = 0, nextConflict = 0;

  std::unordered_map<Attr, Str> attrAliases;
  std::unordered_map<Type, Str> typeAliases;
  std::vector<const Module::TextAlias *> nestedAliases; // opaque attributes that others may hold in their text
  std::vector<std::string> typeCache; // by type id
  std::vector<int32_t> locNumbers;    // by location id; -1: no alias
  std::vector<Loc> locsBefore, locsAfter;
};

} // namespace tir
