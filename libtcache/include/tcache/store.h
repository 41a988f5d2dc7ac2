// SPDX-License-Identifier: MIT
/* The store: a memory layer in front of a checked disk layer, in front of read-only directories.

   Rules that hold for the whole header:
   - Every function may be called from any thread at any time, except tcache_close, which must be the last.
   - Only bytes that were put under a key come back for it: each disk entry is checked whole on every read,
     and one that is torn, truncated, foreign or changed is a miss, is moved to quarantine/ and is replaced by
     the next put.
   - A checksum is not authenticity. A directory is written only if it belongs to the user and is not writable
     by others; otherwise it is read only, with a warning. Entry files that others could have written are
     misses. Environment variables are ignored in set-id processes.
   - Processes share a directory without locks. Two that build the same entry both publish it; either is
     right.
   - After fork the child may use a store of its parent: its memory layer and its counters start empty. */
#ifndef TCACHE_STORE_H
#define TCACHE_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <tcache/key.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An open cache. Since 0.1. */
typedef struct tcache_store tcache_store;
/* Bytes that came out of a store: immutable, counted, independent of the store's life. Since 0.1. */
typedef struct tcache_blob tcache_blob;
/* A running build, inside a build callback. Since 0.1. */
typedef struct tcache_build tcache_build;

/* "No bound", where a bound is asked for. */
#define TCACHE_NO_LIMIT UINT64_MAX
/* No entry is longer than this many bytes. */
#define TCACHE_MAX_ENTRY_BYTES ((uint64_t)1 << 30)

/* Flags of tcache_open_params. */
enum {
  TCACHE_OPEN_READ_ONLY = 1, /* read the directory, never write, touch or create it */
  TCACHE_OPEN_NO_DISK = 2,   /* memory layer only; upper directories are not used either */
  TCACHE_OPEN_NO_MEMORY = 4, /* every get goes to the disk */
  TCACHE_OPEN_NO_SYNC = 8    /* skip fdatasync: faster; what a power loss tears is found and is a miss */
};

/* Levels of log messages. */
enum { TCACHE_LOG_ERROR = 1, TCACHE_LOG_WARNING = 2, TCACHE_LOG_INFO = 3, TCACHE_LOG_DEBUG = 4 };

/* Takes one message without a line end; text is valid during the call. It is called in the thread that makes
   the call into the store, and must not call into the same store. Since 0.1. */
typedef void (*tcache_log_fn)(void *user, uint32_t level, const char *text);

/* Zero in each field is the default. Since 0.1. */
typedef struct tcache_open_params {
  size_t struct_size;
  const char *dir;       /* NULL: $TESSERA_CACHE_DIR, else $XDG_CACHE_HOME/tessera, else ~/.cache/tessera */
  uint64_t max_bytes;    /* of the directory; 0: $TESSERA_CACHE_MAX_BYTES, else 4 GiB */
  uint64_t max_entries;  /* of the directory; 0: $TESSERA_CACHE_MAX_ENTRIES, else 65536 */
  uint64_t memory_bytes; /* of the memory layer; 0: $TESSERA_CACHE_MEMORY_BYTES, else 64 MiB */
  uint32_t flags;        /* TCACHE_OPEN_* */
  uint32_t upper_count;  /* number of upper directories, at most 64 */
  const char *const *upper; /* read-only directories in the cache's format, asked in this order after `dir` */
  tcache_log_fn log;        /* NULL: warnings are dropped */
  void *log_user;
} tcache_open_params;

#define TCACHE_OPEN_PARAMS_INIT {sizeof(tcache_open_params), 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Opens a cache. A directory that is missing is made, with permissions for the user alone. One that cannot be
   made, read or written is no error: the store then works with the layers that are left, says so to the log,
   and tcache_stat and tcache_note tell. params: NULL for all defaults; nothing in it is kept. *out: the
   caller owns it (tcache_close); NULL after a failure. Errors: INVALID_ARGUMENT, VERSION (a newer params
   struct). Since 0.1. */
