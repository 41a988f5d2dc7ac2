/* SPDX-License-Identifier: MIT */
/* Takes a file of Triton's IR with a kernel add(x, y, z, n), compiles it, launches it on the CPU and checks the result.
 *   cc run_ttir.c $(pkg-config --cflags --libs tkernels) -o run_ttir && ./run_ttir add_f32.ttir */
#include <stdio.h>
#include <stdlib.h>
#include <tkernels/session.h>

int main(int argc, char **argv) {
  enum { N = 1000, BLOCK = 256 };
  static float x[N], y[N], z[N];
  void *px = x, *py = y, *pz = z;
  int32_t n = N;
  const void *args[4];
  const uint32_t grid[3] = {(N + BLOCK - 1) / BLOCK, 1, 1};
  static char ir[1 << 20];
  size_t size;
  FILE *file;
  tkernels_get_params params = TKERNELS_GET_PARAMS_INIT;
  tkernels_session *session = NULL;
  tkernels_kernel *kernel = NULL;
  int i, wrong = 0;

  if (argc != 2 || !(file = fopen(argv[1], "rb"))) {
    fprintf(stderr, "usage: %s FILE.ttir\n", argv[0]);
    return 1;
  }
  size = fread(ir, 1, sizeof(ir), file);
  fclose(file);
  params.source_name = argv[1];
  if (tkernels_session_create(NULL, &session) != TKERNELS_OK ||
      tkernels_session_get(session, ir, size, &params, &kernel) != TKERNELS_OK) {
    fprintf(stderr, "%s\n", tkernels_last_message());
    return 2;
  }
  for (i = 0; i < N; ++i) {
    x[i] = (float)i;
    y[i] = 0.5f * (float)i;
  }
  args[0] = &px;
  args[1] = &py;
  args[2] = &pz;
  args[3] = &n;
  if (tkernels_launch(kernel, NULL, grid, args, 4) != TKERNELS_OK || tkernels_session_synchronize(session, NULL) != TKERNELS_OK) {
    fprintf(stderr, "%s\n", tkernels_last_message());
    return 4;
  }
  for (i = 0; i < N; ++i) wrong += z[i] != x[i] + y[i];
  printf("add of %d elements: %d wrong\n", N, wrong);
  tkernels_kernel_release(kernel);
  tkernels_session_destroy(session);
  return wrong ? 3 : 0;
}
