// SPDX-License-Identifier: MIT
/* The result of a compilation: immutable, independent of the compiler's life. All texts and bytes are borrowed from
   the artifact and live as long as it. Every function may be called from any thread. */
#ifndef TCODEGEN_ARTIFACT_H
#define TCODEGEN_ARTIFACT_H

#include <stddef.h>
#include <stdint.h>
#include <tcodegen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What tcodegen_compile gives. Since 0.1. */
typedef struct tcodegen_artifact tcodegen_artifact;

/* Frees an artifact and all that was borrowed from it. NULL is fine. Since 0.1. */
TCODEGEN_API void tcodegen_artifact_destroy(tcodegen_artifact *artifact);

/* The kernel object's bytes, for a driver or a file ending in .tko. NULL for a NULL artifact. Since 0.1. */
TCODEGEN_API const void *tcodegen_artifact_data(const tcodegen_artifact *artifact);
/* Their number; 0 for a NULL artifact. Since 0.1. */
TCODEGEN_API size_t tcodegen_artifact_size(const tcodegen_artifact *artifact);

/* The name of the kernel that was compiled; "" for a NULL artifact. Since 0.1. */
TCODEGEN_API const char *tcodegen_artifact_kernel(const tcodegen_artifact *artifact);
/* The resolved target (see tcodegen_resolve_target); "" for a NULL artifact. Since 0.1. */
TCODEGEN_API const char *tcodegen_artifact_target(const tcodegen_artifact *artifact);

/* The text of a stage that was kept: "ttir", "llir", "asm", "o" (bytes). *text: borrowed, with a NUL after its *size
   bytes; size may be NULL. Errors: INVALID_ARGUMENT, NOT_FOUND (not kept; the message says what is). Since 0.1. */
TCODEGEN_API tcodegen_status tcodegen_artifact_get_stage(const tcodegen_artifact *artifact, const char *name,
                                                         const char **text, size_t *size);

/* How many stages were timed; 0 for a NULL artifact. Since 0.1. */
TCODEGEN_API size_t tcodegen_artifact_num_times(const tcodegen_artifact *artifact);
/* Name (borrowed) and wall time in nanoseconds of one stage, in the order they ran; either pointer may be NULL.
   Errors: INVALID_ARGUMENT (NULL artifact), NOT_FOUND (index). Since 0.1. */
TCODEGEN_API tcodegen_status tcodegen_artifact_get_time(const tcodegen_artifact *artifact, size_t index,
                                                        const char **stage, uint64_t *nanoseconds);

#ifdef __cplusplus
}
#endif

#endif
