// SPDX-License-Identifier: MIT
// A main for any LLVMFuzzerTestOneInput, where libFuzzer is not at hand: runs the given files, and with
// --mutate N --seed S also N random mutations of them, the same ones for the same seed and inputs.
//   replay [--mutate N] [--seed S] [FILE|DIRECTORY]...
// Without inputs it mutates the empty one. A crash names its cause by the input written to --save FILE before
// each mutation.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

struct Random {
  uint64_t state;
  uint64_t next() { // splitmix64
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  size_t below(size_t bound) { return bound ? static_cast<size_t>(next() % bound) : 0; }
};

bool read_file(const std::string &path, Bytes *out) {
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (!file) return false;
  out->clear();
  uint8_t buffer[65536];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, file)) > 0) out->insert(out->end(), buffer, buffer + n);
  bool good = !std::ferror(file);
  std::fclose(file);
  return good;
}

void add_inputs(const std::string &path, std::vector<std::string> *files) {
  DIR *dir = ::opendir(path.c_str());
  if (!dir) {
    files->push_back(path);
    return;
  }
  std::vector<std::string> inside;
  while (dirent *item = ::readdir(dir))
    if (item->d_name[0] != '.') inside.push_back(path + "/" + item->d_name);
  ::closedir(dir);
  std::sort(inside.begin(), inside.end());
  for (const std::string &file : inside) add_inputs(file, files);
}

void run(const Bytes &input) {
  // An exact allocation, so that the address sanitizer sees a read past the end.
  uint8_t *copy = static_cast<uint8_t *>(std::malloc(input.size() ? input.size() : 1));
  if (!copy) std::abort();
  if (!input.empty()) std::memcpy(copy, input.data(), input.size());
  LLVMFuzzerTestOneInput(copy, input.size());
  std::free(copy);
}

/// A value that is likely to meet a bound.
uint64_t interesting(Random &random) {
  static constexpr uint64_t values[] = {0,          1,          2,         7,          8,
                                        127,        128,        255,       256,        32767,
                                        32768,      65535,      65536,     0x7fffffff, 0x80000000,
                                        0xffffffff, UINT64_MAX, INT64_MAX, 1ull << 63, 0xfffffffffffffff0};
  return values[random.below(sizeof values / sizeof *values)];
}

void mutate_once(Random &random, const std::vector<Bytes> &inputs, Bytes *bytes) {
  size_t at = random.below(bytes->size() + 1);
  size_t length = 1 + random.below(random.below(4) ? 8 : 256);
  size_t left = bytes->size() - at;
  switch (random.below(8)) {
  case 0: // one bit
    if (left) (*bytes)[at] ^= static_cast<uint8_t>(1u << random.below(8));
    break;
  case 1: // one byte
    if (left) (*bytes)[at] = static_cast<uint8_t>(random.next());
    break;
  case 2: { // an integer of 1, 2, 4 or 8 bytes
    uint64_t value = interesting(random) + random.below(3) - 1;
    size_t width = size_t{1} << random.below(4);
    for (size_t i = 0; i < width && i < left; ++i) (*bytes)[at + i] = static_cast<uint8_t>(value >> 8 * i);
    break;
  }
  case 3: // cut the end
    if (random.below(4) == 0) bytes->resize(at);
    break;
  case 4: // delete a part
    bytes->erase(bytes->begin() + static_cast<long>(at),
                 bytes->begin() + static_cast<long>(at + std::min(length, left)));
    break;
  case 5: // insert noise
    for (size_t i = 0; i < length; ++i)
      bytes->insert(bytes->begin() + static_cast<long>(at), static_cast<uint8_t>(random.next()));
    break;
  case 6: { // repeat a part of itself
    size_t from = random.below(bytes->size() + 1);
    Bytes part(bytes->begin() + static_cast<long>(from),
               bytes->begin() + static_cast<long>(from + std::min(length, bytes->size() - from)));
    bytes->insert(bytes->begin() + static_cast<long>(at), part.begin(), part.end());
    break;
  }
  default: { // overwrite with a part of another input
    const Bytes &other = inputs[random.below(inputs.size())];
    size_t from = random.below(other.size() + 1);
    for (size_t i = 0; i < length && from + i < other.size(); ++i) {
      if (at + i < bytes->size())
        (*bytes)[at + i] = other[from + i];
      else
        bytes->push_back(other[from + i]);
    }
  }
  }
}

} // namespace

int main(int argc, char **argv) {
  uint64_t mutations = 0, seed = 1;
  const char *save = nullptr;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    bool more = i + 1 < argc;
    if (std::strcmp(argv[i], "--mutate") == 0 && more)
      mutations = std::strtoull(argv[++i], nullptr, 10);
    else if (std::strcmp(argv[i], "--seed") == 0 && more)
      seed = std::strtoull(argv[++i], nullptr, 10);
    else if (std::strcmp(argv[i], "--save") == 0 && more)
      save = argv[++i];
    else if (argv[i][0] == '-') {
      std::fprintf(stderr, "usage: %s [--mutate N] [--seed S] [--save FILE] [FILE|DIRECTORY]...\n", argv[0]);
      return 1;
    } else
      add_inputs(argv[i], &files);
  }
  std::vector<Bytes> inputs;
  for (const std::string &path : files) {
    Bytes bytes;
    if (!read_file(path, &bytes)) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      return 1;
    }
    run(bytes);
    inputs.push_back(std::move(bytes));
  }
  if (inputs.empty()) inputs.emplace_back();
  Random random{seed};
  for (uint64_t i = 0; i < mutations; ++i) {
    Bytes bytes = inputs[random.below(inputs.size())];
    for (size_t steps = 1 + random.below(4); steps; --steps) mutate_once(random, inputs, &bytes);
    if (save)
      if (std::FILE *file = std::fopen(save, "wb")) {
        if (!bytes.empty()) std::fwrite(bytes.data(), 1, bytes.size(), file);
        std::fclose(file);
      }
    run(bytes);
  }
  std::printf("%zu files, %llu mutations\n", files.size(), static_cast<unsigned long long>(mutations));
  return 0;
}
