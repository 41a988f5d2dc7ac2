# SPDX-License-Identifier: MIT
"""What Python keeps in libtcache: the tile IR that a function gave, by what it was made from, so that the next process
needs no front end. The session's kernels are in the same folder, under keys of their own kind."""

import hashlib
import os
import threading

_lock = threading.Lock()
_stores = {}
_identity = None
_unique = "%d %s" % (os.getpid(), os.urandom(8).hex())


def identity():
  """Names this build of the package: its files, as their sizes and times say, and libtir."""
  global _identity
  if _identity is None:
    from .. import _raw
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    digest = hashlib.sha256()
    for part in ("", "compiler", "language", os.path.join("language", "extra"), "_raw", "runtime", "triton"):
      try:
        names = sorted(os.listdir(os.path.join(folder, part)))
      except OSError:
        continue
      for name in names:
        if name.endswith((".py", ".so")):
          info = os.stat(os.path.join(folder, part, name))
          digest.update(("%s/%s %d %d\n" % (part, name, info.st_size, info.st_mtime_ns)).encode())
    for where in _raw.library_folders():
      try:
        info = os.stat(os.path.join(where, _raw.tir.SONAME))
        digest.update(b"%d %d" % (info.st_size, info.st_mtime_ns))
        break
      except OSError:
        pass
    _identity = digest.hexdigest()
  return _identity


def is_lasting(text):
  """Whether the text of some values means the same in another process; addresses of objects do not."""
  return " at 0x" not in text


def lasting(text):
  """The text, made this process's own where it would mean something else in another one."""
  return text if is_lasting(text) else "%s in %s" % (text, _unique)


def _store():
  from .. import knobs
  from .._raw import check, ref, tcache
  folder = os.fspath(knobs.cache.dir) if knobs.cache.is_set("dir") else None
  if folder not in _stores:
    with _lock:
      if folder not in _stores:
        if folder is not None:
          os.makedirs(folder, exist_ok=True)
        cell = ref()
        params = tcache.tcache_open_params.init(dir=folder, flags=tcache.TCACHE_OPEN_NO_MEMORY)
        check(tcache, tcache.tcache_open(params, cell))
        _stores[folder] = cell.value
  return _stores[folder]


def _key(kind, text):
  from .._raw import check, ref, tcache
  cell = ref()
  check(tcache, tcache.tcache_key_create(kind, cell))
  try:
    check(tcache, tcache.tcache_key_add_string(cell.value, "package", identity()))
    data = text.encode("utf-8", "surrogatepass")
    check(tcache, tcache.tcache_key_add_bytes(cell.value, "source", data, len(data)))
    key = tcache.tcache_key()
    check(tcache, tcache.tcache_key_finish(cell.value, key))
    return key
  finally:
    tcache.tcache_key_destroy(cell.value)


def get(kind, text):
  """The bytes kept under a key, or None; trouble with the cache is a miss."""
  import ctypes
  from .._errors import Error
  from .._raw import ref, tcache
  try:
    cell = ref()
    if tcache.tcache_get(_store(), _key(kind, text), cell):
      return None
    try:
      return ctypes.string_at(tcache.tcache_blob_data(cell.value), tcache.tcache_blob_size(cell.value))
    finally:
      tcache.tcache_blob_destroy(cell.value)
  except (Error, OSError):
    return None


def put(kind, text, data):
  from .._errors import Error
  from .._raw import tcache
  try:
    tcache.tcache_put(_store(), _key(kind, text), data, len(data))
  except (Error, OSError):
    pass
