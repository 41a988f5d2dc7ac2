// SPDX-License-Identifier: MIT
// Operations, blocks, regions, use lists, module.
#include "ir.hh"
#include <algorithm>
#include <cassert>

namespace tir {

// ---- uses and values --------------------------------------------------------------------------------------

void Use::set(Value *v) {
  if (value) {
    *prev = next;
    if (next) next->prev = prev;
  }
  value = v;
  if (!v) {
    next = nullptr;
    prev = nullptr;
    return;
  }
  next = v->uses;
  if (next) next->prev = &next;
  prev = &v->uses;
  v->uses = this;
}

unsigned Use::index() const { return static_cast<unsigned>(this - owner->operands_); }

void Value::replaceAllUsesWith(Value *other) {
  if (other == this) return;
  while (uses) uses->set(other);
}

Block *Value::parentBlock() const { return def ? def->parent : block; }

// ---- operations -------------------------------------------------------------------------------------------

Context *Op::ctx() const { return &module->ctx; }

void deduceSegments(const OpInfo &info, unsigned nops, uint32_t *out) {
  unsigned singles = 0;
  for (unsigned i = 0; i < info.num_operands; ++i) singles += info.operands[i].arity == Arity::One;
  unsigned spare = nops > singles ? nops - singles : 0;
  unsigned variadic = 0;
  for (unsigned i = 0; i < info.num_operands; ++i) variadic += info.operands[i].arity == Arity::Variadic;
  unsigned share = variadic > 1 && !info.has(TraitSegmentAttr) && spare % variadic == 0 ? spare / variadic : spare;
  unsigned left = nops;
  for (unsigned i = 0; i < info.num_operands; ++i) {
    unsigned n = 0;
    switch (info.operands[i].arity) {
    case Arity::One: n = left ? 1 : 0; break;
    case Arity::Optional:
      n = spare && !variadic ? 1 : 0;
      spare -= n;
      break;
    case Arity::Variadic:
      n = std::min(share, spare);
      spare -= n;
      break;
    }
    out[i] = n;
    left -= std::min(left, n);
  }
}

static int onlyOpenSlot(const OpInfo &info) { // the one slot that is not single; -1: none, -2: several
  int found = -1;
  for (unsigned i = 0; i < info.num_operands; ++i)
    if (info.operands[i].arity != Arity::One) {
      if (found >= 0) return -2;
      found = static_cast<int>(i);
    }
  return found;
}

void Op::setOperands(Span<Value *> values) {
  std::vector<Value *> wanted(values.begin(), values.end()); // may alias our own operands
  for (unsigned i = 0; i < nops; ++i) operands_[i].set(nullptr);
  if (wanted.size() > nops) operands_ = module->arena.alloc<Use>(wanted.size());
  int open = segments_ ? onlyOpenSlot(info()) : -1;
  if (open >= 0) segments_[open] += static_cast<uint32_t>(wanted.size()) - nops;
  nops = static_cast<uint32_t>(wanted.size());
  for (unsigned i = 0; i < nops; ++i) {
    operands_[i].owner = this;
    operands_[i].set(wanted[i]);
  }
}

void Op::eraseOperand(unsigned i) {
  assert(i < nops);
  if (segments_)
    for (unsigned s = 0, first = 0; s < info().num_operands; first += segments_[s++])
      if (i < first + segments_[s]) {
        --segments_[s];
        break;
      }
  for (unsigned k = i; k + 1 < nops; ++k) operands_[k].set(operands_[k + 1].value);
  operands_[--nops].set(nullptr);
}

void Op::eraseResult(unsigned i) {
  assert(i < nres && !results_[i].uses);
  for (; i + 1 < nres; ++i) {
    results_[i].type = results_[i + 1].type;
    results_[i].name = results_[i + 1].name;
    results_[i + 1].replaceAllUsesWith(&results_[i]);
  }
  --nres;
}

void Op::slotRange(unsigned i, unsigned *first, unsigned *count) const {
  if (!segments_) {
    *first = i;
    *count = i < nops ? 1 : 0;
    return;
  }
  unsigned at = 0;
  for (unsigned s = 0; s < i; ++s) at += segments_[s];
  *first = at;
  *count = segments_[i];
}

Value *Op::slot(unsigned i) const {
  unsigned first, count;
  slotRange(i, &first, &count);
  return count ? operand(first) : nullptr;
}

Attr Op::attr(std::string_view name) const {
  for (unsigned i = 0; i < nattrs; ++i)
    if (attrs_[i].name.view() == name) return attrs_[i].value;
  return nullptr;
}

void Op::setAttr(std::string_view name, Attr value) {
  unsigned i = 0;
  while (i < nattrs && attrs_[i].name.view() < name) ++i;
  bool present = i < nattrs && attrs_[i].name.view() == name;
  if (!value) {
    if (!present) return;
    std::copy(attrs_ + i + 1, attrs_ + nattrs, attrs_ + i);
    --nattrs;
    return;
  }
  if (present) {
    attrs_[i].value = value;
    return;
  }
  if (nattrs == capattrs) {
    uint32_t cap = nattrs + 2;
    NamedAttr *grown = module->arena.alloc<NamedAttr>(cap);
    std::copy(attrs_, attrs_ + nattrs, grown);
    attrs_ = grown;
    capattrs = cap;
  }
  std::copy_backward(attrs_ + i, attrs_ + nattrs, attrs_ + nattrs + 1);
  attrs_[i] = {ctx()->str(name), value};
  ++nattrs;
}

int64_t Op::intAttr(std::string_view name, int64_t otherwise) const {
  Attr a = attr(name);
  if (!a) return otherwise;
  if (a->kind == AttrKind::Bool) return a->bval;
  if (a->kind == AttrKind::Int || a->kind == AttrKind::Enum) return a->ival;
  return otherwise;
}

std::string_view Op::strAttr(std::string_view name) const {
  Attr a = attr(name);
  return a && (a->kind == AttrKind::String || a->kind == AttrKind::Symbol) ? a->text.view() : std::string_view();
}

void Op::unlink() {
  if (!parent) return;
  (prev ? prev->next : parent->first) = next;
  (next ? next->prev : parent->last) = prev;
  prev = next = nullptr;
  parent = nullptr;
}

void Op::dropAllReferences() {
  walk([](Op *o) {
    for (unsigned i = 0; i < o->nops; ++i) o->operands_[i].set(nullptr);
  });
}

void Op::erase() {
  dropAllReferences();
  for (unsigned i = 0; i < nres; ++i) assert(!results_[i].uses && "erased operation still has uses");
  unlink();
  walk([](Op *o) {
    o->code = Opcode::invalid;
    o->nops = 0;
    o->segments_ = nullptr;
  });
}

void Op::moveBefore(Op *other) {
  if (other == this) return;
  unlink();
  other->parent->insertBefore(this, other);
}

bool Op::isAncestorOf(const Op *other) const {
  for (; other; other = other->parentOp())
    if (other == this) return true;
  return false;
}

// ---- blocks and regions -----------------------------------------------------------------------------------

Value *Block::addArg(Module &m, Type type, Loc loc) {
  if (nargs == capargs) {
    uint32_t cap = capargs ? capargs * 2 : 4;
    Value **grown = m.arena.alloc<Value *>(cap);
    std::copy(args_, args_ + nargs, grown);
    args_ = grown;
    capargs = cap;
  }
  Value *v = m.newValue(type);
  v->block = this;
  v->loc = loc;
  v->index = nargs;
  args_[nargs++] = v;
  return v;
}

void Block::eraseArg(unsigned i) {
  assert(i < nargs && !args_[i]->uses);
  std::copy(args_ + i + 1, args_ + nargs, args_ + i);
  --nargs;
  for (; i < nargs; ++i) args_[i]->index = i;
}

void Block::insertBefore(Op *op, Op *before) {
  assert(!op->parent);
  op->parent = this;
  op->next = before;
  op->prev = before ? before->prev : last;
  (op->prev ? op->prev->next : first) = op;
  (before ? before->prev : last) = op;
}

void Block::append(Op *op) { insertBefore(op, nullptr); }

void Region::append(Block *b) { insertAfter(b, last); }

void Region::insertAfter(Block *b, Block *after) { // after == null: first
  assert(!b->parent);
  b->parent = this;
  b->prev = after;
  b->next = after ? after->next : first;
  (b->next ? b->next->prev : last) = b;
  (after ? after->next : first) = b;
}

void Region::remove(Block *b) {
  (b->prev ? b->prev->next : first) = b->next;
  (b->next ? b->next->prev : last) = b->prev;
  b->prev = b->next = nullptr;
  b->parent = nullptr;
}

// ---- module -----------------------------------------------------------------------------------------------

Module::Module(Context &c) : ctx(c) {
  op = create(OpSpec{.code = Opcode::builtin_module, .loc = c.unknownLoc(), .regions = 1});
  op->region(0)->append(createBlock());
}

Value *Module::newValue(Type type) {
  Value *v = arena.alloc<Value>();
  v->type = type;
  v->id = num_values++;
  return v;
}

Block *Module::createBlock() {
  Block *b = arena.alloc<Block>();
  b->id = num_blocks++;
  return b;
}

Op *Module::create(const OpSpec &spec) {
  Op *o = arena.alloc<Op>();
  const OpInfo &info = opInfo(spec.code);
  o->code = spec.code;
  o->loc = spec.loc ? spec.loc : ctx.unknownLoc();
  o->module = this;
  o->id = num_ops++;
  o->nops = static_cast<uint32_t>(spec.operands.size());
  o->nres = static_cast<uint32_t>(spec.results.size());
  o->nregs = spec.regions;
  o->nsuccs = static_cast<uint32_t>(spec.succs.size());
  o->nattrs = o->capattrs = static_cast<uint32_t>(spec.attrs.size());
  if (o->nops) o->operands_ = arena.alloc<Use>(o->nops);
  for (unsigned i = 0; i < o->nops; ++i) {
    o->operands_[i].owner = o;
    if (spec.operands[i]) o->operands_[i].set(spec.operands[i]);
  }
  if (o->nres) o->results_ = arena.alloc<Value>(o->nres);
  for (unsigned i = 0; i < o->nres; ++i) {
    Value &v = o->results_[i];
    v.type = spec.results[i];
    v.def = o;
    v.index = i;
    v.id = num_values++;
  }
  if (o->nregs) o->regions_ = arena.alloc<Region>(o->nregs);
  for (unsigned i = 0; i < o->nregs; ++i) o->regions_[i].parent = o;
  if (o->nsuccs) o->succs_ = arena.alloc<Block *>(o->nsuccs);
  std::copy(spec.succs.begin(), spec.succs.end(), o->succs_);
  if (o->nattrs) {
    o->attrs_ = arena.alloc<NamedAttr>(o->nattrs);
    std::copy(spec.attrs.begin(), spec.attrs.end(), o->attrs_);
    std::stable_sort(o->attrs_, o->attrs_ + o->nattrs, [](const NamedAttr &a, const NamedAttr &b) {
      return a.name.view() < b.name.view();
    });
  }
  if (onlyOpenSlot(info) != -1) {
    o->segments_ = arena.alloc<uint32_t>(info.num_operands);
    if (spec.segments.size() == info.num_operands)
      std::copy(spec.segments.begin(), spec.segments.end(), o->segments_);
    else
      deduceSegments(info, o->nops, o->segments_);
  }
  return o;
}

namespace {
struct Cloner {
  Module &m;
  std::vector<Value *> &map;
  std::vector<std::pair<const Block *, Block *>> blocks;
  struct Fix { Op *op; unsigned index; const Value *old; };
  std::vector<Fix> fixes; // operands whose definition was not cloned yet (unordered blocks)

