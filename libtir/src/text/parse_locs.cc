// SPDX-License-Identifier: MIT
// Locations. An alias may be used before the line that defines it (Triton prints nearly all of them after the
// module), so what needs one waits in placedOps and placedValues until the text is read.
#include "parser.hh"
#include <algorithm>

namespace tir {

Loc textLoc(Context &ctx, std::string_view name, unsigned line, unsigned col) {
  return ctx.fileLoc(name, line, col, UINT32_MAX, 0);
}
bool isTextLoc(Loc loc) { return loc && loc->kind == LocKind::File && loc->end_line == UINT32_MAX; }

bool Parser::trailingLoc(LocRef &out) {
  if (!tok.isWord("loc")) return true;
  advance();
  if (!expect(Tok::LParen, "'(' after 'loc'")) return false;
  if (!locBody(out, 0)) return false;
  return expect(Tok::RParen, "')' at the end of the location");
}

bool Parser::locAlias(LocRef &out) {
  std::string_view name = tok.tail();
  auto [it, fresh] = locAliasByName.try_emplace(name, static_cast<uint32_t>(locAliases.size()));
  if (fresh) {
    locAliases.emplace_back();
    locAliases.back().use = tok;
  }
  const LocAlias &alias = locAliases[it->second];
  advance();
  if (alias.ref.loc) {
    out = alias.ref;
    return true;
  }
  out.node = static_cast<int32_t>(locNodes.size());
  locNodes.emplace_back();
  locNodes.back().alias = static_cast<int32_t>(it->second);
  locNodes.back().where = prev;
  return true;
}

bool Parser::locBody(LocRef &out, unsigned depth) {
  if (depth > max_loc_depth) return error(tok, "locations nest too deeply");
  if (at(Tok::Hash)) return locAlias(out);
  LocNode n;
  n.where = tok;
  if (acceptWord("unknown")) {
    out.loc = ctx.unknownLoc();
    return true;
  }
  auto kid = [&] {
    LocRef k;
    if (!locBody(k, depth + 1)) return false;
    n.kids.push_back(k);
    return true;
  };
  if (at(Tok::String)) {
    std::string text;
    if (!string(text)) return false;
    if (accept(Tok::Colon)) {
      int64_t v[4] = {0, 0, 0, 0};
      if (!integer(&v[0], "a line number")) return false;
      if (accept(Tok::Colon)) {
        if (!integer(&v[1], "a column number")) return false;
        if (acceptWord("to")) {
          v[2] = v[0];
          if (!at(Tok::Colon) && !integer(&v[2], "the line where the range ends")) return false;
          if (!expect(Tok::Colon, "':'") || !integer(&v[3], "the column where the range ends")) return false;
        }
      }
      for (int64_t x : v)
        if (x < 0 || x >= UINT32_MAX) return error(n.where, "a line or column number is out of range");
      out.loc = ctx.fileLoc(text, static_cast<unsigned>(v[0]), static_cast<unsigned>(v[1]),
                            static_cast<unsigned>(v[2]), static_cast<unsigned>(v[3]));
      return true;
    }
    n.kind = LocKind::Name;
    n.text = ctx.str(text);
    if (accept(Tok::LParen)) {
      if (!kid() || !expect(Tok::RParen, "')' after the named location")) return false;
    }
  } else if (acceptWord("callsite")) {
    n.kind = LocKind::CallSite;
    if (!expect(Tok::LParen, "'(' after 'callsite'") || !kid()) return false;
    if (!acceptWord("at")) return unexpected("'at' between callee and caller");
    if (!kid() || !expect(Tok::RParen, "')' after the caller")) return false;
  } else if (acceptWord("fused")) {
    n.kind = LocKind::Fused;
    if (accept(Tok::Less)) {
      n.meta = attribute();
      if (!n.meta || !expect(Tok::Greater, "'>' after the metadata")) return false;
    }
    if (!expect(Tok::LSquare, "'[' after 'fused'")) return false;
    if (!at(Tok::RSquare)) do
        if (!kid()) return false;
      while (accept(Tok::Comma));
    if (!expect(Tok::RSquare, "']' after the fused locations")) return false;
  } else {
    return unexpected("a location");
  }
  out.node = static_cast<int32_t>(locNodes.size());
  bool ready = std::all_of(n.kids.begin(), n.kids.end(), [](const LocRef &k) { return k.loc != nullptr; });
  locNodes.push_back(std::move(n));
  if (!ready) return true;
  bool ok = resolve(out, 0);
  locNodes.pop_back();
  return ok;
}

bool Parser::resolve(LocRef &ref, unsigned depth) {
  if (ref.loc || ref.node < 0) return true;
  size_t index = static_cast<size_t>(ref.node);
  if (depth > max_loc_depth || locNodes[index].busy)
    return error(locNodes[index].where, locNodes[index].busy ? "this location contains itself" : "locations nest too deeply");
  locNodes[index].busy = true;
  bool ok = true;
  if (int32_t a = locNodes[index].alias; a >= 0) {
    LocAlias &alias = locAliases[static_cast<size_t>(a)];
    if (!alias.defined) {
      std::string name(alias.use.tail());
      if (!alias.ref.loc) error(alias.use, "location alias '#%.80s' is not defined", name.c_str());
      alias.defined = true; // one message for each
      alias.ref.loc = ctx.unknownLoc();
      ok = false;
    }
    ok &= resolve(alias.ref, depth + 1);
    LocRef r = locAliases[static_cast<size_t>(a)].ref;
    locNodes[index].busy = false;
    ref.loc = r.loc;
    ref.depth = r.depth;
    return ok;
  }
  LocNode &n = locNodes[index]; // no node is added while resolving
  std::vector<Loc> kids;
  uint32_t deepest = 0;
  for (LocRef &k : n.kids) {
    ok &= resolve(k, depth + 1);
    kids.push_back(k.loc ? k.loc : ctx.unknownLoc());
    deepest = std::max(deepest, k.depth);
  }
  n.busy = false;
  ref.depth = deepest + 1;
  if (ref.depth > max_loc_depth) return error(n.where, "locations nest too deeply");
  switch (n.kind) {
  case LocKind::Name: ref.loc = ctx.nameLoc(n.text.view(), kids.empty() ? nullptr : kids[0]); break;
  case LocKind::CallSite: ref.loc = ctx.callSiteLoc(kids[0], kids[1]); break;
  default: ref.loc = ctx.fusedLoc({kids.data(), static_cast<uint32_t>(kids.size())}, n.meta); break;
  }
  return ok;
}

bool Parser::finishLocs() {
  bool ok = true;
  for (PlacedOp &p : placedOps) {
    if (errors > max_errors) return false;
    ok &= resolve(p.ref, 0);
    if (p.ref.loc) p.op->loc = p.ref.loc;
  }
  for (PlacedValue &p : placedValues) {
    if (errors > max_errors) return false;
    ok &= resolve(p.ref, 0);
    p.value->loc = p.ref.loc;
  }
  return ok;
}

void Parser::place(Op *op, const LocRef &ref, const Token &where) {
  if (ref.loc) op->loc = ref.loc;
  else if (ref.node >= 0) placedOps.push_back({op, ref});
  else op->loc = textLoc(ctx, name, where.line, where.col);
}

void Parser::place(Value *arg, const LocRef &ref) {
  if (ref.loc) arg->loc = ref.loc;
  else if (ref.node >= 0) placedValues.push_back({arg, ref});
}

// #name = attribute, #name = loc(…), !name = type
bool Parser::aliasDefinition() {
  Token key = tok;
  bool is_type = at(Tok::Bang);
  advance();
  std::string text(key.tail());
  if (!expect(Tok::Equal, "'=' after the alias")) return false;
  if (text.find('.') != std::string::npos) return error(key, "the name of an alias has no '.'");
  if (is_type) {
    Type t = type();
    if (!t) return false;
    if (!typeAliases.emplace(key.tail(), t).second) return error(key, "alias '!%.80s' is defined twice", text.c_str());
    mod->aliases.push_back({ctx.str(text), nullptr, t});
    return true;
  }
  if (!tok.isWord("loc")) {
    Attr a = attribute();
    if (!a) return false;
    if (!attrAliases.emplace(key.tail(), a).second) return error(key, "alias '#%.80s' is defined twice", text.c_str());
    mod->aliases.push_back({ctx.str(text), a, nullptr});
    return true;
  }
  auto [it, fresh] = locAliasByName.try_emplace(key.tail(), static_cast<uint32_t>(locAliases.size()));
  uint32_t index = it->second;
  if (fresh) locAliases.emplace_back();
  if (locAliases[index].defined) return error(key, "alias '#%.80s' is defined twice", text.c_str());
  locAliases[index].defined = true;
  LocRef ref;
  if (!trailingLoc(ref)) {
    locAliases[index].ref.loc = ctx.unknownLoc();
    return false;
  }
  locAliases[index].ref = ref;
  return true;
}

} // namespace tir
