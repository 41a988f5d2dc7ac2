// SPDX-License-Identifier: MIT
// inline: callees first, so every body is copied once per call and holds no call that could have gone. A callee of
// several blocks needs a place where branches may stand: inside scf and combiner regions its call stays.
#include "blocks.hh"
#include "pass.hh"
#include "text/text.hh"
#include <algorithm>

namespace tir {
namespace {

using tessera::Code;

// A chain of functions that call the next one twice grows exponentially; real modules stay far below.
constexpr unsigned kMaxOps = 500'000;
// Regions within regions; walks are recursive.
constexpr unsigned kMaxNesting = 1000;

class Inliner {
public:
  Inliner(Module &module, bool all) : m(module), noinline_too(all), state(module.num_ops, 0),
                                    nesting(module.num_ops, 0) {}

  PassResult run() {
    std::vector<Op *> functions;
    for (Op *o = m.body()->first; o; o = o->next)
      if (o->is(Opcode::tt_func)) functions.push_back(o);
    for (Op *f : functions) TESSERA_TRY(visit(f));
    sweep();
    return changed;
  }

private:
  enum : uint8_t { New, Open, Done };
  Module &m;
  bool noinline_too;
  std::vector<uint8_t> state; // by operation id of the function
  std::vector<Op *> path;     // functions being visited
  std::vector<Op *> inlined;
  std::vector<unsigned> nesting; // by operation id of a function that is done: how deep its regions go
  bool changed = false;

  /// The function that a call may be replaced by; null if the call stays.
  Op *target(const Op *call) const {
    Op *f = m.function(call->strAttr("callee"));
    if (!f || f->region(0)->empty()) return nullptr;
    if (!noinline_too && f->intAttr("noinline")) return nullptr;
    return f;
  }

  /// Depth-first over the call graph with a stack of its own: chains may be long.
  tessera::Status visit(Op *root) {
    struct Frame { Op *function; std::vector<Op *> calls; size_t next; };
    std::vector<Frame> stack;
    auto enter = [&](Op *f) {
      state[f->id] = Open;
      // Triton leaves a dead block after an early return; without it the callee may be one block.
      changed |= !f->region(0)->empty() && simplifyBlocks(f->region(0));
      Frame frame{f, {}, 0};
      f->walk([&](Op *o) {
        if (o->is(Opcode::tt_call) && target(o)) frame.calls.push_back(o);
      });
      stack.push_back(std::move(frame));
      path.push_back(f);
    };
    if (state[root->id] != New) return tessera::ok_status();
    enter(root);
    while (!stack.empty()) {
      Frame &top = stack.back();
      if (top.next < top.calls.size()) {
        Op *call = top.calls[top.next];
        Op *callee = target(call);
        if (state[callee->id] == Open) return recursion(call, callee);
        if (state[callee->id] == New) {
          enter(callee);
          continue;
        }
        TESSERA_TRY(expand(call, callee));
        ++top.next;
        continue;
      }
      state[top.function->id] = Done;
      nesting[top.function->id] = depth(top.function);
      stack.pop_back();
      path.pop_back();
    }
    return tessera::ok_status();
  }

  static unsigned depth(const Op *o) {
    unsigned deepest = 0;
    for (unsigned r = 0; r < o->numRegions(); ++r)
      for (Block *b = o->region(r)->first; b; b = b->next)
        for (Op *x = b->first; x; x = x->next)
          if (x->numRegions()) deepest = std::max(deepest, depth(x));
    return deepest + 1;
  }

  tessera::Status recursion(const Op *call, const Op *callee) const {
    std::string cycle;
    bool in = false;
    for (Op *f : path) {
      in |= f == callee;
      if (in) cycle.append("@").append(f->strAttr("sym_name")).append(" -> ");
      if (cycle.size() > 400) break;
    }
    return tessera::fail(Code::UNSUPPORTED, "%s: error: recursive call of a function that is to be inlined: %s@%s",
                         locText(call->loc).c_str(), cycle.c_str(),
                         std::string(callee->strAttr("sym_name").substr(0, 200)).c_str());
  }

  /// Branches may stand in the region that holds the call.
  static bool blocksAllowed(const Op *call) {
    const Op *holder = call->parentOp();
    return holder && (holder->is(Opcode::tt_func) || holder->is(Opcode::tt_map_elementwise));
  }