TCACHE_API tcache_status tcache_open(const tcache_open_params *params, tcache_store **out);

/* Frees a store; blobs stay valid. No call on it may be running. NULL is fine. Since 0.1. */
TCACHE_API void tcache_close(tcache_store *store);

/* The absolute path of the cache directory, "" without one. Valid until tcache_close. NULL gives "".
   Since 0.1. */
TCACHE_API const char *tcache_dir(const tcache_store *store);

/* Why the directory is not used, or is only read, as a sentence; "" when it is read and written. Valid until
   tcache_close. NULL gives "". Since 0.1. */
TCACHE_API const char *tcache_note(const tcache_store *store);

/* The bytes under a key. *out: the caller owns it (tcache_blob_destroy); NULL without TCACHE_OK.
   Errors: NOT_FOUND (no entry, or one that was bad and is now quarantined), IO (an entry that is there but
   cannot be read: treat it as a miss), INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_get(tcache_store *store, const tcache_key *key, tcache_blob **out);

/* Stores bytes under a key, in memory and on disk; replaces what was there. data: `size` bytes, copied; may
   be NULL when size is 0. The entry is in the memory layer also when the disk refuses it.
   Errors: IO (not on disk, with the reason: full, read only, not trusted), LIMIT (over TCACHE_MAX_ENTRY_BYTES
   or over the bound of the directory), INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_put(tcache_store *store, const tcache_key *key, const void *data,
                                    size_t size);

/* Where tcache_get_or_build found the bytes. */
enum {
  TCACHE_FROM_BUILD = 0, /* this call ran its callback */
  TCACHE_FROM_MEMORY = 1,
  TCACHE_FROM_DISK = 2,
  TCACHE_FROM_UPPER = 3,
  TCACHE_FROM_THREAD = 4 /* another thread was building; this call waited for it */
};

/* Makes the bytes of a key: writes them with tcache_build_write and returns TCACHE_OK, or says why not with
   tcache_build_message and returns any other value. It runs in the thread that asked, under no lock, and may
   use the same store for other keys. Since 0.1. */
typedef tcache_status (*tcache_build_fn)(void *user, tcache_build *build);

/* Adds bytes to the result of a running build; may be called any number of times, by one thread at a time.
   data may be NULL when size is 0. Errors: LIMIT (the result would pass TCACHE_MAX_ENTRY_BYTES; the build
   then fails with LIMIT whatever the callback returns), INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_build_write(tcache_build *build, const void *data, size_t size);

/* The sentence that tcache_last_message gives to all callers when this build fails. Since 0.1. */
TCACHE_API tcache_status tcache_build_message(tcache_build *build, const char *text);

/* The bytes under a key; if there are none, `build` makes them and they are stored. Of all threads that ask
   this store for a key at once, one builds and the others wait for its result. A failed build is reported to
   all of them and not remembered. Trouble with the cache itself never fails this call: a result that cannot
   be stored is returned all the same, and logged.
   *out: the caller owns it (tcache_blob_destroy); NULL without TCACHE_OK. *from: TCACHE_FROM_*; NULL if not
   wanted. Errors: what the callback returned, BUSY (the thread that builds this key waits, through builds
   inside builds, for the calling thread, or is the calling thread), INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_get_or_build(tcache_store *store, const tcache_key *key,
                                             tcache_build_fn build, void *user, tcache_blob **out,
                                             uint32_t *from);

/* The bytes of a blob, aligned to 64; not NULL even when the size is 0. NULL gives NULL and 0. They are valid
   until the blob's last owner destroys it. Since 0.1. */
TCACHE_API const void *tcache_blob_data(const tcache_blob *blob);
TCACHE_API size_t tcache_blob_size(const tcache_blob *blob);

/* One more owner; returns `blob`. NULL gives NULL. Since 0.1. */
TCACHE_API tcache_blob *tcache_blob_retain(tcache_blob *blob);

