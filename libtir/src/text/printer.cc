// SPDX-License-Identifier: MIT
// Frame of the printer: names of values as MLIR gives them, locations and their aliases.
#include "printer.hh"
#include "names.hh"
#include <algorithm>
#include <cstdio>

namespace tir {

using tessera::Code;
using tessera::Status;

namespace {
constexpr size_t max_output = size_t(1) << 28; // shared aliases can stand for any amount of text

unsigned chooseSyntax(const Module *m, Syntax asked) {
  if (asked == Syntax::Auto && m) asked = m->syntax;
  return asked == Syntax::Auto ? 39 : static_cast<unsigned>(asked);
}
uint64_t hashName(std::string_view s) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return h ^ h >> 29;
}
} // namespace

Printer::Printer(Context &c, const Module *m, const PrintOptions &o, std::string &out)
    : ctx(c), mod(m), opt(o), syntax(chooseSyntax(m, o.syntax)), out(out), start(out.size()), nameless(!m) {
  if (!m) return;
  for (const Module::TextAlias &a : m->aliases) {
    if (a.type) {
      typeAliases.try_emplace(a.type, a.name);
      continue;
    }
    attrAliases.try_emplace(a.attr, a.name);
    bool nests = a.attr->kind == AttrKind::Opaque || a.attr->kind == AttrKind::Encoding;
    if (nests && nestedAliases.size() < 64) nestedAliases.push_back(&a);
  }
  names.resize(m->num_values);
  blockNumbers.resize(m->num_blocks);
  buckets.assign(256, -1);
}

bool Printer::fail(Code code, const std::string &what) {
  if (nameless || !status.ok()) return false;
  std::string where;
  if (current) where = tessera::format("%s: '%s': ", locText(current->loc).c_str(), std::string(current->name()).c_str());
  if (code == Code::UNSUPPORTED)
    status = tessera::fail(code, "%serror: the syntax of release %u.%u has no form for %s", where.c_str(), syntax / 10,
                           syntax % 10, what.c_str());
  else
    status = tessera::fail(code, "%serror: %s", where.c_str(), what.c_str());
  return false;
}

bool Printer::tooLarge() {
  if (out.size() - start <= max_output) return false;
  if (nameless) return true;
  fail(Code::LIMIT, "the text would be larger than 256 MiB");
  return true;
}

// ---- names ------------------------------------------------------------------------------------------------

// MLIR numbers a whole region before the regions inside it, and gives sibling regions the same numbers.
void Printer::number(const Op *o) {
  nextValue = nextArg = nextConflict = 0;
  for (unsigned i = 0; i < o->numRegions(); ++i) numberRegion(*o->region(i));
}

void Printer::numberRegion(const Region &r) {
  uint32_t savedValue = nextValue, savedArg = nextArg, savedConflict = nextConflict;
  size_t savedUsed = used.size();
  uint32_t blocks = 0;
  for (const Block *b = r.first; b; b = b->next) {
    blockNumbers[b->id] = blocks++;
    for (unsigned i = 0; i < b->numArgs(); ++i) {
      const Value *v = b->arg(i);
      std::string_view hint = opt.names ? v->name.view() : std::string_view();
      char buf[24];
      if (hint.empty() && b == r.first) {
        std::snprintf(buf, sizeof buf, "arg%u", nextArg++);
        hint = buf;
      }
      nameValue(v, hint);
    }
    for (const Op *o = b->first; o; o = o->next) numberOp(o);
  }
  for (const Block *b = r.first; b; b = b->next)
    for (const Op *o = b->first; o; o = o->next) {
      if (!o->numRegions()) continue;
      if (o->info().has(TraitIsolated)) { // names of its own
        auto outer = std::move(used);
        auto outerBuckets = buckets;
        uint32_t v = nextValue, a = nextArg, c = nextConflict;
        used.clear();
        std::fill(buckets.begin(), buckets.end(), -1);
        number(o);
        used = std::move(outer);
        buckets = std::move(outerBuckets);
        nextValue = v, nextArg = a, nextConflict = c;
      } else {
        for (unsigned i = 0; i < o->numRegions(); ++i) numberRegion(*o->region(i));
      }
    }
  nextValue = savedValue, nextArg = savedArg, nextConflict = savedConflict;
  while (used.size() > savedUsed) {
    buckets[used.back().hash & (buckets.size() - 1)] = used.back().next;
    used.pop_back();
  }
}

