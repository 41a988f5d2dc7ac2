// SPDX-License-Identifier: MIT
/* The launch path of jit functions: `f[grid](arguments)` from Python to the driver without running Python code, for
 * specialisations that were seen before. What it does not know it hands to tessera.runtime._run.miss.
 *
 * One source, two builds: the full API of the Python at hand (vectorcall, free-threaded builds), and the stable ABI of
 * 3.11 and newer (Py_LIMITED_API). The libraries are called through addresses that Python hands over, so nothing is
 * linked; the struct of numpy's arrays and DLPack's table of functions are read by their published layouts, numpy's after
 * a check (probe_numpy).
 *
 * A call is turned into a key: one word for each argument that says its type and what it is specialised for, and the
 * values of compile-time arguments. An entry of a function's table holds the key, the kernel, and what must still be true
 * of outer variables. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#ifdef Py_LIMITED_API
#define FULL_API 0
#else
#define FULL_API 1
#endif

#if FULL_API && defined(Py_GIL_DISABLED)
#define ATOMIC_COUNTS 1
#define LOCK(object) Py_BEGIN_CRITICAL_SECTION(object)
#define UNLOCK() Py_END_CRITICAL_SECTION()
#else
#define ATOMIC_COUNTS 0
#define LOCK(object) {
#define UNLOCK() }
#endif

/* ---- layouts of others ------------------------------------------------------------------------------------------- */

/* numpy.ndarray and numpy.dtype: the parts that have been the same since numpy 1.7, through 2.x. */
typedef struct {
  PyObject_HEAD
  PyTypeObject *scalar_type;
  char kind, type, byteorder, flags;
  int number;
} NumpyType;
typedef struct {
  PyObject_HEAD
  char *data;
  int rank;
  Py_ssize_t *shape, *strides;
  PyObject *base;
  NumpyType *type;
  int flags;
} NumpyArray;
enum { NUMPY_WRITEABLE = 0x400 };

/* DLPack 1.x: the table behind type(x).__dlpack_c_exchange_api__. */
typedef struct {
  void *data;
  int32_t device_type, device_id;
  int32_t rank;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides;
  uint64_t byte_offset;
} DlTensor;
typedef struct {
  uint32_t major, minor;
  void *previous;
  int (*allocate)(void);
  int (*from_object)(void);
  int (*to_object)(void);
  int (*tensor_of)(void *object, DlTensor *out);
  int (*current_stream)(int32_t device_type, int32_t device_id, void **out);
} DlExchange;
enum { DL_CPU = 1, DL_CUDA = 2, DL_CUDA_HOST = 3, DL_CUDA_MANAGED = 13 };

/* tdriver/kernel.h and tdriver/launch.h */
enum { K_PTR = 1, K_I1, K_I8, K_I16, K_I32, K_I64, K_F16, K_BF16, K_F32, K_F64, K_TENSORDESC = 15 };
typedef int32_t (*LaunchFn)(void *kernel, void *stream, const uint32_t grid[3], const void *params, size_t size);
typedef int32_t (*SyncFn)(void *stream);

/* ---- what the module knows ------------------------------------------------------------------------------------------ */

/* Kinds of argument types, as tessera.runtime._native_types.classify numbers them. */
enum { T_SLOW, T_NUMPY, T_DLPACK, T_POINTER, T_CONSTANT, T_DESCRIPTOR, T_INDEX, T_FLOAT, T_BOOL, T_TUPLE, T_TENSOR };

typedef struct {
  PyTypeObject *type; /* owned */
  int kind;
  DlExchange *exchange;
  PyObject *data_ptr; /* of T_TENSOR: the type's method, owned */
} TypeRow;
enum { MAX_TYPES = 64 };

static TypeRow g_types[MAX_TYPES];
static int g_type_count;
static uint64_t g_epoch = 1;
static int g_hooks; /* somebody wants to see each launch */
static PyObject *g_describe, *g_miss, *g_classify, *g_grid_sizes, *g_current_stream, *g_pointer, *g_address;
static PyObject *g_str_base, *g_str_shape, *g_str_strides, *g_str_block_shape, *g_str_stream, *g_str_padding, *g_str_zero, *g_str_round, *g_str_dtype, *g_str_is_cpu,
    *g_str_is_cuda, *g_str_get_device;
static PyTypeObject *g_plan_type, *g_call_type;

static int load_runtime(void) {
  if (g_miss) return 0;
  PyObject *module = PyImport_ImportModule("tessera.runtime._run"); /* it calls setup() */
  if (!module) return -1;
  Py_DECREF(module);
  if (!g_miss) {
    PyErr_SetString(PyExc_ImportError, "tessera.runtime._run did not set up the launch extension");
    return -1;
  }
  return 0;
}

/* The row of a value's type; NULL with an exception. */
static const TypeRow *row_of(PyObject *value) {
  PyTypeObject *type = Py_TYPE(value);
  int count = __atomic_load_n(&g_type_count, __ATOMIC_ACQUIRE);
  for (int i = 0; i < count; i++)
    if (g_types[i].type == type) return &g_types[i];
  static const TypeRow slow = {NULL, T_SLOW, NULL, NULL};
  if (count == MAX_TYPES) return &slow;
  if (load_runtime() < 0) return NULL;
  PyObject *answer = PyObject_CallFunctionObjArgs(g_classify, (PyObject *)type, value, NULL);
  if (!answer) return NULL;
  PyObject *capsule = NULL;
  int kind;
  if (!PyArg_ParseTuple(answer, "iO", &kind, &capsule)) {
    Py_DECREF(answer);
    return NULL;
  }
  DlExchange *exchange = NULL;
  if (kind == T_DLPACK) {
    exchange = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    if (!exchange) PyErr_Clear();
    if (!exchange || exchange->major != 1 || !exchange->tensor_of || !exchange->current_stream) kind = T_POINTER;
  }
  PyObject *data_ptr = NULL;
  if (kind == T_TENSOR) {
    data_ptr = capsule;
    Py_INCREF(data_ptr);
  }
  Py_DECREF(answer);
  const TypeRow *row = &slow;
  LOCK((PyObject *)g_call_type);
  count = g_type_count;
  for (int i = 0; i < count && row == &slow; i++)
    if (g_types[i].type == type) row = &g_types[i];
  if (row == &slow && count < MAX_TYPES) {
    Py_INCREF((PyObject *)type);
    Py_XINCREF(data_ptr);
    g_types[count] = (TypeRow){type, kind, exchange, data_ptr};
    row = &g_types[count];
    __atomic_store_n(&g_type_count, count + 1, __ATOMIC_RELEASE);
  }
  UNLOCK();
  Py_XDECREF(data_ptr);
  return row;
}

static int is_array(const TypeRow *row) {
  return (row->kind >= T_NUMPY && row->kind <= T_POINTER) || row->kind == T_TENSOR;
}

/* ---- plans: how a kernel's arguments are packed --------------------------------------------------------------------- */

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

static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
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

/* ---- calls: from Python values to keys and leaves --------------------------------------------------------------------- */

enum { MAX_WORDS = 512, MAX_OBJECTS = 64, MAX_DEPTH = 8 };
/* Bits of a parameter's flags, as tessera.runtime._run.describe gives them. */
enum { P_CONSTEXPR = 1, P_CONST = 2, P_NO_VALUE = 4, P_NO_ALIGNMENT = 8, P_FIXED = 16, P_FIXED_FLOAT = 32 };
/* Words of keys: a code, and bits above it. */
enum {
  W_NONE = 1, W_BOOL, W_I32, W_I64, W_U64, W_ONE, W_FLOAT, W_NUMPY, W_DLPACK, W_POINTER, W_TUPLE, W_DESCRIPTOR, W_FIXED,
  W_OBJECT, W_INT_VALUE, W_FLOAT_VALUE, W_SINGLETON, W_DEVICE, W_SHAPE
};
#define ALIGNED ((uint64_t)1 << 8)
#define DETAIL(x) ((uint64_t)(x) << 16)

