// SPDX-License-Identifier: MIT
/* From the values of a call to the key of a specialisation, and to what is packed. Part of launch.c. */
#ifndef TESSERA_LAUNCH_KEY_H
#define TESSERA_LAUNCH_KEY_H

/* ---- calls: from Python values to keys and leaves ----------------------------------------------------------- */

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

#endif