/* One owner less; the last one frees it. NULL is fine. Since 0.1. */
TCACHE_API void tcache_blob_destroy(tcache_blob *blob);

/* Deletes an entry from memory and directory (not from upper directories). Errors: NOT_FOUND, IO,
   INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_remove(tcache_store *store, const tcache_key *key);

/* Deletes all entries from memory and directory, and the quarantine. Files of other names stay.
   Errors: IO (with the first file that stays), INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_clear(tcache_store *store);

/* Deletes entries of the directory, least recently used first, until it holds at most `max_bytes` bytes of
   files and `max_entries` entries (0 deletes all; TCACHE_NO_LIMIT sets no bound). Every put does the same
   with the bounds given to tcache_open. *removed_entries, *removed_bytes: NULL if not wanted.
   Errors: IO, INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_prune(tcache_store *store, uint64_t max_bytes, uint64_t max_entries,
                                      uint64_t *removed_entries, uint64_t *removed_bytes);

/* One entry. The library sets struct_size; a later version may append fields. Since 0.1. */
typedef struct tcache_entry {
  size_t struct_size;
  tcache_key key;
  uint64_t size;       /* of its file, in bytes: the payload and 96 more */
  int64_t last_use_ns; /* since 1970, by a clock that never runs backwards in one directory */
  uint32_t layer;      /* 0: the directory; 1 and up: upper directory of that number */
  uint32_t reserved;   /* 0 */
} tcache_entry;

/* Takes one entry, valid during the call. 0 goes on, another value ends the list. It may use the store. */
typedef int32_t (*tcache_entry_fn)(void *user, const tcache_entry *entry);

/* Lists the entries of the directory, then of the upper directories, each with the most recently used first,
   without opening them. Errors: IO, INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_list(tcache_store *store, tcache_entry_fn fn, void *user);

/* Flags of tcache_verify. */
enum { TCACHE_VERIFY_REPAIR = 1 /* move bad entries of the directory to quarantine/ */ };

/* Takes one bad entry: its key, its file and what is wrong with it, valid during the call. */
typedef void (*tcache_bad_fn)(void *user, const tcache_key *key, const char *path, const char *message);

/* Reads and checks every entry of the directory and the upper directories. fn: NULL if not wanted. *checked,
   *bad: NULL if not wanted. Errors: CORRUPT (at least one is bad; the message names the first), IO,
   INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_verify(tcache_store *store, uint32_t flags, tcache_bad_fn fn, void *user,
                                       uint64_t *checked, uint64_t *bad);

/* What the directory is used for. */
enum { TCACHE_DISK_OFF = 0, TCACHE_DISK_READ = 1, TCACHE_DISK_READ_WRITE = 2 };

/* Sizes now, and counts since the store was opened in this process. Since 0.1. */
typedef struct tcache_stats {
  size_t struct_size;
  uint64_t entries, bytes;               /* of the directory */
  uint64_t max_entries, max_bytes;       /* its bounds */
  uint64_t memory_entries, memory_bytes; /* of the memory layer; bytes of payload */
  uint64_t quarantine_entries;           /* files in quarantine/ */
  uint64_t memory_hits, disk_hits, upper_hits, thread_hits;
  uint64_t misses; /* found in no layer */
  uint64_t builds, failed_builds;
  uint64_t puts, failed_puts; /* to the directory */
  uint64_t quarantined;       /* bad entries that this store met */
  uint64_t evicted;           /* entries that this store deleted to keep the bounds */
  uint32_t disk;              /* TCACHE_DISK_* */
  uint32_t upper_count;       /* upper directories in use */
} tcache_stats;

#define TCACHE_STATS_INIT {sizeof(tcache_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Fills as much of *out as its struct_size covers. Reads the directory.
   Errors: IO, INVALID_ARGUMENT. Since 0.1. */
TCACHE_API tcache_status tcache_stat(tcache_store *store, tcache_stats *out);

#ifdef __cplusplus
}
#endif

#endif