typedef struct {
  uint64_t words[MAX_WORDS];
  PyObject *objects[MAX_OBJECTS]; /* borrowed from the arguments */
  Leaf leaves[MAX_LEAVES];
  uint8_t tags[MAX_LEAVES];
  int words_used, objects_used, leaves_used;
  int32_t device; /* 0: none seen; 1 host; 2 + index * 256: CUDA */
  const DlExchange *exchange;
} Call;

/* Outcome of a step: go on, leave it to Python, exception. */
enum { GO = 0, SLOW = 1, FAIL = -1 };

static int add_word(Call *c, uint64_t word) {
  if (c->words_used == MAX_WORDS) return SLOW;
  c->words[c->words_used++] = word;
  return GO;
}

static int add_leaf(Call *c, uint64_t bits, uint8_t tag) {
  if (c->leaves_used == MAX_LEAVES) return SLOW;
  c->leaves[c->leaves_used].bits = bits;
  c->tags[c->leaves_used++] = tag;
  return GO;
}

static int see_device(Call *c, int32_t device) {
  if (!c->device) c->device = device;
  return c->device == device ? GO : SLOW; /* Python says which arguments differ */
}

static int add_integer(Call *c, PyObject *v, unsigned flags) {
  int overflow;
  long long value = PyLong_AsLongLongAndOverflow(v, &overflow);
  uint64_t bits = (uint64_t)value, word;
  if (overflow) {
    if (overflow < 0) return SLOW;
    bits = PyLong_AsUnsignedLongLong(v);
    if (bits == UINT64_MAX && PyErr_Occurred()) {
      PyErr_Clear();
      return SLOW;
    }
    word = W_U64;
  } else {
    if (value == -1 && PyErr_Occurred()) return FAIL;
    if (flags & P_FIXED_FLOAT) {
      if (value > (1ll << 53) || value < -(1ll << 53)) return SLOW;
      return add_word(c, W_FIXED) || add_leaf(c, bits, L_INT);
    }
    if (value == 1 && !(flags & P_NO_VALUE)) return add_word(c, W_ONE);
    word = value >= INT32_MIN && value <= INT32_MAX ? W_I32 : W_I64;
  }
  if (!(flags & (P_NO_VALUE | P_NO_ALIGNMENT)) && !(bits & 15)) word |= ALIGNED;
  return add_word(c, word) || add_leaf(c, bits, L_INT);
}

static int add_address(Call *c, uint64_t word, uint64_t address, unsigned flags) {
  if (!(flags & (P_NO_VALUE | P_NO_ALIGNMENT)) && !(address & 15)) word |= ALIGNED;
  return add_word(c, word) || add_leaf(c, address, L_PTR);
}

/* A tensor of a torch that does not have the exchange table yet: a method and two attributes. Element types are
 * objects that live for ever, so their addresses name them. */
static int read_tensor(Call *c, PyObject *v, const TypeRow *row, uint64_t *word, uint64_t *address) {
  PyObject *number = PyObject_CallFunctionObjArgs(row->data_ptr, v, NULL);
  if (!number) return FAIL;
  *address = PyLong_AsUnsignedLongLong(number);
  Py_DECREF(number);
  PyObject *type = PyErr_Occurred() ? NULL : PyObject_GetAttr(v, g_str_dtype);
  if (!type) return FAIL;
  *word = W_POINTER | DETAIL((uintptr_t)type);
  Py_DECREF(type);
  PyObject *host = PyObject_GetAttr(v, g_str_is_cpu);
  if (!host) return FAIL;
  int on_host = host == Py_True;
  Py_DECREF(host);
  if (on_host) return see_device(c, 1);
  PyObject *cuda = PyObject_GetAttr(v, g_str_is_cuda);
  if (!cuda) return FAIL;
  int on_cuda = cuda == Py_True;
  Py_DECREF(cuda);
  if (!on_cuda) return SLOW;
  PyObject *index = PyObject_CallMethodObjArgs(v, g_str_get_device, NULL);
  if (!index) return FAIL;
  long device = PyLong_AsLong(index);
  Py_DECREF(index);
  return device < 0 ? SLOW : see_device(c, 2 + (int32_t)device * 256);
}

/* Address, element type (a word's detail) and device of an array. */
static int read_array(Call *c, PyObject *v, const TypeRow *row, uint64_t *word, uint64_t *address) {
  if (row->kind == T_NUMPY) {
    const NumpyArray *array = (const NumpyArray *)v;
    const NumpyType *type = array->type;
    if (!(array->flags & NUMPY_WRITEABLE) || type->byteorder == '>') return SLOW;
    if (type->number >= 256) /* a type of another package, such as ml_dtypes */
      *word = W_NUMPY | DETAIL((uintptr_t)type->scalar_type);
    else
      *word = W_NUMPY | DETAIL(type->number);
    *address = (uint64_t)(uintptr_t)array->data;
    return see_device(c, 1);
  }
  if (row->kind == T_DLPACK) {
    DlTensor t;
    if (row->exchange->tensor_of(v, &t) != 0) {
      PyErr_Clear();
      return SLOW;
    }
    int32_t device;
    if (t.device_type == DL_CPU || t.device_type == DL_CUDA_HOST)
      device = 1;
    else if (t.device_type == DL_CUDA || t.device_type == DL_CUDA_MANAGED)
      device = 2 + t.device_id * 256;
    else
      return SLOW;
    if (t.lanes != 1) return SLOW;
    *word = W_DLPACK | DETAIL((uint64_t)t.code << 8 | t.bits);
    *address = (uint64_t)(uintptr_t)t.data + t.byte_offset;
    c->exchange = row->exchange;
    return see_device(c, device);
  }
  if (row->kind == T_TENSOR) return read_tensor(c, v, row, word, address);
  /* Something with data_ptr, dtype and device: Python reads it, and numbers type and device. */
  PyObject *answer = PyObject_CallFunctionObjArgs(g_pointer, v, NULL);
  if (!answer) return FAIL;
  if (answer == Py_None) {
    Py_DECREF(answer);
    return SLOW;
  }
  unsigned long long where;
  int type, device;
  int parsed = PyArg_ParseTuple(answer, "Kii", &where, &type, &device);
  Py_DECREF(answer);
  if (!parsed) return FAIL;
  *word = W_POINTER | DETAIL(type);
  *address = where;
  return device ? see_device(c, device) : GO;
}

static int add_value(Call *c, PyObject *v, unsigned flags, int depth);
static int add_constant(Call *c, PyObject *v, int depth);

/* The numbers of a shape or of strides: as leaves, or as words of the key. */
static int add_numbers(Call *c, PyObject *owner, PyObject *name, int as_words, Py_ssize_t *count) {
  PyObject *sequence = PyObject_GetAttr(owner, name);
  if (!sequence) return FAIL;
  Py_ssize_t n = PySequence_Size(sequence);
  int result = n < 0 ? FAIL : *count >= 0 && n != *count ? SLOW : GO;
  *count = n;
  for (Py_ssize_t i = 0; i < n && result == GO; i++) {
    PyObject *item = PySequence_GetItem(sequence, i);
    PyObject *number = item ? PyNumber_Index(item) : NULL;
    Py_XDECREF(item);
    if (!number) {
      result = FAIL;
      break;
    }
    long long value = PyLong_AsLongLong(number);
    Py_DECREF(number);
    if (value == -1 && PyErr_Occurred())
      result = FAIL;
    else
      result = as_words ? add_word(c, (uint64_t)value) : add_leaf(c, (uint64_t)value, L_INT);
  }
  Py_DECREF(sequence);
  return result;
}

