// SPDX-License-Identifier: MIT
// The frame of the reader: messages, names of values, regions and blocks, operations.
#include "parser.hh"
#include "names.hh"
#include <algorithm>
#include <cstdarg>

namespace tir {

namespace {
uint64_t hashName(std::string_view s) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return h ^ h >> 29;
}
} // namespace

Parser::Parser(Context &c, std::string_view text, std::string_view n)
    : ctx(c), source(text.substr(0, max_text)), name(n), lex(source.data(), source.data() + source.size()), env(c) {
  buckets.assign(64, -1);
  advance();
}

// ---- messages ---------------------------------------------------------------------------------------------

void Parser::report(const Token &where, std::string text) {
  if (++errors > max_errors + 1) return;
  if (errors > max_errors) {
    ctx.report(Severity::Error, tessera::format("%s:%u:%u: error: more than %u errors; the rest is not shown",
                                                name.c_str(), where.line, where.col, max_errors));
    return;
  }
  std::string m = tessera::format("%s:%u:%u: error: ", name.c_str(), where.line, where.col);
  std::string note;
  if (size_t cut = text.find('\n'); cut != std::string::npos) {
    note = text.substr(cut);
    text.resize(cut);
  }
  m += text;
  // The line, or the part of a long one around the place; bytes that a terminal may not like become '?'.
  const char *first = source.data(), *last = first + source.size();
  const char *b = where.begin, *e = where.begin;
  while (b > first && b[-1] != '\n' && where.begin - b < 100) --b;
  while (e < last && *e != '\n' && e - where.begin < 100) ++e;
  std::string line, caret;
  for (const char *p = b; p < e; ++p) {
    unsigned char ch = static_cast<unsigned char>(*p);
    if (ch == '\r') continue;
    line += ch == '\t' ? ' ' : ch < 32 || ch == 127 ? '?' : *p;
    if (p < where.begin && (ch & 0xc0) != 0x80) caret += ' ';
  }
  m += "\n" + line + "\n" + caret + "^" + note;
  ctx.report(Severity::Error, m);
}

bool Parser::error(const Token &where, const char *format, ...) {
  if (silent) {
    if (where.begin > furthest) furthest = where.begin;
    return false;
  }
  va_list args;
  va_start(args, format);
  std::string text = tessera::vformat(format, args);
  va_end(args);
  report(where, std::move(text));
  return false;
}

bool Parser::unexpected(const char *expected) {
  if (silent) return error(tok, "%s", expected);
  if (at(Tok::Error)) return error(tok, "%s (expected %s)", lex.problem, expected);
  if (at(Tok::Eof)) return error(tok, "expected %s, found the end of the text", expected);
  std::string found(tok.text().substr(0, 60));
  for (char &c : found)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return error(tok, "expected %s, found '%s'", expected, found.c_str());
}

bool Parser::expect(Tok k, const char *what) {
  if (accept(k)) return true;
  return unexpected(what);
}

void Parser::seen(unsigned first, unsigned last) {
  unsigned f = std::max(firstSyntax, first), l = std::min(lastSyntax, last);
  if (f > l) {
    mixed = true; // forms of different releases together
    return;
  }
  firstSyntax = f;
  lastSyntax = l;
}

// ---- names of values --------------------------------------------------------------------------------------

void Parser::pushScope(bool isolated) {
  scopes.push_back({static_cast<uint32_t>(defs.size()), isolatedFrom, isolated});
  if (isolated) isolatedFrom = static_cast<uint32_t>(scopes.size() - 1);
}

void Parser::popScope() {
  Scope s = scopes.back();
  std::vector<Def> open; // used here, to be defined by the scope outside
  while (defs.size() > s.firstDef) {
    Def &d = defs.back();
    buckets[d.hash & (buckets.size() - 1)] = d.next; // the newest of its bucket is its head
    if (d.forward) {
      if (s.isolated) error(d.use, "use of undefined value '%.*s'", static_cast<int>(std::min<size_t>(d.use.text().size(), 80)),
                            d.use.begin);
      else open.push_back(std::move(d));
    }
    defs.pop_back();
  }
  isolatedFrom = s.outerIsolated;
  scopes.pop_back();
  for (size_t i = open.size(); i--;) {
    Def *d = insert(open[i].name, open[i].hash);
    d->forward = true;
    d->use = open[i].use;
    d->later = std::move(open[i].later);
  }
}

