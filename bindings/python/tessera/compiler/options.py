# SPDX-License-Identifier: MIT
"""Launch options: the one table of their names, whose they are, and their defaults.

Options of other back ends, and those that this compiler has no use for, are accepted and named in a remark."""

import hashlib

_MATMUL = {
    "cuda": ("tf32", ("tf32", "tf32x3", "ieee", "bf16x3", "bf16x6")),
    "cpu": ("ieee", ("ieee", "tf32", "tf32x3", "bf16x3", "bf16x6")),
}

# name: (default, back ends that have it, whether it does something here)
TABLE = {
    "num_warps": (4, "cuda hip cpu", True),
    "num_stages": (3, "cuda hip cpu", True),
    "num_ctas": (1, "cuda hip cpu", True),
    "maxnreg": (None, "cuda", True),
    "debug": (False, "cuda hip cpu", True),
    "sanitize_overflow": (True, "cuda hip cpu", True),
    "enable_fp_fusion": (None, "cuda hip cpu", True),
    "default_dot_input_precision": (None, "cuda hip cpu", True),
    "allowed_dot_input_precisions": (None, "cuda hip cpu", True),
    "supported_fp8_dtypes": (None, "cuda hip cpu", True),
    "deprecated_fp8_dot_operand_dtypes": ((), "cuda hip cpu", True),
    "max_num_imprecise_acc_default": (None, "cuda hip cpu", True),
    "extern_libs": (None, "cuda hip cpu", False),
    "arch": (None, "cuda hip cpu", False),
    "backend_name": (None, "cuda hip cpu", False),
    "warp_size": (None, "cuda hip", False),
    "instrumentation_mode": ("", "cuda hip cpu", False),
    "ir_override": (None, "cuda hip cpu", True),
    "launch_cooperative_grid": (False, "cuda hip", False),
    "launch_cluster": (False, "cuda", False),
    "launch_pdl": (False, "cuda", False),
    "ptx_version": (None, "cuda", False),
    "ptx_options": (None, "cuda", False),
    "enable_reflect_ftz": (True, "cuda", False),
    "sched4reg": (False, "cuda", False),
    "clc": (False, "cuda", False),
    "fpsan_homomorphic_casts": (False, "cuda hip", False),
    "min_shared_mem": (None, "cuda", False),
    "num_buffers_warp_spec": (0, "cuda", False),
    "num_consumer_groups": (0, "cuda", False),
    "reg_dec_producer": (0, "cuda", False),
    "reg_inc_consumer": (0, "cuda", False),
    "waves_per_eu": (0, "hip", False),
    "matrix_instr_nonkdim": (0, "hip", False),
    "kpack": (1, "hip", False),
    "allow_flush_denorm": (False, "hip", False),
    "schedule_hint": ("", "hip", False),
    "llvm_fn_attrs": ("", "hip", False),
    "wgp_cu_mode": ("wgp", "hip", False),
    "num_cpu_threads": (0, "cpu", False),
    "cluster_dims": ((1, 1, 1), "cpu", False),
    "enable_fast_math": (True, "cpu", False),
    "vec_lib": (None, "cpu", False),
    "ukernels": (None, "cpu", False),
    "assume_in_bounds": (False, "cpu", False),
}

REJECTED = {
    "device_type": "option device_type is deprecated: kernels are built for the current target",
    "device": "option device is deprecated: kernels run on the current device",
    "stream": "option stream is deprecated: kernels run on the current stream",
}


class Options:
  """The options of one compilation, as attributes."""

  def hash(self):
    text = "_".join("%s-%s" % item for item in sorted(self.__dict__.items()))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()

  def __eq__(self, other):
    return isinstance(other, Options) and self.__dict__ == other.__dict__

  def __hash__(self):
    return hash(self.hash())

  def __repr__(self):
    return "Options(%s)" % ", ".join("%s=%r" % item for item in self.__dict__.items())


def parse(target, given):
  """(Options, remarks) for a GPUTarget and a dictionary; names that are no options raise KeyError."""
  from .. import knobs
  backend = "cuda" if target.backend in ("cuda", "emu", "null") else target.backend
  options, remarks = Options(), []
  fields = options.__dict__
  for name, (default, owners, _) in TABLE.items():
    if backend in owners:
      fields[name] = default
  for name, value in given.items():
    row = TABLE.get(name)
    if row is None:
      raise KeyError("%s is neither a parameter of the kernel nor an option" % name)
    if backend not in row[1]:
      remarks.append("option %s=%r belongs to other back ends (%s) and has no effect on %s" %
                     (name, value, row[1], target.backend))
    elif not row[2] and value != row[0]:
      remarks.append("not implemented: option %s=%r has no effect" % (name, value))
    if backend in row[1]:
      if isinstance(value, dict):
        value = tuple(value.items())
      fields[name] = value
  warps = fields["num_warps"]
  if not isinstance(warps, int) or warps <= 0 or warps & (warps - 1):
    raise AssertionError("num_warps must be a power of 2, got %r" % (warps,))
  for name in ("num_stages", "num_ctas"):
    if not isinstance(fields[name], int) or fields[name] < 0:
      raise ValueError("%s must be a number, got %r" % (name, fields[name]))
  precision, allowed = _MATMUL.get(backend, _MATMUL["cpu"])
  if fields["default_dot_input_precision"] is None:
    fields["default_dot_input_precision"] = knobs.language.fp32_default or precision
  if fields["allowed_dot_input_precisions"] is None:
    fields["allowed_dot_input_precisions"] = allowed
  arch = target.arch if isinstance(target.arch, int) else int("".join(c for c in str(target.arch) if c.isdigit()) or 90)
  if fields["supported_fp8_dtypes"] is None:
    names = ["fp8e5", "fp8e4b15"]
    if backend == "cpu":
      names += ["fp8e5b16", "fp8e4nv", "fp8e4b8"]
    elif arch >= 89:
      names.append("fp8e4nv")
    fields["supported_fp8_dtypes"] = tuple(sorted(names))
  if backend == "cuda" and arch >= 90 and not fields["deprecated_fp8_dot_operand_dtypes"]:
    fields["deprecated_fp8_dot_operand_dtypes"] = ("fp8e4b15",)
  if fields["max_num_imprecise_acc_default"] is None:
    fields["max_num_imprecise_acc_default"] = 1 << 30 if backend == "cuda" and arch == 90 else 0
  if knobs.language.force_disable_fp_fusion:
    fields["enable_fp_fusion"] = False
  elif fields["enable_fp_fusion"] is None:
    fields["enable_fp_fusion"] = bool(knobs.language.default_fp_fusion)
  fields["arch"] = ("sm%s" % target.arch) if backend == "cuda" else (fields["arch"] or str(target.arch))
  fields["backend_name"] = backend
  if backend != "cpu":
    fields["warp_size"] = target.warp_size
  fields["debug"] = bool(fields["debug"]) or "consan" in fields["instrumentation_mode"]
  return options, remarks


def library_text(target, options):
  """The options as libtcodegen takes them."""
  words = []
  if target.backend != "cpu":
    words += ["num_warps=%d" % options.num_warps, "num_stages=%d" % options.num_stages]
    if options.num_ctas > 1:
      words.append("num_ctas=%d" % options.num_ctas)
    if getattr(options, "maxnreg", None):
      words.append("maxnreg=%d" % options.maxnreg)
  if not options.enable_fp_fusion:
    words.append("fp_fusion=off")
  return ",".join(words)
