// SPDX-License-Identifier: MIT
// C API: walk.h.
#include "handles.hh"
#include "tir/walk.h"

using namespace tir;
using tessera::Code;
namespace api = tessera::api;

static const char *text(Str s) { return s ? s.data->text : ""; }

/// Module of a value, or null for a detached one.
static Module *moduleOf(const Value *v) {
  if (v->def) return v->def->module;
  Op *holder = v->block ? v->block->parentOp() : nullptr;
  return holder ? holder->module : nullptr;
}

#define LIVE(var, handle, name, otherwise)                                                                   \
  Op *var = liveOp(handle, name);                                                                            \
  if (!var) return otherwise

extern "C" {

uint32_t tir_op_opcode(tir_op op) { return op ? static_cast<uint32_t>(unwrap(op)->code) : 0; }
const char *tir_op_name(tir_op op) {
  LIVE(o, op, "tir_op_name", nullptr);
  return o->info().name.data();
}
const char *tir_opcode_name(uint32_t opcode) {
  if (!opcode || opcode >= tir_opcode_count()) return nullptr;
  return opInfo(static_cast<Opcode>(opcode)).name.data();
}
uint32_t tir_opcode_from_name(const char *name) { return name ? static_cast<uint32_t>(opByName(name)) : 0; }
uint32_t tir_opcode_count(void) { return static_cast<uint32_t>(Opcode::count_); }

tir_module *tir_op_module(tir_op op) {
  LIVE(o, op, "tir_op_module", nullptr);
  return wrap(o->module);
}
tir_loc tir_op_loc(tir_op op) {
  LIVE(o, op, "tir_op_loc", nullptr);
  return wrap(o->loc);
}
tir_status tir_op_set_loc(tir_op op, tir_loc loc) {
  LIVE(o, op, "tir_op_set_loc", TIR_INVALID_ARGUMENT);
  if (loc && unwrap(loc)->ctx != o->ctx())
    return api::error(Code::INVALID_ARGUMENT, "tir_op_set_loc: the location is of another context");
  o->loc = loc ? unwrap(loc) : o->ctx()->unknownLoc();
  return TIR_OK;
}
tir_op tir_op_parent(tir_op op) {
  LIVE(o, op, "tir_op_parent", nullptr);
  return wrap(o->parentOp());
}
tir_block tir_op_block(tir_op op) {
  LIVE(o, op, "tir_op_block", nullptr);
  return wrap(o->parent);
}
tir_op tir_op_next(tir_op op) {
  LIVE(o, op, "tir_op_next", nullptr);
  return wrap(o->next);
}
tir_op tir_op_prev(tir_op op) {
  LIVE(o, op, "tir_op_prev", nullptr);
  return wrap(o->prev);
}

uint32_t tir_op_num_operands(tir_op op) {
  LIVE(o, op, "tir_op_num_operands", 0);
  return o->numOperands();
}
tir_value tir_op_operand(tir_op op, uint32_t i) {
  LIVE(o, op, "tir_op_operand", nullptr);
  if (i >= o->numOperands()) return bad("tir_op_operand: operand %u of %u", i, o->numOperands());
  return wrap(o->operand(i));
}
tir_status tir_op_set_operand(tir_op op, uint32_t i, tir_value value) {
  LIVE(o, op, "tir_op_set_operand", TIR_INVALID_ARGUMENT);
  if (i >= o->numOperands())
    return api::error(Code::INVALID_ARGUMENT, "tir_op_set_operand: operand %u of %u", i, o->numOperands());
  if (!value || moduleOf(unwrap(value)) != o->module)
    return api::error(Code::INVALID_ARGUMENT, "tir_op_set_operand: the value is %s",
                      value ? "of another module" : "NULL");
  o->setOperand(i, unwrap(value));
  return TIR_OK;
}
tir_status tir_op_operand_slot(tir_op op, const char *slot, uint32_t *first, uint32_t *count) {
  LIVE(o, op, "tir_op_operand_slot", TIR_INVALID_ARGUMENT);
  if (!slot) return api::error(Code::INVALID_ARGUMENT, "tir_op_operand_slot: slot is NULL");
  const OpInfo &info = o->info();
  for (unsigned i = 0; i < info.num_operands; ++i)
    if (!std::strcmp(info.operands[i].name, slot)) {
      unsigned f, n;
      o->slotRange(i, &f, &n);
      if (first) *first = f;
      if (count) *count = n;
      return TIR_OK;
    }
  return api::error(Code::NOT_FOUND, "'%s' has no operand slot '%.60s'", info.name.data(), slot);
}
uint32_t tir_op_num_results(tir_op op) {
  LIVE(o, op, "tir_op_num_results", 0);
  return o->numResults();
}
tir_value tir_op_result(tir_op op, uint32_t i) {
  LIVE(o, op, "tir_op_result", nullptr);
  if (i >= o->numResults()) return bad("tir_op_result: result %u of %u", i, o->numResults());
  return wrap(o->result(i));
}
uint32_t tir_op_num_regions(tir_op op) {
  LIVE(o, op, "tir_op_num_regions", 0);
  return o->numRegions();
}
tir_region tir_op_region(tir_op op, uint32_t i) {
  LIVE(o, op, "tir_op_region", nullptr);
  if (i >= o->numRegions()) return bad("tir_op_region: region %u of %u", i, o->numRegions());
  return wrap(o->region(i));
}
uint32_t tir_op_num_successors(tir_op op) {
  LIVE(o, op, "tir_op_num_successors", 0);
  return o->numSuccs();
}
tir_block tir_op_successor(tir_op op, uint32_t i) {
  LIVE(o, op, "tir_op_successor", nullptr);
  if (i >= o->numSuccs()) return bad("tir_op_successor: successor %u of %u", i, o->numSuccs());
  return wrap(o->succ(i));
}

uint32_t tir_op_num_attrs(tir_op op) {
  LIVE(o, op, "tir_op_num_attrs", 0);
  return o->nattrs;
}
const char *tir_op_attr_name(tir_op op, uint32_t i) {
  LIVE(o, op, "tir_op_attr_name", nullptr);
  return i < o->nattrs ? text(o->attrs_[i].name) : bad("tir_op_attr_name: attribute %u of %u", i, o->nattrs);
}
tir_attr tir_op_attr_at(tir_op op, uint32_t i) {
  LIVE(o, op, "tir_op_attr_at", nullptr);
  return i < o->nattrs ? wrap(o->attrs_[i].value) : bad("tir_op_attr_at: attribute %u of %u", i, o->nattrs);
}
tir_attr tir_op_attr(tir_op op, const char *name) {
  LIVE(o, op, "tir_op_attr", nullptr);
  return name ? wrap(o->attr(name)) : bad("tir_op_attr: name is NULL");
}
tir_status tir_op_set_attr(tir_op op, const char *name, tir_attr value) {
  LIVE(o, op, "tir_op_set_attr", TIR_INVALID_ARGUMENT);
  if (!name) return api::error(Code::INVALID_ARGUMENT, "tir_op_set_attr: name is NULL");
  if (value && unwrap(value)->ctx != o->ctx())
    return api::error(Code::INVALID_ARGUMENT, "tir_op_set_attr: the value is of another context");
  o->setAttr(name, unwrap(value));
  return TIR_OK;
}

tir_status tir_op_erase(tir_op op) {
  LIVE(o, op, "tir_op_erase", TIR_INVALID_ARGUMENT);
  if (o == o->module->op)
    return api::error(Code::INVALID_ARGUMENT, "tir_op_erase: a module's own operation cannot be erased");
  for (unsigned i = 0; i < o->numResults(); ++i)
    for (Use *u = o->result(i)->uses; u; u = u->next)
      if (!o->isAncestorOf(u->owner))
        return api::error(Code::BUSY, "tir_op_erase: result %u of '%s' is used by '%s' at %s", i,
                          o->info().name.data(), u->owner->info().name.data(), locText(u->owner->loc).c_str());
  o->erase();
  return TIR_OK;
}

tir_status tir_block_splice(tir_block dest, tir_block source) {
  Block *to = unwrap(dest), *from = unwrap(source);
  Op *a = to ? to->parentOp() : nullptr, *b = from ? from->parentOp() : nullptr;
  if (!a || !b || a->erased() || b->erased())
    return api::error(Code::INVALID_ARGUMENT, "tir_block_splice: a block is NULL or erased");
  if (a->module != b->module || to == from)
    return api::error(Code::INVALID_ARGUMENT, "tir_block_splice: the blocks must be two of one module");
  for (const Block *k = to; k; k = k->parentOp() ? k->parentOp()->parent : nullptr)
    if (k == from)
      return api::error(Code::INVALID_ARGUMENT, "tir_block_splice: the destination lies inside the source");
  while (Op *op = from->first) {
    op->unlink();
    to->append(op);
  }
  return TIR_OK;
}

static bool walkOp(Op *o, tir_visit_fn visit, void *user) {
  int answer = visit(user, wrap(o));
  if (answer != 0) return answer != 1;
  if (o->erased()) return false;
  for (unsigned r = 0; r < o->numRegions(); ++r)
    for (Block *b = o->region(r)->first; b; b = b->next)
      for (Op *inner = b->first, *next; inner; inner = next) {
        next = inner->next; // the visit may erase `inner`
        if (walkOp(inner, visit, user)) return true;
      }
  return false;
}

int tir_op_walk(tir_op root, tir_visit_fn visit, void *user) {
  LIVE(o, root, "tir_op_walk", 0);
  if (!visit) return bad("tir_op_walk: visit is NULL"), 0;
  return walkOp(o, visit, user);
}

tir_status tir_op_census(tir_op root, uint32_t *counts, uint32_t n) {
  LIVE(o, root, "tir_op_census", TIR_INVALID_ARGUMENT);
  if (!counts && n) return api::error(Code::INVALID_ARGUMENT, "tir_op_census: counts is NULL");
  if (n) std::memset(counts, 0, sizeof *counts * n);
  o->walk([&](Op *x) {
    if (static_cast<uint32_t>(x->code) < n) ++counts[static_cast<uint32_t>(x->code)];
  });
  return TIR_OK;
}

tir_op tir_region_op(tir_region region) { return region ? wrap(unwrap(region)->parent) : nullptr; }
tir_block tir_region_first_block(tir_region region) { return region ? wrap(unwrap(region)->first) : nullptr; }
tir_block tir_block_next(tir_block block) { return block ? wrap(unwrap(block)->next) : nullptr; }
tir_region tir_block_region(tir_block block) { return block ? wrap(unwrap(block)->parent) : nullptr; }
tir_op tir_block_first_op(tir_block block) { return block ? wrap(unwrap(block)->first) : nullptr; }
tir_op tir_block_last_op(tir_block block) { return block ? wrap(unwrap(block)->last) : nullptr; }
tir_op tir_block_terminator(tir_block block) { return block ? wrap(unwrap(block)->terminator()) : nullptr; }
uint32_t tir_block_num_args(tir_block block) { return block ? unwrap(block)->numArgs() : 0; }
tir_value tir_block_arg(tir_block block, uint32_t i) {
  return i < tir_block_num_args(block) ? wrap(unwrap(block)->arg(i)) : bad("tir_block_arg: no argument %u", i);
}

tir_type tir_value_type(tir_value value) { return value ? wrap(unwrap(value)->type) : nullptr; }
tir_op tir_value_op(tir_value value) { return value ? wrap(unwrap(value)->def) : nullptr; }
tir_block tir_value_block(tir_value value) { return value ? wrap(unwrap(value)->block) : nullptr; }
uint32_t tir_value_index(tir_value value) { return value ? unwrap(value)->index : 0; }
const char *tir_value_name(tir_value value) { return value ? text(unwrap(value)->name) : nullptr; }
tir_status tir_value_set_name(tir_value value, const char *name) {
  Module *m = value ? moduleOf(unwrap(value)) : nullptr;
  if (!m || !name)
    return api::error(Code::INVALID_ARGUMENT, "tir_value_set_name: %s",
                      !name ? "name is NULL" : value ? "the value belongs to no module" : "value is NULL");
  unwrap(value)->name = *name ? m->ctx.str(name) : Str{};
  return TIR_OK;
}
uint32_t tir_value_num_uses(tir_value value) {
  uint32_t n = 0;
  for (Use *u = value ? unwrap(value)->uses : nullptr; u; u = u->next) ++n;
  return n;
}
tir_use tir_value_first_use(tir_value value) { return value ? wrap(unwrap(value)->uses) : nullptr; }
tir_use tir_use_next(tir_use use) { return use ? wrap(unwrap(use)->next) : nullptr; }
tir_op tir_use_op(tir_use use) { return use ? wrap(unwrap(use)->owner) : nullptr; }
uint32_t tir_use_index(tir_use use) { return use ? unwrap(use)->index() : 0; }
tir_status tir_value_replace_uses(tir_value value, tir_value other) {
  if (!value || !other)
    return api::error(Code::INVALID_ARGUMENT, "tir_value_replace_uses: %s is NULL", value ? "other" : "value");
  Value *a = unwrap(value), *b = unwrap(other);
  if (a->type != b->type || moduleOf(a) != moduleOf(b))
    return api::error(Code::INVALID_ARGUMENT, "tir_value_replace_uses: the values differ in their %s",
                      a->type != b->type ? "type" : "module");
  a->replaceAllUsesWith(b);
  return TIR_OK;
}

} // extern "C"