/* GO if an attribute is not there or has this value; SLOW: Python refuses it. */
static int attribute_is(PyObject *v, PyObject *name, PyObject *wanted) {
  PyObject *value = PyObject_GetAttr(v, name);
  if (!value) {
    PyErr_Clear();
    return GO;
  }
  int same = value == wanted ? 1 : PyObject_RichCompareBool(value, wanted, Py_EQ);
  Py_DECREF(value);
  return same < 0 ? FAIL : same ? GO : SLOW;
}

static int add_descriptor(Call *c, PyObject *v) {
  int plain = attribute_is(v, g_str_padding, g_str_zero) || attribute_is(v, g_str_round, Py_False);
  if (plain != GO) return SLOW;
  PyObject *base = PyObject_GetAttr(v, g_str_base);
  if (!base) return FAIL;
  const TypeRow *row = row_of(base);
  uint64_t word = 0, address = 0;
  int result = !row ? FAIL : !is_array(row) ? SLOW : read_array(c, base, row, &word, &address);
  Py_DECREF(base);
  if (result != GO) return result;
  Py_ssize_t rank = -1;
  if ((result = add_word(c, W_DESCRIPTOR)) || (result = add_word(c, word)) ||
      (result = add_numbers(c, v, g_str_block_shape, 1, &rank)) || (result = add_leaf(c, address, L_DESC)) ||
      (result = add_numbers(c, v, g_str_shape, 0, &rank)) || (result = add_numbers(c, v, g_str_strides, 0, &rank)))
    return result;
  return GO;
}

static int add_tuple(Call *c, PyObject *v, int depth) {
  Py_ssize_t n = PyTuple_Size(v);
  if (n < 0) return FAIL;
  if (depth == MAX_DEPTH) return SLOW;
  /* A named tuple gives its fields' names to the kernel: its type is part of the key. */
  int result = add_word(c, W_TUPLE | (uint64_t)n << 8) ||
               add_word(c, PyTuple_CheckExact(v) ? 0 : (uint64_t)(uintptr_t)Py_TYPE(v));
  for (Py_ssize_t i = 0; i < n && result == GO; i++) {
    PyObject *item = PyTuple_GetItem(v, i);
    result = item ? add_value(c, item, 0, depth + 1) : FAIL;
  }
  return result;
}

/* A run-time argument. */
static int add_value(Call *c, PyObject *v, unsigned flags, int depth) {
  PyTypeObject *type = Py_TYPE(v);
  if (type == &PyLong_Type) return add_integer(c, v, flags);
  if (v == Py_None) return add_word(c, W_NONE);
  if (type == &PyFloat_Type) {
    double d = PyFloat_AsDouble(v);
    uint64_t bits;
    memcpy(&bits, &d, 8);
    if (flags & P_FIXED) return SLOW;
    return add_word(c, flags & P_FIXED_FLOAT ? W_FIXED : W_FLOAT) || add_leaf(c, bits, L_FLOAT);
  }
  if (v == Py_True || v == Py_False)
    return add_word(c, flags & P_FIXED_FLOAT ? W_FIXED : W_BOOL) || add_leaf(c, v == Py_True, L_INT);
  const TypeRow *row = row_of(v);
  if (!row) return FAIL;
  switch (row->kind) {
  case T_NUMPY:
  case T_DLPACK:
  case T_POINTER:
  case T_TENSOR: {
    uint64_t word = 0, address = 0;
    if (flags & (P_FIXED | P_FIXED_FLOAT)) return SLOW;
    int result = read_array(c, v, row, &word, &address);
    return result ? result : add_address(c, word, address, flags);
  }
  case T_CONSTANT:
    return add_constant(c, v, depth);
  case T_DESCRIPTOR:
    return add_descriptor(c, v);
  case T_TUPLE:
    return add_tuple(c, v, depth);
  case T_INDEX: {
    PyObject *number = PyNumber_Index(v);
    if (!number) return FAIL;
    int result = add_integer(c, number, flags);
    Py_DECREF(number);
    return result;
  }
  case T_FLOAT: {
    PyObject *number = PyNumber_Float(v);
    if (!number) return FAIL;
    int result = add_value(c, number, flags, depth);
    Py_DECREF(number);
    return result;
  }
  case T_BOOL: {
    int truth = PyObject_IsTrue(v);
    if (truth < 0) return FAIL;
    return add_value(c, truth ? Py_True : Py_False, flags, depth);
  }
  default:
    return SLOW;
  }
}

/* A compile-time argument: its value is in the key. */
static int add_constant(Call *c, PyObject *v, int depth) {
  PyTypeObject *type = Py_TYPE(v);
  if (type == &PyLong_Type) {
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(v, &overflow);
    if (!overflow) return add_word(c, W_INT_VALUE) || add_word(c, (uint64_t)value);
  }
  if (v == Py_None || v == Py_True || v == Py_False)
    return add_word(c, W_SINGLETON) || add_word(c, (uint64_t)(uintptr_t)v);
  if (type == &PyFloat_Type) {
    double d = PyFloat_AsDouble(v);
    uint64_t bits;
    memcpy(&bits, &d, 8);
    return add_word(c, W_FLOAT_VALUE) || add_word(c, bits);
  }
  if (type == &PyTuple_Type) {
    Py_ssize_t n = PyTuple_Size(v);
    if (depth == MAX_DEPTH) return SLOW;
    int result = add_word(c, W_TUPLE | (uint64_t)n << 8);
    for (Py_ssize_t i = 0; i < n && result == GO; i++) result = add_constant(c, PyTuple_GetItem(v, i), depth + 1);
    return result;
  }
  Py_hash_t hash = PyObject_Hash(v);
  if (hash == -1) {
    PyErr_Clear();
    return SLOW;
  }
  if (c->objects_used == MAX_OBJECTS) return SLOW;
  c->objects[c->objects_used++] = v;
  return add_word(c, W_OBJECT) || add_word(c, (uint64_t)hash);
}

/* ---- tables ------------------------------------------------------------------------------------------------------------- */

typedef struct {
  PyObject *scope, *name, *value;
  int attribute; /* 1: an attribute of scope, 0: an item of the dict scope */
} Guard;

typedef struct {
  Py_ssize_t count; /* references */
  uint64_t hash, epoch;
  PyObject *kernel, *device; /* device: NULL: the plan's own stream */
  Plan *plan;
  void *last_native, *last_stream;
  int32_t device_index;
  int words_used, objects_used, guards_used;
  uint64_t *words;
  PyObject **objects;
  Guard *guards;
} Entry;

static Entry *entry_hold(Entry *e) {
#if ATOMIC_COUNTS
  __atomic_add_fetch(&e->count, 1, __ATOMIC_RELAXED);
#else
  e->count++;
#endif
  return e;
}

