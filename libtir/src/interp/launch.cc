// SPDX-License-Identifier: MIT
// Arguments of a launch, and how meanings reach memory.
#include "machine.hh"

namespace tir::interp {

using tessera::Code;
using tessera::fail;
using tessera::Status;

static std::string typeWord(Type t) {
  if (t->isInt()) return tessera::format("i%u", t->width);
  if (t->isFloat()) return floatName(t->fkind);
  if (t->isPtr()) return "a pointer to " + typeWord(t->elem);
  if (t->isDesc()) return "a tensor descriptor";
  if (t->isTensor()) return "a tile";
  return "another type";
}

static std::string argName(Value *v, unsigned i) {
  std::string_view n;
  if (v->loc && v->loc->kind == LocKind::Name) n = v->loc->text.view();
  if (n.empty()) n = v->name.view();
  return n.empty() ? tessera::format("argument %u", i)
                   : tessera::format("argument %u ('%s')", i, std::string(n).c_str());
}

static const char *kindWord(uint32_t k) {
  return k == TIR_INTERP_SCALAR       ? "a scalar"
         : k == TIR_INTERP_BUFFER     ? "a buffer"
         : k == TIR_INTERP_DESCRIPTOR ? "a tensor descriptor"
                                      : "an unknown kind";
}

Status Machine::bindArgs(Op *kernel, const std::vector<tir_interp_arg> &args, std::vector<Tile> *values) {
  Block *entry = kernel->region(0)->front();
  std::string name(kernel->strAttr("sym_name"));
  if (args.size() != entry->numArgs())
    return fail(Code::INVALID_ARGUMENT, "kernel @%s takes %u arguments, %zu were given", name.c_str(),
                entry->numArgs(), args.size());
  for (unsigned i = 0; i < args.size(); ++i) {
    const tir_interp_arg &a = args[i];
    Type t = entry->arg(i)->type;
    std::string who = argName(entry->arg(i), i) + " of @" + name;
    uint32_t want = 99u;
    if (t->isPtr()) want = TIR_INTERP_BUFFER;
    if (t->isDesc()) want = TIR_INTERP_DESCRIPTOR;
    if (t->isInt() || t->isFloat() || t->kind == TypeKind::Index) want = TIR_INTERP_SCALAR;
    if (want == 99u)
      return fail(Code::UNSUPPORTED, "%s is %s: not implemented as an argument", who.c_str(),
                  typeWord(t).c_str());
    if (a.kind != want)
      return fail(Code::INVALID_ARGUMENT, "%s is %s: expected %s, got %s", who.c_str(), typeWord(t).c_str(),
                  kindWord(want), kindWord(a.kind));
    if (want == TIR_INTERP_SCALAR) continue;
    if (a.flags & ~uint32_t(TIR_INTERP_OUTPUT | TIR_INTERP_READONLY))
      return fail(Code::INVALID_ARGUMENT, "%s: unknown flags 0x%x", who.c_str(), a.flags);
    if (!a.data && a.size)
      return fail(Code::INVALID_ARGUMENT, "%s: data is NULL but size is %zu", who.c_str(), a.size);
    if (a.size >> 39) return fail(Code::INVALID_ARGUMENT, "%s: %zu bytes; at most 2^39", who.c_str(), a.size);
    if (want == TIR_INTERP_DESCRIPTOR) {
      if (a.rank != t->rank())
        return fail(Code::INVALID_ARGUMENT, "%s: the descriptor has rank %u, its type %u", who.c_str(),
                    a.rank, t->rank());
      if (!a.shape) return fail(Code::INVALID_ARGUMENT, "%s: shape is NULL", who.c_str());
      if (a.padding > 2)
        return fail(Code::INVALID_ARGUMENT, "%s: padding is %u: expected 1 (zero) or 2 (NaN)", who.c_str(),
                    a.padding);
      for (unsigned d = 0; d < a.rank; ++d)
        if (a.shape[d] < 0)
          return fail(Code::INVALID_ARGUMENT, "%s: shape[%u] is %lld", who.c_str(), d,
                      static_cast<long long>(a.shape[d]));
    }
    memory.add(i, a.data, a.size, a.flags, a.shadow);
  }
  memory.layout();
  for (unsigned i = 0; i < args.size(); ++i) {
    const tir_interp_arg &a = args[i];
    Type t = entry->arg(i)->type;
    if (a.kind == TIR_INTERP_SCALAR) {
      values->push_back(Tile::scalar(a.bits & maskOf(widthOf(t))));
    } else if (a.kind == TIR_INTERP_BUFFER) {
      values->push_back(Tile::scalar(memory.address(a.data)));
    } else {
      Tile d(2 + 2 * a.rank);
      uint64_t *c = d.cells();
      c[0] = memory.address(a.data);
      int64_t stride = 1;
      for (unsigned k = a.rank; k-- > 0;) {
        c[1 + k] = a.shape[k];
        c[1 + a.rank + k] = a.strides ? a.strides[k] : stride;
        stride *= a.shape[k];
      }
      c[1 + 2 * a.rank] = a.padding ? a.padding : 1;
      values->push_back(d);
    }
  }
  return tessera::ok_status();
}

// ---- memory ---------------------------------------------------------------------------------------------

bool Machine::access(Op &op, uint64_t address, unsigned bytes, bool write, bool atomic, Type type, uint32_t i,
                     Access *out) {
  Place p = memory.find(address);
  out->host = nullptr;
  if (!p.buffer || !p.buffer->contains(p.offset, bytes)) {
    if (!watching(TIR_SANITIZE_BOUNDS)) return true;
    const char *verb = write ? "writes" : "reads";
    if (!p.buffer)
      return !find(op, TIR_SANITIZE_BOUNDS,
                   "%s %u bytes at address 0x%llx, which lies in no argument; element %s", verb, bytes,
                   static_cast<unsigned long long>(address), indexText(type, i).c_str());
    std::string who;
    for (unsigned a : p.buffer->params) who += tessera::format("%s%u", who.empty() ? "" : " and ", a);
    return !find(op, TIR_SANITIZE_BOUNDS,
                 "%s %u bytes at byte offset %lld of argument %s, which has %llu bytes; "
                 "element %s",
                 verb, bytes, static_cast<long long>(p.offset), who.c_str(),
                 static_cast<unsigned long long>(p.buffer->size), indexText(type, i).c_str());
  }
  if (write && (p.buffer->flags & TIR_INTERP_READONLY))
    return !find(op, TIR_SANITIZE_BOUNDS, "writes argument %u, which is read-only; element %s",
                 p.buffer->params[0], indexText(type, i).c_str());
  if ((address & (bytes - 1)) && watching(TIR_SANITIZE_ALIGN) &&
      find(op, TIR_SANITIZE_ALIGN, "%s %u bytes at byte offset %lld of argument %u: not aligned; element %s",
           write ? "writes" : "reads", bytes, static_cast<long long>(p.offset), p.buffer->params[0],
           indexText(type, i).c_str()))
    return false;
  out->place = p;
  out->host = p.host();
  if (watching(TIR_SANITIZE_RACE)) {
    Race r;
    if (races.access(p, bytes, current->number, current->clock, write, atomic, op.id, &r)) {
      Op *first = opById(r.first_op);
      uint32_t n = r.first_program, gx = params.grid[0], gy = params.grid[1];
      if (find(
              op, TIR_SANITIZE_RACE,
              "%s byte offset %lld of argument %u while '%s' at %s of program (%u, %u, %u) %s it and nothing "
              "orders the two",
              write ? "writes" : "reads", static_cast<long long>(p.offset), p.buffer->params[0],
              std::string(first->name()).c_str(), locText(first->loc).c_str(), n % gx, n / gx % gy,
              n / gx / gy, r.first_write ? "writes" : "reads"))
        return false;
    }
  }
  return true;
}

uint32_t Machine::runLength(const Tile &pointers, const Tile *mask, uint32_t i, unsigned bytes) {
  uint32_t n = pointers.size(), k = i + 1;
  const uint64_t *p = pointers.bits(), *m = mask ? mask->bits() : nullptr;
  while (k < n && p[k] == p[k - 1] + bytes && (!m || (m[k] & 1))) ++k;
  return k - i;
}

uint8_t *Machine::runMemory(uint64_t address, uint64_t size, unsigned bytes, bool write, uint8_t **shadow) {
  if (watching(TIR_SANITIZE_RACE) || (address & (bytes - 1))) return nullptr;
  Place p = memory.find(address);
  if (!p.buffer || !p.buffer->contains(p.offset, size)) return nullptr;
  if (write && (p.buffer->flags & TIR_INTERP_READONLY)) return nullptr;
  *shadow = p.buffer->shadow.empty() ? nullptr : p.buffer->shadow.data() + p.offset;
  if (!write && *shadow &&
      (std::memchr(*shadow, TIR_SHADOW_UNWRITTEN, size) || std::memchr(*shadow, TIR_SHADOW_UNDEFINED, size)))
    return nullptr;
  return p.host();
}

uint64_t Machine::loadCell(const Access &a, unsigned bytes, uint8_t *mark) {
  const Buffer &b = *a.place.buffer;
  if (!b.shadow.empty()) {
    const uint8_t *s = b.shadow.data() + a.place.offset;
    for (unsigned k = 0; k < bytes; ++k)
      if (s[k] == TIR_SHADOW_UNDEFINED || s[k] == TIR_SHADOW_UNWRITTEN) *mark |= MarkUndef;
  }
  uint64_t v = 0;
  switch (bytes) {
  case 1:
    return *a.host;
  case 2:
    std::memcpy(&v, a.host, 2);
    break;
  case 4:
    std::memcpy(&v, a.host, 4);
    break;
  default:
    std::memcpy(&v, a.host, 8);
    break;
  }
  return v;
}

bool Machine::checkUnwritten(Op &op, const Access &a, unsigned bytes) {
  if (!watching(TIR_SANITIZE_UNWRITTEN) || a.place.buffer->shadow.empty()) return false;
  const uint8_t *s = a.place.buffer->shadow.data() + a.place.offset;
  for (unsigned k = 0; k < bytes; ++k)
    if (s[k] == TIR_SHADOW_UNWRITTEN)
      return find(op, TIR_SANITIZE_UNWRITTEN,
                  "reads byte offset %llu of argument %u, which nothing has written",
                  static_cast<unsigned long long>(a.place.offset + k), a.place.buffer->params[0]);
  return false;
}

void Machine::storeCell(const Access &a, unsigned bytes, uint64_t v, bool undef) {
  Buffer &b = *a.place.buffer;
  if (undef && b.shadow.empty()) b.shadow.assign(b.size, TIR_SHADOW_INITIAL);
  if (!b.shadow.empty())
    std::memset(b.shadow.data() + a.place.offset, undef ? TIR_SHADOW_UNDEFINED : TIR_SHADOW_WRITTEN, bytes);
  switch (bytes) {
  case 1:
    *a.host = static_cast<uint8_t>(v);
    break;
  case 2:
    std::memcpy(a.host, &v, 2);
    break;
  case 4:
    std::memcpy(a.host, &v, 4);
    break;
  default:
    std::memcpy(a.host, &v, 8);
    break;
  }
}

} // namespace tir::interp
