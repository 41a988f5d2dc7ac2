// SPDX-License-Identifier: MIT
#ifndef TCODEGEN_TEST_PCH_HH
#define TCODEGEN_TEST_PCH_HH
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include <gtest/gtest.h>
#include <string>
#include <vector>
#endif
