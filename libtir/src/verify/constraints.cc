// SPDX-License-Identifier: MIT
#include "verify.hh"

namespace tir {
namespace {

bool signless(Type t) { return t->isInt() && t->sign == Sign::None; }

/// Integers and floats that tiles of the tt dialect hold.
bool tileInt(Type t) {
  if (!signless(t)) return false;
  switch (t->width) {
  case 1: case 4: case 8: case 16: case 32: case 64: return true;
  default: return false;
  }
}

bool tileFloat(Type t) {
  if (!t->isFloat()) return false;
  switch (t->fkind) {
  case FloatKind::F16: case FloatKind::BF16: case FloatKind::F32: case FloatKind::F64:
  case FloatKind::F8E4M3FN: case FloatKind::F8E4M3FNUZ: case FloatKind::F8E5M2: case FloatKind::F8E5M2FNUZ:
    return true;
  default: return false;
  }
}

bool scalarPtr(Type t) { return t->isPtr() && !t->elem->isTensor(); }
bool tensorPtr(Type t) { return t->isPtr() && t->elem->isTensor(); }
bool element(Type t) { return tileInt(t) || tileFloat(t) || scalarPtr(t); }

} // namespace

bool holds(Constraint constraint, Type t) {
  if (!t) return false;
  Type s = t->scalar();
  switch (constraint) {
  case Constraint::anyType: return true;
  case Constraint::any: return element(s);
  case Constraint::floatLike: return tileFloat(s);
  case Constraint::f32Like: return s->isFloat(FloatKind::F32);
  case Constraint::intLike: return tileInt(s);
  case Constraint::i1Like: return signless(s) && s->width == 1;
  case Constraint::i64Like: return signless(s) && s->width == 64;
  case Constraint::ptrLike: return scalarPtr(s);
  case Constraint::ptrOrTensorPtr: return scalarPtr(s) || tensorPtr(t);
  case Constraint::ptr: return scalarPtr(t);
  case Constraint::tensorPtr: return tensorPtr(t);
  case Constraint::desc: return t->isDesc();
  case Constraint::tensor: return t->isTensor() && element(s);
  case Constraint::intTensor: return t->isTensor() && tileInt(s);
  case Constraint::floatTensor: return t->isTensor() && tileFloat(s);
  case Constraint::fpIntTensor: return t->isTensor() && (tileFloat(s) || tileInt(s));
  case Constraint::f8OrI8Tensor: return t->isTensor() && (tileFloat(s) || (signless(s) && s->width == 8));
  case Constraint::i16i32Tensor: return t->isTensor() && signless(s) && (s->width == 16 || s->width == 32);
  case Constraint::i1: return signless(t) && t->width == 1;
  case Constraint::i32: return signless(t) && t->width == 32;
  case Constraint::i64: return signless(t) && t->width == 64;
  case Constraint::arithInt: return signless(s) || s->kind == TypeKind::Index;
  case Constraint::arithFixedInt: return signless(s);
  case Constraint::arithIntScalar: return signless(t) || t->kind == TypeKind::Index;
  case Constraint::arithFloat: return s->isFloat();
  case Constraint::ptrTensor: return t->isTensor() && scalarPtr(s);
  case Constraint::memdesc: return t->isMemDesc();
  case Constraint::tensorOrMemdesc: return t->isMemDesc() || (t->isTensor() && element(s));
  case Constraint::token: return t->kind == TypeKind::Opaque && t->text.view() == "!ttg.async.token";
  case Constraint::i16: return signless(t) && t->width == 16;
  case Constraint::arithNumber: return s->isFloat() || signless(s);
  }
  return false;
}

} // namespace tir
