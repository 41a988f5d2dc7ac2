// SPDX-License-Identifier: MIT
/* What the launch extension knows of arrays and of the types of arguments. Part of launch.c, the only file that includes
 * it. */
#ifndef TESSERA_LAUNCH_ARRAYS_H
#define TESSERA_LAUNCH_ARRAYS_H

/* ---- layouts of others -------------------------------------------------------------------------------------- */

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

/* ---- what the module knows ---------------------------------------------------------------------------------- */

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
static PyObject *g_str_base, *g_str_shape, *g_str_strides, *g_str_block_shape, *g_str_stream, *g_str_padding,
    *g_str_zero, *g_str_round, *g_str_dtype, *g_str_is_cpu, *g_str_is_cuda, *g_str_get_device;
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

#endif
