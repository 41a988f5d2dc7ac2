// SPDX-License-Identifier: MIT
// Every float through every polynomial: prints the table of docs/math.md. `math_exhaustive [name…]`; suite slow.
#include "math_ulp.hh"
#include <thread>

int main(int argc, char **argv) {
  const char *name = jit::host_runs("cpu:x86-64-v4") ? "cpu:x86-64-v4" : "cpu:x86-64-v3";
  tcodegen::CpuTarget cpu = jit::target(name);
  std::printf("%s; all 2^32 floats\n| function | largest ULP | at | bound |\n| --- | --- | --- | --- |\n", name);
  int failures = 0;
  for (const ulp::Case &c : ulp::cases) {
    bool wanted = argc < 2;
    for (int a = 1; a < argc; ++a) wanted |= !std::strcmp(argv[a], c.name);
    if (!wanted) continue;
    auto code = ulp::build(c, cpu, unsigned(cpu.vector_bits / 32));
    ulp::Worst w[2];
    std::thread t[2];
    for (int i = 0; i < 2; ++i)
      t[i] = std::thread([&, i] { w[i] = ulp::measure(c, jit::kernel(*code), uint64_t(i) << 31, 1, uint64_t(1) << 31); });
    for (auto &one : t) one.join();
    ulp::Worst worst = w[0].error > w[1].error ? w[0] : w[1];
    std::printf("| %s | %.4f | %a (0x%08x) | %g |\n", c.name, worst.error,
                double(std::bit_cast<float>(worst.at)), worst.at, c.bound);
    std::fflush(stdout);
    failures += worst.error > c.bound;
  }
  return failures != 0;
}
