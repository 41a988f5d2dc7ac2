// SPDX-License-Identifier: MIT
/* What the compiler has to say about the code that it made: not vectorised, and why; a request not met; … */
#ifndef TCODEGEN_REMARK_H
#define TCODEGEN_REMARK_H

#include <stddef.h>
#include <stdint.h>
#include <tcodegen/artifact.h>
#include <tcodegen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Kinds of remarks. Since 0.1. */
enum {
  TCODEGEN_REMARK_ANALYSIS = 0, /* a fact: a plan, a size */
  TCODEGEN_REMARK_MISSED = 1,   /* something that would be faster was not done, and why */
  TCODEGEN_REMARK_PASSED = 2    /* something was done */
};

/* One remark; texts are borrowed from the artifact, none is NULL. Since 0.1. */
typedef struct tcodegen_remark {
  size_t struct_size;
  uint32_t kind;        /* TCODEGEN_REMARK_… */
  uint32_t reserved;    /* 0 */
  const char *name;     /* stable, for programs: "not-vectorised" */
  const char *message;  /* for people */
  const char *location; /* "file:line:column" in the source, or "" */
} tcodegen_remark;

#define TCODEGEN_REMARK_INIT {sizeof(tcodegen_remark), 0, 0, 0, 0, 0}

/* How many remarks an artifact has; 0 for a NULL artifact. Any thread. Since 0.1. */
TCODEGEN_API size_t tcodegen_artifact_num_remarks(const tcodegen_artifact *artifact);

/* Fills *out as far as its struct_size reaches. Any thread. Errors: INVALID_ARGUMENT (NULL, struct_size),
   NOT_FOUND (index). Since 0.1. */
TCODEGEN_API tcodegen_status tcodegen_artifact_get_remark(const tcodegen_artifact *artifact, size_t index,
                                                          tcodegen_remark *out);

#ifdef __cplusplus
}
#endif

#endif
