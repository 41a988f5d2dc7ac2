// SPDX-License-Identifier: MIT
// PTX → cubin by NVIDIA's assembler: in process through the plug-in, or as a ptxas process. Includes no LLVM.
#include "nvidia.hh"
#include "ptx_plugin.h"
#include "common/knobs.hh"
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <mutex>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

using tessera::Code;
using tessera::fail;
using tessera::Result;
using tessera::Status;

namespace tcodegen::nvidia {
namespace {

// ---- the plug-in ----

/// The directory of this library, with a slash; "" if it is unknown.
std::string own_directory() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&own_directory), &info) || !info.dli_fname) return "";
  std::string path = info.dli_fname;
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

/// Opened once, never closed. NULL and the loader's words if it is not there.
tcodegen_ptx_assemble_fn plugin(std::string *why) {
  static std::once_flag once;
  static tcodegen_ptx_assemble_fn found;
  static char reason[512]; // no destructor at exit
  std::call_once(once, [] {
    constexpr const char *soname = "libtcodegen-ptx.so";
    void *handle = nullptr;
    if (const char *named = tessera::trusted_env("TESSERA_PTX_PLUGIN")) handle = dlopen(named, RTLD_NOW | RTLD_LOCAL);
    if (!handle) handle = dlopen((own_directory() + soname).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (handle) found = reinterpret_cast<tcodegen_ptx_assemble_fn>(dlsym(handle, TCODEGEN_PTX_PLUGIN_SYMBOL));
    if (!found) {
      const char *error = dlerror();
      std::strncpy(reason, error ? error : "it lacks " TCODEGEN_PTX_PLUGIN_SYMBOL, sizeof reason - 1);
    }
  });
  *why = reason;
  return found;
}

std::vector<std::string> arguments(const Target &target, const AssembleOptions &options) {
  std::vector<std::string> a = {"--gpu-name=" + arch(target), "--verbose"};
  if (options.line_info) a.push_back("--generate-line-info");
  if (!options.fp_fusion) a.push_back("--fmad=false");
  a.insert(a.end(), options.extra.begin(), options.extra.end());
  return a;
}

Status refused(const std::string &who, const Assembled &a) {
  return fail(Code::COMPILE, "%s refused the PTX: %s", who.c_str(), a.log.empty() ? "(no message)" : a.log.c_str());
}

Status in_process(tcodegen_ptx_assemble_fn assemble, const std::string &ptx, const Target &target,
                  const AssembleOptions &options, Assembled *out) {
  std::vector<std::string> texts = arguments(target, options);
  std::vector<const char *> argv;
  for (const std::string &t : texts) argv.push_back(t.c_str());
  auto code = [](void *user, const void *bytes, size_t size) {
    auto *b = static_cast<const uint8_t *>(bytes);
    static_cast<Assembled *>(user)->cubin.assign(b, b + size);
  };
  auto log = [](void *user, const void *bytes, size_t size) {
    static_cast<Assembled *>(user)->log.append(static_cast<const char *>(bytes), strnlen(static_cast<const char *>(bytes), size));
  };
  unsigned major = 0, minor = 0;
  int status = assemble(ptx.c_str(), ptx.size() + 1, argv.data(), int(argv.size()), code, log, out, &major, &minor);
  out->assembler = tessera::format("nvPTXCompiler %u.%u", major, minor);
  return status || out->cubin.empty() ? refused(out->assembler, *out) : tessera::ok_status();
}

// ---- processes ----

bool executable(const std::string &path) {
  struct stat s;
  return !path.empty() && stat(path.c_str(), &s) == 0 && S_ISREG(s.st_mode) && access(path.c_str(), X_OK) == 0;
}

std::string find_tool(const char *name, const char *knob, const std::string &given) {
  if (!given.empty()) return executable(given) ? given : "";
  if (const char *p = tessera::trusted_env(knob)) return executable(p) ? p : "";
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char *home = tessera::trusted_env(variable)) {
      std::string p = std::string(home) + "/bin/" + name;
      if (executable(p)) return p;
    }
  std::string path = tessera::trusted_env("PATH") ? tessera::trusted_env("PATH") : "";
  path += ":/usr/local/cuda/bin:/opt/cuda/bin";
  for (size_t at = 0; at <= path.size();) {
    size_t end = path.find(':', at);
    if (end == std::string::npos) end = path.size();
    std::string p = path.substr(at, end - at) + "/" + name;
    if (p[0] == '/' && executable(p)) return p;
    at = end + 1;
  }
  return "";
}

/// A directory of our own that goes with everything in it.
class PrivateDirectory {
public:
  PrivateDirectory() {
    const char *base = tessera::trusted_env("TMPDIR");
    path = std::string(base ? base : "/tmp") + "/tessera-XXXXXX";
    made = mkdtemp(path.data()) != nullptr;
  }
  ~PrivateDirectory() {
    if (!made) return;
    for (const std::string &f : files) unlink(f.c_str());
    rmdir(path.c_str());
  }
  PrivateDirectory(const PrivateDirectory &) = delete;
  std::string file(const char *name) {
    files.push_back(path + "/" + name);
    return files.back();
  }
  bool made = false;

private:
  std::string path;
  std::vector<std::string> files;
};

Status write_whole(const std::string &path, const void *bytes, size_t size) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Code::IO, "%s: %s", path.c_str(), std::strerror(errno));
  auto *p = static_cast<const char *>(bytes);
  while (size) {
    ssize_t n = write(fd, p, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      int error = errno;
      close(fd);
      return fail(Code::IO, "%s: %s", path.c_str(), std::strerror(error));
    }
    p += n;
    size -= size_t(n);
  }
  close(fd);
  return {};
}