  Value *find(const Value *v) const { return v && v->id < map.size() ? map[v->id] : nullptr; }
  void put(const Value *from, Value *to) {
    if (from->id >= map.size()) map.resize(from->id + 1, nullptr);
    map[from->id] = to;
    to->name = from->name;
    to->loc = from->loc;
  }
  Block *block(const Block *b) const {
    for (auto &p : blocks)
      if (p.first == b) return p.second;
    return const_cast<Block *>(b);
  }
  Op *clone(const Op *from) {
    OpSpec spec{.code = from->code, .loc = from->loc, .regions = from->nregs};
    for (unsigned i = 0; i < from->nops; ++i) {
      Value *v = find(from->operand(i));
      spec.operands.push_back(v ? v : from->operand(i));
    }
    if (from->segments_)
      spec.segments.assign(from->segments_, from->segments_ + from->info().num_operands);
    for (unsigned i = 0; i < from->nres; ++i) spec.results.push_back(from->results_[i].type);
    spec.attrs.assign(from->attrs_, from->attrs_ + from->nattrs);
    for (unsigned i = 0; i < from->nsuccs; ++i) spec.succs.push_back(block(from->succs_[i]));
    Op *to = m.create(spec);
    for (unsigned i = 0; i < from->nops; ++i)
      if (!find(from->operand(i))) fixes.push_back({to, i, from->operand(i)});
    for (unsigned i = 0; i < from->nres; ++i) put(&from->results_[i], &to->results_[i]);
    for (unsigned r = 0; r < from->nregs; ++r) {
      for (Block *b = from->regions_[r].first; b; b = b->next) {
        Block *nb = m.createBlock();
        nb->name = b->name;
        for (unsigned i = 0; i < b->nargs; ++i) put(b->args_[i], nb->addArg(m, b->args_[i]->type, b->args_[i]->loc));
        to->regions_[r].append(nb);
        blocks.push_back({b, nb});
      }
      Block *nb = to->regions_[r].first;
      for (Block *b = from->regions_[r].first; b; b = b->next, nb = nb->next)
        for (Op *o = b->first; o; o = o->next) nb->append(clone(o));
    }
    return to;
  }
};
} // namespace

Op *Module::clone(Op *from, std::vector<Value *> &map) {
  Cloner c{*this, map, {}, {}};
  Op *to = c.clone(from);
  for (const Cloner::Fix &f : c.fixes)
    if (Value *v = c.find(f.old)) f.op->setOperand(f.index, v);
  return to;
}

std::unique_ptr<Module> cloneModule(const Module &m) {
  auto copy = std::make_unique<Module>(m.ctx);
  copy->syntax = m.syntax;
  copy->source_name = m.source_name;
  std::vector<Value *> map;
  copy->op = copy->clone(m.op, map); // the empty operation of the constructor stays in the arena
  return copy;
}

Op *Module::function(std::string_view symbol) const {
  for (Op *o = body()->first; o; o = o->next)
    if (o->is(Opcode::tt_func) && o->strAttr("sym_name") == symbol) return o;
  return nullptr;
}

tessera::Result<Op *> Module::kernel(std::string_view symbol) const {
  using tessera::Code;
  std::string names;
  Op *found = nullptr;
  unsigned n = 0;
  for (Op *o = body()->first; o; o = o->next) {
    if (!o->is(Opcode::tt_func) || o->region(0)->empty() || o->strAttr("sym_visibility") == "private") continue;
    std::string_view name = o->strAttr("sym_name");
    if (!symbol.empty() && name == symbol) return o;
    found = o;
    if (n++ < 8) names.append(n > 1 ? ", '" : "'").append(name).append("'");
  }
  if (!symbol.empty()) {
    Op *f = function(symbol);
    std::string text(symbol.substr(0, 200));
    if (f)
      return tessera::fail(Code::NOT_FOUND, "%s: function '%s' is %s, not a kernel", source_name.c_str(),
                           text.c_str(), f->region(0)->empty() ? "a declaration" : "private");
    return tessera::fail(Code::NOT_FOUND, "%s: no kernel named '%s'%s%s", source_name.c_str(), text.c_str(),
                         n ? "; the module has " : "", names.c_str());
  }
  if (!n) return tessera::fail(Code::NOT_FOUND, "%s: no kernel (public tt.func with a body)", source_name.c_str());
  if (n > 1)
    return tessera::fail(Code::INVALID_ARGUMENT, "%s: %u kernels, name one of: %s%s", source_name.c_str(), n,
                         names.c_str(), n > 8 ? ", …" : "");
  return found;
}

} // namespace tir