void Printer::numberOp(const Op *o) {
  if (!o->numResults()) return;
  std::string fallback;
  for (unsigned i = 0; i < o->numResults(); ++i) {
    const Value *v = o->result(i);
    if (i && !v->name.data) { // belongs to the group before it
      Name n = names[v[-1].id];
      n.sub = n.sub < 0 ? 1 : n.sub + 1;
      names[v->id] = n;
      if (n.sub == 1) names[v[-1].id].sub = 0;
      continue;
    }
    std::string_view hint = opt.names ? v->name.view() : std::string_view();
    if (hint.empty() && defaultName(o, fallback)) hint = fallback;
    nameValue(v, hint);
  }
}

std::string_view Printer::unique(std::string_view name) {
  auto taken = [&](std::string_view n, uint64_t h) {
    for (int32_t i = buckets[h & (buckets.size() - 1)]; i >= 0; i = used[static_cast<size_t>(i)].next)
      if (used[static_cast<size_t>(i)].hash == h && used[static_cast<size_t>(i)].name == n) return true;
    return false;
  };
  char buf[300];
  if (name.size() > 256) name = name.substr(0, 256);
  uint64_t h = hashName(name);
  if (taken(name, h)) {
    std::string_view base = name; // acc_3 counts as acc
    size_t digits = base.find_last_not_of("0123456789");
    if (digits != std::string_view::npos && digits > 0 && base[digits] == '_' && digits + 1 < base.size())
      base = base.substr(0, digits);
    std::string_view probe;
    do {
      int n = std::snprintf(buf, sizeof buf, "%.*s_%u", static_cast<int>(base.size()), base.data(), nextConflict++);
      probe = {buf, static_cast<size_t>(n)};
      h = hashName(probe);
    } while (taken(probe, h));
    name = probe;
  }
  char *copy = chars.alloc<char>(name.size() ? name.size() : 1);
  std::copy(name.begin(), name.end(), copy);
  name = {copy, name.size()};
  if (used.size() >= buckets.size()) {
    buckets.assign(buckets.size() * 4, -1);
    for (size_t i = 0; i < used.size(); ++i) {
      int32_t &head = buckets[used[i].hash & (buckets.size() - 1)];
      used[i].next = head;
      head = static_cast<int32_t>(i);
    }
  }
  int32_t &head = buckets[h & (buckets.size() - 1)];
  used.push_back({name, h, head});
  head = static_cast<int32_t>(used.size() - 1);
  return name;
}

void Printer::nameValue(const Value *v, std::string_view hint) {
  Name &n = names[v->id];
  n.sub = -1;
  if (hint.empty()) {
    n.text = nullptr;
    n.number = nextValue++;
    return;
  }
  std::string clean;
  if (!isValueName(hint)) { // from a builder: any text
    if (isDigit(hint[0])) clean.push_back('_');
    for (char c : hint) clean += isAlpha(c) || isDigit(c) || c == '_' || c == '$' || c == '.' || c == '-' ? c : '_';
    hint = clean;
  }
  std::string_view text = unique(hint);
  n.text = text.data();
  n.size = static_cast<uint32_t>(text.size());
}

