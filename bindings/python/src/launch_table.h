// SPDX-License-Identifier: MIT
/* Functions and what is remembered of them: ways of calling, specialisations. Part of launch.c. */
#ifndef TESSERA_LAUNCH_TABLE_H
#define TESSERA_LAUNCH_TABLE_H

/* ---- tables ------------------------------------------------------------------------------------------------- */

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
static void insert_locked(Function *f, Entry *e) {
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

#endif