static void entry_drop(Entry *e) {
  if (!e) return;
#if ATOMIC_COUNTS
  if (__atomic_sub_fetch(&e->count, 1, __ATOMIC_ACQ_REL)) return;
#else
  if (--e->count) return;
#endif
  Py_XDECREF(e->kernel);
  Py_XDECREF(e->device);
  Py_XDECREF((PyObject *)e->plan);
  for (int i = 0; i < e->objects_used; i++) Py_XDECREF(e->objects[i]);
  for (int i = 0; i < e->guards_used; i++) {
    Py_XDECREF(e->guards[i].scope);
    Py_XDECREF(e->guards[i].name);
    Py_XDECREF(e->guards[i].value);
  }
  PyMem_Free(e->words);
  PyMem_Free(e->objects);
  PyMem_Free(e->guards);
  PyMem_Free(e);
}

/* How one way of calling (number of positional arguments, names of the others) binds to the parameters. */
typedef struct {
  Py_ssize_t nargs;
  PyObject *names; /* owned, NULL: none */
  int valid;       /* 0: Python raises the error */
  int options_used;
  int16_t *source;  /* of each parameter: an argument, or -1: the default */
  int16_t *options; /* arguments that are launch options */
} Shape;
enum { MAX_SHAPES = 32, MAX_PARAMS = 200 };

typedef struct {
  PyObject_HEAD
  int ready; /* 0 not described yet, 1 described, -1 not for this path */
  int params, positional;
  PyObject *names, *option_names;
  PyObject **defaults; /* owned, NULL: none */
  uint32_t *flags;
  int shapes_used;
  Shape shapes[MAX_SHAPES];
  Entry **table; /* open addressing */
  size_t capacity, used;
  uint64_t generation;
  Entry *last;
} Function;

static void table_clear(Function *f) {
  Entry **table = f->table, *last = f->last;
  size_t capacity = f->capacity;
  f->table = NULL;
  f->last = NULL;
  f->capacity = f->used = 0;
  f->generation++;
  entry_drop(last);
  for (size_t i = 0; i < capacity; i++) entry_drop(table[i]);
  PyMem_Free(table);
}

static void description_clear(Function *f) {
  Py_CLEAR(f->names);
  Py_CLEAR(f->option_names);
  for (int i = 0; i < f->params; i++)
    if (f->defaults) Py_CLEAR(f->defaults[i]);
  for (int i = 0; i < f->shapes_used; i++) {
    Py_CLEAR(f->shapes[i].names);
    PyMem_Free(f->shapes[i].source);
    PyMem_Free(f->shapes[i].options);
  }
  f->shapes_used = 0;
  PyMem_Free(f->defaults);
  PyMem_Free(f->flags);
  f->defaults = NULL;
  f->flags = NULL;
  f->params = 0;
  f->ready = 0;
}

static int describe(Function *f) {
  if (load_runtime() < 0) return -1;
  PyObject *answer = PyObject_CallFunctionObjArgs(g_describe, (PyObject *)f, NULL);
  if (!answer) return -1;
  if (answer == Py_None) {
    Py_DECREF(answer);
    f->ready = -1;
    return 0;
  }
  PyObject *names, *defaults, *flags, *options;
  int positional, failed = 0;
  if (!PyArg_ParseTuple(answer, "O!O!O!iO", &PyTuple_Type, &names, &PyTuple_Type, &defaults, &PyTuple_Type, &flags,
                        &positional, &options)) {
    Py_DECREF(answer);
    return -1;
  }
  LOCK((PyObject *)f);
  if (f->ready == 0) {
    int n = (int)PyTuple_Size(names);
    f->defaults = PyMem_Calloc((size_t)n + 1, sizeof *f->defaults);
    f->flags = PyMem_Calloc((size_t)n + 1, sizeof *f->flags);
    failed = !f->defaults || !f->flags || n > MAX_PARAMS;
    for (int i = 0; i < n && !failed; i++) {
      PyObject *pair = PyTuple_GetItem(defaults, i);
      if (PyTuple_Size(pair) == 1) {
        f->defaults[i] = PyTuple_GetItem(pair, 0);
        Py_INCREF(f->defaults[i]);
      }
      f->flags[i] = (uint32_t)PyLong_AsUnsignedLong(PyTuple_GetItem(flags, i));
    }
    f->params = n;
    f->positional = positional;
    Py_INCREF(names);
    f->names = names;
    Py_INCREF(options);
    f->option_names = options;
    f->ready = failed ? -1 : 1;
  }
  UNLOCK();
  Py_DECREF(answer);
  return 0;
}

/* Whether two tuples of names are the same; names of calls are interned, so pointers do. */
static int same_names(PyObject *a, PyObject *b) {
  if (a == b) return 1;
  if (!a || !b) return 0;
  Py_ssize_t n = PyTuple_Size(a);
  if (n != PyTuple_Size(b)) return 0;
  for (Py_ssize_t i = 0; i < n; i++)
    if (PyTuple_GetItem(a, i) != PyTuple_GetItem(b, i)) return 0;
  return 1;
}

/* Works out a new way of calling. 0, -1 with an exception. */
static int fill_shape(Function *f, Shape *shape, Py_ssize_t nargs, PyObject *names) {
  Py_ssize_t keywords = names ? PyTuple_Size(names) : 0;
  shape->nargs = nargs;
  Py_XINCREF(names);
  shape->names = names;
  shape->source = PyMem_Calloc((size_t)f->params + 1, sizeof(int16_t));
  shape->options = PyMem_Calloc((size_t)keywords + 1, sizeof(int16_t));
  if (!shape->source || !shape->options) {
    PyErr_NoMemory();
    return -1;
  }
  shape->valid = nargs <= f->positional && nargs + keywords < 4096;
  for (int i = 0; i < f->params; i++) shape->source[i] = (int16_t)(i < nargs && i < f->positional ? i : -1);
  for (Py_ssize_t k = 0; k < keywords; k++) {
    PyObject *name = PyTuple_GetItem(names, k);
    int found = 0;
    for (int i = 0; i < f->params; i++) {
      int same = PyUnicode_Compare(name, PyTuple_GetItem(f->names, i)) == 0;
      if (!same) continue;
      if (shape->source[i] != -1) shape->valid = 0; /* given twice */
      shape->source[i] = (int16_t)(nargs + k);
      found = 1;
    }
    int option = PySequence_Contains(f->option_names, name);
    if (option < 0) return -1;
    if (option) shape->options[shape->options_used++] = (int16_t)(nargs + k);
    if (!found && !option) shape->valid = 0;
  }
  for (int i = 0; i < f->params; i++)
    if (shape->source[i] == -1 && !f->defaults[i]) shape->valid = 0;
  return 0;
}

/* The shape of a call: its number, -1: none (leave it to Python), -2 with an exception. */
static int shape_of(Function *f, Py_ssize_t nargs, PyObject *names) {
  for (int i = 0; i < f->shapes_used; i++)
    if (f->shapes[i].nargs == nargs && same_names(f->shapes[i].names, names)) return i;
  int result = -1;
  LOCK((PyObject *)f);
  if (f->shapes_used < MAX_SHAPES) {
    Shape shape;
    memset(&shape, 0, sizeof shape);
    if (fill_shape(f, &shape, nargs, names) < 0) {
      Py_XDECREF(shape.names);
      PyMem_Free(shape.source);
      PyMem_Free(shape.options);
      result = -2;
    } else {
      f->shapes[f->shapes_used] = shape;
      result = f->shapes_used;
      __atomic_store_n(&f->shapes_used, result + 1, __ATOMIC_RELEASE);
    }
  }
  UNLOCK();
  return result;
}

static uint64_t hash_words(const uint64_t *words, int count) {
  uint64_t h = 0x9e3779b97f4a7c15ull;
  for (int i = 0; i < count; i++) {
    h = (h ^ words[i]) * 0xff51afd7ed558ccdull;
    h ^= h >> 32;
  }
  return h;
}

