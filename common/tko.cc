// SPDX-License-Identifier: MIT
// Kernel objects: rules, writer, reader. The layout of the bytes is told in libtdriver/docs/kernel-object.md.
#include "tko.hh"
#include <algorithm>
#include <cstring>

namespace tessera::tko {
namespace {

constexpr uint8_t magic[4] = {'T', 'K', 'O', 0};
constexpr size_t header_bytes = 32, section_row_bytes = 24, checksum_at = 16;
constexpr uint32_t max_sections = 64;

enum Tag : uint32_t {
  tag_meta = 1,
  tag_args,
  tag_hidden,
  tag_messages,
  tag_locations,
  tag_image,
  tag_data,
  tag_stage
};

// One step is a bijection of the state for a given word and of the word for a given state, so two files of
// equal length that differ within one word never collide; other damage is missed once in 2^64.
uint64_t checksum_step(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9fb21c651e98df25u;
  return h ^ (h >> 32);
}

/// Over the whole file with the checksum field taken as zero.
uint64_t checksum(const uint8_t *p, size_t size) {
  uint64_t h = checksum_step(0x5445535345524100u, size);
  for (size_t i = 0; i < size; i += 8) {
    uint64_t word = 0;
    if (i != checksum_at) std::memcpy(&word, p + i, std::min<size_t>(8, size - i));
    h = checksum_step(h, word);
  }
  return h ^ (h >> 29);
}

bool power_of_two(uint64_t v) { return v && !(v & (v - 1)); }
uint64_t align_up(uint64_t v, uint64_t a) { return (v + a - 1) & ~(a - 1); }
bool valid(Kind k) { return k <= Kind::last; }
bool is_element(Kind k) { return k != Kind::tensordesc && valid(k); }

uint32_t natural_size(const Argument &a) {
  return a.kind == Kind::tensordesc ? 8 + 16 * uint32_t(a.rank) : kind_size(a.kind);
}

Status check_string(const char *what, const std::string &s, bool may_be_empty) {
  if (s.empty() && !may_be_empty) return fail(Code::INVALID_ARGUMENT, "%s is empty", what);
  if (s.size() > max_string)
    return fail(Code::LIMIT, "%s has %zu bytes, the limit is %u", what, s.size(), max_string);
  if (s.find('\0') != std::string::npos) return fail(Code::INVALID_ARGUMENT, "%s has a NUL byte", what);
  return ok_status();
}

#define BAD(...) return fail(Code::INVALID_ARGUMENT, __VA_ARGS__)

Status check_argument(const Argument &a, size_t i, uint64_t *end) {
  TESSERA_TRY(check_string("an argument's name", a.name, true));
  const char *name = a.name.c_str();
  if (a.kind == Kind::none || !valid(a.kind)) BAD("argument %zu (%s): kind %u", i, name, unsigned(a.kind));
  bool points = a.kind == Kind::ptr || a.kind == Kind::tensordesc;
  if (!is_element(a.element) || (!points && a.element != Kind::none))
    BAD("argument %zu (%s): element kind %u does not fit kind %s", i, name, unsigned(a.element),
        kind_name(a.kind));
  bool desc = a.kind == Kind::tensordesc;
  if (desc ? (a.rank < 1 || a.rank > max_rank) : a.rank != 0)
    BAD("argument %zu (%s): rank %u", i, name, a.rank);
  if (a.block.size() != a.rank)
    BAD("argument %zu (%s): %zu block sizes for rank %u", i, name, a.block.size(), a.rank);
  for (int64_t b : a.block)
    if (b < 1) BAD("argument %zu (%s): block size %lld", i, name, static_cast<long long>(b));
  if (!power_of_two(a.divisibility))
    BAD("argument %zu (%s): divisibility %llu is no power of two", i, name,
        (unsigned long long)a.divisibility);
  if (a.pointer_range > 64) BAD("argument %zu (%s): pointer range of %u bits", i, name, a.pointer_range);
  if (a.constant) {
    if (desc) BAD("argument %zu (%s): a descriptor cannot be constant", i, name);
    if (a.offset || a.size || a.alignment)
      BAD("argument %zu (%s): a constant has no place in the buffer", i, name);
    return ok_status();
  }
  uint32_t size = natural_size(a), alignment = desc ? 16 : size;
  if (a.constant_bits) BAD("argument %zu (%s): constant bits, but not constant", i, name);
  if (a.size != size || a.alignment != alignment || a.offset != align_up(*end, alignment))
    BAD("argument %zu (%s): size %u, alignment %u, offset %u; expected %u, %u, %llu", i, name, a.size,
        a.alignment, a.offset, size, alignment, (unsigned long long)align_up(*end, alignment));
  *end = uint64_t(a.offset) + a.size;
  return ok_status();
}

Status check_arguments(const Object &o) {
  if (o.arguments.size() > max_arguments)
    return fail(Code::LIMIT, "%zu arguments, the limit is %u", o.arguments.size(), max_arguments);
  uint64_t end = 0;
  for (size_t i = 0; i < o.arguments.size(); ++i) TESSERA_TRY(check_argument(o.arguments[i], i, &end));
  if (o.params_size != align_up(end, 8) || o.params_size > max_params_bytes)
    BAD("parameter buffer of %u bytes; expected %llu, at most %u", o.params_size,
        (unsigned long long)align_up(end, 8), max_params_bytes);
  if (o.hidden.size() > max_arguments) return fail(Code::LIMIT, "%zu hidden arguments", o.hidden.size());
  end = o.params_size;
  for (size_t i = 0; i < o.hidden.size(); ++i) {
    const HiddenArgument &h = o.hidden[i];
    if (!power_of_two(h.alignment) || h.alignment > max_alignment || h.offset % h.alignment ||
        h.offset < end || h.size > max_params_bytes || h.offset > max_params_bytes)
      BAD("hidden argument %zu: offset %u, size %u, alignment %u", i, h.offset, h.size, h.alignment);
    if (h.data.size() > max_string)
      return fail(Code::LIMIT, "hidden argument %zu: %zu bytes", i, h.data.size());
    end = uint64_t(h.offset) + h.size;
  }
  return ok_status();
}

Status check_image(const Image &image) {
  uint64_t end = 0;
  if (image.segments.size() > 64)
    return fail(Code::LIMIT, "%zu segments, the limit is 64", image.segments.size());
  for (size_t i = 0; i < image.segments.size(); ++i) {
    const Segment &s = image.segments[i];
    if (s.permission < Permission::r || s.permission > Permission::relro)
      BAD("segment %zu: permission %u", i, unsigned(s.permission));
    if (s.offset % page_size || s.offset < end || s.offset > max_image_bytes ||
        s.zero_fill > max_image_bytes || s.bytes.size() > max_image_bytes)
      BAD("segment %zu: offset %#llx, size %#zx + %#llx (segments ascend, do not share a page, end below "
          "%#llx)",
          i, (unsigned long long)s.offset, s.bytes.size(), (unsigned long long)s.zero_fill,
          (unsigned long long)max_image_bytes);
    end = align_up(s.offset + s.bytes.size() + s.zero_fill, page_size);
    if (end > max_image_bytes) return fail(Code::LIMIT, "the image ends at %#llx", (unsigned long long)end);
  }
  auto segment_of = [&](uint64_t offset, uint64_t size) -> const Segment * {
    for (const Segment &s : image.segments)
      if (offset >= s.offset && offset - s.offset < s.bytes.size() + s.zero_fill &&
          size <= s.bytes.size() + s.zero_fill - (offset - s.offset))
        return &s;
    return nullptr;
  };
  const Segment *code = segment_of(image.entry, 1);
  if (!code || code->permission != Permission::rx)
    BAD("entry offset %#llx lies in no code segment", (unsigned long long)image.entry);
  std::vector<uint64_t> slots;
  slots.reserve(image.imports.size() + image.relocations.size());
  auto check_slot = [&](uint64_t slot) {
    const Segment *s = segment_of(slot, 8);
    slots.push_back(slot);
    return s && s->permission == Permission::relro && slot % 8 == 0;
  };
  for (const Import &i : image.imports) {
    TESSERA_TRY(check_string("an import's name", i.name, false));
    if (!check_slot(i.slot))
      BAD("import %s: slot %#llx lies in no relro segment", i.name.c_str(), (unsigned long long)i.slot);
  }
  for (uint64_t r : image.relocations) {
    if (!check_slot(r)) BAD("relocation: slot %#llx lies in no relro segment", (unsigned long long)r);
    const Segment *s = segment_of(r, 8);
    uint64_t value = 0, at = r - s->offset;
    if (at < s->bytes.size())
      std::memcpy(&value, s->bytes.data() + at, std::min<uint64_t>(8, s->bytes.size() - at));
    if (value > end) BAD("relocation: slot %#llx points outside the image", (unsigned long long)r);
  }
  std::sort(slots.begin(), slots.end());
  if (std::adjacent_find(slots.begin(), slots.end()) != slots.end())
    BAD("two imports or relocations share a slot");
  return ok_status();
}

Status check_messages(const Object &o) {
  for (size_t i = 0; i < o.messages.size(); ++i) {
    const Message &m = o.messages[i];
    TESSERA_TRY(check_string("a message", m.text, true));
    if (m.kind < MessageKind::assertion || m.kind > MessageKind::print)
      BAD("message %zu: kind %u", i, unsigned(m.kind));
    if (!is_element(m.element)) BAD("message %zu: element kind %u", i, unsigned(m.element));
    if (m.kind != MessageKind::print && m.element != Kind::none) BAD("message %zu: element of a record", i);
    if (m.shape.size() > max_rank) BAD("message %zu: rank %zu", i, m.shape.size());
    uint64_t count = 1;
    for (int64_t d : m.shape) {
      if (d < 1 || d > int64_t(1) << 40 || count > (uint64_t(1) << 40) / uint64_t(d))
        BAD("message %zu: shape", i);
      count *= uint64_t(d);
    }
    if (m.operand >= std::max(m.operands, 1u)) BAD("message %zu: operand %u of %u", i, m.operand, m.operands);
  }
  for (const std::string &l : o.locations) TESSERA_TRY(check_string("a location", l, true));
  return ok_status();
}

// ---- writer
// -------------------------------------------------------------------------------------------------

struct Writer {
  std::vector<uint8_t> out;
  void raw(const void *p, size_t n) {
    const uint8_t *b = static_cast<const uint8_t *>(p);
    out.insert(out.end(), b, b + n);
  }
  void u8(uint8_t v) { out.push_back(v); }
  void u32(uint32_t v) { raw(&v, 4); } // the house runs on little-endian machines only
  void u64(uint64_t v) { raw(&v, 8); }
  void string(const std::string &s) {
    u32(uint32_t(s.size()));
    raw(s.data(), s.size());
  }
};

void write_meta(const Object &o, Writer &w) {
  for (const std::string *s : {&o.entry, &o.target, &o.compiler, &o.source_hash, &o.options}) w.string(*s);
  w.u32(uint32_t(o.features.size()));
  for (const std::string &f : o.features) w.string(f);
  w.u32(o.params_size);
  w.u32(o.launch.threads);
  for (uint32_t c : o.launch.cluster) w.u32(c);
  w.u32(o.launch.shared_bytes);
  w.u32(o.launch.attributes);
  w.u32(o.launch.grid_map);
  w.u64(o.arena_bytes);
  w.u32(o.arena_alignment);
  w.u32(o.registers);
  w.u32(o.spill_bytes);
  w.u8(uint8_t(o.code_kind));
}

void write_arguments(const Object &o, Writer &w) {
  w.u32(uint32_t(o.arguments.size()));
  for (const Argument &a : o.arguments) {
    w.string(a.name);
    w.u8(uint8_t(a.kind));
    w.u8(uint8_t(a.element));
    w.u8(a.rank);
    w.u8(uint8_t(a.constant) | uint8_t(a.written) << 1);
    w.u64(a.constant_bits);
    w.u32(a.offset);
    w.u32(a.size);
    w.u32(a.alignment);
    w.u64(a.divisibility);
    w.u32(a.pointer_range);
    for (int64_t b : a.block) w.u64(uint64_t(b));
  }
}

void write_hidden(const Object &o, Writer &w) {
  w.u32(uint32_t(o.hidden.size()));
  for (const HiddenArgument &h : o.hidden) {
    w.u32(h.kind);
    w.u32(h.offset);
    w.u32(h.size);
    w.u32(h.alignment);
    w.u32(uint32_t(h.data.size()));
    w.raw(h.data.data(), h.data.size());
  }
}

void write_messages(const Object &o, Writer &w) {
  w.u32(uint32_t(o.messages.size()));
  for (const Message &m : o.messages) {
    w.u8(uint8_t(m.kind));
    w.u8(uint8_t(m.element));
    w.u8(uint8_t(m.hex) | uint8_t(m.is_signed) << 1);
    w.u8(uint8_t(m.shape.size()));
    w.u32(m.operand);
    w.u32(m.operands);
    for (int64_t d : m.shape) w.u64(uint64_t(d));
    w.string(m.text);
  }
}

void write_image(const Image &image, Writer &w) {
  w.u64(image.entry);
  w.u32(uint32_t(image.segments.size()));
  for (const Segment &s : image.segments) {
    w.u8(uint8_t(s.permission));
    w.u64(s.offset);
    w.u64(s.bytes.size());
    w.u64(s.zero_fill);
  }
  w.u32(uint32_t(image.imports.size()));
  for (const Import &i : image.imports) {
    w.u64(i.slot);
    w.string(i.name);
  }
  w.u32(uint32_t(image.relocations.size()));
  for (uint64_t r : image.relocations) w.u64(r);
}

// ---- reader
// -------------------------------------------------------------------------------------------------

/// Reads one section. After the first failure every read gives zero and the failure stays.
struct Reader {
  const uint8_t *base;
  size_t at, end; // offsets in the file
  Status status = {};