Parser::Def *Parser::find(std::string_view n, uint64_t hash) {
  for (int32_t i = buckets[hash & (buckets.size() - 1)]; i >= 0; i = defs[static_cast<size_t>(i)].next) {
    Def &d = defs[static_cast<size_t>(i)];
    if (d.hash == hash && d.name == n) return d.scope >= isolatedFrom ? &d : nullptr;
  }
  return nullptr;
}

Parser::Def *Parser::insert(std::string_view n, uint64_t hash) {
  if (defs.size() >= buckets.size()) {
    buckets.assign(buckets.size() * 4, -1);
    for (size_t i = 0; i < defs.size(); ++i) {
      int32_t &head = buckets[defs[i].hash & (buckets.size() - 1)];
      defs[i].next = head;
      head = static_cast<int32_t>(i);
    }
  }
  int32_t &head = buckets[hash & (buckets.size() - 1)];
  Def &d = defs.emplace_back();
  d.name = n;
  d.hash = hash;
  d.scope = static_cast<uint32_t>(scopes.size() - 1);
  d.next = head;
  head = static_cast<int32_t>(defs.size() - 1);
  return &d;
}

Str Parser::hint(const Token &t) {
  std::string_view n = t.tail();
  return isDigit(n[0]) ? Str() : ctx.str(n);
}

bool Parser::define(const Token &t, Value *base, uint32_t count) {
  uint64_t h = hashName(t.tail());
  Def *d = find(t.tail(), h);
  if (d && !d->forward) {
    if (d->broken) return true;
    return error(t, "value '%.*s' is defined twice", static_cast<int>(std::min<size_t>(t.text().size(), 80)), t.begin);
  }
  bool ok = true;
  if (!d) {
    d = insert(t.tail(), h);
  } else {
    for (auto &[number, placeholder] : d->later) {
      if (number >= count) {
        ok = error(d->use, "'%.80s' has only %u results", std::string(d->use.text()).c_str(), count);
        continue;
      }
      Value *v = base + number;
      if (placeholder->type != v->type)
        ok = error(t, "'%.80s' is of type %s here, but was used as %s before", std::string(t.text()).c_str(),
                   typeText(v->type).c_str(), typeText(placeholder->type).c_str());
      placeholder->replaceAllUsesWith(v);
    }
    d->later.clear();
    d->forward = false;
  }
  d->base = base;
  d->count = count;
  return ok;
}

void Parser::defineBroken(const Token &t) {
  uint64_t h = hashName(t.tail());
  Def *d = find(t.tail(), h);
  if (!d) d = insert(t.tail(), h);
  if (!d->base) d->broken = true;
  d->forward = false;
}

bool Parser::operand(OperandRef &out) {
  if (!at(Tok::Percent)) return unexpected("a value (%name)");
  out.tok = tok;
  out.number = 0;
  const char *end = tok.end;
  advance();
  if (at(Tok::Hash) && tok.begin == end && isDigit(tok.begin[1])) {
    int64_t n = 0;
    Token digits = tok;
    ++digits.begin;
    if (!intValue(digits, false, nullptr, &n)) return false;
    if (n >= max_results) return error(tok, "a result number out of range");
    out.number = static_cast<uint32_t>(n);
    advance();
  }
  return true;
}

bool Parser::operands(std::vector<OperandRef> &out) {
  if (!at(Tok::Percent)) return true;
  do {
    out.emplace_back();
    if (!operand(out.back())) return false;
  } while (accept(Tok::Comma));
  return true;
}

Type Parser::knownType(const OperandRef &ref) {
  Def *d = find(ref.tok.tail(), hashName(ref.tok.tail()));
  return d && !d->forward && !d->broken && ref.number < d->count ? d->base[ref.number].type : nullptr;
}