/* 1 the same key, 0 not, -1 exception. May run Python code. */
static int same_key(const Entry *e, const Call *c) {
  if (e->words_used != c->words_used || e->objects_used != c->objects_used ||
      memcmp(e->words, c->words, (size_t)c->words_used * 8))
    return 0;
  for (int i = 0; i < c->objects_used; i++) {
    if (e->objects[i] == c->objects[i]) continue;
    if (Py_TYPE(e->objects[i]) != Py_TYPE(c->objects[i])) return 0;
    int same = PyObject_RichCompareBool(e->objects[i], c->objects[i], Py_EQ);
    if (same <= 0) return same;
  }
  return 1;
}

/* The entry of a call, held; NULL: none, or an exception. */
static Entry *find_locked(Function *f, const Call *c) {
  uint64_t epoch = __atomic_load_n(&g_epoch, __ATOMIC_RELAXED);
  if (f->last && f->last->epoch == epoch) {
    Entry *e = entry_hold(f->last);
    int same = same_key(e, c);
    if (same > 0) return e;
    entry_drop(e);
    if (same < 0) return NULL;
  }
  if (!f->capacity) return NULL;
  uint64_t hash = hash_words(c->words, c->words_used), generation = f->generation;
  for (size_t i = hash & (f->capacity - 1);; i = (i + 1) & (f->capacity - 1)) {
    if (!f->table[i]) return NULL;
    if (f->table[i]->hash != hash || f->table[i]->epoch != epoch) continue;
    Entry *e = entry_hold(f->table[i]);
    int same = same_key(e, c);
    if (same > 0) {
      Entry *last = f->last;
      f->last = entry_hold(e);
      entry_drop(last);
      return e;
    }
    entry_drop(e);
    if (same < 0 || f->generation != generation) return NULL; /* Python's code changed the table: ask the slow way */
  }
}

static Entry *find(Function *f, const Call *c) {
  Entry *e;
  LOCK((PyObject *)f);
  e = find_locked(f, c);
  UNLOCK();
  return e;
}

static Entry *entry_new(const Call *c, PyObject *kernel, Plan *plan, PyObject *guards, PyObject *device) {
  Entry *e = PyMem_Calloc(1, sizeof *e);
  if (!e) return NULL;
  e->count = 1;
  Py_ssize_t n = PyTuple_Size(guards);
  e->words = PyMem_Malloc((size_t)c->words_used * 8 + 8);
  e->objects = PyMem_Calloc((size_t)c->objects_used + 1, sizeof *e->objects);
  e->guards = PyMem_Calloc((size_t)n + 1, sizeof *e->guards);
  if (!e->words || !e->objects || !e->guards) {
    entry_drop(e);
    return NULL;
  }
  e->hash = hash_words(c->words, c->words_used);
  e->words_used = c->words_used;
  memcpy(e->words, c->words, (size_t)c->words_used * 8);
  for (int i = 0; i < c->objects_used; i++) {
    Py_INCREF(c->objects[i]);
    e->objects[e->objects_used++] = c->objects[i];
  }
  for (Py_ssize_t i = 0; i < n; i++) {
    Guard *g = &e->guards[i];
    if (!PyArg_ParseTuple(PyTuple_GetItem(guards, i), "OOOi", &g->scope, &g->name, &g->value, &g->attribute)) {
      memset(g, 0, sizeof *g);
      entry_drop(e);
      return NULL;
    }
    Py_INCREF(g->scope);
    Py_INCREF(g->name);
    Py_INCREF(g->value);
    e->guards_used++;
  }
  Py_INCREF(kernel);
  e->kernel = kernel;
  Py_INCREF((PyObject *)plan);
  e->plan = plan;
  if (device != Py_None) {
    Py_INCREF(device);
    e->device = device;
    e->device_index = (c->device - 2) / 256;
  }
  return e;
}

static int grow(Function *f) {
  size_t capacity = f->capacity ? f->capacity * 2 : 16;
  Entry **table = PyMem_Calloc(capacity, sizeof *table);
  if (!table) return -1;
  size_t used = 0;
  Entry **dead = PyMem_Calloc(f->capacity + 1, sizeof *dead);
  size_t dead_used = 0;
  for (size_t i = 0; i < f->capacity; i++) {
    Entry *e = f->table[i];
    if (!e) continue;
    if (dead && e->epoch != g_epoch) {
      dead[dead_used++] = e;
      continue;
    }
    size_t at = e->hash & (capacity - 1);
    while (table[at]) at = (at + 1) & (capacity - 1);
    table[at] = e;
    used++;
  }
  PyMem_Free(f->table);
  f->table = table;
  f->capacity = capacity;
  f->used = used;
  f->generation++;
  for (size_t i = 0; i < dead_used; i++) entry_drop(dead[i]); /* may run Python code: the table is whole again */
  PyMem_Free(dead);
  return 0;
}

/* Puts an entry into the table, in place of one of the same key. */
static void insert_locked(Function *f, Entry *e, const Call *c) {
  if ((f->used + 1) * 2 > f->capacity && grow(f) < 0) {
    entry_drop(e);
    return;
  }
  size_t i = e->hash & (f->capacity - 1);
  Entry *old = NULL;
  for (; f->table[i]; i = (i + 1) & (f->capacity - 1)) {
    Entry *other = f->table[i];
    int same = other->hash == e->hash && other->words_used == e->words_used && other->objects_used == e->objects_used &&
               !memcmp(other->words, e->words, (size_t)e->words_used * 8);
    for (int k = 0; same && k < e->objects_used; k++) same = other->objects[k] == e->objects[k];
    if (same) {
      old = other;
      break;
    }
  }
  if (!old) f->used++;
  f->table[i] = e;
  f->generation++;
  Entry *last = f->last;
  f->last = entry_hold(e);
  entry_drop(last);
  entry_drop(old);
}

/* ---- the call ------------------------------------------------------------------------------------------------------------- */

/* Leaves a call to Python; with `c`, what it finds is put into the table. */
static PyObject *miss(Function *f, PyObject *grid, PyObject *const *args, Py_ssize_t nargs, PyObject *names,
                      const Call *c) {
  if (load_runtime() < 0) return NULL;
  Py_ssize_t keywords = names ? PyTuple_Size(names) : 0;
  PyObject *tuple = PyTuple_New(nargs), *dict = keywords ? PyDict_New() : NULL, *result = NULL;
  if (!tuple || (keywords && !dict)) goto done;
  for (Py_ssize_t i = 0; i < nargs; i++) {
    Py_INCREF(args[i]);
    PyTuple_SetItem(tuple, i, args[i]);
  }
  for (Py_ssize_t i = 0; i < keywords; i++)
    if (PyDict_SetItem(dict, PyTuple_GetItem(names, i), args[nargs + i]) < 0) goto done;
  uint64_t epoch = __atomic_load_n(&g_epoch, __ATOMIC_RELAXED);
  PyObject *answer = PyObject_CallFunctionObjArgs(g_miss, (PyObject *)f, tuple, dict ? dict : Py_None, grid, NULL);
  if (!answer) goto done;
  PyObject *kernel, *plan, *guards, *device;
  if (PyArg_ParseTuple(answer, "OOO!O", &kernel, &plan, &PyTuple_Type, &guards, &device)) {
    Py_INCREF(kernel);
    result = kernel;
    /* Without an array argument the device is the current one, which may be another next time. */
    int known = device == Py_None || (c && c->device >= 2);
    if (c && known && Py_TYPE(plan) == g_plan_type && epoch == __atomic_load_n(&g_epoch, __ATOMIC_RELAXED)) {
      Entry *e = entry_new(c, kernel, (Plan *)plan, guards, device);
      if (e) {
        e->epoch = epoch;
        LOCK((PyObject *)f);
        insert_locked(f, e, c);
        UNLOCK();
      } else {
        PyErr_Clear();
      }
    }
  }
  Py_DECREF(answer);
done:
  Py_XDECREF(tuple);
  Py_XDECREF(dict);
  return result;
}

