// SPDX-License-Identifier: MIT
// Frames, calls, regions and the schedule of programs; what the machine prepares before it runs a function.
#include "machine.hh"
#include <algorithm>

namespace tir::interp {

using tessera::Code;
using tessera::Status;

static constexpr unsigned max_calls = 256, max_regions = 32;

// ---- texts ----------------------------------------------------------------------------------------------

std::string programText(const Program &p) {
  return tessera::format("program (%d, %d, %d)", p.pid[0], p.pid[1], p.pid[2]);
}

std::string indexText(Type type, uint32_t i) {
  if (!type || !type->isTensor()) return "()";
  std::string s;
  uint64_t rest = i;
  for (unsigned d = type->rank(); d-- > 0;) {
    int64_t size = type->shape[d] ? type->shape[d] : 1;
    s = std::to_string(rest % size) + (s.empty() ? "" : ", ") + s;
    rest /= size;
  }
  return "(" + s + ")";
}

void Machine::emit(Op &op, uint32_t kind, bool error, const std::string &what, uint64_t count) {
  if (!params.report) return;
  std::string loc = locText(op.loc), name(op.name());
  tir_interp_report r{};
  r.struct_size = sizeof r;
  r.is_error = error;
  r.kind = kind;
  for (int d = 0; d < 3; ++d) r.program[d] = current ? current->pid[d] : 0;
  r.location = loc.c_str();
  r.op = name.c_str();
  r.message = what.c_str();
  r.count = count;
  params.report(params.report_user, &r);
}

static std::string headline(Op &op, const Program *p, bool error, const std::string &what) {
  std::string s =
      locText(op.loc) + (error ? ": error: '" : ": note: '") + std::string(op.name()) + "' " + what;
  return p ? s + "; " + programText(*p) : s;
}

bool Machine::find(Op &op, uint32_t kind, const char *fmt, ...) {
  bool error = params.errors & kind;
  if (!error) {
    if (!(params.notes & kind)) return false;
    for (Seen &s : seen)
      if (s.op == &op && s.kind == kind) {
        ++s.count;
        return false;
      }
    seen.push_back({&op, kind, 1});
  }
  va_list args;
  va_start(args, fmt);
  std::string what = headline(op, current, error, tessera::vformat(fmt, args));
  va_end(args);
  emit(op, kind, error, what, 0);
  if (error) status = tessera::fail(Code::LAUNCH, "%s", what.c_str());
  return error;
}

Step Machine::stop(Op &op, Code code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  std::string what = headline(op, current, true, tessera::vformat(fmt, args));
  va_end(args);
  emit(op, 0, true, what, 0);
  status = tessera::fail(code, "%s", what.c_str());
  return Step::Stop;
}

void Machine::made(Op &op, uint8_t mark) {
  for (unsigned b = 0; b < 8; ++b)
    if ((mark >> b & 1) && !maker[b]) maker[b] = &op;
}

bool Machine::usedMarks(Op &op, uint8_t marks, uint32_t i, const char *role, bool stored) {
  static constexpr struct {
    uint8_t mark;
    uint32_t kind;
    const char *what;
  } kinds[] = {
      {MarkDiv, TIR_SANITIZE_DIV, "comes from an integer division by zero (or MIN / -1)"},
      {MarkShift, TIR_SANITIZE_SHIFT, "comes from a shift by the width or more"},
      {MarkConvert, TIR_SANITIZE_CONVERT, "comes from a float that is out of the integer's range"},
      {MarkGather, TIR_SANITIZE_GATHER, "comes from a gather index out of range"},
      {MarkOverflow, TIR_SANITIZE_OVERFLOW, "comes from a signed overflow"},
      {MarkUndef, TIR_SANITIZE_UNDEF, "is undefined"},
  };
  for (auto &k : kinds) {
    if (!(marks & k.mark) || !watching(k.kind) || (stored && k.mark == MarkOverflow)) continue;
    Op *from = maker[__builtin_ctz(k.mark)];
    std::string at = from && from != &op ? " (first made by '" + std::string(from->name()) + "' at " +
                                               locText(from->loc) + ")"
                                         : "";
    if (find(op, k.kind, "uses as %s a value that %s%s; element %u", role, k.what, at.c_str(), i))
      return true;
    if (k.mark == MarkDiv) marks &= ~MarkUndef; // one report is enough
  }
  return false;
}

// ---- preparation ----------------------------------------------------------------------------------------

static Status checkType(Type t, Op *op) {
  Type s = t ? t->scalar() : nullptr;
  if (s && s->isInt() && s->width > 64)
    return tessera::fail(
        Code::UNSUPPORTED,
        "%s: error: '%s' not implemented: integers of %u bits in the interpreter (at most 64)",
        locText(op->loc).c_str(), std::string(op->name()).c_str(), s->width);
  if (t && t->isTensor() && t->count() > (int64_t(1) << 26))
    return tessera::fail(
        Code::LIMIT, "%s: error: '%s' has a tile of %lld elements; the interpreter takes 2^26",
        locText(op->loc).c_str(), std::string(op->name()).c_str(), static_cast<long long>(t->count()));
  return tessera::ok_status();
}

/// Numbers the values of every function densely and checks that their types fit the cells.
Status Machine::plan() {
  locals.assign(module.num_values, 0);
  lanewiseCache.assign(module.num_ops, -1);
  constants.assign(module.num_ops, Tile());
  Status bad;
  for (Op *f = module.body()->first; f; f = f->next) {
    if (!f->is(Opcode::tt_func)) continue;
    FuncPlan p;
    p.func = f;
    f->walk([&](Op *op) {
      for (unsigned i = 0; i < op->numResults(); ++i) {
        locals[op->result(i)->id] = p.num_values++;
        if (bad.ok()) bad = checkType(op->result(i)->type, op);
      }
      for (unsigned r = 0; r < op->numRegions(); ++r)
        for (Block *b = op->region(r)->first; b; b = b->next)
          for (unsigned i = 0; i < b->numArgs(); ++i) {
            locals[b->arg(i)->id] = p.num_values++;
            if (bad.ok()) bad = checkType(b->arg(i)->type, op);
          }
    });
    plans.push_back(p);
  }
  planReleases();
  return bad;
}

/// For every value that is used in its own block only (or in regions below it): the operation after its last
/// user releases it. Keeps the memory of a program at what is alive.
void Machine::planReleases() {
  std::vector<uint32_t> order(module.num_ops, 0);
  std::vector<std::pair<uint32_t, uint32_t>> list; // op id, local
  auto value = [&](Value *v, Block *b, Op *def) {
    Op *last = def;
    for (Use *u = v->uses; u; u = u->next) {
      Op *o = u->owner;
      while (o && o->parent != b) o = o->parentOp();
      if (!o) return; // used in another block: lives as long as the function
      if (!last || order[o->id] > order[last->id]) last = o;
    }
    if (last && last->next) list.emplace_back(last->next->id, local(v));
  };
  module.op->walk([&](Op *op) {
    for (unsigned r = 0; r < op->numRegions(); ++r)
      for (Block *b = op->region(r)->first; b; b = b->next) {
        uint32_t n = 0;
        for (Op *o = b->first; o; o = o->next) order[o->id] = ++n;
        for (unsigned i = 0; i < b->numArgs(); ++i)
          if (b->arg(i)->uses) value(b->arg(i), b, nullptr);
        for (Op *o = b->first; o; o = o->next)
          for (unsigned i = 0; i < o->numResults(); ++i) value(o->result(i), b, o);
      }
  });
  std::sort(list.begin(), list.end());
  releaseStart.assign(module.num_ops + 1, 0);
  releases.clear();
  for (auto [op, v] : list) {
    ++releaseStart[op + 1];
    releases.push_back(v);
  }
  for (uint32_t i = 0; i < module.num_ops; ++i) releaseStart[i + 1] += releaseStart[i];
}

FuncPlan *Machine::planOf(Op *func) {
  for (FuncPlan &p : plans)
    if (p.func == func) return &p;
  return nullptr;
}

/// For messages only: walks the module.
Op *Machine::opById(uint32_t id) {
  Op *found = module.op;
  module.op->walk([&](Op *op) {
    if (op->id == id) found = op;
  });
  return found;
}

// ---- frames ---------------------------------------------------------------------------------------------

void Machine::push(Op *owner, Block *block, uint32_t region) {
  Frame f;
  f.owner = owner;
  f.pc = block->first;
  f.act = current->frames.empty() ? 0 : current->frames.back().act;
  f.region = region;
  current->frames.push_back(f);
}

Step Machine::enterCall(Op &call, Op *callee) {
  FuncPlan *p = callee && callee->numRegions() && !callee->region(0)->empty() ? planOf(callee) : nullptr;
  std::string name(call.strAttr("callee"));
  if (!p) return stop(call, Code::UNSUPPORTED, "calls @%s, which has no body", name.c_str());
  Block *entry = callee->region(0)->front();
  if (entry->numArgs() != call.numOperands())
    return stop(call, Code::VERIFY, "passes %u values to @%s, which takes %u", call.numOperands(),
                name.c_str(), entry->numArgs());
  if (current->acts.size() >= max_calls)
    return stop(call, Code::LIMIT, "nests more than %u calls", max_calls);
  auto a = std::make_unique<Activation>();
  a->plan = p;
  a->call = &call;
  a->env.resize(p->num_values);
  for (unsigned i = 0; i < entry->numArgs(); ++i) a->env[local(entry->arg(i))] = in(call, i);
  current->acts.push_back(std::move(a));
  push(callee, entry);
  current->frames.back().act = static_cast<uint32_t>(current->acts.size() - 1);
  return Step::Next;
}

Step Machine::execute(size_t floor) {
  Program &p = *current;
  while (p.frames.size() > floor) {
    Op *op = p.frames.back().pc;
    if (!op) return stop(*p.frames.back().owner, Code::VERIFY, "has a block without a terminator");
    if (++p.steps > maxSteps)
      return stop(
          *op, Code::LIMIT,
          "is where the program was after %llu operations (max_steps); an endless wait or a longer limit "
          "is needed",
          static_cast<unsigned long long>(maxSteps));
    std::vector<Tile> &env = act().env;
    for (uint32_t r = releaseStart[op->id]; r < releaseStart[op->id + 1]; ++r) env[releases[r]].reset();
    p.frames.back().pc = op->next;
    Meaning f = meaningOf(op->code);
    if (!f) return stop(*op, Code::UNSUPPORTED, "not implemented: no meaning in the interpreter");
    Step s = f(*this, *op);
    if (s == Step::Stop) return s;
    if (s == Step::Yield && !depth) return s;
  }
  return Step::Next;
}

bool Machine::runRegion(Op &op, const std::vector<Tile> &args, uint32_t width, std::vector<Tile> *results) {
  Block *b = op.region(0)->front();
  if (!b || b->numArgs() != args.size()) {
    stop(op, Code::VERIFY, "has a region with %u arguments where %zu are passed", b ? b->numArgs() : 0,
         args.size());
    return false;
  }
  if (depth >= max_regions) {
    stop(op, Code::LIMIT, "nests more than %u regions", max_regions);
    return false;
  }
  uint32_t saved = lanes;
  std::vector<std::pair<Value *, Tile>>
      outside; // values of the surroundings, widened to every lane meanwhile
  if (width > 1)
    for (Value *v : captures(op)) {
      Tile old = get(v);
      if (old.size() != 1) continue;
      Tile wide = Tile::fill(width, old[0]);
      wide.mergeMarks(old);
      set(v, std::move(wide));
      outside.emplace_back(v, std::move(old));
    }
  lanes = width;
  ++depth;
  size_t floor = current->frames.size();
  push(&op, b);
  for (unsigned i = 0; i < args.size(); ++i) set(b->arg(i), args[i]);
  Step s = execute(floor);
  --depth;
  lanes = saved;
  if (s != Step::Stop)
    for (auto &[v, t] : outside) set(v, std::move(t));
  *results = std::move(current->returned);
  current->returned.clear();
  return s != Step::Stop;
}

bool Machine::lanewiseBlock(Block *b, unsigned level) {
  for (unsigned i = 0; i < b->numArgs(); ++i)
    if (b->arg(i)->type->isTensor()) return false;
  for (Op *o = b->first; o; o = o->next) {
    for (unsigned i = 0; i < o->numResults(); ++i)
      if (o->result(i)->type->isTensor()) return false;
    if (o->is(Opcode::tt_call)) {
      Op *f = module.function(o->strAttr("callee"));
      if (level > 8 || !f || !f->numRegions() || f->region(0)->empty() || f->region(0)->first->next)
        return false;
      if (!lanewiseBlock(f->region(0)->front(), level + 1)) return false;
      continue;
    }
    if (o->numRegions() || o->numSuccs()) return false;
    uint32_t t = o->info().traits;
    if (!(t & (TraitElementwise | TraitTerminator | TraitConstantLike)) &&
        !o->is(Opcode::tt_get_program_id) && !o->is(Opcode::tt_get_num_programs))
      return false;
  }
  return true;
}

const std::vector<Value *> &Machine::captures(Op &op) {
  auto [it, fresh] = captured.try_emplace(op.id);
  if (fresh)
    op.walk([&](Op *inner) {
      if (inner == &op) return;
      for (unsigned i = 0; i < inner->numOperands(); ++i) {
        Value *v = inner->operand(i);
        Block *b = v->parentBlock();
        Op *o = b->parentOp();
        while (o && o != &op) o = o->parentOp();
        if (!o && std::find(it->second.begin(), it->second.end(), v) == it->second.end())
          it->second.push_back(v);
      }
    });
  return it->second;
}

bool Machine::lanewise(Op &op) {
  int8_t &c = lanewiseCache[op.id];
  if (c < 0) {
    Region *r = op.region(0);
    c = !r->empty() && !r->first->next && lanewiseBlock(r->front(), 0);
  }
  return c;
}

// ---- launch ---------------------------------------------------------------------------------------------

void Machine::startProgram(Program &p, Op *kernel, const std::vector<Tile> &values, uint32_t number) {
  uint32_t gx = params.grid[0], gy = params.grid[1];
  p.number = number;
  p.pid[0] = number % gx;
  p.pid[1] = number / gx % gy;
  p.pid[2] = number / gx / gy;
  p.clock.set(number, 1);
  auto a = std::make_unique<Activation>();
  a->plan = planOf(kernel);
  a->env.resize(a->plan->num_values);
  Block *entry = kernel->region(0)->front();
  for (unsigned i = 0; i < values.size(); ++i) a->env[local(entry->arg(i))] = values[i];
  p.acts.push_back(std::move(a));
  current = &p;
  push(kernel, entry);
}

/// Programs take turns at every atomic. A few are alive at once; when those only wait, more are started, so
/// that programs which wait for later ones end too.
Status Machine::schedule(Op *kernel, const std::vector<Tile> &values) {
  uint32_t total = static_cast<uint32_t>(params.grid[0]) * params.grid[1] * params.grid[2], next = 0;
  std::vector<std::unique_ptr<Program>> live;
  size_t window = 4;
  unsigned idle = 0; // rounds since a program ended
  while (true) {
    while (live.size() < window && next < total) {
      live.push_back(std::make_unique<Program>());
      startProgram(*live.back(), kernel, values, next++);
    }
    if (live.empty()) break;
    ++idle;
    for (size_t i = 0; i < live.size();) {
      current = live[i].get();
      Step s = execute(0);
      if (s == Step::Stop) {
        current = nullptr;
        return status;
      }
      if (s == Step::Next) {
        live.erase(live.begin() + i);
        idle = 0;
      } else {
        ++i;
      }
    }
    if (idle > 64 && next < total) {
      window *= 2;
      idle = 0;
    }
  }
  current = nullptr;
  return tessera::ok_status();
}

Status Machine::launch(Op *kernel, const std::vector<tir_interp_arg> &args) {
  maxSteps = params.max_steps ? params.max_steps : uint64_t(1) << 26;
  TESSERA_TRY(plan());
  std::vector<Tile> values;
  TESSERA_TRY(bindArgs(kernel, args, &values));
  Status s = schedule(kernel, values);
  for (const Seen &n : seen)
    if (n.count > 1)
      emit(*n.op, n.kind, false,
           headline(*n.op, nullptr, false,
                    tessera::format("did so %llu times", static_cast<unsigned long long>(n.count))),
           n.count);
  memory.finish();
  return s;
}

Status run(Module &module, std::string_view name, const tir_interp_params &params,
           const std::vector<tir_interp_arg> &args) {
  int64_t programs = 1;
  for (int d = 0; d < 3; ++d) {
    if (params.grid[d] < 1)
      return tessera::fail(Code::INVALID_ARGUMENT, "grid[%d] is %d: expected at least 1", d, params.grid[d]);
    programs *= params.grid[d];
    if (programs > INT32_MAX)
      return tessera::fail(Code::INVALID_ARGUMENT, "the grid (%d, %d, %d) has 2^31 programs or more",
                           params.grid[0], params.grid[1], params.grid[2]);
  }
  tessera::Result<Op *> kernel = module.kernel(name);
  if (!kernel.ok()) return kernel.status;
  if (!kernel.value->numRegions() || kernel.value->region(0)->empty())
    return tessera::fail(Code::UNSUPPORTED, "kernel @%s has no body",
                         std::string(kernel.value->strAttr("sym_name")).c_str());
  Machine m(module, params);
  return m.launch(kernel.value, args);
}

} // namespace tir::interp
