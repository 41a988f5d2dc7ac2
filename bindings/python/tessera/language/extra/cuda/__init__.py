# SPDX-License-Identifier: MIT
"""NVIDIA GPUs."""
from . import libdevice
from .gdc import gdc_launch_dependents, gdc_wait
from .utils import (convert_custom_float8_sm70, convert_custom_float8_sm80, convert_float16_to_fp8e4b15,
                    convert_fp8e4b15_to_float16, globaltimer, num_threads, num_warps, smid)

__all__ = ["convert_custom_float8_sm70", "convert_custom_float8_sm80", "convert_float16_to_fp8e4b15",
           "convert_fp8e4b15_to_float16", "gdc_launch_dependents", "gdc_wait", "globaltimer", "libdevice",
           "num_threads", "num_warps", "smid"]