/* 1 all outer variables are what they were, 0 not, -1 exception. */
static int guards_hold(const Entry *e) {
  for (int i = 0; i < e->guards_used; i++) {
    const Guard *g = &e->guards[i];
    if (g->attribute) {
      PyObject *now = PyObject_GetAttr(g->scope, g->name);
      if (!now) {
        PyErr_Clear();
        return 0;
      }
      int same = now == g->value;
      Py_DECREF(now);
      if (!same) return 0;
    } else {
      PyObject *now = PyDict_GetItemWithError(g->scope, g->name);
      if (!now && PyErr_Occurred()) return -1;
      if (now != g->value) return 0;
    }
  }
  return 1;
}

/* Reads a tuple or list of 1 to 3 sizes: GO, SLOW (Python says what is wrong), FAIL. */
static int read_grid(PyObject *grid, uint32_t sizes[3]) {
  int tuple = PyTuple_Check(grid);
  if (!tuple && !PyList_Check(grid)) return SLOW;
  Py_ssize_t n = tuple ? PyTuple_Size(grid) : PyList_Size(grid);
  if (n < 1 || n > 3) return SLOW;
  sizes[1] = sizes[2] = 1;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = tuple ? PyTuple_GetItem(grid, i) : PyList_GetItem(grid, i);
    if (!item || !PyLong_Check(item)) return item ? SLOW : FAIL;
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(item, &overflow);
    if (overflow || value < 0 || value > 0xffffffffll) return SLOW;
    sizes[i] = (uint32_t)value;
  }
  return GO;
}

/* The grid's sizes; 0, or -1 with an exception. */
static int grid_of(Function *f, const Shape *shape, PyObject *grid, PyObject *const *args, uint32_t sizes[3]) {
  int result = read_grid(grid, sizes);
  if (result != SLOW) return result;
  PyObject *given = NULL;
  Py_INCREF(grid);
  if (!PyTuple_Check(grid) && !PyList_Check(grid) && PyCallable_Check(grid)) {
    PyObject *values = PyDict_New();
    for (int i = 0; values && i < f->params; i++) {
      PyObject *value = shape->source[i] < 0 ? f->defaults[i] : args[shape->source[i]];
      if (PyDict_SetItem(values, PyTuple_GetItem(f->names, i), value) < 0) Py_CLEAR(values);
    }
    given = values ? PyObject_CallFunctionObjArgs(grid, values, NULL) : NULL;
    Py_XDECREF(values);
    Py_DECREF(grid);
    if (!given) return -1;
    grid = given;
    result = read_grid(grid, sizes);
  }
  if (result == SLOW) {
    PyObject *list = PyObject_CallFunctionObjArgs(g_grid_sizes, grid, Py_None, NULL);
    result = list ? read_grid(list, sizes) : FAIL;
    Py_XDECREF(list);
    if (result == SLOW) {
      PyErr_SetString(PyExc_TypeError, "the grid must be a tuple of 1 to 3 integers");
      result = FAIL;
    }
  }
  Py_DECREF(grid);
  return result;
}

/* The driver's stream for the framework's current one. */
static int stream_of(Entry *e, const Call *c, void **stream) {
  *stream = e->plan->stream;
  if (!e->device) return 0;
  void *native = NULL;
  if (c->exchange) {
    if (c->exchange->current_stream(DL_CUDA, e->device_index, &native) != 0) return -1;
  } else {
    PyObject *number = PyObject_CallFunctionObjArgs(g_current_stream, e->device, NULL);
    if (!number) return -1;
    native = PyLong_AsVoidPtr(number);
    Py_DECREF(number);
    if (!native && PyErr_Occurred()) return -1;
  }
#if !ATOMIC_COUNTS
  if (e->last_stream && e->last_native == native) {
    *stream = e->last_stream;
    return 0;
  }
#endif
  PyObject *name = PyLong_FromVoidPtr(native);
  PyObject *handle = name ? PyObject_CallMethodObjArgs(e->device, g_str_stream, name, NULL) : NULL;
  Py_XDECREF(name);
  if (!handle) return -1;
  *stream = PyLong_AsVoidPtr(handle);
  Py_DECREF(handle);
  if (!*stream) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "no stream");
    return -1;
  }
  e->last_native = native;
  e->last_stream = *stream;
  return 0;
}

static PyObject *launch_entry(Function *f, Entry *e, const Call *c, const Shape *shape, PyObject *grid,
                              PyObject *const *args) {
  uint32_t sizes[3];
  void *stream;
  if (grid_of(f, shape, grid, args, sizes) < 0) return NULL;
  if (sizes[0] && sizes[1] && sizes[2]) {
    char local[STACK_PARAMS] __attribute__((aligned(16)));
    const Plan *plan = e->plan;
    char *buffer = plan->size <= sizeof local ? local : PyMem_Malloc(plan->size);
    if (!buffer) return PyErr_NoMemory();
    int wrong = pack(plan, buffer, c->leaves, c->tags, c->leaves_used);
    int failed = wrong ? raise_argument(plan, wrong - 1) : stream_of(e, c, &stream);
    if (!failed) failed = launch(plan, stream, sizes, buffer);
    if (buffer != local) PyMem_Free(buffer);
    if (failed) return NULL;
  }
  Py_INCREF(e->kernel);
  return e->kernel;
}

/* f[grid](*args, **names): args holds the positional arguments, then those of `names`. */
static PyObject *call(Function *f, PyObject *grid, PyObject *const *args, Py_ssize_t nargs, PyObject *names) {
  if (f->ready == 0 && describe(f) < 0) return NULL;
  if (f->ready < 0 || g_hooks) return miss(f, grid, args, nargs, names, NULL);
  int number = shape_of(f, nargs, names);
  if (number == -2) return NULL;
  if (number < 0 || !f->shapes[number].valid) return miss(f, grid, args, nargs, names, NULL);
  const Shape *shape = &f->shapes[number];
  Call c;
  c.words_used = c.objects_used = c.leaves_used = 0;
  c.device = 0;
  c.exchange = NULL;
  int result = add_word(&c, W_SHAPE | DETAIL(number));
  for (int i = 0; i < f->params && result == GO; i++) {
    PyObject *value = shape->source[i] < 0 ? f->defaults[i] : args[shape->source[i]];
    unsigned flags = f->flags[i];
    result = flags & P_CONSTEXPR ? add_constant(&c, value, 0) : add_value(&c, value, flags, 0);
  }
  for (int i = 0; i < shape->options_used && result == GO; i++) result = add_constant(&c, args[shape->options[i]], 0);
  if (result == GO) result = add_word(&c, W_DEVICE | DETAIL((uint32_t)c.device));
  if (result == FAIL) {
    PyErr_Clear(); /* Python finds it again, and says which argument */
    return miss(f, grid, args, nargs, names, NULL);
  }
  if (result == SLOW) return miss(f, grid, args, nargs, names, NULL);
  Entry *e = find(f, &c);
  if (!e) return PyErr_Occurred() ? NULL : miss(f, grid, args, nargs, names, &c);
  int hold = guards_hold(e);
  PyObject *answer = NULL;
  if (hold > 0)
    answer = launch_entry(f, e, &c, shape, grid, args);
  else if (hold == 0)
    answer = miss(f, grid, args, nargs, names, &c);
  entry_drop(e);
  return answer;
}

