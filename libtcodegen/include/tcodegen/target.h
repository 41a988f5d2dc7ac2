// SPDX-License-Identifier: MIT
/* Target names. */
#ifndef TCODEGEN_TARGET_H
#define TCODEGEN_TARGET_H

#include <stddef.h>
#include <tcodegen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Resolves a target name to the one spelling that names the generated code exactly: "cpu:native" becomes the CPU of
   this machine with the features in which it differs from that model ("cpu:znver4,-avx512bf16"). The result reads
   back as itself on every machine, so it belongs in cache keys.
   Known: cpu:native, cpu:x86-64-v3, cpu:x86-64-v4, and LLVM's names of x86-64 CPUs with AVX2, FMA and F16C, each with
   ",+feature" and ",-feature" after it.
   out: NULL to ask for the size only, else room for `capacity` bytes, filled with the text and a NUL.
   size: NULL, or receives the length without the NUL, also when the room is too small.
   Any thread. Errors: INVALID_ARGUMENT (target is NULL), NOT_FOUND (unknown name; the message lists the known ones),
   UNSUPPORTED (a CPU below x86-64-v3; a kind of target that is not built), LIMIT (out is too small). Since 0.1. */
TCODEGEN_API tcodegen_status tcodegen_resolve_target(const char *target, char *out, size_t capacity, size_t *size);

#ifdef __cplusplus
}
#endif

#endif
