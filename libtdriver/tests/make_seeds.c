/* SPDX-License-Identifier: MIT
 * make_seeds FILE...: writes the kernel object that each file's name says (add.tko, constant.tko), as fuzzing
 * seeds.
 */
#include "fixtures.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    char name[64] = "";
    const char *slash = strrchr(argv[i], '/');
    FILE *file = fopen(argv[i], "wb");
    fixture f;
    sscanf(slash ? slash + 1 : argv[i], "%63[a-z]", name);
    f = strcmp(name, "constant") ? fixture_kernel(name, NULL) : fixture_constant(42);
    if (!file || fwrite(f.bytes, 1, f.size, file) != f.size || fclose(file)) return 1;
    fixture_free(f);
  }
  return 0;
}