/* ---- f[grid] ------------------------------------------------------------------------------------------------------------- */

typedef struct {
  PyObject_HEAD
  PyObject *function, *grid;
#if FULL_API
  vectorcallfunc vectorcall;
#endif
} GridCall;

#if FULL_API && !ATOMIC_COUNTS
enum { MAX_SPARE = 8 };
static GridCall *g_spare[MAX_SPARE]; /* objects to use again */
static int g_spare_count;
#endif

#if FULL_API
static PyObject *grid_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
  GridCall *g = (GridCall *)self;
  return call((Function *)g->function, g->grid, args, PyVectorcall_NARGS(nargsf), names);
}
#else
static PyObject *grid_call(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names) {
  GridCall *g = (GridCall *)self;
  return call((Function *)g->function, g->grid, args, nargs, names);
}
static PyMethodDef g_call_method = {"launch", (PyCFunction)(void (*)(void))grid_call, METH_FASTCALL | METH_KEYWORDS,
                                    "Launches the kernel on the grid."};
#endif

static PyObject *function_subscript(PyObject *self, PyObject *grid) {
  GridCall *g;
#if FULL_API && !ATOMIC_COUNTS
  if (g_spare_count) {
    g = g_spare[--g_spare_count];
    PyObject_Init((PyObject *)g, g_call_type);
  } else
#endif
  {
    allocfunc allocate = (allocfunc)PyType_GetSlot(g_call_type, Py_tp_alloc);
    g = (GridCall *)allocate(g_call_type, 0);
    if (!g) return NULL;
  }
  Py_INCREF(self);
  g->function = self;
  Py_INCREF(grid);
  g->grid = grid;
#if FULL_API
  g->vectorcall = grid_call;
  return (PyObject *)g;
#else
  PyObject *bound = PyCFunction_NewEx(&g_call_method, (PyObject *)g, NULL);
  Py_DECREF(g);
  return bound;
#endif
}

static void call_dealloc(PyObject *self) {
  GridCall *g = (GridCall *)self;
  PyTypeObject *type = Py_TYPE(self);
  Py_CLEAR(g->function);
  Py_CLEAR(g->grid);
#if FULL_API && !ATOMIC_COUNTS
  if (g_spare_count < MAX_SPARE) {
    g_spare[g_spare_count++] = g;
    Py_DECREF(type); /* PyObject_Init takes it again */
    return;
  }
#endif
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}

/* ---- types and module -------------------------------------------------------------------------------------------------------- */

static int function_traverse(PyObject *self, visitproc visit, void *arg) {
  Function *f = (Function *)self;
  Py_VISIT((PyObject *)Py_TYPE(self)); /* also for the classes in Python that are made of it */
  for (int i = 0; i < f->params; i++)
    if (f->defaults) Py_VISIT(f->defaults[i]);
  /* An entry that a call is holding is counted by both; then the references seen are fewer than there are, which is
   * safe. */
  for (size_t i = 0; i < f->capacity; i++) {
    Entry *e = f->table[i];
    if (!e || e->count > 1 + (e == f->last)) continue;
    Py_VISIT(e->kernel);
    Py_VISIT(e->device);
    for (int k = 0; k < e->objects_used; k++) Py_VISIT(e->objects[k]);
    for (int k = 0; k < e->guards_used; k++) {
      Py_VISIT(e->guards[k].scope);
      Py_VISIT(e->guards[k].value);
    }
  }
  return 0;
}

static int function_clear(PyObject *self) {
  table_clear((Function *)self);
  description_clear((Function *)self);
  return 0;
}

static void function_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  table_clear((Function *)self);
  description_clear((Function *)self);
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}

static PyObject *function_forget(PyObject *self, PyObject *nothing) {
  Function *f = (Function *)self;
  LOCK(self);
  table_clear(f);
  if (f->ready < 0) f->ready = 0;
  UNLOCK();
  Py_RETURN_NONE;
}

static PyObject *function_redescribe(PyObject *self, PyObject *nothing) {
  LOCK(self);
  table_clear((Function *)self);
  ((Function *)self)->ready = -1; /* for good: shapes that calls in progress use stay as they are */
  UNLOCK();
  Py_RETURN_NONE;
}

static PyObject *function_seen(PyObject *self, PyObject *nothing) {
  return PyLong_FromSize_t(((Function *)self)->used);
}

static PyMethodDef function_methods[] = {
    {"_forget", function_forget, METH_NOARGS, "Drops the specialisations that the launch path remembers."},
    {"_leave_to_python", function_redescribe, METH_NOARGS, "Makes every launch go the slow way from now on."},
    {"_seen", function_seen, METH_NOARGS, "How many specialisations the launch path remembers."},
    {NULL, NULL, 0, NULL}};
static PyType_Slot function_slots[] = {{Py_mp_subscript, function_subscript},
                                       {Py_tp_traverse, function_traverse},
                                       {Py_tp_clear, function_clear},
                                       {Py_tp_dealloc, function_dealloc},
                                       {Py_tp_methods, function_methods},
                                       {Py_tp_doc, "What launches as f[grid](arguments)."},
                                       {0, NULL}};
static PyType_Spec function_spec = {"tessera._launch.Function", sizeof(Function), 0,
                                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, function_slots};

#if FULL_API
#include <structmember.h>
static PyMemberDef call_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(GridCall, vectorcall), READONLY, NULL}, {NULL, 0, 0, 0, NULL}};
#endif
static PyType_Slot call_slots[] = {{Py_tp_dealloc, call_dealloc},
#if FULL_API
                                   {Py_tp_members, call_members},
                                   {Py_tp_call, PyVectorcall_Call},
#endif
                                   {0, NULL}};
static PyType_Spec call_spec = {"tessera._launch.GridCall", sizeof(GridCall), 0,
#if FULL_API
                                Py_TPFLAGS_HAVE_VECTORCALL |
#endif
                                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                call_slots};

/* Plan.launch(x, y, z, stream, values): any stream of the driver, 0: the plan's own; values in the kernel's order. */
static int leaf_of(Call *c, PyObject *v, const Slot *slot) {
  if (slot->kind == K_TENSORDESC) {
    PyObject *base = PyObject_GetAttr(v, g_str_base);
    if (!base) return FAIL;
    const TypeRow *row = row_of(base);
    uint64_t word, address = 0;
    int result = row && is_array(row) ? read_array(c, base, row, &word, &address) : SLOW;
    Py_DECREF(base);
    return result ? result : add_leaf(c, address, L_DESC);
  }
  if (slot->kind == K_PTR) {
    if (v == Py_None) return add_leaf(c, 0, L_PTR);
    if (!PyLong_Check(v)) {
      const TypeRow *row = row_of(v);
      uint64_t word, address = 0;
      if (!row) return FAIL;
      if (row->kind == T_NUMPY) {
        address = (uint64_t)(uintptr_t)((const NumpyArray *)v)->data; /* read-only ones are Python's business */
      } else if (!is_array(row) || row->kind == T_POINTER || read_array(c, v, row, &word, &address)) {
        PyObject *number = PyErr_Occurred() ? NULL : PyObject_CallFunctionObjArgs(g_address, v, NULL);
        if (!number) return FAIL;
        address = PyLong_AsUnsignedLongLong(number);
        Py_DECREF(number);
        if (PyErr_Occurred()) return FAIL;
      }
      return add_leaf(c, address, L_PTR);
    }
  }
  int before = c->leaves_used;
  int result = add_value(c, v, P_NO_VALUE, 0);
  return result ? result : c->leaves_used == before + 1 ? GO : SLOW;
}

