/* SPDX-License-Identifier: MIT
 * libtkernels: the session. One call takes a kernel from IR bytes to something that can be launched: look it up in
 * the cache, compile it if it is not there, load it.
 *
 * The session reaches compiler, cache and driver through three tables of functions. By default it opens libtcodegen,
 * libtcache and libtdriver itself, driver and cache when the session is made, the compiler when the first kernel is
 * not in the cache: a program whose kernels all come from a cache never loads LLVM.
 *
 * Rules that hold for every function of this header:
 *  - It may be called from any thread at any time; tables must allow the same.
 *  - It returns a tkernels_status; on failure tkernels_last_message() has the sentence and outputs are NULL.
 *  - NULL where an object is needed, and numbers out of range, give TKERNELS_INVALID_ARGUMENT.
 *  - Params structs begin with struct_size; initialise them with their _INIT macro. NULL params = defaults.
 *  - Strings and arrays given to a function need to live during the call only, unless said otherwise.
 * Everything is since 0.1.
 */
#ifndef TKERNELS_SESSION_H
#define TKERNELS_SESSION_H

#include "tkernels/version.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What functions return. All five libraries share the numbers, and the session hands a sibling's status on. */
typedef int32_t tkernels_status;
enum {
  TKERNELS_OK = 0,
  TKERNELS_INVALID_ARGUMENT = 1, /* a NULL, out-of-range, wrong-kind or foreign argument */
  TKERNELS_PARSE = 2,            /* IR text or bytes that do not follow their format */
  TKERNELS_VERIFY = 3,           /* a module that breaks a rule of the verifier */
  TKERNELS_UNSUPPORTED = 4,      /* valid input that the compiler or device does not handle */
  TKERNELS_NOT_FOUND = 5,        /* no such kernel, device, target or library */
  TKERNELS_IO = 6,               /* the operating system refused a file or memory operation */
  TKERNELS_CORRUPT = 7,          /* a kernel object's checksum, length or structure is wrong */
  TKERNELS_VERSION = 8,          /* a format or ABI version that is not understood */
  TKERNELS_LIMIT = 9,            /* a bound was exceeded */
  TKERNELS_COMPILE = 10,         /* code generation failed */
  TKERNELS_DEVICE = 11,          /* a device or vendor driver failed */
  TKERNELS_LAUNCH = 12,          /* a kernel stopped with an assert or a trap */
  TKERNELS_BUSY = 13,            /* the object is in use or not ready */
  TKERNELS_INTERNAL = 14         /* a defect of this library */
};

/* What a status means in general, in English. Static text, never NULL; "unknown status" for other numbers. */
TKERNELS_API const char *tkernels_status_text(tkernels_status status);

/* The sentence of this thread's last failure in this library; "" before the first. Never NULL. Valid until this
 * thread's next call into this library. */
TKERNELS_API const char *tkernels_last_message(void);

typedef struct tkernels_session tkernels_session;
typedef struct tkernels_kernel tkernels_kernel;

/* ---- the three tables ---------------------------------------------------------------------------------------
 * Functions of a table fail by returning a status and writing a NUL-terminated sentence into the report; `user` is
 * handed to each. `destroy`, which may be NULL, is called once, when the session that uses the table is gone.
 */
typedef struct tkernels_report {
  char text[4096];
} tkernels_report;

/* Takes output in pieces, in order. Not TKERNELS_OK: stop, and return that status. */
typedef tkernels_status (*tkernels_write_fn)(void *user, const void *bytes, size_t size);

/* One compilation. */
typedef struct tkernels_compile_request {
  size_t struct_size;
  const void *ir; /* TTIR text or TIR bytecode */
  size_t ir_size;
  const char *source_name; /* for messages; never NULL */
  const char *kernel;      /* NULL: the only kernel of the module */
  const char *target;      /* "cpu:native"; never NULL */
  const char *options;     /* "name=value,name=value"; never NULL */
  uint32_t flags;          /* TKERNELS_GET_... */
  uint32_t reserved;
} tkernels_compile_request;

typedef struct tkernels_codegen_provider {
  size_t struct_size;
  void *user;
  const char *identity; /* names this compiler exactly; part of every key. Not NULL, not empty */
  /* Writes the kernel object of a request. */
  tkernels_status (*compile)(void *user, const tkernels_compile_request *request, tkernels_write_fn write,
                             void *write_user, tkernels_report *report);
  void (*destroy)(void *user);
} tkernels_codegen_provider;

/* One field of a key: everything that the result of a compilation depends on is in one. */
typedef struct tkernels_key_field {
  const char *name;
  const void *data;
  size_t size;
} tkernels_key_field;

typedef struct tkernels_key {
  uint8_t bytes[32];
} tkernels_key;