  bool need(uint64_t n, const char *what) {
    if (!status.ok()) return false;
    if (n <= end - at) return true;
    status = fail(Code::CORRUPT, "kernel object: offset %zu: %s needs %llu bytes, %zu are left", at, what,
                  (unsigned long long)n, end - at);
    return false;
  }
  template <class T> T number(const char *what) {
    T v = 0;
    if (!need(sizeof(T), what)) return 0;
    std::memcpy(&v, base + at, sizeof(T));
    at += sizeof(T);
    return v;
  }
  uint8_t u8(const char *what) { return number<uint8_t>(what); }
  uint32_t u32(const char *what) { return number<uint32_t>(what); }
  uint64_t u64(const char *what) { return number<uint64_t>(what); }
  /// A count of rows of at least `row` bytes each: bounded by what is left, before anything is allocated.
  uint32_t count(const char *what, size_t row) {
    uint32_t n = u32(what);
    return need(uint64_t(n) * row, what) ? n : 0;
  }
  std::string string(const char *what) {
    uint32_t n = u32(what);
    if (!need(n, what)) return {};
    std::string s(reinterpret_cast<const char *>(base + at), n);
    at += n;
    return s;
  }
  bool flags(const char *what, uint8_t value, uint8_t known) {
    if (status.ok() && (value & ~known))
      status = fail(Code::CORRUPT, "kernel object: offset %zu: %s has unknown bits %#x", at - 1, what, value);
    return status.ok();
  }
  Status finish(const char *section) {
    if (status.ok() && at != end)
      status = fail(Code::CORRUPT, "kernel object: offset %zu: %zu bytes too many in the %s", at, end - at,
                    section);
    return status;
  }
};

Status read_meta(Reader r, Object &o) {
  o.entry = r.string("the entry name");
  o.target = r.string("the target");
  o.compiler = r.string("the compiler id");
  o.source_hash = r.string("the source hash");
  o.options = r.string("the options");
  o.features.resize(r.count("the features", 4));
  for (std::string &f : o.features) f = r.string("a feature");
  o.params_size = r.u32("the parameter size");
  o.launch.threads = r.u32("the launch shape");
  for (uint32_t &c : o.launch.cluster) c = r.u32("the launch shape");
  o.launch.shared_bytes = r.u32("the launch shape");
  o.launch.attributes = r.u32("the launch shape");
  o.launch.grid_map = r.u32("the launch shape");
  o.arena_bytes = r.u64("the arena size");
  o.arena_alignment = r.u32("the arena alignment");
  o.registers = r.u32("the register count");
  o.spill_bytes = r.u32("the spill size");
  o.code_kind = CodeKind(r.u8("the code kind"));
  return r.finish("metadata");
}

Status read_arguments(Reader r, Object &o) {
  uint32_t n = r.count("the arguments", 40);
  for (uint32_t i = 0; i < n && r.status.ok(); ++i) {
    Argument a;
    a.name = r.string("an argument's name");
    a.kind = Kind(r.u8("an argument"));
    a.element = Kind(r.u8("an argument"));
    a.rank = r.u8("an argument");
    uint8_t flags = r.u8("an argument");
    r.flags("an argument", flags, 3);
    a.constant = flags & 1;
    a.written = flags & 2;
    a.constant_bits = r.u64("an argument");
    a.offset = r.u32("an argument");
    a.size = r.u32("an argument");
    a.alignment = r.u32("an argument");
    a.divisibility = r.u64("an argument");
    a.pointer_range = r.u32("an argument");
    if (r.need(uint64_t(a.rank) * 8, "a block shape")) a.block.resize(a.rank);
    for (int64_t &b : a.block) b = int64_t(r.u64("a block shape"));
    o.arguments.push_back(std::move(a));
  }
  return r.finish("arguments");
}

Status read_hidden(Reader r, Object &o) {
  uint32_t n = r.count("the hidden arguments", 20);
  for (uint32_t i = 0; i < n && r.status.ok(); ++i) {
    HiddenArgument h;
    h.kind = r.u32("a hidden argument");
    h.offset = r.u32("a hidden argument");
    h.size = r.u32("a hidden argument");
    h.alignment = r.u32("a hidden argument");
    uint32_t size = r.count("a hidden argument's data", 1);
    h.data.assign(r.base + r.at, r.base + r.at + size);
    r.at += size;
    o.hidden.push_back(std::move(h));
  }
  return r.finish("hidden arguments");
}

Status read_messages(Reader r, Object &o) {
  uint32_t n = r.count("the messages", 16);
  for (uint32_t i = 0; i < n && r.status.ok(); ++i) {
    Message m;
    m.kind = MessageKind(r.u8("a message"));
    m.element = Kind(r.u8("a message"));
    uint8_t flags = r.u8("a message");
    r.flags("a message", flags, 3);
    m.hex = flags & 1;
    m.is_signed = flags & 2;
    uint8_t rank = r.u8("a message");
    m.operand = r.u32("a message");
    m.operands = r.u32("a message");
    if (r.need(uint64_t(rank) * 8, "a message's shape")) m.shape.resize(rank);
    for (int64_t &d : m.shape) d = int64_t(r.u64("a message's shape"));
    m.text = r.string("a message's text");
    o.messages.push_back(std::move(m));
  }
  return r.finish("messages");
}

Status read_locations(Reader r, Object &o) {
  o.locations.resize(r.count("the locations", 4));
  for (std::string &l : o.locations) l = r.string("a location");
  return r.finish("locations");
}

Status read_image(Reader r, Reader data, Object &o) {
  Image &image = o.image;
  image.entry = r.u64("the entry offset");
  uint32_t n = r.count("the segments", 25);
  for (uint32_t i = 0; i < n && r.status.ok(); ++i) {
    Segment s;
    s.permission = Permission(r.u8("a segment"));
    s.offset = r.u64("a segment");
    uint64_t size = r.u64("a segment");
    s.zero_fill = r.u64("a segment");
    if (!data.need(size, "a segment's bytes")) return data.status;
    s.bytes.assign(data.base + data.at, data.base + data.at + size);
    data.at += size;
    image.segments.push_back(std::move(s));
  }
  n = r.count("the imports", 12);
  for (uint32_t i = 0; i < n && r.status.ok(); ++i) {
    Import import;
    import.slot = r.u64("an import");
    import.name = r.string("an import's name");
    image.imports.push_back(std::move(import));
  }
  image.relocations.resize(r.count("the relocations", 8));
  for (uint64_t &slot : image.relocations) slot = r.u64("a relocation");
  TESSERA_TRY(r.finish("image"));
  return data.finish("code");
}

Status read_stage(Reader r, Object &o) {
  Stage stage;
  stage.name = r.string("a stage's name");
  if (r.status.ok()) stage.text.assign(reinterpret_cast<const char *>(r.base + r.at), r.end - r.at);
  r.at = r.end;
  o.stages.push_back(std::move(stage));
  return r.finish("stage");
}

Status read_header(const uint8_t *p, size_t size, uint32_t *sections) {
  if (!looks_like_object(p, size))
    return fail(Code::CORRUPT, "kernel object: offset 0: the magic number is missing");
  if (size < header_bytes)
    return fail(Code::CORRUPT, "kernel object: %zu bytes, the header alone has %zu", size, header_bytes);
  Reader r{p, 4, header_bytes};
  uint32_t version = r.u32("version");
  if (version != format_version)
    return fail(Code::VERSION, "kernel object: offset 4: version %u, this library reads %u", version,
                format_version);
  uint64_t file_size = r.u64("size"), sum = r.u64("checksum");
  *sections = r.u32("section count");
  if (file_size != size)
    return fail(Code::CORRUPT, "kernel object: offset 8: the header says %llu bytes, there are %zu",
                (unsigned long long)file_size, size);
  if (sum != checksum(p, size))
    return fail(Code::CORRUPT, "kernel object: offset 16: the checksum does not match the bytes");
  if (r.u32("reserved")) return fail(Code::CORRUPT, "kernel object: offset 28: reserved field is set");
  if (*sections > max_sections || header_bytes + *sections * section_row_bytes > size)
    return fail(Code::CORRUPT, "kernel object: offset 24: %u sections", *sections);
  return ok_status();
}

/// Cuts the file into its sections, which lie one after another, 8-byte aligned, in the order of their tags.
Status read_table(const uint8_t *p, size_t size, uint32_t n, std::vector<std::pair<uint32_t, Reader>> *out) {
  uint64_t end = header_bytes + n * section_row_bytes;
  uint32_t previous = 0;
  for (uint32_t i = 0; i < n; ++i) {
    size_t row = header_bytes + i * section_row_bytes;
    Reader r{p, row, size};
    uint32_t tag = r.u32("section"), zero = r.u32("section");
    uint64_t offset = r.u64("section"), bytes = r.u64("section");
    if (tag == 0 || tag > tag_stage)
      return fail(Code::VERSION, "kernel object: offset %zu: unknown section %u", row, tag);
    if (zero || tag < previous || (tag == previous && tag != tag_stage))
      return fail(Code::CORRUPT, "kernel object: offset %zu: section %u out of order or twice", row, tag);
    if (offset != align_up(end, 8) || offset > size || bytes > size - offset)
      return fail(Code::CORRUPT, "kernel object: offset %zu: section %u at %llu with %llu bytes does not fit",
                  row, tag, (unsigned long long)offset, (unsigned long long)bytes);
    for (uint64_t j = end; j < offset; ++j)
      if (p[j])
        return fail(Code::CORRUPT, "kernel object: offset %llu: padding is not zero", (unsigned long long)j);
    end = offset + bytes;
    previous = tag;
    out->push_back({tag, Reader{p, size_t(offset), size_t(end)}});
  }
  if (end != size)
    return fail(Code::CORRUPT, "kernel object: offset %llu: bytes after the last section",
                (unsigned long long)end);
  return ok_status();
}

} // namespace

const char *kind_name(Kind kind) {
  static constexpr const char *names[] = {
      "none", "ptr", "i1",  "i8",       "i16",    "i32",        "i64",        "f16",
      "bf16", "f32", "f64", "f8E4M3FN", "f8E5M2", "f8E4M3FNUZ", "f8E5M2FNUZ", "tensordesc"};
  static_assert(std::size(names) == size_t(Kind::last) + 1);
  return valid(kind) ? names[size_t(kind)] : "unknown";
}

uint32_t kind_size(Kind kind) {
  static constexpr uint8_t sizes[] = {0, 8, 1, 1, 2, 4, 8, 2, 2, 4, 8, 1, 1, 1, 1, 0};
  static_assert(std::size(sizes) == size_t(Kind::last) + 1);
  return valid(kind) ? sizes[size_t(kind)] : 0;
}

Status lay_out_params(Object *object) {
  uint64_t end = 0;
  for (size_t i = 0; i < object->arguments.size(); ++i) {
    Argument &a = object->arguments[i];
    a.offset = a.size = a.alignment = 0;
    if (a.constant) continue;
    if (a.kind == Kind::none || !valid(a.kind) || a.rank > max_rank)
      BAD("argument %zu (%s): kind %u, rank %u", i, a.name.c_str(), unsigned(a.kind), a.rank);
    a.size = natural_size(a);
    a.alignment = a.kind == Kind::tensordesc ? 16 : a.size;
    end = align_up(end, a.alignment);
    if (end + a.size > max_params_bytes)
      return fail(Code::LIMIT, "argument %zu (%s) ends beyond byte %u of the parameter buffer", i,
                  a.name.c_str(), max_params_bytes);
    a.offset = uint32_t(end);
    end += a.size;
  }
  object->params_size = uint32_t(align_up(end, 8));
  return ok_status();
}

Status check(const Object &o) {
  TESSERA_TRY(check_string("the entry name", o.entry, false));
  TESSERA_TRY(check_string("the target", o.target, false));
  TESSERA_TRY(check_string("the compiler id", o.compiler, true));
  TESSERA_TRY(check_string("the source hash", o.source_hash, true));
  TESSERA_TRY(check_string("the options", o.options, true));
  for (const std::string &f : o.features) TESSERA_TRY(check_string("a CPU feature", f, false));
  TESSERA_TRY(check_arguments(o));
  const LaunchShape &l = o.launch;
  if (l.threads < 1 || l.threads > 4096 || l.attributes > 3 || l.grid_map > 1)
    BAD("launch shape: %u threads, attributes %#x, grid map %u", l.threads, l.attributes, l.grid_map);
  for (uint32_t c : l.cluster)
    if (c < 1 || c > 65536) BAD("launch shape: cluster size %u", c);
  if (o.arena_bytes > max_arena_bytes)
    return fail(Code::LIMIT, "arena of %llu bytes, the limit is %llu", (unsigned long long)o.arena_bytes,
                (unsigned long long)max_arena_bytes);
  if (!power_of_two(o.arena_alignment) || o.arena_alignment > max_alignment)
    BAD("arena alignment %u", o.arena_alignment);
  if (o.code_kind > CodeKind::last) BAD("code kind %u", unsigned(o.code_kind));
  if (has_image(o.code_kind)) {
    if (!o.code.empty()) BAD("a CPU image and other code");
    TESSERA_TRY(check_image(o.image));
  } else if (!o.image.segments.empty() || !o.image.imports.empty() || !o.image.relocations.empty() ||
             o.image.entry) {
    BAD("an image, but the code kind is %u", unsigned(o.code_kind));
  } else if (o.code.empty() != (o.code_kind == CodeKind::none)) {
    BAD("%zu bytes of code of kind %u", o.code.size(), unsigned(o.code_kind));
  }
  TESSERA_TRY(check_messages(o));
  if (o.stages.size() > max_sections - tag_stage)
    return fail(Code::LIMIT, "%zu stage texts, the limit is %u", o.stages.size(), max_sections - tag_stage);
  for (const Stage &s : o.stages) TESSERA_TRY(check_string("a stage's name", s.name, false));
  return ok_status();
}

#undef BAD

Result<std::vector<uint8_t>> write(const Object &o) {
  if (Status s = check(o); !s.ok()) return s;
  std::vector<std::pair<uint32_t, Writer>> sections;
  auto section = [&](uint32_t tag) -> Writer & { return sections.emplace_back(tag, Writer{}).second; };
  write_meta(o, section(tag_meta));
  if (!o.arguments.empty()) write_arguments(o, section(tag_args));
  if (!o.hidden.empty()) write_hidden(o, section(tag_hidden));
  if (!o.messages.empty()) write_messages(o, section(tag_messages));
  if (!o.locations.empty()) {
    Writer &w = section(tag_locations);
    w.u32(uint32_t(o.locations.size()));
    for (const std::string &l : o.locations) w.string(l);
  }
  if (has_image(o.code_kind)) {
    write_image(o.image, section(tag_image));
    Writer &data = section(tag_data);
    for (const Segment &s : o.image.segments) data.raw(s.bytes.data(), s.bytes.size());
  } else if (o.code_kind != CodeKind::none) {
    section(tag_data).out = o.code;
  }
  for (const Stage &s : o.stages) {
    Writer &w = section(tag_stage);
    w.string(s.name);
    w.raw(s.text.data(), s.text.size());
  }

  Writer file;
  file.raw(magic, 4);
  file.u32(format_version);
  file.u64(0); // size, checksum: below
  file.u64(0);
  file.u32(uint32_t(sections.size()));
  file.u32(0);
  uint64_t at = header_bytes + sections.size() * section_row_bytes;
  for (auto &[tag, w] : sections) {
    at = align_up(at, 8);
    file.u32(tag);
    file.u32(0);
    file.u64(at);
    file.u64(w.out.size());
    at += w.out.size();
  }
  if (at > max_file_bytes)
    return fail(Code::LIMIT, "kernel object of %llu bytes, the limit is %llu", (unsigned long long)at,
                (unsigned long long)max_file_bytes);
  file.out.reserve(at);
  for (auto &[tag, w] : sections) {
    file.out.resize(align_up(file.out.size(), 8));
    file.raw(w.out.data(), w.out.size());
  }
  seal(&file.out);
  return std::move(file.out);
}

void seal(std::vector<uint8_t> *bytes) {
  uint64_t size = bytes->size();
  if (size < header_bytes) return;
  std::memcpy(bytes->data() + 8, &size, 8);
  uint64_t sum = checksum(bytes->data(), size);
  std::memcpy(bytes->data() + checksum_at, &sum, 8);
}

bool looks_like_object(const void *bytes, size_t size) {
  return bytes && size >= sizeof(magic) && !std::memcmp(bytes, magic, sizeof(magic));
}

Result<Object> read(const void *bytes, size_t size) {
  const uint8_t *p = static_cast<const uint8_t *>(bytes);
  if (size > max_file_bytes) return fail(Code::CORRUPT, "kernel object: %zu bytes are too many", size);
  uint32_t n = 0;
  if (Status s = read_header(p, size, &n); !s.ok()) return s;
  std::vector<std::pair<uint32_t, Reader>> sections;
  if (Status s = read_table(p, size, n, &sections); !s.ok()) return s;

  Object o;
  const Reader *data = nullptr, *image = nullptr;
  bool meta = false;
  for (auto &[tag, r] : sections) {
    Status s;
    switch (tag) {
    case tag_meta:
      s = read_meta(r, o), meta = true;
      break;
    case tag_args:
      s = read_arguments(r, o);
      break;
    case tag_hidden:
      s = read_hidden(r, o);
      break;
    case tag_messages:
      s = read_messages(r, o);
      break;
    case tag_locations:
      s = read_locations(r, o);
      break;
    case tag_image:
      image = &r;
      break;
    case tag_data:
      data = &r;
      break;
    case tag_stage:
      s = read_stage(r, o);
      break;
    }
    if (!s.ok()) return s;
  }
  if (!meta) return fail(Code::CORRUPT, "kernel object: offset %zu: no metadata section", header_bytes);
  if ((image != nullptr) != has_image(o.code_kind) || (image && !data))
    return fail(Code::CORRUPT, "kernel object: offset %zu: the sections do not fit code kind %u",
                header_bytes, unsigned(o.code_kind));
  if (image) {
    if (Status s = read_image(*image, *data, o); !s.ok()) return s;
  } else if (data) {
    o.code.assign(p + data->at, p + data->end);
  }
  if (Status s = check(o); !s.ok()) return fail(Code::CORRUPT, "kernel object: %s", s.message.c_str());
  return o;
}

} // namespace tessera::tko
