// SPDX-License-Identifier: MIT
/* tessera._raw._fast: the functions of the libraries that take plain parameters, without ctypes.
 *
 * fast_functions.inc, generated from bindings/gen/api.json, has one wrapper for each. A wrapper converts what it can
 * convert quickly; anything else (a wrong type, a number out of range, a ctypes object, a long list) goes, with all
 * arguments, to the ctypes form of the function, which either handles it or raises: one place decides what is right.
 *
 * Builds against the full C API and, with Py_LIMITED_API, against the stable ABI of 3.11. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

/* Lists up to this length are converted here. */
#define ARRAY_ROOM 64

#define LIKELY(x) __builtin_expect(!!(x), 1)

/* ---- from Python to C: 1, or 0 with no exception set ---- */

static int give_up(void) {
  PyErr_Clear();
  return 0;
}

static inline int to_pointer(PyObject *o, void **out) {
  if (o == Py_None) {
    *out = NULL;
    return 1;
  }
  if (!PyLong_Check(o)) return 0;
  unsigned long long v = PyLong_AsUnsignedLongLong(o);
  if (v == (unsigned long long)-1 && PyErr_Occurred()) return give_up();
  *out = (void *)(uintptr_t)v;
  return 1;
}

static inline int to_u64(PyObject *o, uint64_t *out) {
  if (!PyLong_Check(o)) return 0;
  unsigned long long v = PyLong_AsUnsignedLongLong(o);
  if (v == (unsigned long long)-1 && PyErr_Occurred()) return give_up();
  *out = v;
  return 1;
}

static inline int to_i64(PyObject *o, int64_t *out) {
  if (!PyLong_Check(o)) return 0;
  long long v = PyLong_AsLongLong(o);
  if (v == -1 && PyErr_Occurred()) return give_up();
  *out = v;
  return 1;
}

#define SMALL_INTEGER(name, type, low, high)                                                                \
  static inline int name(PyObject *o, type *out) {                                                          \
    int64_t v;                                                                                              \
    if (!to_i64(o, &v) || v < (low) || v > (high)) return 0;                                                \
    *out = (type)v;                                                                                         \
    return 1;                                                                                               \
  }
SMALL_INTEGER(to_u8, uint8_t, 0, UINT8_MAX)
SMALL_INTEGER(to_i32, int32_t, INT32_MIN, INT32_MAX)
SMALL_INTEGER(to_u32, uint32_t, 0, UINT32_MAX)

static inline int to_size(PyObject *o, size_t *out) { return to_u64(o, (uint64_t *)out); }

static inline int to_double(PyObject *o, double *out) {
  if (!PyFloat_Check(o) && !PyLong_Check(o)) return 0;
  *out = PyFloat_AsDouble(o);
  return (*out == -1.0 && PyErr_Occurred()) ? give_up() : 1;
}

/* Bytes of str or bytes, valid as long as the object. */
static inline int to_bytes(PyObject *o, const char **out, size_t *size) {
  if (o == Py_None) {
    *out = NULL;
    *size = 0;
    return 1;
  }
  Py_ssize_t n;
  if (PyUnicode_Check(o)) {
    *out = PyUnicode_AsUTF8AndSize(o, &n);
    if (!*out) return give_up(); // a lone surrogate
  } else if (PyBytes_Check(o)) {
    *out = PyBytes_AsString(o);
    n = PyBytes_Size(o);
  } else {
    return 0;
  }
  *size = (size_t)n;
  return 1;
}

static inline int to_string(PyObject *o, const char **out) {
  size_t size;
  if (!to_bytes(o, out, &size)) return 0;
  return !*out || strlen(*out) == size;
}

/* A cell for one value: anything that lends `size` writable bytes. None is NULL. */
static inline int to_cell(PyObject *o, size_t size, void **out) {
  if (o == Py_None) {
    *out = NULL;
    return 1;
  }
  if (PyLong_Check(o)) return 0;
  Py_buffer view;
  if (PyObject_GetBuffer(o, &view, PyBUF_WRITABLE) != 0) return give_up();
  *out = view.buf;
  int fits = (size_t)view.len >= size;
  PyBuffer_Release(&view); // the memory stays: the caller holds the object
  return fits;
}

#ifdef Py_LIMITED_API
#define LIST_SIZE PyList_Size
#define LIST_ITEM PyList_GetItem
#define TUPLE_SIZE PyTuple_Size
#define TUPLE_ITEM PyTuple_GetItem
#else
#define LIST_SIZE PyList_GET_SIZE
#define LIST_ITEM PyList_GET_ITEM
#define TUPLE_SIZE PyTuple_GET_SIZE
#define TUPLE_ITEM PyTuple_GET_ITEM
#endif