void Printer::value(const Value *v) {
  if (!v || v->id >= names.size()) {
    out += "%<none>"; // an operand that was dropped: such modules do not verify
    return;
  }
  const Name &n = names[v->id];
  char buf[24];
  out += '%';
  if (n.text) {
    out.append(n.text, n.size);
  } else {
    std::snprintf(buf, sizeof buf, "%u", n.number);
    out += buf;
  }
  if (n.sub >= 0) {
    std::snprintf(buf, sizeof buf, "#%d", n.sub);
    out += buf;
  }
}

void Printer::values(const Op *o, unsigned first, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    if (i) out += ", ";
    value(o->operand(first + i));
  }
}

// ---- locations --------------------------------------------------------------------------------------------

static bool wanted(Loc l) { return l && !isTextLoc(l); }

void Printer::collectLoc(Loc l, std::vector<Loc> &order, unsigned depth) {
  if (!l || l->kind == LocKind::Unknown) return;
  if (l->id < locNumbers.size() && locNumbers[l->id] >= 0) return;
  if (depth > 1000) {
    fail(Code::LIMIT, "a location nests too deeply");
    return;
  }
  for (Loc k : l->locs) collectLoc(k, order, depth + 1);
  if (l->id >= locNumbers.size()) locNumbers.resize(std::max<size_t>(l->id + 64, locNumbers.size() * 2), -1);
  locNumbers[l->id] = 0; // numbered below
  order.push_back(l);
}

// Arguments print their location itself, so the aliases in it must stand before the module; those of operations
// may follow it.
void Printer::collectOf(const Op *o, bool args, std::vector<Loc> &order) {
  if (!args && wanted(o->loc)) collectLoc(o->loc, order, 0);
  for (unsigned i = 0; i < o->numRegions(); ++i)
    for (const Block *b = o->region(i)->first; b; b = b->next) {
      for (unsigned k = 0; args && k < b->numArgs(); ++k)
        if (Loc l = b->arg(k)->loc; wanted(l))
          for (Loc kid : l->locs) collectLoc(kid, order, 0);
      for (const Op *n = b->first; n; n = n->next) collectOf(n, args, order);
    }
}

void Printer::collectLocs() {
  collectOf(mod->op, true, locsBefore);
  collectOf(mod->op, false, locsAfter);
  std::vector<uint32_t> taken; // #loc, #loc3: names of other aliases of the text
  for (const Module::TextAlias &a : mod->aliases) {
    std::string_view n = a.name.view();
    if (a.type || n.substr(0, 3) != "loc" || n.size() > 11) continue;
    uint32_t v = 0;
    bool digits = true;
    for (char c : n.substr(3)) {
      digits &= isDigit(c);
      v = v * 10 + static_cast<uint32_t>(c - '0');
    }
    if (digits) taken.push_back(v);
  }
  std::sort(taken.begin(), taken.end());
  uint32_t next = 0;
  for (std::vector<Loc> *list : {&locsBefore, &locsAfter})
    for (Loc l : *list) {
      while (std::binary_search(taken.begin(), taken.end(), next)) ++next;
      locNumbers[l->id] = static_cast<int32_t>(next++);
    }
}

void Printer::locRef(Loc l, unsigned d) {
  if (l && l->id < locNumbers.size() && locNumbers[l->id] >= 0) {
    char buf[24];
    if (locNumbers[l->id]) std::snprintf(buf, sizeof buf, "#loc%d", locNumbers[l->id]);
    else std::snprintf(buf, sizeof buf, "#loc");
    out += buf;
  } else {
    locBody(l, d);
  }
}

