// SPDX-License-Identifier: MIT
// The reader of the text form. One object reads one text; parser.cc has the frame (operations, regions, names),
// parse_types.cc, parse_attrs.cc, parse_locs.cc the parts, parse_format.cc the printed forms of the op table,
// parse_custom.cc the forms that the table calls custom.
#pragma once
#include "lexer.hh"
#include "text.hh"
#include "verify/type_rules.hh"
#include <unordered_map>

namespace tir {

/// Bounds on what a text may hold. Nothing a front end writes comes near.
constexpr unsigned max_errors = 20;
constexpr unsigned max_nesting = 128;       // regions in regions
constexpr unsigned max_value_depth = 64;    // types, attributes in each other
constexpr unsigned max_loc_depth = 200;     // locations in each other
constexpr unsigned max_results = 1 << 16;   // of one operation
constexpr size_t max_text = size_t(1) << 31;
constexpr size_t max_alias_text = size_t(16) << 20; // opaque attributes after their aliases were put in

/// A value named but not yet looked up.
struct OperandRef {
  Token tok;           // %name
  uint32_t number = 0; // %name#number
};

/// A location that may need aliases which come later: resolved, or a node of Parser::locNodes.
struct LocRef {
  Loc loc = nullptr;
  uint32_t depth = 0;
  int32_t node = -1;
  explicit operator bool() const { return loc || node >= 0; }
};

/// An operation on its way: what its printed form said.
struct Draft {
  static constexpr unsigned max_slots = 16;
  struct Run { uint32_t first = 0, count = 0; bool given = false; };
  struct ResultName { Token tok; uint32_t count; };
  Token at;                        // the operation's name
  OpSpec spec;
  std::vector<ResultName> names;   // %a:2, %b
  std::vector<OperandRef> refs;    // in order of appearance
  std::vector<Type> types;         // likewise
  Run ops[max_slots];              // operands of a slot: into refs
  Run opTypes[max_slots], resTypes[max_slots]; // types of a slot: into types
  std::vector<std::vector<Block *>> regions;
  size_t dict_from = SIZE_MAX;     // attributes from this one on stood in `{…}`, not in `<{…}>`
  bool raw = false;                // holds {cache = n : i32}

  void clear();
  const OpInfo &info() const { return opInfo(spec.code); }
  Attr attr(std::string_view name) const;
};

class Parser {
public:
  Parser(Context &ctx, std::string_view text, std::string_view name);
  std::unique_ptr<Module> module();
  Type onlyType();
  Attr onlyAttr();

private:
  friend struct FormatReader;
  friend struct CustomReader;
  friend struct DraftScope;

  // ---- tokens and messages (parser.cc) ----
  void advance() {
    prev = tok;
    tok = lex.next();
  }
  bool at(Tok k) const { return tok.kind == k; }
  bool accept(Tok k) {
    if (tok.kind != k) return false;
    advance();
    return true;
  }
  bool acceptWord(std::string_view w) {
    if (!tok.isWord(w)) return false;
    advance();
    return true;
  }
  bool expect(Tok k, const char *what);
  /// Always false. The place, the message, the line and a caret go to the sink; `note` may be null.
  [[gnu::format(printf, 3, 4)]] bool error(const Token &where, const char *format, ...);
  bool unexpected(const char *expected); // "expected …, found …" at the current token
  void report(const Token &where, std::string text);
  void seen(unsigned first_syntax, unsigned last_syntax); // a form that only these releases have
  struct Mark { Lexer lex; Token tok; unsigned firstSyntax, lastSyntax; bool mixed; };
  Mark mark() const { return {lex, tok, firstSyntax, lastSyntax, mixed}; }
  void rewind(const Mark &m) {
    lex = m.lex;
    tok = m.tok;
    firstSyntax = m.firstSyntax;
    lastSyntax = m.lastSyntax;
    mixed = m.mixed;
  }

  // ---- types (parse_types.cc) ----
  Type type();
  Type tensorType();
  Type pointerType(bool prefixed);
  Type descType();
  Type opaqueType();
  bool shapeAndElement(std::vector<int64_t> &dims, Type *elem); // 2x3xf32
  Type shaped(bool desc); // 2x3xf32[, encoding] with the brackets already open; closes them
  Type memdescType();
  bool typeList(std::vector<Type> &out); // T, T, …
  Type functionType();
  bool functionTypes(std::vector<Type> &ins, std::vector<Type> &outs); // (T, T) -> T
  bool balanced(std::string &out);       // `<…>` as text, aliases put in, blanks normalised

  // ---- attributes (parse_attrs.cc) ----
  Attr attribute(Type hint = nullptr);
  Attr number(Type hint);
  Attr dense();
  Attr denseArray();
  Attr arrayAttr();
  Attr dictAttr();
  Attr hashAttr();
  Attr symbolAttr();
  bool dictEntries(std::vector<NamedAttr> &out); // {a = 1, …}
  bool string(std::string &out);
  bool integer(int64_t *out, const char *what);
  bool intValue(const Token &t, bool negative, Type type, int64_t *out);
  bool floatBits(const Token &t, bool negative, Type type, uint64_t *out);