/* A list or tuple of at most ARRAY_ROOM elements into `room`; None is a NULL array of none. */
#define ARRAY(name, type, convert)                                                                          \
  static inline int name(PyObject *o, type *room, type **out, size_t *size) {                               \
    Py_ssize_t n;                                                                                           \
    if (o == Py_None) {                                                                                     \
      *out = NULL;                                                                                          \
      *size = 0;                                                                                            \
      return 1;                                                                                             \
    }                                                                                                       \
    if (PyList_Check(o)) {                                                                                  \
      if ((n = LIST_SIZE(o)) > ARRAY_ROOM) return 0;                                                        \
      for (Py_ssize_t i = 0; i < n; ++i)                                                                    \
        if (!convert(LIST_ITEM(o, i), &room[i])) return 0;                                                  \
    } else if (PyTuple_Check(o)) {                                                                          \
      if ((n = TUPLE_SIZE(o)) > ARRAY_ROOM) return 0;                                                       \
      for (Py_ssize_t i = 0; i < n; ++i)                                                                    \
        if (!convert(TUPLE_ITEM(o, i), &room[i])) return 0;                                                 \
    } else {                                                                                                \
      return 0;                                                                                             \
    }                                                                                                       \
    *out = room;                                                                                            \
    *size = (size_t)n;                                                                                      \
    return 1;                                                                                               \
  }
ARRAY(to_pointers, void *, to_pointer)
ARRAY(to_strings, const char *, to_string)
ARRAY(to_i32s, int32_t, to_i32)
ARRAY(to_u32s, uint32_t, to_u32)
ARRAY(to_i64s, int64_t, to_i64)
ARRAY(to_u64s, uint64_t, to_u64)

/* A count: None is what the array has, and no count goes beyond that. A NULL array may claim any number: the library
 * answers. */
static inline int to_count(PyObject *o, const void *array, size_t have, uint64_t limit, uint64_t *out) {
  if (o == Py_None) {
    *out = have;
    return have <= limit;
  }
  return to_u64(o, out) && *out <= limit && (!array || *out <= have);
}

/* ---- and back ---- */

static inline PyObject *from_pointer(const void *p) {
  if (!p) Py_RETURN_NONE;
  return PyLong_FromVoidPtr((void *)(uintptr_t)p);
}

static inline PyObject *from_string(const char *s) {
  if (!s) Py_RETURN_NONE;
  return PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "surrogateescape");
}

/* ---- the functions ---- */

static PyObject *slow_of; /* name -> its ctypes form */

static PyObject *slow(int number, PyObject *const *args, Py_ssize_t nargs);

#include "fast_functions.inc"

static void *functions[FAST_COUNT];
static PyObject *slow_forms[FAST_COUNT];

#include "fast_wrappers.inc"

static PyObject *slow(int number, PyObject *const *args, Py_ssize_t nargs) {
  if (!slow_forms[number]) {
    if (!slow_of) {
      PyErr_SetString(PyExc_RuntimeError, "tessera._raw._fast is used without tessera._raw");
      return NULL;
    }
    slow_forms[number] = PyObject_CallFunction(slow_of, "s", fast_names[number]);
    if (!slow_forms[number]) return NULL;
  }
  PyObject *tuple = PyTuple_New(nargs);
  if (!tuple) return NULL;
  for (Py_ssize_t i = 0; i < nargs; ++i) {
    Py_INCREF(args[i]);
    PyTuple_SetItem(tuple, i, args[i]);
  }
  PyObject *result = PyObject_CallObject(slow_forms[number], tuple);
  Py_DECREF(tuple);
  return result;
}

static PyObject *set_slow(PyObject *module, PyObject *callable) {
  (void)module;
  Py_INCREF(callable);
  Py_XDECREF(slow_of);
  slow_of = callable;
  Py_RETURN_NONE;
}

/* open(name, handle): takes the addresses of a library's functions from its dlopen handle. */
static PyObject *open_library(PyObject *module, PyObject *const *args, Py_ssize_t nargs) {
  const char *name;
  void *handle;
  (void)module;
  if (nargs != 2 || !to_string(args[0], &name) || !to_pointer(args[1], &handle) || !name || !handle) {
    PyErr_SetString(PyExc_TypeError, "open(name, handle)");
    return NULL;
  }
  size_t length = strlen(name);
  for (int i = 0; i < FAST_COUNT; ++i)
    if (strncmp(fast_names[i], name, length) == 0 && fast_names[i][length] == '_')
      functions[i] = dlsym(handle, fast_names[i]);
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
#include "fast_methods.inc"
  {"open", (PyCFunction)(void (*)(void))open_library, METH_FASTCALL, "open(name, handle): for tessera._raw"},
  {"set_slow", set_slow, METH_O, "set_slow(callable): for tessera._raw"},
  {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) {
  // Addresses and slow forms are the process's: another interpreter must not see them.
  if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
    PyErr_SetString(PyExc_ImportError, "_fast works in the main interpreter only");
    return -1;
  }
  return PyModule_AddStringConstant(module, "API", FAST_API);
}

/* Both builds may lie in one folder, so they have two names. */
#ifdef Py_LIMITED_API
#define NAME "_fast_abi3"
#define INIT PyInit__fast_abi3
#else
#define NAME "_fast"
#define INIT PyInit__fast
#endif

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)execute}, {0, NULL}};
static struct PyModuleDef definition = {
  PyModuleDef_HEAD_INIT, NAME, "Functions of plain parameters; tessera._raw uses it.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC INIT(void) { return PyModuleDef_Init(&definition); }