/* Bytes that a cache lends. */
typedef struct tkernels_blob {
  void *handle; /* the cache's own */
  const void *data;
  size_t size;
  uint32_t from; /* TKERNELS_FROM_... */
  uint32_t reserved;
} tkernels_blob;

/* Makes the bytes of a missing entry. */
typedef tkernels_status (*tkernels_build_fn)(void *build_user, tkernels_write_fn write, void *write_user,
                                             tkernels_report *report);

typedef struct tkernels_cache_provider {
  size_t struct_size;
  void *user;
  /* The key of some fields, in their order; different fields must not give one key. */
  tkernels_status (*make_key)(void *user, const tkernels_key_field *fields, size_t count, tkernels_key *key,
                              tkernels_report *report);
  /* The bytes under a key; if there are none, build makes them. Of several threads that ask for one key one should
   * build. Trouble with the cache alone must not make this fail. */
  tkernels_status (*get_or_build)(void *user, const tkernels_key *key, tkernels_build_fn build, void *build_user,
                                  tkernels_blob *blob, tkernels_report *report);
  /* Drops an entry whose bytes the driver refused. May be NULL. */
  void (*remove)(void *user, const tkernels_key *key);
  void (*release)(void *user, tkernels_blob *blob);
  void (*destroy)(void *user);
} tkernels_cache_provider;

typedef struct tkernels_driver_provider {
  size_t struct_size;
  void *user;
  const char *device; /* "cpu", for messages. Not NULL */
  /* What a target "...:native" means on this device, as text (CPU model and features); part of keys. Not NULL */
  const char *native;
  tkernels_status (*load)(void *user, const void *object, size_t size, void **kernel, tkernels_report *report);
  void (*unload)(void *user, void *kernel);
  /* stream is the driver's own, NULL: its default. args[i] points to the value of argument i. */
  tkernels_status (*launch)(void *user, void *kernel, void *stream, const uint32_t grid[3], const void *const *args,
                            uint32_t nargs, tkernels_report *report);
  tkernels_status (*synchronize)(void *user, void *stream, tkernels_report *report);
  void (*destroy)(void *user);
} tkernels_driver_provider;

/* ---- events -------------------------------------------------------------------------------------------------
 * What a session does, for logs, measurements and tests.
 */
enum {
  TKERNELS_EVENT_BEFORE_COMPILE = 1, /* source, kernel, target, key are set */
  TKERNELS_EVENT_AFTER_COMPILE = 2,  /* also status, message, compile_ns, object_bytes */
  TKERNELS_EVENT_GET = 3,            /* the end of tkernels_session_get: from and all times of that call */
  TKERNELS_EVENT_BEFORE_LAUNCH = 4,  /* kernel, key, grid */
  TKERNELS_EVENT_AFTER_LAUNCH = 5    /* also status, message, launch_ns: of the call, not of the kernel's run */
};

/* Where a kernel came from. 0 to 4 are those of tcache_get_or_build. */
enum {
  TKERNELS_FROM_COMPILER = 0,
  TKERNELS_FROM_MEMORY = 1,
  TKERNELS_FROM_DISK = 2,
  TKERNELS_FROM_UPPER = 3,
  TKERNELS_FROM_THREAD = 4, /* another thread was compiling it */
  TKERNELS_FROM_SESSION = 5 /* it was loaded already */
};

typedef struct tkernels_event {
  size_t struct_size;
  uint32_t kind; /* TKERNELS_EVENT_... */
  uint32_t from; /* TKERNELS_FROM_... */
  tkernels_status status;
  uint32_t grid[3];
  const char *message; /* of a failure, else "" */
  const char *source, *kernel, *target;
  const char *key; /* 64 hex digits */
  uint64_t key_ns, cache_ns, compile_ns, load_ns, launch_ns; /* cache_ns includes compile_ns */
  uint64_t object_bytes;
} tkernels_event;

/* Called in the thread that makes the call, outside all locks; texts live during the call. It may use the session. */
typedef void (*tkernels_event_fn)(void *user, const tkernels_event *event);

/* ---- sessions ----------------------------------------------------------------------------------------------- */
typedef struct tkernels_session_params {
  size_t struct_size;
  const tkernels_codegen_provider *codegen; /* NULL: libtcodegen. The three tables are copied; what they point to */
  const tkernels_cache_provider *cache;     /* NULL: libtcache.   must outlive the session */
  const tkernels_driver_provider *driver;   /* NULL: libtdriver */
  const char *library_path; /* folders to look for sibling libraries in first, ':' between; NULL:
                               $TESSERA_LIBRARY_PATH. Then comes libtkernels' own folder, then the system's order */
  const char *device;       /* of the default driver; NULL: "cpu" */
  void *driver_device;      /* default driver: a tdriver_device of the program to use instead; it must outlive the
                               session's kernels */
  const char *cache_dir;    /* of the default cache; NULL: as tcache_open says */
  uint32_t cache_flags;     /* of the default cache: TCACHE_OPEN_... */
  uint32_t reserved;        /* 0 */
  tkernels_event_fn event;  /* NULL: none */
  void *event_user;
} tkernels_session_params;
#define TKERNELS_SESSION_PARAMS_INIT                                                                         \
  {sizeof(tkernels_session_params), NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0u, 0u, NULL, NULL}

