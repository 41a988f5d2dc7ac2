# SPDX-License-Identifier: MIT
"""Files kept between runs, under Triton's names: cache, dump and override folders.

Compiled kernels are not here: the session keeps them in libtcache, under knobs.cache.dir where that is set. These classes
serve results of autotuning and programs that bring a cache manager of their own."""

import base64
import hashlib
import json
import os
import uuid


def default_cache_dir():
  from .. import knobs
  return knobs.cache.dir


class CacheManager:
  """Files of one key."""

  def __init__(self, key, override=False, dump=False):
    pass

  def get_file(self, filename):
    raise NotImplementedError

  def put(self, data, filename, binary=True):
    raise NotImplementedError

  def get_group(self, filename):
    raise NotImplementedError

  def put_group(self, filename, group):
    raise NotImplementedError


class FileCacheManager(CacheManager):
  """A folder for each key."""

  def __init__(self, key, override=False, dump=False):
    from .. import knobs
    self.key = key
    base = knobs.cache.dump_dir if dump else knobs.cache.override_dir if override else knobs.cache.dir
    self.cache_dir = os.path.join(os.fspath(base), key)
    if not override:
      os.makedirs(self.cache_dir, exist_ok=True)

  def _make_path(self, filename):
    return os.path.join(self.cache_dir, filename)

  def has_file(self, filename):
    return os.path.exists(self._make_path(filename))

  def get_file(self, filename):
    return self._make_path(filename) if self.has_file(filename) else None

  def put(self, data, filename, binary=True):
    binary = binary or isinstance(data, bytes)
    data = data if binary else str(data)
    path = self._make_path(filename)
    folder = os.path.join(self.cache_dir, "tmp.pid_%d_%s" % (os.getpid(), uuid.uuid4()))
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, filename)
    with open(temporary, "wb" if binary else "w") as file:
      file.write(data)
    os.replace(temporary, path)
    os.removedirs(folder)
    return path

  def get_group(self, filename):
    group = "__grp__" + filename
    if not self.has_file(group):
      return None
    with open(self._make_path(group)) as file:
      children = json.load(file).get("child_paths")
    if children is None:
      return None
    if not all(os.path.exists(path) for path in children.values()):
      return None
    return children

  def put_group(self, filename, group):
    return self.put(json.dumps({"child_paths": group}), "__grp__" + filename, binary=False)


class RemoteCacheBackend:
  """A store elsewhere, of one key."""

  def __init__(self, key):
    pass

  def get(self, filenames):
    raise NotImplementedError

  def put(self, filename, data):
    raise NotImplementedError


class RedisRemoteCacheBackend(RemoteCacheBackend):
  """A Redis server."""

  def __init__(self, key):
    import redis
    from .. import knobs
    self._key = key
    self._format = knobs.redis.key_format
    self._redis = redis.Redis(host=knobs.redis.host, port=knobs.redis.port)

  def _name(self, filename):
    return self._format.format(key=self._key, filename=filename)

  def get(self, filenames):
    values = self._redis.mget([self._name(f) for f in filenames])
    return {name: value for name, value in zip(filenames, values) if value is not None}

  def put(self, filename, data):
    self._redis.set(self._name(filename), data)


class RemoteCacheManager(CacheManager):
  """A store elsewhere, and a folder for the files while they are used."""

  def __init__(self, key, override=False, dump=False):
    from .. import knobs
    backend = knobs.cache.remote_manager_class
    if backend is None:
      raise RuntimeError("Unable to use RemoteCacheManager, knobs.cache.remote_manager_class is not set "
                         "(TRITON_REMOTE_CACHE_BACKEND)")
    self._backend = backend(key)
    self._override, self._dump = override, dump
    self._file_cache_manager = FileCacheManager(key, override=override, dump=dump)

  def _materialize(self, filename, data):
    return self._file_cache_manager.put(data, filename, True)

  def get_file(self, filename):
    if self._override:
      return self._file_cache_manager.get_file(filename)
    found = self._backend.get([filename])
    if len(found) == 0:
      return None
    ((name, data),) = found.items()
    return self._materialize(name, data)

  def put(self, data, filename, binary=True):
    if isinstance(data, str):
      data = data.encode("utf-8")
    if not self._override and not self._dump:
      self._backend.put(filename, data)
    return self._materialize(filename, data)

  def get_group(self, filename):
    group = "__grp__" + filename
    path = self.get_file(group)
    if path is None:
      return None
    with open(path) as file:
      children = json.load(file).get("child_paths")
    if not children:
      return None
    found = self._backend.get(list(children))
    if len(found) != len(children):
      return None
    return {name: self._materialize(name, data) for name, data in found.items()}

  def put_group(self, filename, group):
    return self.put(json.dumps({"child_paths": group}), "__grp__" + filename)


def _base32(key):
  return base64.b32encode(bytes.fromhex(key)).decode("utf-8").rstrip("=")


def _manager(key, **kind):
  from .. import knobs
  return knobs.cache.manager_class(_base32(key), **kind)


def get_cache_manager(key):
  return _manager(key)


def get_override_manager(key):
  return _manager(key, override=True)


def get_dump_manager(key):
  return _manager(key, dump=True)


def make_so_cache_key(version_hash, signature, constants, ids, **kwargs):
  signature = {k: "ptr" if v[0] == "*" else v for k, v in signature.items()}
  text = "%s-%s-%s-%s" % (version_hash, "".join(signature.values()), constants, ids)
  for name in sorted(kwargs):
    text += "-%s" % (kwargs[name],)
  return _base32(hashlib.sha256(text.encode("utf-8")).hexdigest())


_key = None


def triton_key():
  """Names this version of the package: its number and its Python files."""
  global _key
  if _key is None:
    from .. import __version__
    digest = hashlib.sha256()
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for where, folders, files in os.walk(folder):
      folders.sort()
      for name in sorted(files):
        if name.endswith(".py"):
          with open(os.path.join(where, name), "rb") as file:
            digest.update(hashlib.sha256(file.read()).digest())
    _key = "%s-%s" % (__version__, digest.hexdigest())
  return _key


_ENVIRONMENT = ("TRITON_DEFAULT_FP_FUSION", "TRITON_FORCE_DISABLE_FP_FUSION", "TRITON_F32_DEFAULT",
                "TRITON_DISABLE_LINE_INFO", "TRITON_OVERRIDE_ARCH", "USE_IR_LOC", "TESSERA_DEVICE", "TESSERA_THREADS")


def get_cache_invalidating_env_vars():
  """Environment variables that change what is compiled."""
  return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}


def get_cache_key(src, backend, backend_options, env_vars):
  return "%s-%s-%s-%s-%s" % (triton_key(), src.hash(), backend.hash(), backend_options.hash(),
                             str(sorted(env_vars.items())))
