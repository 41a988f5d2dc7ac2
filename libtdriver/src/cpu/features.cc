// SPDX-License-Identifier: MIT
// CPU features by LLVM's names: what the CPU has and the operating system saves.
#include "cpu.hh"
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tdriver::cpu {

#if defined(__x86_64__)
namespace {

enum Leaf : uint8_t { always, l1, l7, l7_1, ld_1, l14, l19, x1, x8 };
enum Reg : uint8_t { eax, ebx, ecx, edx };
enum State : uint8_t { none, ymm, zmm, tile }; // register state that the system must save

struct Row {
  const char *name;
  Leaf leaf;
  Reg reg;
  uint8_t bit;
  State state;
};

constexpr Row rows[] = {
    {"64bit", always, eax, 0, none},
    {"cmov", l1, edx, 15, none},
    {"cx8", l1, edx, 8, none},
    {"fxsr", l1, edx, 24, none},
    {"mmx", l1, edx, 23, none},
    {"sse", l1, edx, 25, none},
    {"sse2", l1, edx, 26, none},
    {"x87", l1, edx, 0, none},
    {"sse3", l1, ecx, 0, none},
    {"pclmul", l1, ecx, 1, none},
    {"ssse3", l1, ecx, 9, none},
    {"fma", l1, ecx, 12, ymm},
    {"cx16", l1, ecx, 13, none},
    {"sse4.1", l1, ecx, 19, none},
    {"sse4.2", l1, ecx, 20, none},
    {"crc32", l1, ecx, 20, none},
    {"movbe", l1, ecx, 22, none},
    {"popcnt", l1, ecx, 23, none},
    {"aes", l1, ecx, 25, none},
    {"xsave", l1, ecx, 26, none},
    {"avx", l1, ecx, 28, ymm},
    {"f16c", l1, ecx, 29, ymm},
    {"rdrnd", l1, ecx, 30, none},
    {"sahf", x1, ecx, 0, none},
    {"lzcnt", x1, ecx, 5, none},
    {"sse4a", x1, ecx, 6, none},
    {"prfchw", x1, ecx, 8, none},
    {"fsgsbase", l7, ebx, 0, none},
    {"bmi", l7, ebx, 3, none},
    {"avx2", l7, ebx, 5, ymm},
    {"bmi2", l7, ebx, 8, none},
    {"invpcid", l7, ebx, 10, none},
    {"avx512f", l7, ebx, 16, zmm},
    {"avx512dq", l7, ebx, 17, zmm},
    {"rdseed", l7, ebx, 18, none},
    {"adx", l7, ebx, 19, none},
    {"avx512ifma", l7, ebx, 21, zmm},
    {"clflushopt", l7, ebx, 23, none},
    {"clwb", l7, ebx, 24, none},
    {"avx512cd", l7, ebx, 28, zmm},
    {"sha", l7, ebx, 29, none},
    {"avx512bw", l7, ebx, 30, zmm},
    {"avx512vl", l7, ebx, 31, zmm},
    {"avx512vbmi", l7, ecx, 1, zmm},
    {"avx512vbmi2", l7, ecx, 6, zmm},
    {"gfni", l7, ecx, 8, none},
    {"vaes", l7, ecx, 9, ymm},
    {"vpclmulqdq", l7, ecx, 10, ymm},
    {"avx512vnni", l7, ecx, 11, zmm},
    {"avx512bitalg", l7, ecx, 12, zmm},
    {"avx512vpopcntdq", l7, ecx, 14, zmm},
    {"rdpid", l7, ecx, 22, none},
    {"movdiri", l7, ecx, 27, none},
    {"movdir64b", l7, ecx, 28, none},
    {"avx512vp2intersect", l7, edx, 8, zmm},
    {"serialize", l7, edx, 14, none},
    {"amx-bf16", l7, edx, 22, tile},
    {"avx512fp16", l7, edx, 23, zmm},
    {"amx-tile", l7, edx, 24, tile},
    {"amx-int8", l7, edx, 25, tile},
    {"avxvnni", l7_1, eax, 4, ymm},
    {"avx512bf16", l7_1, eax, 5, zmm},
    {"amx-fp16", l7_1, eax, 21, tile},
    {"avxifma", l7_1, eax, 23, ymm},
    {"avxvnniint8", l7_1, edx, 4, ymm},
    {"avxneconvert", l7_1, edx, 5, ymm},
    {"avxvnniint16", l7_1, edx, 10, ymm},
    {"xsaveopt", ld_1, eax, 0, none},
    {"xsavec", ld_1, eax, 1, none},
    {"xsaves", ld_1, eax, 3, none},
    {"wbnoinvd", x8, ebx, 9, none},
    {"clzero", x8, ebx, 0, none},
};

struct Cpu {
  uint32_t regs[9][4] = {};
  bool states[4] = {true, false, false, false};
  Cpu() {
    uint32_t *r = regs[always];
    r[eax] = 1;
    auto leaf = [&](Leaf l, uint32_t number, uint32_t sub) {
      __get_cpuid_count(number, sub, &regs[l][eax], &regs[l][ebx], &regs[l][ecx], &regs[l][edx]);
    };
    leaf(l1, 1, 0);
    leaf(l7, 7, 0);
    if (regs[l7][eax] >= 1) leaf(l7_1, 7, 1);
    leaf(ld_1, 13, 1);
    leaf(x1, 0x80000001u, 0);
    leaf(x8, 0x80000008u, 0);
    if (regs[l1][ecx] >> 27 & 1) { // OSXSAVE
      uint32_t low, high;
      __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
      states[ymm] = (low & 0x6) == 0x6;
      states[zmm] = (low & 0xe6) == 0xe6;
      states[tile] = (low & 0x60000) == 0x60000;
    }
  }
  bool has(const Row &row) const { return states[row.state] && regs[row.leaf][row.reg] >> row.bit & 1; }
};

} // namespace

int has_feature(const char *name) {
  Cpu cpu;
  for (const Row &row : rows)
    if (!std::strcmp(row.name, name)) return cpu.has(row);
  return -1;
}

std::string feature_list() {
  Cpu cpu;
  std::string text;
  for (const Row &row : rows) {
    if (!cpu.has(row)) continue;
    if (!text.empty()) text += ' ';
    text += row.name;
  }
  return text;
}

bool request_amx() {
  constexpr int request_permission = 0x1023, xtile_data = 18; // ARCH_REQ_XCOMP_PERM
  static std::atomic<int> state{0};                           // 1 granted, 2 refused
  int known = state.load();
  if (!known) {
    known = syscall(SYS_arch_prctl, request_permission, xtile_data) == 0 ? 1 : 2;
    state.store(known);
  }
  return known == 1;
}

std::string cpu_model() {
  uint32_t text[13] = {};
  for (uint32_t i = 0; i < 3; ++i)
    __get_cpuid(0x80000002u + i, &text[4 * i], &text[4 * i + 1], &text[4 * i + 2], &text[4 * i + 3]);
  std::string model = reinterpret_cast<const char *>(text);
  model.erase(0, model.find_first_not_of(' '));
  while (!model.empty() && model.back() == ' ') model.pop_back();
  return model.empty() ? "unknown x86-64 CPU" : model;
}

#else

int has_feature(const char *) { return -1; }
std::string feature_list() { return {}; }
bool request_amx() { return false; }
std::string cpu_model() { return "CPU of an architecture without an image format"; }

#endif

} // namespace tdriver::cpu