  // ---- locations (parse_locs.cc) ----
  bool trailingLoc(LocRef &out); // loc(…), if it is there
  bool locBody(LocRef &out, unsigned depth);
  bool locAlias(LocRef &out);
  bool resolve(LocRef &ref, unsigned depth);
  bool finishLocs();
  void place(Op *op, const LocRef &ref, const Token &where);
  void place(Value *arg, const LocRef &ref);
  bool aliasDefinition();

  // ---- values (parser.cc) ----
  struct Def {
    std::string_view name;
    uint64_t hash = 0;
    uint32_t scope = 0;
    int32_t next = -1;     // in its bucket
    Value *base = nullptr; // count consecutive results, or one argument
    uint32_t count = 0;
    bool forward = false;  // used, not defined; `later` holds its placeholders
    bool broken = false;   // defined by something that was not understood
    Token use;
    std::vector<std::pair<uint32_t, Value *>> later;
  };
  void pushScope(bool isolated);
  void popScope();
  Def *find(std::string_view name, uint64_t hash);
  Def *insert(std::string_view name, uint64_t hash);
  bool define(const Token &name, Value *base, uint32_t count);
  void defineBroken(const Token &name);
  bool operand(OperandRef &out);
  bool operands(std::vector<OperandRef> &out); // %a, %b (may be empty)
  Value *resolveValue(const OperandRef &ref, Type type); // null type: of a value that is known
  Type knownType(const OperandRef &ref);                 // null if not defined yet
  Str hint(const Token &name);

  // ---- operations (parser.cc) ----
  bool operation(Block *block);
  bool body(Draft &d);
  bool genericOp(Draft &d);
  bool formatOp(Draft &d);                       // parse_format.cc
  bool formatVariant(Draft &d);
  Type fixedType(Constraint c);
  bool customOp(Draft &d);                       // parse_custom.cc
  bool properties(Draft &d);
  bool normaliseAttrs(Draft &d);                 // parse_ops.cc
  bool segmentsFromAttr(Draft &d);
  bool checkCounts(Draft &d);
  Op *create(Draft &d);
  bool bindResults(Draft &d, Op *op);
  bool region(std::vector<Block *> &blocks, bool isolated, Block *entry = nullptr,
              const std::vector<Token> *names = nullptr);
  bool blockBody(Block *b);
  Block *blockLabel();
  bool blockArgs(Block *b);
  bool successor(Draft &d);
  Block *blockNamed(const Token &label);
  void recover(const Token &start);
  bool topLevel();
  std::unique_ptr<Module> finish(std::unique_ptr<Module> m);

  struct Label { Block *block = nullptr; Token use; bool defined = false; };
  using Labels = std::unordered_map<std::string_view, Label>;

  struct LocNode {
    LocKind kind = LocKind::Unknown;
    Str text;
    Attr meta = nullptr;
    std::vector<LocRef> kids;
    int32_t alias = -1; // this node stands for an alias
    bool busy = false;  // being resolved: a cycle leads here
    Token where;
  };
  struct LocAlias { LocRef ref; bool defined = false; Token use; };
  struct PlacedOp { Op *op; LocRef ref; };
  struct PlacedValue { Value *value; LocRef ref; };

  Context &ctx;
  std::string source, name; // own copy: NUL-terminated
  Lexer lex;
  Token tok, prev;
  Module *mod = nullptr;
  unsigned errors = 0;
  unsigned silent = 0;    // > 0: errors are not shown (a variant is tried)
  const char *furthest = nullptr; // where the last silent error was
  unsigned nesting = 0, valueDepth = 0;
  unsigned firstSyntax = 36, lastSyntax = 39;
  bool mixed = false;     // forms that no release has together
  size_t aliasText = 0;
  std::vector<std::unique_ptr<Draft>> drafts; // one per nesting level, used again
  unsigned draftDepth = 0;

  std::vector<int32_t> buckets;
  std::vector<Def> defs;
  struct Scope { uint32_t firstDef, outerIsolated; bool isolated; };
  std::vector<Scope> scopes;
  uint32_t isolatedFrom = 0; // names of scopes below are not visible
  std::vector<Labels *> labels; // innermost region last

  std::unordered_map<std::string_view, Attr> attrAliases;
  std::unordered_map<std::string_view, Type> typeAliases;
  std::unordered_map<std::string_view, uint32_t> locAliasByName;
  std::vector<LocAlias> locAliases;
  std::vector<LocNode> locNodes;
  std::vector<PlacedOp> placedOps;
  std::vector<PlacedValue> placedValues;
  std::vector<Op *> rawEnums; // hold {cache = n : i32}, which releases up to 3.8 take for the hint
  TypeEnv env;                // used again for every operation
};

/// Guards recursion over types and attributes.
struct DepthGuard {
  unsigned &depth;
  explicit DepthGuard(unsigned &d) : depth(++d) {}
  ~DepthGuard() { --depth; }
};

} // namespace tir
