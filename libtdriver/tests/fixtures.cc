// SPDX-License-Identifier: MIT
#include "fixtures.h"
#include "common/tko.hh"
#include "kernels.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace tessera::tko;

namespace {

Argument argument(const char *name, Kind kind, Kind element = Kind::none, uint64_t divisibility = 1) {
  Argument a;
  a.name = name;
  a.kind = kind;
  a.element = element;
  a.divisibility = divisibility;
  a.written = kind == Kind::ptr;
  return a;
}

std::vector<Argument> arguments_of(const std::string &name) {
  auto ptr = [](const char *n, Kind element, uint64_t d = 1) { return argument(n, Kind::ptr, element, d); };
  if (name == "add")
    return {ptr("x_ptr", Kind::f32, 16), ptr("y_ptr", Kind::f32, 16), ptr("out_ptr", Kind::f32, 16),
            argument("n", Kind::i32, Kind::none, 16)};
  if (name == "ids") return {ptr("out", Kind::i32)};
  if (name == "lock") return {ptr("lock", Kind::i32), ptr("turn", Kind::i32), ptr("sum", Kind::i64)};
  if (name == "assert") return {ptr("count", Kind::i64), argument("limit", Kind::i64)};
  if (name == "print") return {argument("x", Kind::i32)};
  if (name == "arena") return {ptr("bad", Kind::i64), argument("words", Kind::i64)};
  if (name == "sin") return {ptr("out", Kind::f64)};
  if (name == "wait") return {ptr("flag", Kind::i32), ptr("seen", Kind::i32)};
  if (name == "busy") return {argument("turns", Kind::i64)};
  if (name == "params") {
    std::vector<Argument> list = {argument("a", Kind::i1),     argument("b", Kind::i8),
                                  argument("c", Kind::i16),    argument("d", Kind::f32),
                                  argument("k", Kind::i32),    argument("e", Kind::i64),
                                  argument("f", Kind::f64),    argument("g", Kind::f16),
                                  argument("h", Kind::f8e5m2), ptr("out", Kind::i8)};
    list[4].constant = true; // bound to 5
    list[4].constant_bits = 5;
    return list;
  }
  return {};
}

template <class T> void put(std::vector<uint8_t> &bytes, T value) {
  uint8_t raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.insert(bytes.end(), raw, raw + sizeof(T));
}

Object base_object(const std::string &name) {
  Object o;
  o.entry = name;
  o.target = "cpu:x86-64-v2";
  o.features = {"sse2", "cx16"};
  o.compiler = "by hand";
  o.source_hash = "0123";
  o.options = "fp_fusion=1";
  o.code_kind = CodeKind::cpu_image;
  return o;
}

fixture finish(Object &o) {
  tessera::Status s = lay_out_params(&o);
  auto bytes = s.ok() ? write(o) : tessera::Result<std::vector<uint8_t>>(s);
  if (!bytes.ok()) {
    std::fprintf(stderr, "fixture %s: %s\n", o.entry.c_str(), bytes.status.message.c_str());
    std::abort();
  }
  fixture f{static_cast<unsigned char *>(std::malloc(bytes.value.size())), bytes.value.size()};
  std::memcpy(f.bytes, bytes.value.data(), f.size);
  return f;
}

} // namespace

fixture fixture_kernel(const char *name, const char *variant_name) {
  const kernel_row *k = kernel_table;
  while (k->name && std::strcmp(k->name, name)) ++k;
  if (!k->name) std::abort();
  std::string variant = variant_name ? variant_name : "";
  Object o = base_object(name);
  o.arguments = arguments_of(name);
  size_t code_size = size_t(__stop_test_kernels - __start_test_kernels);
  if (code_size > FIXTURE_SLOTS) std::abort();
  Segment code, slots, constants;
  code.permission = Permission::rx;
  code.bytes.assign(__start_test_kernels, __stop_test_kernels);
  slots.permission = Permission::relro;
  slots.offset = FIXTURE_SLOTS;
  for (int i = 0; i < 3; ++i) put<uint64_t>(slots.bytes, 0);
  put<uint64_t>(slots.bytes, FIXTURE_CONSTANTS + 8); // slot 3
  slots.zero_fill = 16;
  constants.permission = Permission::r;
  constants.offset = FIXTURE_CONSTANTS;
  put<double>(constants.bytes, -1);
  put<double>(constants.bytes, 0.5);
  o.image.segments = {code, slots, constants};
  o.image.entry = uint64_t(static_cast<const char *>(k->function) - __start_test_kernels);
  o.image.imports = {
      {FIXTURE_SLOTS, "tessera_record"}, {FIXTURE_SLOTS + 8, "tessera_print"}, {FIXTURE_SLOTS + 16, "sin"}};
  o.image.relocations = {FIXTURE_SLOTS + 24};
  Message message;
  message.kind = MessageKind::assertion;
  message.text = "index out of range";
  o.messages.push_back(message);
  message = {};
  message.kind = MessageKind::print;
  message.text = " x: ";
  message.element = Kind::i32;
  message.operands = 1;
  message.shape = {2, 2};
  o.messages.push_back(message);
  o.locations = {"", "kernel.py:12:5"};
  o.stages = {{"ttir", "module {}\n"}, {"asm", "ret\n"}};
  if (o.entry == "arena") o.arena_bytes = 1 << 16, o.arena_alignment = 256;
  if (variant == "import") o.image.imports.push_back({FIXTURE_SLOTS + 32, "system"});
  if (variant == "feature") o.features.push_back("quantum");
  if (variant == "future") o.features.push_back("amx-fp16");
  if (variant == "cuda") o.target = "cuda:90a";
  if (variant == "hidden") {
    if (!lay_out_params(&o).ok()) std::abort();
    o.hidden.push_back({1, o.params_size, 8, 8, {}});
  }
  return finish(o);
}

fixture fixture_constant(uint32_t value) {
  Object o = base_object("constant");
  o.arguments = {argument("out", Kind::ptr, Kind::i32)};
  Segment code;
  code.permission = Permission::rx;
  code.bytes = {0x48, 0x8b, 0x07, 0xc7, 0x00}; // mov rax, [rdi]; mov dword [rax], value
  put<uint32_t>(code.bytes, value);
  code.bytes.insert(code.bytes.end(), {0x31, 0xc0, 0xc3}); // xor eax, eax; ret
  o.image.segments = {code};
  return finish(o);
}

void fixture_free(fixture f) { std::free(f.bytes); }