Value *Parser::resolveValue(const OperandRef &ref, Type type) {
  std::string_view n = ref.tok.tail();
  uint64_t h = hashName(n);
  Def *d = find(n, h);
  if (d && d->broken) return mod->newValue(type ? type : ctx.none());
  std::string shown(ref.tok.text().substr(0, 80));
  if (!d || d->forward) {
    if (!type) return error(ref.tok, "the type of '%s' must be known here: define it before", shown.c_str()), nullptr;
    if (!d) {
      d = insert(n, h);
      d->forward = true;
      d->use = ref.tok;
    }
    for (auto &[number, v] : d->later)
      if (number == ref.number) {
        if (v->type == type) return v;
        return error(ref.tok, "'%s' is used as %s here, but as %s before", shown.c_str(), typeText(type).c_str(),
                     typeText(v->type).c_str()), nullptr;
      }
    Value *v = mod->newValue(type);
    d->later.push_back({ref.number, v});
    return v;
  }
  if (ref.number >= d->count)
    return error(ref.tok, "'%s' has %u result%s, there is no number %u", shown.c_str(), d->count,
                 d->count == 1 ? "" : "s", ref.number), nullptr;
  Value *v = d->base + ref.number;
  if (type && v->type != type)
    return error(ref.tok, "'%s' is of type %s, but %s is expected here", shown.c_str(), typeText(v->type).c_str(),
                 typeText(type).c_str()), nullptr;
  return v;
}

// ---- regions and blocks -----------------------------------------------------------------------------------

Block *Parser::blockNamed(const Token &t) {
  auto [it, fresh] = labels.back()->try_emplace(t.tail());
  if (fresh) {
    it->second.block = mod->createBlock();
    it->second.use = t;
  }
  return it->second.block;
}

bool Parser::successor(Draft &d) {
  if (!at(Tok::Caret)) return unexpected("a block (^name)");
  if (labels.empty()) return error(tok, "no block can be named here");
  d.spec.succs.push_back(blockNamed(tok));
  advance();
  return true;
}

bool Parser::blockArgs(Block *b) {
  if (!accept(Tok::LParen)) return true;
  if (!at(Tok::RParen)) do {
      Token t = tok;
      if (!at(Tok::Percent)) return unexpected("a block argument (%name)");
      advance();
      if (!expect(Tok::Colon, "':' and the type of the argument")) return false;
      Type ty = type();
      if (!ty) return false;
      Value *v = b->addArg(*mod, ty);
      v->name = hint(t);
      LocRef l;
      if (!trailingLoc(l)) return false;
      place(v, l);
      if (!define(t, v, 1)) return false;
    } while (accept(Tok::Comma));
  return expect(Tok::RParen, "',' or ')' in the block's arguments");
}

// ^bb1(%a: i32): — the block, or null on error
Block *Parser::blockLabel() {
  Token t = tok;
  advance();
  Block *b = blockNamed(t);
  Label &l = (*labels.back())[t.tail()];
  if (l.defined)
    return error(t, "block '%.80s' is defined twice", std::string(t.text()).c_str()), nullptr;
  l.defined = true;
  if (!blockArgs(b) || !expect(Tok::Colon, "':' after the block's name")) {
    recover(t);
    return b;
  }
  return b;
}

bool Parser::blockBody(Block *b) {
  while (!at(Tok::RBrace) && !at(Tok::Caret) && !at(Tok::Eof)) {
    Token start = tok;
    if (!operation(b)) {
      if (errors > max_errors) return false;
      recover(start);
    }
  }
  return true;
}

bool Parser::region(std::vector<Block *> &blocks, bool isolated, Block *entry, const std::vector<Token> *names) {
  Token open = tok;
  if (!expect(Tok::LBrace, "'{' of a region")) return false;
  if (nesting >= max_nesting) return error(open, "regions nest too deeply");
  ++nesting;
  pushScope(isolated);
  Labels local;
  labels.push_back(&local);
  bool ok = true;
  if (names)
    for (size_t i = 0; i < names->size(); ++i) ok &= define((*names)[i], entry->arg(static_cast<unsigned>(i)), 1);
  if (entry && at(Tok::Caret)) {
    if (entry->numArgs()) ok = error(tok, "the first block takes the operation's arguments, it has no name");
    else entry = nullptr;
  }
  if (entry || (!at(Tok::RBrace) && !at(Tok::Caret))) {
    Block *b = entry ? entry : mod->createBlock();
    blocks.push_back(b);
    ok &= blockBody(b);
  }
  while (at(Tok::Caret) && errors <= max_errors) {
    Block *b = blockLabel();
    if (!b) {
      ok = false;
      b = mod->createBlock();
      recover(prev);
    }
    blocks.push_back(b);
    ok &= blockBody(b);
  }
  for (auto &[label, l] : local)
    if (!l.defined && errors <= max_errors)
      ok = error(l.use, "block '^%.80s' is not defined in this region", std::string(label).c_str());
  labels.pop_back();
  popScope();
  --nesting;
  if (errors > max_errors) return false;
  if (at(Tok::Eof)) return error(open, "this '{' is never closed");
  return expect(Tok::RBrace, "'}' at the end of the region") && ok;
}