  tessera::Status expand(Op *call, Op *callee) {
    Block *entry = callee->region(0)->front();
    bool single = !entry->next;
    if (single && !(entry->last && entry->last->is(Opcode::tt_return))) return tessera::ok_status();
    if (!single && !blocksAllowed(call)) return tessera::ok_status();
    if (entry->numArgs() != call->numOperands())
      return tessera::fail(Code::VERIFY, "%s: error: call of @%s passes %u values, the function takes %u",
                           locText(call->loc).c_str(), std::string(callee->strAttr("sym_name")).c_str(),
                           call->numOperands(), entry->numArgs());
    for (Block *b = entry; b; b = b->next)
      if (b->last && b->last->is(Opcode::tt_return) && b->last->numOperands() != call->numResults())
        return tessera::fail(Code::VERIFY, "%s: error: call of @%s takes %u results, the function gives %u",
                             locText(call->loc).c_str(), std::string(callee->strAttr("sym_name")).c_str(),
                             call->numResults(), b->last->numOperands());
    unsigned level = nesting[callee->id];
    for (const Op *o = call; o; o = o->parentOp()) ++level;
    if (level > kMaxNesting)
      return tessera::fail(Code::LIMIT, "%s: error: inlining nests regions deeper than %u",
                           locText(call->loc).c_str(), kMaxNesting);
    std::vector<Value *> map;
    Op *copy = m.clone(callee, map);
    if (m.num_ops > kMaxOps)
      return tessera::fail(Code::LIMIT, "%s: error: inlining makes more than %u operations",
                           locText(call->loc).c_str(), kMaxOps);
    locations(copy, call->loc);
    Block *body = copy->region(0)->front();
    for (unsigned i = 0; i < body->numArgs(); ++i) body->arg(i)->replaceAllUsesWith(call->operand(i));
    if (single) splice(call, body);
    else spliceBlocks(call, copy->region(0));
    copy->erase();
    if (std::find(inlined.begin(), inlined.end(), callee) == inlined.end()) inlined.push_back(callee);
    changed = true;
    return tessera::ok_status();
  }

  void locations(Op *copy, Loc caller) {
    // A place in the text itself (of what has no location there) is never printed, so it stays outside call sites.
    bool unplaced = isTextLoc(caller);
    auto at = [&](Loc l) {
      if (unplaced || isTextLoc(l)) return l;
      bool known = l && l->kind != LocKind::Unknown, place = caller && caller->kind != LocKind::Unknown;
      return known || place ? m.ctx.callSiteLoc(l, caller) : l;
    };
    copy->walk([&](Op *o) {
      o->loc = at(o->loc);
      for (unsigned r = 0; r < o->numRegions(); ++r)
        for (Block *b = o->region(r)->first; b; b = b->next)
          for (unsigned i = 0; i < b->numArgs(); ++i)
            if (b->arg(i)->loc) b->arg(i)->loc = at(b->arg(i)->loc);
    });
  }

  /// Hints that stand on the call move to what computes the result inside, and win over hints already there; they
  /// are lost where the result is an argument handed through (as in release 3.9).
  static void hints(const Op *call, const Value *result) {
    if (!result->def) return;
    for (std::string_view name : {"tt.constancy", "tt.contiguity", "tt.divisibility"})
      if (Attr a = call->attr(name)) result->def->setAttr(name, a);
  }

  void splice(Op *call, Block *body) {
    Op *ret = body->last;
    for (unsigned i = 0; i < call->numResults(); ++i) {
      Value *v = ret->operand(i);
      if (v->def && body == v->def->parent) hints(call, v);
      if (!v->name) v->name = call->result(i)->name;
      call->result(i)->replaceAllUsesWith(v);
    }
    ret->erase();
    while (body->first) body->first->moveBefore(call);
    call->erase();
  }

  void spliceBlocks(Op *call, Region *from) {
    Block *before = call->parent;
    Region *to = before->parent;
    Block *after = m.createBlock(); // what follows the call, with its results as arguments
    to->insertAfter(after, before);
    for (unsigned i = 0; i < call->numResults(); ++i) {
      Value *v = after->addArg(m, call->result(i)->type, call->loc);
      v->name = call->result(i)->name;
      call->result(i)->replaceAllUsesWith(v);
    }
    while (call->next) move(call->next, after);
    Block *entry = from->front();
    while (entry->first) move(entry->first, before);
    call->erase();
    from->remove(entry);
    finish(before, after);
    Block *last = before;
    while (Block *b = from->front()) {
      from->remove(b);
      to->insertAfter(b, last);
      last = b;
      finish(b, after);
    }
  }
  static void move(Op *o, Block *to) {
    o->unlink();
    to->append(o);
  }
  void finish(Block *b, Block *after) {
    Op *ret = b->last;
    if (!ret || !ret->is(Opcode::tt_return)) return;
    OpSpec spec{.code = Opcode::cf_br, .loc = ret->loc, .succs = {after}};
    for (unsigned i = 0; i < ret->numOperands(); ++i) spec.operands.push_back(ret->operand(i));
    b->append(m.create(spec));
    ret->erase();
  }

  /// Private functions whose last call went.
  void sweep() {
    for (bool again = !inlined.empty(); again;) {
      again = false;
      std::vector<Op *> called;
      m.op->walk([&](Op *o) {
        if (o->is(Opcode::tt_call))
          if (Op *f = m.function(o->strAttr("callee"))) called.push_back(f);
      });
      for (Op *&f : inlined) {
        if (!f || f->strAttr("sym_visibility") != "private") continue;
        if (std::find(called.begin(), called.end(), f) != called.end()) continue;
        f->erase();
        f = nullptr;
        again = true;
      }
    }
  }
};

} // namespace

PassResult passInline(Module &m, const PassArgs &args) { return Inliner(m, args.flag("noinline")).run(); }

} // namespace tir
