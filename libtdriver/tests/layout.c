/* SPDX-License-Identifier: MIT
 * The layouts that the ABI promises on 64-bit machines. Compiling it is the test. A change here changes the
 * ABI: structs grow at their end only (new size lines), nothing moves.
 */
#include "tdriver/backend.h"
#include "tdriver/launch.h"
#include <stddef.h>

#define AT(type, member, offset) _Static_assert(offsetof(type, member) == (offset), #type "." #member)
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)

AT(tdriver_cpu_call, struct_size, 0);
AT(tdriver_cpu_call, grid, 4);
AT(tdriver_cpu_call, first, 16);
AT(tdriver_cpu_call, last, 24);
AT(tdriver_cpu_call, arena, 32);
AT(tdriver_cpu_call, host, 40);
SIZE(tdriver_cpu_call, 48);
AT(tdriver_params, threads, 8);
AT(tdriver_params, debug, 12);
AT(tdriver_params, print, 16);
AT(tdriver_params, print_user, 24);
SIZE(tdriver_params, 32);
AT(tdriver_device_info, name, 8);
AT(tdriver_device_info, features, 32);
AT(tdriver_device_info, capabilities, 40);
AT(tdriver_device_info, alignment, 52);
AT(tdriver_device_info, max_programs, 64);
AT(tdriver_device_info, target, 72);
AT(tdriver_device_info, max_grid, 112);
SIZE(tdriver_device_info, 128);
SIZE(tdriver_kernel_usage, 32);
SIZE(tdriver_pointer_info, 40);
SIZE(tdriver_allocator, 32);
AT(tdriver_device_record, program, 16);
SIZE(tdriver_device_record, 32);
AT(tdriver_kernel_info, entry, 8);
AT(tdriver_kernel_info, argument_count, 48);
AT(tdriver_kernel_info, params_size, 64);
AT(tdriver_kernel_info, arena_bytes, 88);
SIZE(tdriver_kernel_info, 104);
AT(tdriver_argument_info, kind, 16);
AT(tdriver_argument_info, pointer_range, 44);
AT(tdriver_argument_info, divisibility, 48);
AT(tdriver_argument_info, block, 64);
SIZE(tdriver_argument_info, 72);
AT(tdriver_benchmark_params, flush_bytes, 24);
SIZE(tdriver_benchmark_params, 48);
AT(tdriver_benchmark_result, minimum, 16);
SIZE(tdriver_benchmark_result, 64);
AT(tdriver_record, program, 24);
SIZE(tdriver_record, 32);
AT(tdriver_launch_config, programs, 24);
SIZE(tdriver_launch_config, 40);
SIZE(tdriver_report, 1024);
AT(tdriver_backend, name, 8);
AT(tdriver_backend, memory_alloc, 48);
AT(tdriver_backend, launch, 184);
AT(tdriver_backend, stream_wrap, 192);
SIZE(tdriver_backend, 272);

int main(void) { return 0; }
