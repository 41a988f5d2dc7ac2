// SPDX-License-Identifier: MIT
#include "cuda_fixtures.h"
#include "common/tko.hh"
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace tessera::tko;

namespace {

constexpr char head[] = ".version 7.0\n.target sm_80\n.address_size 64\n";

constexpr char add_body[] = R"(
.visible .entry add(.param .u64 x, .param .u64 y, .param .u64 out, .param .u32 n) {
  .reg .pred p; .reg .b32 t, b, i, m; .reg .b64 a, c, d, o; .reg .f32 u, v;
  mov.u32 t, %tid.x; mov.u32 b, %ctaid.x; mad.lo.s32 i, b, 128, t;
  ld.param.u32 m, [n]; setp.ge.s32 p, i, m; @p ret;
  ld.param.u64 a, [x]; ld.param.u64 c, [y]; ld.param.u64 d, [out];
  mul.wide.s32 o, i, 4; add.s64 a, a, o; add.s64 c, c, o; add.s64 d, d, o;
  ld.global.f32 u, [a]; ld.global.f32 v, [c]; add.f32 u, u, v; st.global.f32 [d], u; ret;
})";

constexpr char check_body[] = R"(
.visible .entry check(.param .u64 out, .param .u32 limit, .param .u64 record) {
  .reg .pred p, mine; .reg .b32 t, x, y, gx, pid, m, old; .reg .b64 r, d, o, wide;
  mov.u32 x, %ctaid.x; mov.u32 y, %ctaid.y; mov.u32 gx, %nctaid.x; mad.lo.s32 pid, gx, y, x;
  ld.param.u32 m, [limit]; setp.lt.s32 p, pid, m; @p bra good;
  ld.param.u64 r, [record]; cvt.u64.u32 wide, pid;
  atom.relaxed.sys.cas.b32 old, [r], 0, 1; setp.eq.s32 mine, old, 0;
  @mine st.relaxed.sys.b32 [r+4], 1; @mine st.relaxed.sys.b32 [r+8], 0; @mine st.relaxed.sys.b32 [r+12], 1;
  @mine st.relaxed.sys.b64 [r+16], wide; @mine st.release.sys.b32 [r], 2; fence.acq_rel.sys;
  trap;
good:
  ld.param.u64 d, [out]; mul.wide.s32 o, pid, 4; add.s64 d, d, o; st.global.u32 [d], 7; ret;
})";

constexpr char shared_body[] = R"(
.extern .shared .align 16 .b8 pool[];
.visible .entry shared(.param .u64 out) {
  .reg .b32 t, s, v; .reg .b64 d, o;
  mov.u32 t, %tid.x; mov.u32 s, pool; add.s32 s, s, 100864;
  mad.lo.s32 s, t, 4, s; mad.lo.s32 v, t, 3, 1; st.shared.u32 [s], v; bar.sync 0;
  mov.u32 s, pool; add.s32 s, s, 101372; mul.lo.s32 v, t, 4; sub.s32 s, s, v; ld.shared.u32 v, [s];
  ld.param.u64 d, [out]; mul.wide.s32 o, t, 4; add.s64 d, d, o; st.global.u32 [d], v; ret;
})";

constexpr char fault_body[] = R"(
.visible .entry fault(.param .u64 bad) {
  .reg .b64 d; ld.param.u64 d, [bad]; st.global.u32 [d], 1; ret;
})";

constexpr char scratch_body[] = R"(
.visible .entry scratch(.param .u64 out, .param .u64 pool) {
  .reg .b32 b, v; .reg .b64 d, s, o;
  mov.u32 b, %ctaid.x; ld.param.u64 s, [pool]; mul.wide.u32 o, b, 16; add.s64 s, s, o;
  add.s32 v, b, 5; st.volatile.global.u32 [s], v; ld.volatile.global.u32 v, [s];
  ld.param.u64 d, [out]; mul.wide.u32 o, b, 4; add.s64 d, d, o; st.global.u32 [d], v; ret;
})";

