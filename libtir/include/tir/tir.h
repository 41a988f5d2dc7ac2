/* SPDX-License-Identifier: MIT */
/* All of libtir's public headers. */
#ifndef TIR_TIR_H
#define TIR_TIR_H

#include "attr.h"
#include "builder.h"
#include "bytecode.h"
#include "bytecode.h"
#include "context.h"
#include "interp.h"
#include "layout.h"
#include "module.h"
#include "opcodes.h"
#include "pass.h"
#include "text.h"
#include "text.h"
#include "type.h"
#include "verify.h"
#include "version.h"
#include "walk.h"

#endif
