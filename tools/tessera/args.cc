// SPDX-License-Identifier: MIT
#include "args.hh"
#include "npy.hh"
#include "options.hh"
#include <cmath>
#include <cstring>

namespace tool {

using tessera::Code;
using tessera::fail;
using tessera::format;
using tessera::Result;
using tessera::Status;

static constexpr uint64_t max_bytes = uint64_t(1) << 38;
static constexpr size_t max_rank = 16;

static constexpr char forms[] = "T:value, @file.npy, @file.npy:inout, out:T[AxB], out:T[AxB]=file.npy, rand:T[AxB] "
                                "or rand:T[AxB]=file.npy";

static Status bad(std::string_view text, const std::string &why) {
  return fail(Code::INVALID_ARGUMENT, "argument '%.*s': %s", int(text.size()), text.data(), why.c_str());
}

/// `T[4x5]` and what follows it.
static Status parse_typed_shape(std::string_view whole, std::string_view text, ArgSpec *spec) {
  size_t open = text.find('['), close = text.find(']');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return bad(whole, "expected a type and a shape in brackets, as in out:f32[48x816]");
  std::string_view name = text.substr(0, open);
  if (!dtype_by_name(name, &spec->type))
    return bad(whole, format("unknown type '%.*s', expected one of %s", int(name.size()), name.data(), dtype_names().c_str()));
  uint64_t bytes = info(spec->type).size;
  for (const std::string &part : split(text.substr(open + 1, close - open - 1), 'x')) {
    uint64_t n;
    if (!parse_u64(part, &n) || spec->shape.size() == max_rank)
      return bad(whole, format("'%s' is not an extent, expected a shape such as [48x816]", part.c_str()));
    if (__builtin_mul_overflow(bytes, n, &bytes) || bytes > max_bytes) return bad(whole, "the shape is too large");
    spec->shape.push_back(int64_t(n));
  }
  std::string_view rest = text.substr(close + 1);
  if (rest.empty()) return tessera::ok_status();
  if (rest[0] != '=' || rest.size() == 1)
    return bad(whole, format("expected '=file.npy' or nothing behind the shape, found '%.*s'", int(rest.size()), rest.data()));
  spec->save = rest.substr(1);
  return tessera::ok_status();
}

Result<ArgSpec> parse_arg(std::string_view text) {
  ArgSpec spec;
  spec.text = text;
  if (!text.empty() && text[0] == '@') {
    spec.kind = ArgSpec::file;
    std::string_view path = text.substr(1);
    constexpr std::string_view suffix = ":inout";
    bool inout = path.size() > suffix.size() && path.substr(path.size() - suffix.size()) == suffix;
    if (inout) path.remove_suffix(suffix.size());
    if (path.empty()) return bad(text, "expected a file name behind '@'");
    spec.path = path;
    if (inout) spec.save = path;
    return spec;
  }
  size_t colon = text.find(':');
  if (colon == std::string_view::npos) return bad(text, format("expected %s", forms));
  std::string_view head = text.substr(0, colon), rest = text.substr(colon + 1);
  if (head == "out" || head == "rand") {
    spec.kind = head == "out" ? ArgSpec::output : ArgSpec::random;
    TESSERA_TRY(parse_typed_shape(text, rest, &spec));
    return spec;
  }
  if (head == "desc") return fail(Code::UNSUPPORTED, "not implemented: descriptor arguments ('%.*s')", int(text.size()), text.data());
  if (!dtype_by_name(head, &spec.type))
    return bad(text, format("unknown type '%.*s', expected one of %s; or one of the forms %s", int(head.size()),
                            head.data(), dtype_names().c_str(), forms));
  std::string why;
  if (!parse_scalar(spec.type, rest, &spec.bits, &why)) return bad(text, why);
  return spec;
}

std::string argument_name(const Parameter &parameter, size_t index) {
  return parameter.name.empty() ? format("argument %zu", index + 1) : format("argument %zu (%s)", index + 1, parameter.name.c_str());
}

/// The command line's type for an IR element type; false where it has none (FNUZ formats, odd integers).
static bool dtype_of_ir(const std::string &element, DType *out) {
  if (element == "f8E4M3FN") return *out = DType::f8e4m3, true;
  if (element == "f8E5M2") return *out = DType::f8e5m2, true;
  return dtype_by_name(element, out);
}

/// May elements declared as `given` lie under a parameter of type `wanted`? Same type, or the unsigned integer that
/// carries it in a .npy file, or the other signedness; booleans are bytes.
static bool fits(DType wanted, DType given) {
  if (wanted == given) return true;
  if (info(wanted).size != info(given).size) return false;
  switch (wanted) {
  case DType::bf16: return given == DType::u16;
  case DType::f8e4m3:
  case DType::f8e5m2: return given == DType::u8;
  case DType::f16:
  case DType::f32:
  case DType::f64: return false;
  default: return !info(given).is_float;
  }
}

static DType dtype_of_npy(const std::string &descr) {
  for (DType t : {DType::f16, DType::f32, DType::f64, DType::i1, DType::i8, DType::i16, DType::i32, DType::i64, DType::u8,
                  DType::u16, DType::u32, DType::u64})
    if (descr == info(t).npy) return t;
  return DType::count_;
}

namespace {
/// SplitMix64: the same numbers on every machine for a seed.
struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double unit() { return (double(next() >> 11) + 0.5) * 0x1p-53; } // inside (0, 1)
  double normal() { return std::sqrt(-2 * std::log(unit())) * std::cos(6.283185307179586 * unit()); }
};
} // namespace

