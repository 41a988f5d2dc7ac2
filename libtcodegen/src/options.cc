// SPDX-License-Identifier: MIT
#include "options.hh"
#include <charconv>

using tessera::Code;
using tessera::fail;
using tessera::Status;

namespace tcodegen {
namespace {

struct Option {
  const char *name;
  uint32_t CompileRequest::*number; // one of the two is set
  bool CompileRequest::*flag;
  bool inverted; // the text says the opposite of the field
  uint32_t most;
};

constexpr Option table[] = {
    {"num_warps", &CompileRequest::num_warps, nullptr, false, 64},
    {"num_stages", &CompileRequest::num_stages, nullptr, false, 16},
    {"num_ctas", &CompileRequest::num_ctas, nullptr, false, 16},
    {"maxnreg", &CompileRequest::maxnreg, nullptr, false, 255},
    {"assembler", &CompileRequest::assembler, nullptr, false, 3},
    {"fp_fusion", nullptr, &CompileRequest::fp_fusion, false, 0},
    {"promises", nullptr, &CompileRequest::ignore_promises, true, 0},
    {"strict", nullptr, &CompileRequest::strict, false, 0},
    {"line_info", nullptr, &CompileRequest::line_info, false, 0},
};

Status set(const Option &o, std::string_view value, CompileRequest *request) {
  int shown = int(value.size() < 100 ? value.size() : 100);
  if (o.number) {
    uint32_t n = 0;
    auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), n);
    if (ec != std::errc() || end != value.data() + value.size() || n > o.most)
      return fail(Code::INVALID_ARGUMENT, "option %s is '%.*s': expected a number from 0 to %u", o.name, shown,
                  value.data(), o.most);
    request->*o.number = n;
    return {};
  }
  bool on = value == "on" || value == "1" || value == "true", off = value == "off" || value == "0" || value == "false";
  if (!on && !off)
    return fail(Code::INVALID_ARGUMENT, "option %s is '%.*s': expected on or off", o.name, shown, value.data());
  request->*o.flag = on != o.inverted;
  return {};
}

} // namespace

Status apply_options(std::string_view text, CompileRequest *request) {
  while (!text.empty()) {
    std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(item.size() < text.size() ? item.size() + 1 : item.size());
    size_t equals = item.find('=');
    std::string_view name = item.substr(0, equals);
    const Option *found = nullptr;
    std::string known;
    for (const Option &o : table) {
      if (name == o.name && equals != std::string_view::npos) found = &o;
      known += (known.empty() ? "" : ", ") + std::string(o.name);
    }
    if (!found)
      return fail(Code::INVALID_ARGUMENT, "option '%.*s': expected name=value with a name of %s",
                  int(item.size() < 100 ? item.size() : 100), item.data(), known.c_str());
    TESSERA_TRY(set(*found, item.substr(equals + 1), request));
  }
  return {};
}

std::string options_text(const CompileRequest &r) {
  std::string text = tessera::format("fp_fusion=%s,promises=%s", r.fp_fusion ? "on" : "off",
                                     r.ignore_promises ? "off" : "on");
  if (r.num_warps) text += tessera::format(",num_warps=%u", r.num_warps);
  if (r.num_stages) text += tessera::format(",num_stages=%u", r.num_stages);
  if (r.num_ctas) text += tessera::format(",num_ctas=%u", r.num_ctas);
  if (r.maxnreg) text += tessera::format(",maxnreg=%u", r.maxnreg);
  if (!r.line_info) text += ",line_info=off";
  if (r.assembler) text += tessera::format(",assembler=%u", r.assembler);
  for (const Specialization &s : r.specialize) {
    if (s.constant) text += tessera::format(",arg%u=%llu", s.argument, (unsigned long long)s.constant_bits);
    if (s.divisibility) text += tessera::format(",arg%u%%%llu", s.argument, (unsigned long long)s.divisibility);
    if (s.pointer_range) text += tessera::format(",arg%u:%u", s.argument, s.pointer_range);
  }
  return text;
}

} // namespace tcodegen
