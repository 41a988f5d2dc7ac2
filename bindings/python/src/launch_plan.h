// SPDX-License-Identifier: MIT
/* Packing the arguments of a kernel, and calling the driver. Part of launch.c. */
#ifndef TESSERA_LAUNCH_PLAN_H
#define TESSERA_LAUNCH_PLAN_H

/* ---- plans: how a kernel's arguments are packed ------------------------------------------------------------- */

typedef struct {
  uint32_t kind, offset, rank, written;
} Slot;
typedef struct {
  PyObject_HEAD
  void *kernel, *stream;
  LaunchFn launch;
  SyncFn sync; /* NULL: launches are not waited for */
  PyObject *raise, *names;
  size_t size;
  int count;
  Slot *slots;
} Plan;
enum { STACK_PARAMS = 2048, MAX_LEAVES = 256 };

static int plan_init_slots(Plan *self, PyObject *layout) {
  Py_ssize_t count = PyTuple_Size(layout);
  if (count < 0 || count > MAX_LEAVES) {
    PyErr_SetString(PyExc_ValueError, "Plan: too many arguments");
    return -1;
  }
  self->slots = PyMem_Calloc(count ? (size_t)count : 1, sizeof(Slot));
  self->names = PyTuple_New(count);
  if (!self->slots || !self->names) return -1;
  for (Py_ssize_t i = 0; i < count; i++) {
    Slot *s = &self->slots[i];
    PyObject *name;
    int written;
    if (!PyArg_ParseTuple(PyTuple_GetItem(layout, i), "IIIUp", &s->kind, &s->offset, &s->rank, &name, &written))
      return -1;
    s->written = (uint32_t)written;
    size_t size = s->kind == K_TENSORDESC ? 8 + 16 * (size_t)s->rank : 8;
    static const uint8_t sizes[] = {0, 8, 1, 1, 2, 4, 8, 2, 2, 4, 8, 1, 1, 1, 1};
    if (s->kind < sizeof sizes) size = sizes[s->kind];
    if (s->rank > 8 || s->offset + size > self->size) {
      PyErr_SetString(PyExc_ValueError, "Plan: an argument lies outside the buffer");
      return -1;
    }
    Py_INCREF(name);
    if (PyTuple_SetItem(self->names, i, name) < 0) return -1;
  }
  self->count = (int)count;
  return 0;
}

static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs)) {
  unsigned long long kernel, stream, launch, sync;
  Py_ssize_t size;
  int synchronous;
  PyObject *layout, *raise;
  if (!PyArg_ParseTuple(args, "KO!nKpKKO", &kernel, &PyTuple_Type, &layout, &size, &stream, &synchronous, &launch,
                        &sync, &raise))
    return NULL;
  if (!kernel || !launch || !sync || size < 0 || !PyCallable_Check(raise)) {
    PyErr_SetString(PyExc_ValueError, "Plan: a kernel, the driver's functions and a callable are needed");
    return NULL;
  }
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  Plan *self = (Plan *)allocate(type, 0);
  if (!self) return NULL;
  self->kernel = (void *)(uintptr_t)kernel;
  self->stream = (void *)(uintptr_t)stream;
  self->launch = (LaunchFn)(uintptr_t)launch;
  self->sync = synchronous ? (SyncFn)(uintptr_t)sync : NULL;
  self->size = (size_t)size;
  Py_INCREF(raise);
  self->raise = raise;
  if (plan_init_slots(self, layout) < 0) {
    Py_DECREF(self);
    if (!PyErr_Occurred()) PyErr_NoMemory();
    return NULL;
  }
  return (PyObject *)self;
}

static void plan_dealloc(PyObject *object) {
  Plan *self = (Plan *)object;
  PyTypeObject *type = Py_TYPE(object);
  Py_CLEAR(self->raise);
  Py_CLEAR(self->names);
  PyMem_Free(self->slots);
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(object);
  Py_DECREF(type);
}

