# SPDX-License-Identifier: MIT
"""Compiling in other threads: `with AsyncCompileMode(executor): kernel.warmup(…)`."""

import contextvars

active_mode = contextvars.ContextVar("tessera_async_compile", default=None)


class FutureKernel:
  """A kernel that is being compiled."""

  def __init__(self, finalize, cleanup, future):
    self.finalize, self.cleanup, self.future = finalize, cleanup, future
    self.kernel = None

  def result(self, ignore_errors=False):
    if self.kernel is not None:
      return self.kernel
    try:
      kernel = self.future.result()
    except Exception:
      self.cleanup()
      if ignore_errors:
        return None
      raise
    if self.kernel is None:
      self.finalize(kernel)
      self.kernel = kernel
    return kernel


class AsyncCompileMode:
  """Within it, warm-ups return FutureKernels; leaving it waits for them."""

  def __init__(self, executor, *, ignore_errors=False):
    self.executor = executor
    self.ignore_errors = ignore_errors
    self.futures = {}
    self.pending = []

  def submit(self, key, compile_fn, finalize_fn, cleanup_fn=lambda: None):
    found = self.futures.get(key)
    if found is None:
      found = FutureKernel(finalize_fn, cleanup_fn, self.executor.submit(compile_fn))
      self.futures[key] = found
      self.pending.append(found)
    return found

  def __enter__(self):
    if active_mode.get() is not None:
      raise RuntimeError("another AsyncCompileMode is already active")
    self._token = active_mode.set(self)
    return self

  def __exit__(self, kind, value, trace):
    active_mode.reset(self._token)
    from concurrent.futures import as_completed
    try:
      for _ in as_completed([f.future for f in self.pending]):
        pass
    finally:
      for future in self.pending:
        future.result(self.ignore_errors)