static PyObject *plan_launch(PyObject *self, PyObject *args) {
  Plan *plan = (Plan *)self;
  unsigned long long x, y, z, stream;
  PyObject *values;
  if (!PyArg_ParseTuple(args, "KKKKO", &x, &y, &z, &stream, &values)) return NULL;
  if (x > 0xffffffffull || y > 0xffffffffull || z > 0xffffffffull) {
    PyErr_SetString(PyExc_ValueError, "sizes of the grid must be below 2^32");
    return NULL;
  }
  Py_ssize_t n = PySequence_Size(values);
  if (n < 0) return NULL;
  if (n != plan->count) {
    PyErr_Format(PyExc_TypeError, "the kernel takes %d run-time arguments, got %zd", plan->count, n);
    return NULL;
  }
  Call c;
  c.words_used = c.objects_used = c.leaves_used = 0;
  c.device = 0;
  c.exchange = NULL;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *value = PySequence_GetItem(values, i);
    if (!value) return NULL;
    c.words_used = c.objects_used = 0;
    c.device = 0;
    int result = leaf_of(&c, value, &plan->slots[i]);
    if (result) {
      if (!PyErr_Occurred()) raise_argument(plan, (int)i);
      Py_DECREF(value);
      return NULL;
    }
    Py_DECREF(value);
  }
  if (!x || !y || !z) Py_RETURN_NONE;
  char local[STACK_PARAMS] __attribute__((aligned(16)));
  char *buffer = plan->size <= sizeof local ? local : PyMem_Malloc(plan->size);
  if (!buffer) return PyErr_NoMemory();
  int wrong = pack(plan, buffer, c.leaves, c.tags, c.leaves_used), failed;
  uint32_t sizes[3] = {(uint32_t)x, (uint32_t)y, (uint32_t)z};
  if (wrong)
    failed = raise_argument(plan, wrong - 1);
  else
    failed = launch(plan, stream ? (void *)(uintptr_t)stream : plan->stream, sizes, buffer);
  if (buffer != local) PyMem_Free(buffer);
  if (failed) return NULL;
  Py_RETURN_NONE;
}

static PyObject *plan_pack(PyObject *self, PyObject *values) {
  /* The packed buffer, for tests: only numbers and addresses. */
  Plan *plan = (Plan *)self;
  Call c;
  c.words_used = c.objects_used = c.leaves_used = 0;
  c.device = 0;
  c.exchange = NULL;
  Py_ssize_t n = PySequence_Size(values);
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *value = PySequence_GetItem(values, i);
    int result = !value ? FAIL : i < plan->count ? leaf_of(&c, value, &plan->slots[i]) : SLOW;
    Py_XDECREF(value);
    if (result) {
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a value cannot be packed");
      return NULL;
    }
  }
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)plan->size);
  if (!bytes) return NULL;
  int wrong = pack(plan, PyBytes_AsString(bytes), c.leaves, c.tags, c.leaves_used);
  if (wrong) {
    raise_argument(plan, wrong - 1);
    Py_CLEAR(bytes);
  }
  return bytes;
}

static PyMethodDef plan_methods[] = {
    {"launch", plan_launch, METH_VARARGS, "launch(x, y, z, stream, values)"},
    {"pack", plan_pack, METH_O, "The packed buffer of some values."},
    {NULL, NULL, 0, NULL}};
static PyType_Slot plan_slots[] = {{Py_tp_new, plan_new},
                                   {Py_tp_dealloc, plan_dealloc},
                                   {Py_tp_methods, plan_methods},
                                   {Py_tp_doc, "How a loaded kernel is launched."},
                                   {0, NULL}};
static PyType_Spec plan_spec = {"tessera._launch.Plan", sizeof(Plan), 0, Py_TPFLAGS_DEFAULT, plan_slots};

static PyObject *module_setup(PyObject *module, PyObject *args) {
  PyObject *d, *m, *c, *g, *s, *p, *a;
  if (!PyArg_ParseTuple(args, "OOOOOOO", &d, &m, &c, &g, &s, &p, &a)) return NULL;
  PyObject **cells[] = {&g_describe, &g_classify, &g_grid_sizes, &g_current_stream, &g_pointer, &g_address, &g_miss};
  PyObject *values[] = {d, c, g, s, p, a, m};
  for (int i = 0; i < 7; i++) {
    PyObject *old = *cells[i];
    Py_INCREF(values[i]);
    *cells[i] = values[i];
    Py_XDECREF(old);
  }
  Py_RETURN_NONE;
}

static PyObject *module_bump(PyObject *module, PyObject *hooks) {
  int truth = PyObject_IsTrue(hooks);
  if (truth < 0) return NULL;
  g_hooks = truth;
  __atomic_add_fetch(&g_epoch, 1, __ATOMIC_RELAXED);
  Py_RETURN_NONE;
}

/* (address, rank, type number, byte order, flags) as this file reads them from an array. */
static PyObject *module_probe_numpy(PyObject *module, PyObject *object) {
  const NumpyArray *a = (const NumpyArray *)object;
  return Py_BuildValue("KiiCi", (unsigned long long)(uintptr_t)a->data, a->rank, a->type->number,
                       (int)a->type->byteorder, a->flags);
}

static PyMethodDef module_methods[] = {
    {"setup", module_setup, METH_VARARGS, "setup(describe, miss, classify, grid_sizes, current_stream, pointer, address)"},
    {"bump", module_bump, METH_O, "Makes what is remembered invalid; the argument says whether there are hooks."},
    {"probe_numpy", module_probe_numpy, METH_O, "How an ndarray's struct reads."},
    {NULL, NULL, 0, NULL}};

static int module_exec(PyObject *module) {
  if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
    PyErr_SetString(PyExc_ImportError, "the launch extension serves the main interpreter only");
    return -1;
  }
  static const struct {
    PyObject **cell;
    const char *text;
  } names[] = {{&g_str_base, "base"},       {&g_str_shape, "shape"},   {&g_str_strides, "strides"},
               {&g_str_block_shape, "block_shape"}, {&g_str_stream, "stream"}, {&g_str_padding, "padding"},
               {&g_str_zero, "zero"},       {&g_str_round, "round_f32_to_tf32"}, {&g_str_dtype, "dtype"},
               {&g_str_is_cpu, "is_cpu"},   {&g_str_is_cuda, "is_cuda"}, {&g_str_get_device, "get_device"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (!(*names[i].cell = PyUnicode_InternFromString(names[i].text))) return -1;
  PyObject *function = PyType_FromModuleAndSpec(module, &function_spec, NULL);
  g_call_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &call_spec, NULL);
  g_plan_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &plan_spec, NULL);
  if (!function || !g_call_type || !g_plan_type) return -1;
  if (PyModule_AddObjectRef(module, "Function", function) < 0 ||
      PyModule_AddObjectRef(module, "Plan", (PyObject *)g_plan_type) < 0 ||
      PyModule_AddIntConstant(module, "FULL_API", FULL_API) < 0)
    return -1;
  Py_DECREF(function);
  return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if FULL_API && PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if FULL_API && PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL}};
static struct PyModuleDef module_def = {PyModuleDef_HEAD_INIT, "_launch", "The launch path of jit functions.", 0,
                                        module_methods, module_slots, NULL, NULL, NULL};

PyMODINIT_FUNC
#if FULL_API
PyInit__launch(void)
#else
PyInit__launch_abi3(void)
#endif
{
  return PyModuleDef_Init(&module_def);
}