static uint16_t bf16_of(double value) {
  float f = (float)value;
  uint32_t bits;
  memcpy(&bits, &f, 4);
  if (f != f) return 0x7fc0;
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Round to nearest even; the double is rounded once. */
static uint16_t f16_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, 8);
  uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
  int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
  uint64_t fraction = bits & 0xfffffffffffffull;
  if (exponent == 1024) return (uint16_t)(sign | (fraction ? 0x7e00 : 0x7c00));
  if (exponent > 15) return (uint16_t)(sign | 0x7c00);
  if (exponent < -25) return sign;
  int shift = exponent < -14 ? 42 + (-14 - exponent) : 42;
  uint64_t whole = fraction | 1ull << 52;
  uint64_t kept = whole >> shift, rest = whole & ((1ull << shift) - 1), half = 1ull << (shift - 1);
  if (rest > half || (rest == half && (kept & 1))) kept++;
  /* A carry out of the fraction is right in both cases: it goes into the exponent. */
  if (exponent < -14) return (uint16_t)(sign | kept);
  uint32_t result = (uint32_t)((exponent + 15) << 10) + (uint32_t)(kept - 1024);
  return (uint16_t)(sign | (result > 0x7c00 ? 0x7c00 : result));
}

/* A value on its way into the buffer. */
typedef struct {
  uint64_t bits; /* integer, address, or a double's bits */
} Leaf;
enum { L_INT, L_FLOAT, L_PTR, L_DESC };

static double leaf_double(Leaf leaf) {
  double d;
  memcpy(&d, &leaf.bits, 8);
  return d;
}

/* Writes one value; 0, or -1: it is of another kind. */
static int put(char *at, uint32_t kind, Leaf leaf, uint8_t tag) {
  if (kind == K_PTR) {
    if (tag != L_PTR && tag != L_INT) return -1;
    memcpy(at, &leaf.bits, 8);
    return 0;
  }
  if (kind >= K_I1 && kind <= K_I64) {
    if (tag != L_INT) return -1;
    static const uint8_t bytes[] = {1, 1, 2, 4, 8};
    uint64_t value = kind == K_I1 ? leaf.bits & 1 : leaf.bits;
    memcpy(at, &value, bytes[kind - K_I1]);
    return 0;
  }
  double value;
  if (tag == L_FLOAT)
    value = leaf_double(leaf);
  else if (tag == L_INT)
    value = (double)(int64_t)leaf.bits;
  else
    return -1;
  if (kind == K_F64) {
    memcpy(at, &value, 8);
  } else if (kind == K_F32) {
    float f = (float)value;
    memcpy(at, &f, 4);
  } else if (kind == K_F16 || kind == K_BF16) {
    uint16_t half = kind == K_F16 ? f16_of(value) : bf16_of(value);
    memcpy(at, &half, 2);
  } else {
    return -1;
  }
  return 0;
}

/* Fills the buffer; 0, or 1 + the number of the argument that does not fit. */
static int pack(const Plan *plan, char *buffer, const Leaf *leaves, const uint8_t *tags, int count) {
  memset(buffer, 0, plan->size);
  if (count != plan->count) return count + 1;
  for (int i = 0; i < count; i++) {
    const Slot *slot = &plan->slots[i];
    char *at = buffer + slot->offset;
    if (slot->kind == K_TENSORDESC) {
      /* Shape and strides follow as arguments of their own. */
      int n = 2 * (int)slot->rank;
      if (tags[i] != L_DESC || i + n >= count) return i + 1;
      memcpy(at, &leaves[i].bits, 8);
      for (int j = 0; j < n; j++) memcpy(at + 8 + 8 * j, &leaves[i + 1 + j].bits, 8);
    } else if (put(at, slot->kind, leaves[i], tags[i]) < 0) {
      return i + 1;
    }
  }
  return 0;
}

/* Calls the driver. The plan is kept alive by the caller. 0, or -1 with an exception. */
static int launch(const Plan *plan, void *stream, const uint32_t grid[3], const void *params) {
  int32_t status;
  Py_BEGIN_ALLOW_THREADS
  status = plan->launch(plan->kernel, stream, grid, params, plan->size);
  if (!status && plan->sync) status = plan->sync(stream);
  Py_END_ALLOW_THREADS
  if (!status) return 0;
  PyObject *nothing = PyObject_CallFunction(plan->raise, "i", (int)status);
  if (nothing) {
    Py_DECREF(nothing);
    PyErr_Format(PyExc_RuntimeError, "launch failed with status %d", (int)status);
  }
  return -1;
}

static int raise_argument(const Plan *plan, int index) {
  if (index >= plan->count)
    PyErr_Format(PyExc_TypeError, "the kernel takes %d run-time arguments, and the call does not have as many",
                 plan->count);
  else
    PyErr_Format(PyExc_TypeError, "argument '%U': this value cannot be passed to the kernel",
                 PyTuple_GetItem(plan->names, index));
  return -1;
}

#endif
