/* SPDX-License-Identifier: MIT */
#include "ptx_plugin.h"
#include <nvPTXCompiler.h>
#include <stdlib.h>

static void give_log(nvPTXCompilerHandle handle, int errors, tcodegen_ptx_sink log, void *user) {
  size_t size = 0;
  if ((errors ? nvPTXCompilerGetErrorLogSize(handle, &size) : nvPTXCompilerGetInfoLogSize(handle, &size)) || !size) return;
  char *text = calloc(size + 1, 1);
  if (!text) return;
  if (!(errors ? nvPTXCompilerGetErrorLog(handle, text) : nvPTXCompilerGetInfoLog(handle, text))) log(user, text, size);
  free(text);
}

__attribute__((visibility("default"))) int
tcodegen_ptx_assemble_1(const char *ptx, size_t size, const char *const *options, int count, tcodegen_ptx_sink code,
                        tcodegen_ptx_sink log, void *user, unsigned *major, unsigned *minor) {
  nvPTXCompilerHandle handle;
  nvPTXCompilerGetVersion(major, minor);
  int status = nvPTXCompilerCreate(&handle, size, ptx);
  if (status) return status;
  status = nvPTXCompilerCompile(handle, count, options);
  give_log(handle, 0, log, user);
  give_log(handle, 1, log, user);
  size_t bytes = 0;
  void *program = 0;
  if (!status) status = nvPTXCompilerGetCompiledProgramSize(handle, &bytes);
  if (!status && !(program = malloc(bytes))) status = -1;
  if (!status) status = nvPTXCompilerGetCompiledProgram(handle, program);
  if (!status) code(user, program, bytes);
  free(program);
  nvPTXCompilerDestroy(&handle);
  return status;
}