/* Makes a session. The caller owns *session. NOT_FOUND: a sibling library is missing (the message has the places
 * looked at) or there is no such device. VERSION: a sibling of another ABI, or newer params. */
TKERNELS_API tkernels_status tkernels_session_create(const tkernels_session_params *params, tkernels_session **session);

/* Gives the session back; its kernels stay usable until they are released. NULL is fine. */
TKERNELS_API void tkernels_session_destroy(tkernels_session *session);

enum {
  TKERNELS_GET_NO_PROMISES = 1u << 0, /* compile without the IR's tt.divisibility and tt.pointer_range */
  TKERNELS_GET_KEEP_STAGES = 1u << 1  /* keep the stages in the object: "ttir", "llir", "asm" texts, "o" bytes; GPUs: also "ttgir",
                                          "plan", "layouts", "ptx", "cubin", and "sass" where nvdisasm is found */
};

typedef struct tkernels_get_params {
  size_t struct_size;
  const char *kernel;      /* name in the module; NULL: the only kernel */
  const char *source_name; /* for messages and locations; NULL: "<ir>" */
  const char *target;      /* NULL: "cpu:native" */
  const char *options;     /* the compiler's, "name=value,name=value"; NULL: none */
  uint32_t flags;          /* TKERNELS_GET_... */
  uint32_t reserved;       /* 0 */
} tkernels_get_params;
#define TKERNELS_GET_PARAMS_INIT {sizeof(tkernels_get_params), NULL, NULL, NULL, NULL, 0u, 0u}

/* The kernel of `size` bytes of IR (text or bytecode), compiled or from the cache, and loaded. The same request again
 * gives the same kernel as long as somebody holds it. Threads that ask for one kernel at once cause one compilation.
 * The caller owns one reference to *kernel (tkernels_kernel_release). What a key is made of: libtkernels/README.md.
 * Errors: PARSE, VERIFY, UNSUPPORTED, COMPILE, NOT_FOUND from the compiler with its message; those of the driver's
 * load. */
TKERNELS_API tkernels_status tkernels_session_get(tkernels_session *session, const void *ir, size_t size,
                                                  const tkernels_get_params *params, tkernels_kernel **kernel);

/* The same without loading: the kernel object's bytes go to `write`, in pieces. `from` (TKERNELS_FROM_...) may be NULL.
 * Also: what write returns. */
TKERNELS_API tkernels_status tkernels_session_compile(tkernels_session *session, const void *ir, size_t size,
                                                      const tkernels_get_params *params, tkernels_write_fn write,
                                                      void *write_user, uint32_t *from);

/* Waits for everything launched on `stream` (the driver's; NULL: its default). LAUNCH: a kernel stopped. */
TKERNELS_API tkernels_status tkernels_session_synchronize(tkernels_session *session, void *stream);

/* ---- kernels ------------------------------------------------------------------------------------------------ */

/* One more reference; returns `kernel`. NULL gives NULL. */
TKERNELS_API tkernels_kernel *tkernels_kernel_retain(tkernels_kernel *kernel);

/* One reference less; the last one unloads the kernel. NULL is fine. */
TKERNELS_API void tkernels_kernel_release(tkernels_kernel *kernel);

/* The driver's handle: a tdriver_kernel with the default driver. Borrowed. NULL gives NULL. */
TKERNELS_API void *tkernels_kernel_handle(const tkernels_kernel *kernel);

/* The cache key as 64 hex digits. Lives as long as the kernel. NULL gives "". */
TKERNELS_API const char *tkernels_kernel_key(const tkernels_kernel *kernel);

/* Launches grid[0] * grid[1] * grid[2] programs on `stream` (the driver's; NULL: its default). args[i] points to the
 * value of argument i of the signature (a pointer argument's entry points to the pointer); values are copied. Returns
 * before the work is done, or after: tkernels_session_synchronize. Errors: the driver's. */
TKERNELS_API tkernels_status tkernels_launch(tkernels_kernel *kernel, void *stream, const uint32_t grid[3],
                                             const void *const *args, uint32_t nargs);

#ifdef __cplusplus
}
#endif
#endif