constexpr char empty_bodies[] = ".version 7.0\n.target sm_80\n.address_size 64\n"
                                R"(
.visible .entry k1(.param .u64 a) { ret; }
.visible .entry k7(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 d, .param .u32 e, .param .u32 f,
                   .param .u64 g) { ret; }
.visible .entry k20(.param .u64 a0, .param .u64 a1, .param .u64 a2, .param .u64 a3, .param .u64 a4, .param .u64 a5,
  .param .u64 a6, .param .u64 a7, .param .u64 a8, .param .u64 a9, .param .u64 b0, .param .u64 b1, .param .u64 b2,
  .param .u64 b3, .param .u64 b4, .param .u64 b5, .param .u64 b6, .param .u64 b7, .param .u64 b8, .param .u64 b9) { ret; }
)";

Argument argument(const char *name, Kind kind, Kind element = Kind::none, uint64_t divisibility = 1) {
  Argument a;
  a.name = name;
  a.kind = kind;
  a.element = element;
  a.divisibility = divisibility;
  a.written = kind == Kind::ptr;
  return a;
}

void add_hidden(Object *o, uint32_t kind, std::initializer_list<uint64_t> words) {
  if (!lay_out_params(o).ok()) std::abort();
  HiddenArgument h;
  h.kind = kind;
  h.offset = o->params_size;
  h.size = h.alignment = 8;
  for (uint64_t word : words)
    for (int i = 0; i < 8; ++i) h.data.push_back(uint8_t(word >> (8 * i)));
  o->hidden.push_back(h);
}

} // namespace

const char *cuda_empty_ptx(void) { return empty_bodies; }

fixture cuda_fixture(const char *name_text, const char *variant_text) {
  std::string name = name_text, variant = variant_text ? variant_text : "", code = head;
  Object o;
  o.entry = name;
  o.target = "cuda:80";
  o.compiler = "by hand";
  o.code_kind = CodeKind::ptx;
  o.launch.threads = 128;
  if (name == "add") {
    code += add_body;
    o.arguments = {argument("x", Kind::ptr, Kind::f32, 16), argument("y", Kind::ptr, Kind::f32, 16),
                   argument("out", Kind::ptr, Kind::f32, 16), argument("n", Kind::i32)};
  } else if (name == "check") {
    code += check_body;
    o.launch.threads = 32;
    o.arguments = {argument("out", Kind::ptr, Kind::i32), argument("limit", Kind::i32)};
    Message m;
    m.text = "index out of range";
    o.messages.push_back(m);
    o.locations = {"", "kernel.py:12:5"};
    add_hidden(&o, 2, {});
  } else if (name == "shared") {
    code += shared_body;
    o.arguments = {argument("out", Kind::ptr, Kind::i32)};
    o.launch.shared_bytes = 101376;
  } else if (name == "fault") {
    code += fault_body;
    o.launch.threads = 32;
    o.arguments = {argument("bad", Kind::ptr, Kind::i32)};
  } else if (name == "scratch") {
    code += scratch_body;
    o.launch.threads = 32;
    o.arguments = {argument("out", Kind::ptr, Kind::i32)};
    add_hidden(&o, 1, {16, 0, 16});
  } else {
    code = empty_bodies;
    o.launch.threads = 32;
    int count = std::atoi(name.c_str() + 1);
    for (int i = 0; i < count; ++i)
      o.arguments.push_back(
          argument("a", count == 7 && i >= 3 && i < 6 ? Kind::i32 : i % 2 || count == 1 ? Kind::i64 : Kind::ptr));
  }
  if (variant == "broken") code += "\nthis is no PTX;\n";
  if (variant == "old") o.target = "cuda:75", o.code_kind = CodeKind::cubin;
  if (variant == "name") o.entry = "nothing";
  if (variant == "params") o.arguments.push_back(argument("more", Kind::i64));
  if (variant == "big") o.launch.shared_bytes = 1 << 20;
  o.code.assign(code.begin(), code.end());
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
