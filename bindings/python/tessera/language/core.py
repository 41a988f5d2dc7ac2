# SPDX-License-Identifier: MIT
"""Everything of the language that is not written in the language: types, values and builtins under one name."""
from .aggregate import _aggregate, _aggregate_type, aggregate_replace
from .base import (CONSTEXPR_0, TRITON_BUILTIN, _normalize_tuple, _unwrap_if_constexpr, _unwrap_iterable,
                   _unwrap_shape, base_type, base_value, builtin, constexpr, constexpr_type, extern, is_builtin,
                   must_use_result, wants_generator)
from .block_pointer import block_pointer, block_pointer_type
from .descriptor import (tensor_descriptor, tensor_descriptor_base, tensor_descriptor_base_type,
                         tensor_descriptor_type)
from .ops import (PropagateNan, _reduce_with_indices, _shape_check_impl, _unsplat, _wrap_axis, add, arange,
                  associative_scan, binary_op_type_legalization, broadcast, broadcast_to, builtin_max, builtin_min,
                  cast, cat, clamp, dot, dot_scaled, expand_dims, expect_zero, full, gather, histogram, item, join,
                  map_elementwise, maximum, minimum, mul, num_programs, permute, program_id, reduce, reshape, split,
                  sub, to_tensor, trans, view, where)
from .ops_memory import (advance, atomic_add, atomic_and, atomic_cas, atomic_load, atomic_max, atomic_min, atomic_or,
                         atomic_poll, atomic_store, atomic_xchg, atomic_xor, load, load_tensor_descriptor,
                         make_block_ptr, make_tensor_descriptor, store, store_tensor_descriptor)
from .ops_misc import (assume, debug_barrier, device_assert, device_print, dispatch, extern_elementwise,
                       inline_asm_elementwise, max_constancy, max_contiguous, multiple_of, static_assert,
                       static_print)
from .types import (TRITON_MAX_TENSOR_NUMEL, bfloat16, block_type, dtype, float8e4b8, float8e4b15, float8e4nv,
                    float8e5, float8e5b16, float16, float32, float64, get_int_dtype, int1, int8, int16, int32, int64,
                    pi32_t, pointer_type, slice_type, str_to_ty, tuple_type, uint8, uint16, uint32, uint64,
                    validate_block_shape, void)
from .values import (_tensor_member_fn, _type_for_tuple_values, condition, const, range, slice, static_range, tensor,
                     tuple)
