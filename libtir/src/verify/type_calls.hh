// SPDX-License-Identifier: MIT
// The functions that `call(name)` in the column `types` of ops/*.toml names.
#pragma once

namespace tir {
struct TypeEnv;
namespace types {

bool expandDims(TypeEnv &env, unsigned dst);
bool trans(TypeEnv &env, unsigned dst);
bool join(TypeEnv &env, unsigned dst);
bool split(TypeEnv &env, unsigned dst);
bool makeRange(TypeEnv &env, unsigned dst);
bool gather(TypeEnv &env, unsigned dst);
bool reduce(TypeEnv &env, unsigned dst);
bool callee(TypeEnv &env, unsigned dst);
bool valueType(TypeEnv &env, unsigned dst);

} // namespace types
} // namespace tir