std::string read_whole(const std::string &path) {
  std::string text;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char buffer[65536];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);)
    if (n > 0) text.append(buffer, size_t(n));
  close(fd);
  return text;
}

/// Runs a program to its end; standard output and error go to `log`. -1: not started, or killed.
int run(const std::vector<std::string> &command, const std::string &log) {
  std::vector<char *> argv;
  for (const std::string &c : command) argv.push_back(const_cast<char *>(c.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = -1;
  int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error) return -1;
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Status by_process(const std::string &ptxas, const std::string &ptx, const Target &target, const AssembleOptions &options,
                  Assembled *out) {
  PrivateDirectory directory;
  if (!directory.made) return fail(Code::IO, "no temporary directory for ptxas: %s", std::strerror(errno));
  std::string in = directory.file("kernel.ptx"), cubin = directory.file("kernel.cubin"), log = directory.file("log");
  TESSERA_TRY(write_whole(in, ptx.data(), ptx.size()));
  std::vector<std::string> command = {ptxas};
  for (std::string &a : arguments(target, options)) command.push_back(std::move(a));
  command.insert(command.end(), {in, "-o", cubin});
  int status = run(command, log);
  out->assembler = "ptxas " + ptxas;
  out->log = read_whole(log);
  for (size_t at; (at = out->log.find(in)) != std::string::npos;) out->log.replace(at, in.size(), "kernel.ptx");
  std::string code = status == 0 ? read_whole(cubin) : "";
  out->cubin.assign(code.begin(), code.end());
  return code.empty() ? refused(out->assembler, *out) : tessera::ok_status();
}

/// The number before `unit` in a line: "168 registers".
bool number_before(std::string_view line, std::string_view unit, unsigned *out) {
  size_t at = line.find(unit);
  if (at == std::string_view::npos) return false;
  size_t end = at;
  while (end > 0 && line[end - 1] == ' ') --end;
  size_t begin = end;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
  if (begin == end) return false;
  *out = unsigned(std::strtoul(std::string(line.substr(begin, end - begin)).c_str(), nullptr, 10));
  return true;
}

} // namespace

void read_log(std::string_view log, std::string_view kernel, Assembled *out) {
  for (size_t at = 0; at < log.size();) {
    size_t end = std::min(log.find('\n', at), log.size());
    std::string_view line = log.substr(at, end - at);
    at = end + 1;
    unsigned n;
    if (number_before(line, "bytes stack frame", &n)) out->stack_bytes = n;
    if (number_before(line, "bytes spill stores", &n)) out->spill_bytes = n;
    if (number_before(line, "registers", &n)) out->registers = n;
    if (number_before(line, "bytes smem", &n)) out->shared_bytes = n;
    struct {
      const char *code, *name, *meaning;
    } constexpr known[] = {
        {"C7504", "setmaxnreg-ignored", "the assembler ignored setmaxnreg"},
        {"C7508", "setmaxnreg-ignored", "the assembler ignored setmaxnreg"},
        {"C7510", "wgmma-serialised", "the assembler serialised the wgmma instructions"},
    };
    for (const auto &k : known)
      if (line.find(k.code) != std::string_view::npos)
        out->remarks.push_back({RemarkKind::missed, k.name,
                                std::string(kernel) + ": " + k.meaning + ": " + std::string(line), ""});
  }
  if (out->spill_bytes)
    out->remarks.push_back({RemarkKind::missed, "spills",
                            tessera::format("%s: %u bytes of registers are spilled to memory (%u registers per thread)",
                                            std::string(kernel).c_str(), out->spill_bytes, out->registers), ""});
}

Result<Assembled> assemble(const std::string &ptx, const Target &target, const AssembleOptions &options) {
  Assembled out;
  if (options.assembler == Assembler::none) return out;
  std::string why;
  if (options.assembler != Assembler::ptxas) {
    if (auto fn = plugin(&why)) {
      TESSERA_TRY(in_process(fn, ptx, target, options, &out));
      read_log(out.log, "kernel", &out);
      return out;
    }
    if (options.assembler == Assembler::in_process)
      return fail(Code::UNSUPPORTED, "assembler=nvptxcompiler: the plug-in libtcodegen-ptx.so cannot be opened: %s", why.c_str());
  }
  std::string ptxas = find_tool("ptxas", "TESSERA_PTXAS", options.ptxas);
  if (ptxas.empty()) {
    if (options.assembler == Assembler::ptxas)
      return fail(Code::UNSUPPORTED, "assembler=ptxas: no ptxas in $TESSERA_PTXAS, $CUDA_HOME/bin, PATH or /usr/local/cuda/bin");
    return out;
  }
  TESSERA_TRY(by_process(ptxas, ptx, target, options, &out));
  read_log(out.log, "kernel", &out);
  return out;
}

Result<std::string> disassemble(const std::vector<uint8_t> &cubin) {
  std::string tool = find_tool("nvdisasm", "TESSERA_NVDISASM", "");
  if (tool.empty()) return fail(Code::UNSUPPORTED, "sass: no nvdisasm in $TESSERA_NVDISASM, $CUDA_HOME/bin, PATH or /usr/local/cuda/bin");
  PrivateDirectory directory;
  if (!directory.made) return fail(Code::IO, "no temporary directory for nvdisasm: %s", std::strerror(errno));
  std::string in = directory.file("kernel.cubin"), log = directory.file("log");
  TESSERA_TRY(write_whole(in, cubin.data(), cubin.size()));
  int status = run({tool, "-c", in}, log);
  std::string text = read_whole(log);
  if (status) return fail(Code::COMPILE, "%s failed: %s", tool.c_str(), text.c_str());
  return text;
}

} // namespace tcodegen::nvidia