static void fill_random(Argument *argument, uint64_t seed, size_t index) {
  Random random{seed * 0x2545f4914f6cdd1du + index * 0x9e3779b97f4a7c15u + 1};
  const DTypeInfo &row = info(argument->type);
  uint8_t *p = argument->bytes.data();
  for (uint64_t i = 0, n = argument->count(); i < n; ++i, p += row.size) {
    uint64_t bits = row.is_float ? tessera::num::encode(row.format, random.normal())
                                 : random.next() % (argument->type == DType::i1 ? 2 : 100);
    store_bits(argument->type, p, bits);
  }
}

static Result<Argument> bind_scalar(const ArgSpec &spec, const Parameter &parameter, size_t index) {
  Argument argument;
  const std::string name = argument_name(parameter, index);
  if (spec.kind != ArgSpec::scalar)
    return fail(Code::INVALID_ARGUMENT, "%s: the kernel takes %s here, expected T:value, found '%s'", name.c_str(),
                parameter.type.c_str(), spec.text.c_str());
  if (!dtype_of_ir(parameter.element, &argument.type))
    return fail(Code::UNSUPPORTED, "not implemented: %s of type %s", name.c_str(), parameter.type.c_str());
  bool both_integer = !info(argument.type).is_float && !info(spec.type).is_float;
  if (argument.type != spec.type && !(both_integer && info(argument.type).size == info(spec.type).size && argument.type != DType::i1 && spec.type != DType::i1))
    return fail(Code::INVALID_ARGUMENT, "%s: the kernel takes %s, found '%s'", name.c_str(), parameter.type.c_str(), spec.text.c_str());
  argument.bits = spec.bits;
  return argument;
}

Result<Argument> bind_arg(const ArgSpec &spec, const Parameter &parameter, size_t index, uint64_t seed) {
  const std::string name = argument_name(parameter, index);
  if (parameter.descriptor) return fail(Code::UNSUPPORTED, "not implemented: %s is a tensor descriptor", name.c_str());
  if (!parameter.pointer) return bind_scalar(spec, parameter, index);
  if (spec.kind == ArgSpec::scalar)
    return fail(Code::INVALID_ARGUMENT, "%s: the kernel takes %s, expected an array (@file.npy, out:… or rand:…), found '%s'",
                name.c_str(), parameter.type.c_str(), spec.text.c_str());
  Argument argument;
  argument.buffer = true;
  if (!dtype_of_ir(parameter.element, &argument.type))
    return fail(Code::UNSUPPORTED, "not implemented: %s of type %s", name.c_str(), parameter.type.c_str());
  DType given = spec.type;
  if (spec.kind == ArgSpec::file) {
    auto npy = npy_read(spec.path);
    if (!npy.ok()) return Status{npy.status.code, name + ": " + npy.status.message};
    given = dtype_of_npy(npy.value.descr);
    argument.shape = std::move(npy.value.shape);
    argument.bytes = std::move(npy.value.bytes);
    argument.descr = npy.value.descr;
    if (!fits(argument.type, given))
      return fail(Code::INVALID_ARGUMENT, "%s: the kernel takes %s, expected elements of %s ('%s'), %s has '%s'", name.c_str(),
                  parameter.type.c_str(), parameter.element.c_str(), info(argument.type).npy, spec.path.c_str(),
                  npy.value.descr.c_str());
  } else {
    if (!fits(argument.type, given))
      return fail(Code::INVALID_ARGUMENT, "%s: the kernel takes %s, found '%s' with elements of %s", name.c_str(),
                  parameter.type.c_str(), spec.text.c_str(), info(given).name);
    argument.shape = spec.shape;
    uint64_t bytes = info(given).size;
    for (int64_t n : spec.shape) bytes *= uint64_t(n);
    argument.bytes.resize(bytes);
    argument.descr = info(given).npy;
    argument.output = spec.kind == ArgSpec::output;
    if (spec.kind == ArgSpec::random) fill_random(&argument, seed, index);
  }
  argument.save = spec.save;
  return argument;
}

Status check_promise(const Parameter &parameter, size_t index, bool is_pointer, uint64_t value) {
  if (parameter.divisibility <= 1 || value % parameter.divisibility == 0) return tessera::ok_status();
  if (is_pointer)
    return fail(Code::INVALID_ARGUMENT,
                "%s: the kernel promises an address that is a multiple of %llu (tt.divisibility), the buffer lies at 0x%llx "
                "(--no-promises compiles without promises)",
                argument_name(parameter, index).c_str(), (unsigned long long)parameter.divisibility, (unsigned long long)value);
  return fail(Code::INVALID_ARGUMENT,
              "%s: the kernel promises a multiple of %llu (tt.divisibility), the value is %lld (--no-promises compiles "
              "without promises)",
              argument_name(parameter, index).c_str(), (unsigned long long)parameter.divisibility, (long long)value);
}

} // namespace tool