void Printer::locBody(Loc l, unsigned d) {
  if (!l || l->kind == LocKind::Unknown || d > 1000) {
    out += "unknown";
    return;
  }
  char buf[64];
  switch (l->kind) {
  case LocKind::Unknown: break;
  case LocKind::File:
    appendQuoted(l->text.view(), out);
    std::snprintf(buf, sizeof buf, ":%u:%u", l->line, l->col);
    out += buf;
    if (!isTextLoc(l) && (l->end_line || l->end_col)) {
      if (l->end_line != l->line) std::snprintf(buf, sizeof buf, " to %u:%u", l->end_line, l->end_col);
      else std::snprintf(buf, sizeof buf, " to :%u", l->end_col);
      out += buf;
    }
    break;
  case LocKind::Name:
    appendQuoted(l->text.view(), out);
    if (!l->locs.empty()) {
      out += '(';
      locRef(l->locs[0], d + 1);
      out += ')';
    }
    break;
  case LocKind::CallSite:
    out += "callsite(";
    locRef(l->locs[0], d + 1);
    out += " at ";
    locRef(l->locs[1], d + 1);
    out += ')';
    break;
  case LocKind::Fused:
    out += "fused";
    if (l->meta) {
      out += '<';
      attr(l->meta);
      out += '>';
    }
    out += '[';
    for (uint32_t i = 0; i < l->locs.count && !tooLarge(); ++i) {
      if (i) out += ", ";
      locRef(l->locs[i], d + 1);
    }
    out += ']';
    break;
  }
}

void Printer::trailing(Loc l, bool inline_) {
  if (!opt.locations || !wanted(l)) return;
  out += " loc(";
  if (inline_) locBody(l, 0);
  else locRef(l, 0);
  out += ')';
}

void Printer::locLines(const std::vector<Loc> &locs) {
  for (Loc l : locs) {
    if (tooLarge()) return;
    locRef(l, 0);
    out += " = loc(";
    locBody(l, 0);
    out += ")\n";
  }
}

// ---- whole modules ----------------------------------------------------------------------------------------

Status Printer::module() {
  if (opt.locations) collectLocs();
  for (const Module::TextAlias &a : mod->aliases) {
    out.append(a.type ? "!" : "#").append(a.name.view()).append(" = ");
    if (a.type) { // without the alias itself
      typeAliases.erase(a.type);
      type(a.type);
      typeAliases.emplace(a.type, a.name);
      if (a.type->id < typeCache.size()) typeCache[a.type->id].clear();
    } else {
      auto held = attrAliases.find(a.attr);
      Str name = held->second;
      attrAliases.erase(held);
      attr(a.attr);
      attrAliases.emplace(a.attr, name);
    }
    out += '\n';
  }
  locLines(locsBefore);
  number(mod->op);
  op(mod->op);
  out += '\n';
  locLines(locsAfter);
  return status;
}

void Printer::oneOp(const Op *o) {
  const Op *top = o;
  while (top->parentOp() && !top->info().has(TraitIsolated)) top = top->parentOp();
  if (top == o && o->parentOp()) top = o->parentOp();
  number(top);
  nameless = true;
  results(o);
  out.append(o->name());
  for (unsigned i = 0; i < o->numOperands(); ++i) {
    out += i ? ", " : " ";
    value(o->operand(i));
  }
  if (!o->attrs().empty()) {
    out += " {";
    for (unsigned i = 0; i < o->attrs().count; ++i) {
      if (i) out += ", ";
      entry(o->attrs()[i].name, o->attrs()[i].value, o->info().attr(o->attrs()[i].name.view()));
    }
    out += '}';
  }
  for (unsigned i = 0; i < o->numResults(); ++i) {
    out += i ? ", " : " : ";
    type(o->result(i)->type);
  }
}

Status printText(const Module &m, const PrintOptions &options, std::string &out) {
  unsigned s = static_cast<unsigned>(options.syntax);
  if (s && (s < 36 || s > 39)) return tessera::fail(Code::INVALID_ARGUMENT, "no syntax number %u: expected 36 to 39", s);
  size_t size = out.size();
  Printer p(m.ctx, &m, options, out);
  Status st = p.module();
  if (!st.ok()) out.resize(size);
  return st;
}

std::string opText(const Op *op) {
  std::string s;
  Printer p(op->module->ctx, op->module, {}, s);
  p.oneOp(op);
  return s;
}

} // namespace tir
