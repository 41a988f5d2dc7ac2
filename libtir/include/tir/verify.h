/* SPDX-License-Identifier: MIT */
/* The verifier. Since 0.1. */
#ifndef TIR_VERIFY_H
#define TIR_VERIFY_H

#include "module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Checks a module against all rules (docs/ops.md lists them). Every find, at most 20, goes to the context's
 * receiver as `place: error: [TIR-V012] 'tt.load' op ...`; the first one is tir_last_message().
 * Errors: INVALID_ARGUMENT (NULL), VERIFY. */
TIR_API tir_status tir_module_verify(const tir_module *module);

/* Text of rule `number` (12 for TIR-V012); NULL if there is none of that number. Static string. */
TIR_API const char *tir_verify_rule(uint32_t number);

#ifdef __cplusplus
}
#endif
#endif
