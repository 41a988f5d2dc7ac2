// SPDX-License-Identifier: MIT
// What people read: lines of tt.print, sentences of records, complaints about arguments.
#include "driver.hh"
#include "common/numfmt.hh"

namespace tdriver {

using namespace tessera::tko;
using tessera::format;
namespace num = tessera::num;

namespace {

uint64_t load_bits(const void *values, uint64_t index, uint32_t size) {
  uint64_t bits = 0;
  std::memcpy(&bits, static_cast<const char *>(values) + index * size, size);
  return bits;
}

bool float_format(Kind kind, num::Format *out) {
  switch (kind) {
  case Kind::f16:
    *out = num::Format::F16;
    return true;
  case Kind::bf16:
    *out = num::Format::BF16;
    return true;
  case Kind::f32:
    *out = num::Format::F32;
    return true;
  case Kind::f64:
    *out = num::Format::F64;
    return true;
  case Kind::f8e4m3fn:
    *out = num::Format::F8E4M3FN;
    return true;
  case Kind::f8e5m2:
    *out = num::Format::F8E5M2;
    return true;
  case Kind::f8e4m3fnuz:
    *out = num::Format::F8E4M3FNUZ;
    return true;
  case Kind::f8e5m2fnuz:
    *out = num::Format::F8E5M2FNUZ;
    return true;
  default:
    return false;
  }
}

int64_t sign_extend(uint64_t bits, uint32_t size) {
  uint32_t shift = 64 - 8 * size;
  return int64_t(bits << shift) >> shift;
}

std::string value_text(Kind kind, uint64_t bits, bool hex, bool is_signed) {
  uint32_t size = kind_size(kind);
  num::Format f;
  if (hex || kind == Kind::ptr)
    return format("0x%0*llx", kind == Kind::i1 ? 1 : int(size * 2), (unsigned long long)bits);
  if (float_format(kind, &f)) {
    double d = num::decode(f, bits);
    return d != d ? "nan" : format("%f", d); // printf would show the sign
  }
  if (kind == Kind::i1) return !(bits & 1) ? "0" : is_signed ? "-1" : "1";
  if (is_signed) return format("%lld", (long long)sign_extend(bits, size));
  return format("%llu", (unsigned long long)bits);
}

std::string program_text(const uint32_t grid[3], uint64_t program) {
  uint64_t x = grid[0] ? grid[0] : 1, y = grid[1] ? grid[1] : 1;
  return format("(%llu, %llu, %llu)", (unsigned long long)(program % x),
                (unsigned long long)(program / x % y), (unsigned long long)(program / x / y));
}

} // namespace

std::string print_text(const Message &m, const uint32_t grid[3], uint64_t program, const void *values,
                       uint64_t count) {
  std::string pid = "pid " + program_text(grid, program), out;
  uint32_t size = kind_size(m.element);
  if (m.element == Kind::none || !values) return pid + m.text + "\n";
  std::string operand = m.operands > 1 ? format("(operand %u) ", m.operand) : std::string();
  for (uint64_t i = 0; i < count; ++i) {
    std::string index; // of element i, row-major; each right-aligned to the digits of its dimension
    uint64_t rest = i;
    for (size_t d = m.shape.size(); d-- > 0;) {
      uint64_t extent = uint64_t(m.shape[d]);
      int width = 0;
      for (uint64_t p = 1; p < extent; p *= 10) ++width;
      index = format("%*llu", width, (unsigned long long)(d ? rest % extent : rest)) +
              (index.empty() ? "" : ", ") + index;
      rest /= extent;
    }
    out += pid + " idx (" + index + ")" + m.text + operand +
           value_text(m.element, load_bits(values, i, size), m.hex, m.is_signed) + "\n";
  }
  return out;
}

std::string record_text(const Object &o, const tdriver_record &r) {
  std::string out = "kernel " + o.entry + ": ";
  out += r.kind == 1   ? "assertion failed"
         : r.kind == 2 ? "trap"
                       : format("stopped with the unknown record kind %u", r.kind);
  if (r.message_id < o.messages.size()) {
    if (!o.messages[r.message_id].text.empty()) out += ": " + o.messages[r.message_id].text;
  } else {
    out += format(" (message %u is not in the object)", r.message_id);
  }
  out += ", in program " + program_text(r.grid, r.program);
  if (r.location_id < o.locations.size() && !o.locations[r.location_id].empty())
    out += ", at " + o.locations[r.location_id];
  return out;
}

Status check_arguments(const Object &o, const void *const *args, uint32_t nargs) {
  const char *entry = o.entry.c_str();
  if (nargs != o.arguments.size())
    return fail(Code::INVALID_ARGUMENT, "kernel %s takes %zu arguments, %u are given", entry,
                o.arguments.size(), nargs);
  if (nargs && !args) return fail(Code::INVALID_ARGUMENT, "kernel %s: args is NULL", entry);
  for (uint32_t i = 0; i < nargs; ++i) {
    const Argument &a = o.arguments[i];
    const char *name = a.name.c_str();
    if (!args[i]) {
      if (a.constant) continue;
      return fail(Code::INVALID_ARGUMENT,
                  "kernel %s: args[%u] (%s) is NULL; expected a pointer to its %s value", entry, i, name,
                  kind_name(a.kind));
    }
    bool desc = a.kind == Kind::tensordesc; // the promise is about its pointer, which comes first
    uint64_t bits = load_bits(args[i], 0, desc ? 8 : kind_size(a.kind));
    if (a.kind == Kind::i1 && bits > 1)
      return fail(Code::INVALID_ARGUMENT,
                  "kernel %s: argument %u (%s) is an i1 and must be 0 or 1, but is %llu", entry, i, name,
                  (unsigned long long)bits);
    num::Format f;
    std::string value = desc ? format("0x%016llx", (unsigned long long)bits)
                             : value_text(a.kind, bits, false, a.kind != Kind::i1);
    if (a.constant && bits != a.constant_bits)
      return fail(Code::INVALID_ARGUMENT,
                  "kernel %s: argument %u (%s) was compiled as the constant %s, but is %s", entry, i, name,
                  value_text(a.kind, a.constant_bits, false, a.kind != Kind::i1).c_str(), value.c_str());
    if (a.divisibility > 1 && !float_format(a.kind, &f) && bits % a.divisibility)
      return fail(Code::INVALID_ARGUMENT,
                  "kernel %s: argument %u (%s) is promised to be divisible by %llu, but is %s", entry, i,
                  name, (unsigned long long)a.divisibility, value.c_str());
  }
  return {};
}

Status check_pointers(tdriver_kernel *kernel, const void *const *args, uint32_t nargs) {
  const tdriver_device *device = kernel->device;
  const Object &o = kernel->object;
  if (!device->backend->pointer_info) return {};
  for (uint32_t i = 0; i < nargs && i < o.arguments.size(); ++i) {
    const Argument &a = o.arguments[i];
    if ((a.kind != Kind::ptr && a.kind != Kind::tensordesc) || a.constant) continue;
    const void *pointer;
    std::memcpy(&pointer, args[i], sizeof(pointer));
    if (!pointer) continue; // allowed as long as the kernel does not use it
    tdriver_pointer_info info = TDRIVER_POINTER_INFO_INIT;
    tdriver_report report;
    report.text[0] = 0;
    TESSERA_TRY(from_backend(device->backend->pointer_info(device->impl, pointer, &info, &report), report,
                             "asking about a pointer"));
    if (info.reachable) continue;
    if (info.kind == TDRIVER_POINTER_UNKNOWN)
      return fail(Code::INVALID_ARGUMENT,
                  "kernel %s: argument %u (%s) is %p, which is no memory of device \"%s\"; expected an address "
                  "from tdriver_memory_alloc or of the vendor's allocator, found host memory or a freed address",
                  o.entry.c_str(), i, a.name.c_str(), pointer, device->name.c_str());
    return fail(Code::INVALID_ARGUMENT,
                "kernel %s: argument %u (%s) is %p, memory of device \"%s:%u\", which device \"%s\" cannot reach",
                o.entry.c_str(), i, a.name.c_str(), pointer, device->backend->name, info.device_index,
                device->name.c_str());
  }
  return {};
}

} // namespace tdriver