// After an error: to the next line that looks like an operation, a label or the region's end. Regions on the way
// are skipped as a whole.
void Parser::recover(const Token &start) {
  unsigned depth = 0;
  bool moved = tok.begin != start.begin;
  for (; !at(Tok::Eof); advance(), moved = true) {
    if (depth == 0 && tok.first && moved) {
      if (at(Tok::RBrace) || at(Tok::Caret) || at(Tok::Percent) || at(Tok::Hash) || at(Tok::Bang) || at(Tok::String))
        return;
      if (at(Tok::Word) && (tok.text().find('.') != std::string_view::npos || tok.text() == "module")) return;
    }
    if (at(Tok::LBrace)) ++depth;
    if (at(Tok::RBrace) && depth) --depth;
  }
}

// ---- operations -------------------------------------------------------------------------------------------

void Draft::clear() {
  spec.code = Opcode::invalid;
  spec.loc = nullptr;
  spec.operands.clear();
  spec.segments.clear();
  spec.results.clear();
  spec.attrs.clear();
  spec.succs.clear();
  spec.regions = 0;
  names.clear();
  refs.clear();
  types.clear();
  for (unsigned i = 0; i < max_slots; ++i) ops[i] = opTypes[i] = resTypes[i] = Run();
  regions.clear();
  dict_from = SIZE_MAX;
  raw = false;
}

Attr Draft::attr(std::string_view n) const {
  for (const NamedAttr &a : spec.attrs)
    if (a.name.view() == n) return a.value;
  return nullptr;
}

/// Lends a Draft for one operation; those of deeper regions come from the same pool.
struct DraftScope {
  Parser &p;
  Draft &d;
  explicit DraftScope(Parser &p) : p(p), d(take(p)) { d.clear(); }
  ~DraftScope() { --p.draftDepth; }
  static Draft &take(Parser &p) {
    if (p.draftDepth == p.drafts.size()) p.drafts.push_back(std::make_unique<Draft>());
    return *p.drafts[p.draftDepth++];
  }
};

bool Parser::operation(Block *block) {
  DraftScope scope(*this);
  Draft &d = scope.d;
  bool ok = true;
  if (at(Tok::Percent)) {
    do {
      if (!at(Tok::Percent)) {
        ok = unexpected("the name of a result (%name)");
        break;
      }
      d.names.push_back({tok, 1});
      advance();
      if (accept(Tok::Colon)) {
        int64_t n = 0;
        if (!(ok = integer(&n, "the number of results"))) break;
        if (n < 1 || n > max_results) {
          ok = error(d.names.back().tok, "the number of results is out of range");
          break;
        }
        d.names.back().count = static_cast<uint32_t>(n);
      }
    } while (accept(Tok::Comma));
    ok = ok && expect(Tok::Equal, "'=' after the results' names");
  }
  if (ok) ok = body(d);
  Op *op = ok ? create(d) : nullptr;
  if (!op) {
    for (const Draft::ResultName &r : d.names) defineBroken(r.tok);
    return false;
  }
  block->append(op);
  LocRef l;
  ok = trailingLoc(l);
  place(op, l, d.at);
  return bindResults(d, op) && ok;
}

// The operation without its results' names and location.
bool Parser::body(Draft &d) {
  d.at = tok;
  if (at(Tok::String)) {
    std::string text;
    if (!string(text)) return false;
    d.spec.code = opByName(text);
    if (d.spec.code == Opcode::invalid) return error(d.at, "unknown operation '%.80s'", text.c_str());
    seen(d.info().first_syntax, d.info().last_syntax);
    return genericOp(d);
  }
  if (!at(Tok::Word)) return unexpected("an operation");
  std::string_view w = tok.text();
  d.spec.code = w == "module" ? Opcode::builtin_module : opByName(w);
  if (d.spec.code == Opcode::invalid) {
    std::string shown(w.substr(0, 80));
    bool gpu = w.substr(0, 4) == "ttg." || w.substr(0, 5) == "ttng." || w.substr(0, 6) == "amdgpu";
    return error(tok, gpu ? "not implemented: operation '%s' (GPU-level operations)" : "unknown operation '%s'",
                 shown.c_str());
  }
  const OpInfo &info = d.info();
  seen(info.first_syntax, info.last_syntax);
  const char *f = info.num_formats ? info.formats[info.num_formats - 1].format : nullptr;
  if (!f) return error(tok, "'%s' has no short form: write \"%s\"(…) … : (…) -> …", std::string(w).c_str(),
                       std::string(w).c_str());
  advance();
  return std::string_view(f) == "custom" ? customOp(d) : formatOp(d);
}

