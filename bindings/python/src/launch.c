// SPDX-License-Identifier: MIT
/* The launch path of jit functions: `f[grid](arguments)` from Python to the driver without running Python code, for
 * specialisations that were seen before. What it does not know it hands to tessera.runtime._run.miss.
 *
 * One source, two builds: the full API of the Python at hand (vectorcall, free-threaded builds), and the stable ABI of
 * 3.11 and newer (Py_LIMITED_API). The libraries are called through addresses that Python hands over, so nothing is
 * linked; the struct of numpy's arrays and DLPack's table of functions are read by their published layouts, numpy's
 * after a check (probe_numpy).
 *
 * A call is turned into a key: one word for each argument that says its type and what it is specialised for, and the
 * values of compile-time arguments. An entry of a function's table holds the key, the kernel, and what must still be
 * true of outer variables. */
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

#include "launch_arrays.h"
#include "launch_plan.h"
#include "launch_key.h"
#include "launch_table.h"

/* ---- the call ----------------------------------------------------------------------------------------------- */

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
        insert_locked(f, e);
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

/* ---- f[grid] ------------------------------------------------------------------------------------------------ */

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

/* ---- types and module --------------------------------------------------------------------------------------- */

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

static PyObject *function_forget(PyObject *self, PyObject *Py_UNUSED(nothing)) {
  Function *f = (Function *)self;
  LOCK(self);
  table_clear(f);
  if (f->ready < 0) f->ready = 0;
  UNLOCK();
  Py_RETURN_NONE;
}

static PyObject *function_redescribe(PyObject *self, PyObject *Py_UNUSED(nothing)) {
  LOCK(self);
  table_clear((Function *)self);
  ((Function *)self)->ready = -1; /* for good: shapes that calls in progress use stay as they are */
  UNLOCK();
  Py_RETURN_NONE;
}

static PyObject *function_seen(PyObject *self, PyObject *Py_UNUSED(nothing)) {
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

static PyObject *module_setup(PyObject *Py_UNUSED(module), PyObject *args) {
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

static PyObject *module_bump(PyObject *Py_UNUSED(module), PyObject *hooks) {
  int truth = PyObject_IsTrue(hooks);
  if (truth < 0) return NULL;
  g_hooks = truth;
  __atomic_add_fetch(&g_epoch, 1, __ATOMIC_RELAXED);
  Py_RETURN_NONE;
}

/* (address, rank, type number, byte order, flags) as this file reads them from an array. */
static PyObject *module_probe_numpy(PyObject *Py_UNUSED(module), PyObject *object) {
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
