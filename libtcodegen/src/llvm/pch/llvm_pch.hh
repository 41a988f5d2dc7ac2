// SPDX-License-Identifier: MIT
// Precompiled for the few files that include LLVM. Those files include what they use themselves too.
#ifndef TCODEGEN_LLVM_PCH_HH
#define TCODEGEN_LLVM_PCH_HH
#include "common/status.hh"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <string>
#include <vector>
#endif