bool Parser::bindResults(Draft &d, Op *op) {
  if (d.names.empty()) return true;
  uint64_t named = 0;
  for (const Draft::ResultName &r : d.names) named += r.count;
  if (named != op->numResults()) {
    for (const Draft::ResultName &r : d.names) defineBroken(r.tok);
    return error(d.names[0].tok, "'%s' has %u result%s, but %llu %s named here", std::string(op->name()).c_str(),
                 op->numResults(), op->numResults() == 1 ? "" : "s", static_cast<unsigned long long>(named),
                 named == 1 ? "is" : "are");
  }
  bool ok = true;
  uint32_t at = 0;
  for (const Draft::ResultName &r : d.names) {
    Value *v = op->result(at);
    v->name = hint(r.tok);
    if (v->name && isDefaultName(op, v->name.view())) v->name = Str();
    // An empty hint says: a group of its own (%0, %1 = …), without a name worth keeping.
    if (at && !v->name) v->name = ctx.str("");
    ok &= define(r.tok, v, r.count);
    at += r.count;
  }
  return ok;
}

// ---- whole texts ------------------------------------------------------------------------------------------

bool Parser::topLevel() {
  Block *b = mod->body();
  pushScope(true);
  while (!at(Tok::Eof) && errors <= max_errors) {
    Token start = tok;
    bool ok = at(Tok::Hash) || at(Tok::Bang) ? aliasDefinition() : operation(b);
    if (ok || errors > max_errors) continue;
    recover(start);
    if (at(Tok::RBrace)) advance(); // of a region that the error had opened
  }
  popScope();
  return finishLocs() && !errors;
}

std::unique_ptr<Module> Parser::module() {
  if (source.size() >= max_text) {
    ctx.report(Severity::Error, tessera::format("%s:1:1: error: the text is larger than 2 GiB", name.c_str()));
    return nullptr;
  }
  auto m = std::make_unique<Module>(ctx);
  m->source_name = name;
  mod = m.get();
  return topLevel() ? finish(std::move(m)) : nullptr;
}

std::unique_ptr<Module> Parser::finish(std::unique_ptr<Module> m) {
  Block *b = m->body();
  if (b->first && b->first == b->last && b->first->is(Opcode::builtin_module)) { // it was written out
    Op *root = b->first;
    b->first = b->last = nullptr;
    root->parent = nullptr;
    m->op = root;
  }
  if (!rawEnums.empty() && (firstSyntax < 39 || mixed)) {
    seen(36, 38);
    for (Op *op : rawEnums)
      for (const AttrInfo *a = op->info().attrs; a < op->info().attrs + op->info().num_attrs; ++a)
        if (Attr v = op->attr(a->name); v && v->kind == AttrKind::Int && a->type == AttrType::Enum)
          if (const EnumCase *c = enumCase(*a->enums, v->ival)) op->setAttr(a->name, ctx.enumeration(c->value, c->spelling));
  }
  if (mixed || (firstSyntax == 36 && lastSyntax == 39)) m->syntax = Syntax::Auto;
  else m->syntax = static_cast<Syntax>(lastSyntax);
  return m;
}

Type Parser::onlyType() {
  Type t = type();
  if (t && !at(Tok::Eof)) return unexpected("the end of the type"), nullptr;
  return t;
}

Attr Parser::onlyAttr() {
  Attr a = attribute();
  if (a && !at(Tok::Eof)) return unexpected("the end of the attribute"), nullptr;
  return a;
}

std::unique_ptr<Module> parseText(Context &ctx, std::string_view text, std::string_view name) {
  return Parser(ctx, text, name).module();
}
Type parseType(Context &ctx, std::string_view text) { return Parser(ctx, text, "<type>").onlyType(); }
Attr parseAttr(Context &ctx, std::string_view text) { return Parser(ctx, text, "<attribute>").onlyAttr(); }

} // namespace tir
