// SPDX-License-Identifier: MIT
#include "random_program.hh"
#include "common/status.hh"
#include <cstring>

namespace fuzz {

using tessera::format;
using tool::DType;

namespace {

struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t n) { return next() % n; }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <class T, size_t N> const T &pick(const T (&items)[N]) { return items[below(N)]; }
};

/// How exact a value is. Order matters: the larger one wins when two meet.
enum class Trust : uint8_t { exact, bounded, transcendental, reduction, dot_f32, dot_narrow };

using Shape = std::vector<int64_t>;

struct Value {
  std::string name;
  DType type = DType::i32;
  Shape shape; // empty: scalar
  Trust trust = Trust::exact;
  bool special = false; // may be NaN, infinite or huge: stays out of sums and transcendental functions
  bool is_float() const { return tool::info(type).is_float; }
};

int64_t elements(const Shape &shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

constexpr int64_t max_elements = 2048;
constexpr DType numeric[] = {DType::f16, DType::bf16, DType::f32, DType::f32, DType::i32, DType::i32, DType::i64};

class Maker {
public:
  explicit Maker(uint64_t seed) : random_{seed} {}
  Program make();

private:
  // ---- text ----
  static std::string dims(const Shape &shape) {
    std::string text;
    for (int64_t d : shape) text += std::to_string(d) + "x";
    return text;
  }
  static std::string type_text(const std::string &element, const Shape &shape) {
    return shape.empty() ? element : "tensor<" + dims(shape) + element + ">";
  }
  static std::string type_text(const Value &v) { return type_text(tool::info(v.type).name, v.shape); }
  static std::string type_text(DType type, const Shape &shape) { return type_text(tool::info(type).name, shape); }
  static std::string ptr_text(DType type, const Shape &shape) {
    return type_text(std::string("!tt.ptr<") + tool::info(type).name + ">", shape);
  }
  std::string fresh() { return "%v" + std::to_string(next_name_++); }
  [[gnu::format(printf, 2, 3)]] void line(const char *text, ...) {
    va_list args;
    va_start(args, text);
    body_ += std::string(indent_, ' ') + tessera::vformat(text, args) + "\n";
    va_end(args);
  }

  // ---- values ----
  Value result(DType type, const Shape &shape, Trust trust = Trust::exact, bool special = false) {
    return {fresh(), type, shape, trust, special};
  }
  Value keep(const Value &v) {
    values_.push_back(v);
    return v;
  }
  template <class Wanted> const Value *find(Wanted wanted) {
    size_t count = 0;
    const Value *chosen = nullptr;
    for (const Value &v : values_)
      if (wanted(v) && random_.below(++count) == 0) chosen = &v;
    return chosen;
  }
  Value constant(DType type, const Shape &shape);
  Value integer(int64_t value, DType type, const Shape &shape);
  Value program_id();
  Value binary(const char *op, const Value &a, const Value &b, DType type);
  Value splat(const Value &scalar, const Shape &shape);
  Value broadcast(const Value &v, const Shape &shape);
  Value expand(const Value &v, unsigned axis);
  Value cast(const Value &v, DType to);
  Value linear_index(const Shape &shape, const Shape &strides);
  Value pointers(unsigned buffer, const Value &offsets);
  Value mask_for(const Shape &shape);
  Shape shape_for_tile();
  unsigned add_buffer(DType type, uint64_t count, bool output);

  // ---- statements; each adds values to the scope ----
  void load_tile(const Shape &shape, DType type);
  void load_scalar();
  void float_op();
  void int_op();
  void bool_op();
  void cast_op();
  void select_op();
  void shape_op();
  void reduce_op();
  void scan_op();
  void math_op();
  void dot_op();
  void softmax_op();
  void in_place_op();
  void for_op();
  void if_op();
  void while_op();
  void statement();
  void store(const Value &v);
  std::string combiner(const char *op, DType type, const char *dialect);
  template <class Body> void nested(Body body);

  Random random_;
  Program program_;
  std::string body_;
  unsigned indent_ = 4, next_name_ = 0, depth_ = 0, budget_ = 0;
  std::vector<Value> values_;
  std::vector<Shape> shapes_; // shapes in use, so that values meet
};

unsigned Maker::add_buffer(DType type, uint64_t count, bool output) {
  Buffer buffer;
  buffer.type = type;
  buffer.count = count;
  buffer.output = output;
  program_.buffers.push_back(buffer);
  return unsigned(program_.buffers.size() - 1);
}

Value Maker::integer(int64_t value, DType type, const Shape &shape) {
  Value v = result(type, shape);
  if (shape.empty()) line("%s = arith.constant %lld : %s", v.name.c_str(), (long long)value, type_text(v).c_str());
  else line("%s = arith.constant dense<%lld> : %s", v.name.c_str(), (long long)value, type_text(v).c_str());
  return v;
}

Value Maker::constant(DType type, const Shape &shape) {
  static constexpr const char *floats[] = {"0.000000e+00", "1.000000e+00", "-1.000000e+00", "5.000000e-01",
                                           "2.000000e+00", "-3.000000e+00", "1.250000e-01", "1.000000e+02"};
  static constexpr int64_t integers[] = {0, 1, -1, 2, 3, 7, 16, 31, 100, -128, 1000003};
  if (!tool::info(type).is_float) return integer(random_.pick(integers), type, shape);
  Value v = result(type, shape);
  const char *text = random_.pick(floats);
  if (shape.empty()) line("%s = arith.constant %s : %s", v.name.c_str(), text, type_text(v).c_str());
  else line("%s = arith.constant dense<%s> : %s", v.name.c_str(), text, type_text(v).c_str());
  return v;
}

Value Maker::program_id() {
  Value v = result(DType::i32, {});
  line("%s = tt.get_program_id x : i32", v.name.c_str());
  return v;
}

Value Maker::binary(const char *op, const Value &a, const Value &b, DType type) {
  Value v = result(type, a.shape, std::max(a.trust, b.trust), a.special || b.special);
  line("%s = %s %s, %s : %s", v.name.c_str(), op, a.name.c_str(), b.name.c_str(), type_text(a).c_str());
  return v;
}

Value Maker::splat(const Value &scalar, const Shape &shape) {
  if (shape.empty()) return scalar;
  Value v = result(scalar.type, shape, scalar.trust, scalar.special);
  line("%s = tt.splat %s : %s -> %s", v.name.c_str(), scalar.name.c_str(), type_text(scalar).c_str(), type_text(v).c_str());
  return v;
}

Value Maker::broadcast(const Value &from, const Shape &shape) {
  if (from.shape == shape) return from;
  Value v = result(from.type, shape, from.trust, from.special);
  line("%s = tt.broadcast %s : %s -> %s", v.name.c_str(), from.name.c_str(), type_text(from).c_str(), type_text(v).c_str());
  return v;
}

Value Maker::expand(const Value &from, unsigned axis) {
  Shape shape = from.shape;
  shape.insert(shape.begin() + axis, 1);
  Value v = result(from.type, shape, from.trust, from.special);
  line("%s = tt.expand_dims %s {axis = %u : i32} : %s -> %s", v.name.c_str(), from.name.c_str(), axis, type_text(from).c_str(), type_text(v).c_str());
  return v;
}

/// sum over dimensions of index * stride, built from ranges as front ends do.
Value Maker::linear_index(const Shape &shape, const Shape &strides) {
  Value sum;
  for (unsigned d = 0; d < shape.size(); ++d) {
    Value range = result(DType::i32, {shape[d]});
    if (shape[d] == 1) range = integer(0, DType::i32, {1});
    else line("%s = tt.make_range {end = %lld : i32, start = 0 : i32} : %s", range.name.c_str(), (long long)shape[d], type_text(range).c_str());
    Value part = range;
    for (unsigned before = 0; before < d; ++before) part = expand(part, 0);
    for (unsigned after = d + 1; after < shape.size(); ++after) part = expand(part, unsigned(part.shape.size()));
    if (strides[d] != 1) part = binary("arith.muli", part, integer(strides[d], DType::i32, part.shape), DType::i32);
    part = broadcast(part, shape);
    sum = d == 0 ? part : binary("arith.addi", sum, part, DType::i32);
  }
  return sum;
}

Value Maker::pointers(unsigned buffer, const Value &offsets) {
  const DType type = program_.buffers[buffer].type;
  std::string base = "%p" + std::to_string(buffer), pointer = ptr_text(type, offsets.shape);
  if (!offsets.shape.empty()) {
    std::string all = fresh();
    line("%s = tt.splat %s : %s -> %s", all.c_str(), base.c_str(), ptr_text(type, {}).c_str(), pointer.c_str());
    base = all;
  }
  Value v = result(type, offsets.shape);
  line("%s = tt.addptr %s, %s : %s, %s", v.name.c_str(), base.c_str(), offsets.name.c_str(), pointer.c_str(), type_text(offsets).c_str());
  return v;
}

/// A mask over a tile: a bound on the index along one dimension, against a constant or the scalar argument.
Value Maker::mask_for(const Shape &shape) {
  unsigned axis = unsigned(random_.below(shape.size()));
  Shape strides(shape.size(), 0);
  strides[axis] = 1;
  Value index = linear_index(shape, strides);
  Value bound = random_.chance(50) ? integer(int64_t(random_.below(uint64_t(shape[axis]) + 1)), DType::i32, {})
                                   : Value{"%n", DType::i32, {}, Trust::exact, false};
  Value mask = result(DType::i1, shape);
  Value all = splat(bound, shape);
  line("%s = arith.cmpi %s, %s, %s : %s", mask.name.c_str(), random_.chance(80) ? "slt" : "sge", index.name.c_str(), all.name.c_str(), type_text(index).c_str());
  return mask;
}

Shape Maker::shape_for_tile() {
  if (!shapes_.empty() && random_.chance(75)) return shapes_[random_.below(shapes_.size())];
  static constexpr int64_t extents[] = {1, 2, 4, 8, 16, 32, 64, 128};
  Shape shape;
  unsigned rank = 1 + unsigned(random_.below(3));
  for (unsigned d = 0; d < rank; ++d) {
    int64_t n = random_.pick(extents);
    while (elements(shape) * n > max_elements) n /= 2;
    shape.push_back(n);
  }
  if (elements(shape) < 4) shape.back() = 16;
  shapes_.push_back(shape);
  return shape;
}

static Shape row_major(const Shape &shape) {
  Shape strides(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}

void Maker::load_tile(const Shape &shape, DType type) {
  Shape strides = row_major(shape);
  int64_t span = elements(shape);
  switch (random_.below(6)) {
  case 0: // column-major
    strides.assign(shape.size(), 1);
    for (size_t d = 1; d < shape.size(); ++d) strides[d] = strides[d - 1] * shape[d - 1];
    break;
  case 1: // with gaps
    for (int64_t &s : strides) s *= 3;
    span *= 3;
    break;
  case 2: // one dimension repeats
    strides[random_.below(shape.size())] = 0;
    break;
  default: break;
  }
  bool per_program = random_.chance(60);
  uint64_t count = uint64_t(span) * (per_program ? program_.grid[0] : 1);
  unsigned buffer = add_buffer(type, count, false);
  program_.buffers[buffer].special = random_.chance(15) && tool::info(type).is_float;
  Value offsets = linear_index(shape, strides);
  if (per_program) {
    Value start = binary("arith.muli", program_id(), integer(span, DType::i32, {}), DType::i32);
    offsets = binary("arith.addi", offsets, splat(start, shape), DType::i32);
  }
  Value pointer = pointers(buffer, offsets);
  Value v = result(type, shape, Trust::exact, program_.buffers[buffer].special);
  unsigned kind = unsigned(random_.below(4));
  if (kind == 0) line("%s = tt.load %s : %s", v.name.c_str(), pointer.name.c_str(), ptr_text(type, shape).c_str());
  else {
    Value mask = mask_for(shape);
    if (kind == 1) line("%s = tt.load %s, %s : %s", v.name.c_str(), pointer.name.c_str(), mask.name.c_str(), ptr_text(type, shape).c_str());
    else {
      Value other = constant(type, shape);
      line("%s = tt.load %s, %s, %s : %s", v.name.c_str(), pointer.name.c_str(), mask.name.c_str(), other.name.c_str(), ptr_text(type, shape).c_str());
    }
  }
  keep(v);
}

void Maker::load_scalar() {
  DType type = random_.pick(numeric);
  unsigned buffer = add_buffer(type, program_.grid[0], false);
  Value pointer = pointers(buffer, program_id());
  Value v = result(type, {});
  line("%s = tt.load %s : %s", v.name.c_str(), pointer.name.c_str(), ptr_text(type, {}).c_str());
  keep(v);
}

void Maker::float_op() {
  static constexpr const char *ops[] = {"arith.addf", "arith.subf", "arith.mulf", "arith.maxnumf", "arith.minnumf", "arith.maximumf", "arith.minimumf"};
  const Value *a = find([](const Value &v) { return v.is_float() && v.trust == Trust::exact; });
  if (!a) return;
  Value left = *a;
  if (random_.chance(25)) {
    static constexpr const char *unary[] = {"arith.negf", "math.absf", "math.floor", "math.ceil"};
    const char *op = random_.pick(unary);
    if (left.type != DType::f32 && (op[5] == 'f' || op[5] == 'c')) op = "math.absf"; // floor and ceil are of f32 and f64
    Value v = result(left.type, left.shape, Trust::exact, left.special);
    line("%s = %s %s : %s", v.name.c_str(), op, left.name.c_str(), type_text(v).c_str());
    keep(v);
    return;
  }
  const Value *b = find([&](const Value &v) { return v.type == left.type && v.shape == left.shape && v.trust == Trust::exact; });
  Value right = random_.chance(25) ? constant(left.type, left.shape) : *b;
  if (left.type == DType::f32 && random_.chance(10)) {
    const Value *c = find([&](const Value &v) { return v.type == left.type && v.shape == left.shape && v.trust == Trust::exact; });
    Value third = *c, v = result(left.type, left.shape, Trust::exact, left.special || right.special || third.special);
    line("%s = math.fma %s, %s, %s : %s", v.name.c_str(), left.name.c_str(), right.name.c_str(), third.name.c_str(), type_text(v).c_str());
    keep(v);
    return;
  }
  keep(binary(random_.pick(ops), left, right, left.type));
}

void Maker::int_op() {
  static constexpr const char *ops[] = {"arith.addi", "arith.subi", "arith.muli", "arith.andi", "arith.ori", "arith.xori",
                                        "arith.maxsi", "arith.minsi", "arith.maxui", "arith.minui", "arith.shli", "arith.shrsi", "arith.shrui"};
  static constexpr const char *divisions[] = {"arith.divsi", "arith.remsi", "arith.divui", "arith.remui"};
  const Value *a = find([](const Value &v) { return v.type == DType::i32 || v.type == DType::i64; });
  if (!a) return;
  Value left = *a;
  const Value *b = find([&](const Value &v) { return v.type == left.type && v.shape == left.shape; });
  Value right = random_.chance(30) ? constant(left.type, left.shape) : *b;
  if (random_.chance(15)) { // a divisor between 1 and 255
    right = binary("arith.andi", right, integer(255, left.type, left.shape), left.type);
    right = binary("arith.ori", right, integer(1, left.type, left.shape), left.type);
    keep(binary(random_.pick(divisions), left, right, left.type));
    return;
  }
  const char *op = random_.pick(ops);
  if (std::strncmp(op, "arith.sh", 8) == 0) right = binary("arith.andi", right, integer(left.type == DType::i64 ? 63 : 31, left.type, left.shape), left.type);
  keep(binary(op, left, right, left.type));
}

void Maker::bool_op() {
  static constexpr const char *integers[] = {"eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"};
  static constexpr const char *floats[] = {"oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "uge", "ult", "ule", "une", "uno"};
  static constexpr const char *logic[] = {"arith.andi", "arith.ori", "arith.xori"};
  const Value *m = find([](const Value &v) { return v.type == DType::i1; });
  if (m && random_.chance(30)) {
    Value left = *m;
    const Value *r = find([&](const Value &v) { return v.type == DType::i1 && v.shape == left.shape; });
    keep(binary(random_.pick(logic), left, *r, DType::i1));
    return;
  }
  const Value *a = find([](const Value &v) { return v.type != DType::i1 && v.trust == Trust::exact; });
  if (!a) return;
  Value left = *a;
  const Value *b = find([&](const Value &v) { return v.type == left.type && v.shape == left.shape && v.trust == Trust::exact; });
  Value right = random_.chance(40) ? constant(left.type, left.shape) : *b;
  Value v = result(DType::i1, left.shape);
  line("%s = %s %s, %s, %s : %s", v.name.c_str(), left.is_float() ? "arith.cmpf" : "arith.cmpi",
       left.is_float() ? random_.pick(floats) : random_.pick(integers), left.name.c_str(), right.name.c_str(), type_text(left).c_str());
  keep(v);
}

Value Maker::cast(const Value &from, DType to) {
  const tool::DTypeInfo &a = tool::info(from.type), &b = tool::info(to);
  unsigned width_a = from.type == DType::i1 ? 1 : a.size * 8, width_b = to == DType::i1 ? 1 : b.size * 8;
  const char *op;
  if (from.type == to) return from;
  if (a.is_float && b.is_float) op = width_a < width_b ? "arith.extf" : "arith.truncf";
  else if (a.is_float) op = random_.chance(70) ? "arith.fptosi" : "arith.fptoui";
  else if (b.is_float) op = from.type != DType::i1 && random_.chance(70) ? "arith.sitofp" : "arith.uitofp";
  else op = width_a < width_b ? (from.type != DType::i1 && random_.chance(60) ? "arith.extsi" : "arith.extui") : "arith.trunci";
  Value v = result(to, from.shape, from.trust, from.special || (!a.is_float && b.is_float));
  line("%s = %s %s : %s to %s", v.name.c_str(), op, from.name.c_str(), type_text(from).c_str(), type_text(v).c_str());
  return v;
}

void Maker::cast_op() {
  const Value *a = find([](const Value &v) { return v.trust == Trust::exact; });
  if (!a) return;
  Value from = *a;
  DType to = random_.pick(numeric);
  if (from.type == to) return;
  // f16 and bf16 have one width: by way of f32, as front ends do.
  if (from.is_float() && tool::info(to).is_float && tool::info(from.type).size == tool::info(to).size) from = keep(cast(from, DType::f32));
  keep(cast(from, to));
}

void Maker::select_op() {
  const Value *m = find([](const Value &v) { return v.type == DType::i1; });
  if (!m) return;
  Value condition = *m;
  const Value *a = find([&](const Value &v) { return v.type != DType::i1 && (v.shape == condition.shape || condition.shape.empty()); });
  if (!a) return;
  Value left = *a;
  const Value *b = find([&](const Value &v) { return v.type == left.type && v.shape == left.shape; });
  Value right = random_.chance(30) ? constant(left.type, left.shape) : *b;
  Value v = result(left.type, left.shape, std::max(left.trust, right.trust), left.special || right.special);
  if (condition.shape.empty() && !left.shape.empty()) condition = splat(condition, left.shape);
  std::string types = left.shape.empty() ? type_text(left) : type_text(condition) + ", " + type_text(left);
  line("%s = arith.select %s, %s, %s : %s", v.name.c_str(), condition.name.c_str(), left.name.c_str(), right.name.c_str(), types.c_str());
  keep(v);
}

void Maker::shape_op() {
  const Value *a = find([](const Value &v) { return !v.shape.empty(); });
  if (!a) return;
  Value from = *a;
  Shape shape = from.shape;
  Value v;
  auto made = [&](const Shape &s) { return result(from.type, s, from.trust, from.special); };
  switch (random_.below(7)) {
  case 0: { // reshape
    int64_t n = elements(shape);
    Shape to;
    while (n > 1 && to.size() < 2) {
      int64_t d = int64_t(1) << random_.below(6);
      if (d > n) d = n;
      to.push_back(d);
      n /= d;
    }
    to.push_back(n);
    v = made(to);
    line("%s = tt.reshape %s : %s -> %s", v.name.c_str(), from.name.c_str(), type_text(from).c_str(), type_text(v).c_str());
    break;
  }
  case 1: { // transpose
    if (shape.size() < 2) return;
    std::vector<unsigned> order;
    for (unsigned d = 0; d < shape.size(); ++d) order.insert(order.begin() + long(random_.below(order.size() + 1)), d);
    Shape to;
    std::string text;
    for (unsigned d : order) {
      to.push_back(shape[d]);
      text += (text.empty() ? "" : ", ") + std::to_string(d);
    }
    v = made(to);
    line("%s = tt.trans %s {order = array<i32: %s>} : %s -> %s", v.name.c_str(), from.name.c_str(), text.c_str(), type_text(from).c_str(), type_text(v).c_str());
    break;
  }
  case 2: { // join
    if (shape.size() > 2 || elements(shape) * 2 > max_elements) return;
    const Value *other = find([&](const Value &o) { return o.type == from.type && o.shape == shape; });
    Value right = *other;
    shape.push_back(2);
    v = made(shape);
    v.trust = std::max(from.trust, right.trust);
    v.special |= right.special;
    line("%s = tt.join %s, %s : %s -> %s", v.name.c_str(), from.name.c_str(), right.name.c_str(), type_text(from).c_str(), type_text(v).c_str());
    break;
  }
  case 3: { // split
    const Value *pair = find([](const Value &p) { return p.shape.size() > 1 && p.shape.back() == 2; });
    if (!pair) return;
    from = *pair;
    shape = from.shape;
    shape.pop_back();
    v = made(shape);
    Value second = made(shape);
    line("%s, %s = tt.split %s : %s -> %s", v.name.c_str(), second.name.c_str(), from.name.c_str(), type_text(from).c_str(), type_text(v).c_str());
    keep(second);
    break;
  }
  case 4: // a row or column spread over a tile
  case 5: {
    if (shape.size() > 2) return;
    unsigned axis = unsigned(random_.below(shape.size() + 1));
    v = expand(from, axis);
    int64_t n = int64_t(1) << random_.below(6);
    while (n > 1 && n * elements(shape) > max_elements) n /= 2;
    shape = v.shape;
    shape[axis] = n;
    v = broadcast(v, shape);
    break;
  }
  default: { // a scalar spread over a tile
    const Value *scalar = find([](const Value &s) { return s.shape.empty(); });
    if (!scalar) return;
    v = splat(*scalar, shape_for_tile());
  }
  }
  shapes_.push_back(v.shape);
  keep(v);
}

std::string Maker::combiner(const char *op, DType type, const char *dialect) {
  const char *t = tool::info(type).name;
  std::string l = fresh(), r = fresh(), v = fresh(), pad(indent_, ' ');
  return pad + "^bb0(" + l + ": " + t + ", " + r + ": " + t + "):\n" + pad + "  " + v + " = " + op + " " + l + ", " + r + " : " + t + "\n" +
         pad + "  tt." + dialect + ".return " + v + " : " + t + "\n";
}

void Maker::reduce_op() {
  static constexpr const char *floats[] = {"arith.addf", "arith.maxnumf", "arith.minnumf", "arith.maximumf", "arith.minimumf"};
  static constexpr const char *integers[] = {"arith.addi", "arith.maxsi", "arith.minsi", "arith.maxui", "arith.minui", "arith.xori", "arith.andi", "arith.ori", "arith.muli"};
  static constexpr const char *booleans[] = {"arith.andi", "arith.ori", "arith.xori"};
  const Value *a = find([](const Value &v) { return !v.shape.empty(); });
  if (!a) return;
  Value from = *a;
  const char *op = from.type == DType::i1 ? random_.pick(booleans) : from.is_float() ? random_.pick(floats) : random_.pick(integers);
  Trust trust = from.trust;
  if (!std::strcmp(op, "arith.addf")) {
    if (from.special || from.trust >= Trust::dot_f32) op = "arith.maxnumf";
    else {
      if (from.type != DType::f32) from = cast(from, DType::f32);
      trust = std::max(trust, Trust::reduction);
    }
  }
  unsigned axis = unsigned(random_.below(from.shape.size()));
  Shape shape = from.shape;
  shape.erase(shape.begin() + axis);
  Value v = result(from.type, shape, trust, from.special);
  line("%s = \"tt.reduce\"(%s) <{axis = %u : i32}> ({", v.name.c_str(), from.name.c_str(), axis);
  body_ += combiner(op, from.type, "reduce");
  line("}) : (%s) -> %s", type_text(from).c_str(), type_text(v).c_str());
  if (!shape.empty()) shapes_.push_back(shape);
  keep(v);
}

void Maker::scan_op() {
  static constexpr const char *integers[] = {"arith.addi", "arith.maxsi", "arith.minui", "arith.xori", "arith.muli"};
  const Value *a = find([](const Value &v) { return !v.shape.empty() && v.type != DType::i1 && v.trust == Trust::exact; });
  if (!a) return;
  Value from = *a;
  const char *op = from.is_float() ? "arith.maximumf" : random_.pick(integers);
  Trust trust = Trust::exact;
  if (from.type == DType::f32 && !from.special && random_.chance(50)) op = "arith.addf", trust = Trust::reduction;
  Value v = result(from.type, from.shape, trust, from.special);
  line("%s = \"tt.scan\"(%s) <{axis = %u : i32, reverse = %s}> ({", v.name.c_str(), from.name.c_str(), unsigned(random_.below(from.shape.size())), random_.chance(30) ? "true" : "false");
  body_ += combiner(op, from.type, "scan");
  line("}) : (%s) -> %s", type_text(from).c_str(), type_text(v).c_str());
  keep(v);
}

/// Division, roots and transcendental functions, on arguments where they are well conditioned.
void Maker::math_op() {
  const Value *a = find([](const Value &v) { return v.type == DType::f32 && v.trust == Trust::exact && !v.special; });
  if (!a) return;
  Value x = *a;
  static constexpr const char *ops[] = {"arith.divf", "math.sqrt", "math.rsqrt", "math.exp", "math.exp2", "math.log", "math.log2", "math.sin", "math.cos", "math.erf"};
  const char *op = random_.pick(ops);
  auto number = [&](const char *text) {
    Value v = result(DType::f32, x.shape);
    if (x.shape.empty()) line("%s = arith.constant %s : f32", v.name.c_str(), text);
    else line("%s = arith.constant dense<%s> : %s", v.name.c_str(), text, type_text(v).c_str());
    return v;
  };
  // -20 … 20, so that nothing overflows or becomes sub-normal
  x = binary("arith.maxnumf", x, number("-2.000000e+01"), DType::f32);
  x = binary("arith.minnumf", x, number("2.000000e+01"), DType::f32);
  bool division = !std::strcmp(op, "arith.divf");
  if (division || !std::strncmp(op + 5, "log", 3) || !std::strncmp(op + 5, "sqrt", 4) || !std::strncmp(op + 5, "rsqrt", 5)) {
    Value positive = result(DType::f32, x.shape);
    line("%s = math.absf %s : %s", positive.name.c_str(), x.name.c_str(), type_text(x).c_str());
    x = binary("arith.addf", positive, number("5.000000e-01"), DType::f32);
  }
  if (division) {
    Value v = binary(op, number("3.000000e+00"), x, DType::f32);
    v.trust = Trust::bounded;
    keep(v);
    return;
  }
  Value v = result(DType::f32, x.shape, std::strcmp(op, "math.sqrt") ? Trust::transcendental : Trust::bounded, false);
  line("%s = %s %s : %s", v.name.c_str(), op, x.name.c_str(), type_text(v).c_str());
  keep(v);
}

void Maker::dot_op() {
  static constexpr int64_t extents[] = {16, 16, 32, 64};
  static constexpr DType types[] = {DType::f16, DType::bf16, DType::f32, DType::f32};
  DType type = random_.pick(types);
  int64_t m = random_.pick(extents), n = random_.pick(extents), k = random_.pick(extents);
  size_t first = values_.size();
  load_tile({m, k}, type);
  load_tile({k, n}, type);
  Value a = values_[first], b = values_[first + 1];
  if (a.special || b.special) return;
  Value acc = integer(0, DType::i32, {m, n});
  acc = cast(acc, DType::f32);
  bool tf32 = type == DType::f32 && random_.chance(30);
  Value v = result(DType::f32, {m, n}, type == DType::f32 && !tf32 ? Trust::dot_f32 : Trust::dot_narrow, false);
  line("%s = tt.dot %s, %s, %s%s : %s * %s -> %s", v.name.c_str(), a.name.c_str(), b.name.c_str(), acc.name.c_str(),
       type == DType::f32 ? (tf32 ? ", inputPrecision = tf32" : ", inputPrecision = ieee") : "", type_text(a).c_str(), type_text(b).c_str(), type_text(v).c_str());
  shapes_.push_back(v.shape);
  keep(v);
}

/// The idiom of softmax along one axis: maximum, spread back, exp, sum, quotient.
void Maker::softmax_op() {
  const Value *a = find([](const Value &v) { return v.type == DType::f32 && !v.shape.empty() && v.trust == Trust::exact && !v.special; });
  if (!a) return;
  Value x = *a;
  unsigned axis = unsigned(random_.below(x.shape.size()));
  auto along = [&](const Value &from, const char *op) {
    Shape shape = from.shape;
    shape.erase(shape.begin() + axis);
    Value v = result(DType::f32, shape, from.trust);
    line("%s = \"tt.reduce\"(%s) <{axis = %u : i32}> ({", v.name.c_str(), from.name.c_str(), axis);
    body_ += combiner(op, DType::f32, "reduce");
    line("}) : (%s) -> %s", type_text(from).c_str(), type_text(v).c_str());
    return shape.empty() ? splat(v, x.shape) : broadcast(expand(v, axis), x.shape);
  };
  // A bound on the spread keeps exp away from the sub-normals, where a relative tolerance means nothing.
  Value limit = result(DType::f32, x.shape);
  line("%s = arith.constant dense<2.000000e+01> : %s", limit.name.c_str(), type_text(limit).c_str());
  Value low = result(DType::f32, x.shape);
  line("%s = arith.constant dense<-2.000000e+01> : %s", low.name.c_str(), type_text(low).c_str());
  x = binary("arith.maxnumf", binary("arith.minnumf", x, limit, DType::f32), low, DType::f32);
  Value shifted = binary("arith.subf", x, along(x, "arith.maxnumf"), DType::f32);
  Value e = result(DType::f32, x.shape, Trust::transcendental);
  line("%s = math.exp %s : %s", e.name.c_str(), shifted.name.c_str(), type_text(e).c_str());
  Value y = binary("arith.divf", e, along(e, "arith.addf"), DType::f32);
  y.trust = Trust::reduction;
  keep(y);
}

/// Loads a tile, stores something else over it, and goes on using the old value.
void Maker::in_place_op() {
  if (depth_) return;
  Shape shape = shape_for_tile();
  DType type = random_.pick(numeric);
  int64_t span = elements(shape);
  unsigned buffer = add_buffer(type, uint64_t(span) * program_.grid[0], false);
  program_.buffers[buffer].in_place = true;
  Value offsets = linear_index(shape, row_major(shape));
  Value start = binary("arith.muli", program_id(), integer(span, DType::i32, {}), DType::i32);
  offsets = binary("arith.addi", offsets, splat(start, shape), DType::i32);
  Value pointer = pointers(buffer, offsets);
  Value old = result(type, shape);
  line("%s = tt.load %s : %s", old.name.c_str(), pointer.name.c_str(), ptr_text(type, shape).c_str());
  Value changed = binary(tool::info(type).is_float ? "arith.addf" : "arith.addi", old, constant(type, shape), type);
  const char *mask = "";
  std::string mask_text;
  if (random_.chance(40)) {
    mask_text = ", " + mask_for(shape).name;
    mask = mask_text.c_str();
  }
  line("tt.store %s, %s%s : %s", pointer.name.c_str(), changed.name.c_str(), mask, ptr_text(type, shape).c_str());
  keep(old);
  if (random_.chance(50)) {
    Value again = result(type, shape);
    line("%s = tt.load %s : %s", again.name.c_str(), pointer.name.c_str(), ptr_text(type, shape).c_str());
    keep(again);
  }
}

/// Runs `body` one level deeper; values made inside do not stay visible.
template <class Body> void Maker::nested(Body body) {
  size_t visible = values_.size();
  ++depth_;
  indent_ += 2;
  body();
  indent_ -= 2;
  --depth_;
  values_.resize(visible);
}

void Maker::for_op() {
  if (depth_ > 1) return;
  std::vector<Value> init;
  unsigned wanted = 1 + unsigned(random_.below(2));
  for (unsigned i = 0; i < wanted; ++i)
    if (const Value *v = find([](const Value &c) { return c.trust == Trust::exact && c.type != DType::i1; })) init.push_back(*v);
  if (init.empty()) return;
  Value lower = integer(int64_t(random_.below(3)), DType::i32, {}), step = integer(1 + int64_t(random_.below(3)), DType::i32, {});
  Value upper = random_.chance(70) ? integer(int64_t(random_.below(7)), DType::i32, {}) : Value{"%n", DType::i32, {}, Trust::exact, false};
  if (upper.name == "%n") upper = binary("arith.remsi", upper, integer(5, DType::i32, {}), DType::i32);
  std::string results = fresh(), iv = fresh(), args, types;
  std::vector<Value> inside;
  for (const Value &v : init) {
    Value in = result(v.type, v.shape, Trust::exact, true); // what grows in a loop may overflow
    in.special = v.is_float();
    args += (args.empty() ? "" : ", ") + in.name + " = " + v.name;
    types += (types.empty() ? "" : ", ") + type_text(v);
    inside.push_back(in);
  }
  line("%s:%zu = scf.for %s = %s to %s step %s iter_args(%s) -> (%s)  : i32 {", results.c_str(), init.size(), iv.c_str(), lower.name.c_str(), upper.name.c_str(), step.name.c_str(), args.c_str(), types.c_str());
  nested([&] {
    keep({iv, DType::i32, {}, Trust::exact, false});
    for (const Value &v : inside) keep(v);
    unsigned statements = 1 + unsigned(random_.below(4));
    for (unsigned i = 0; i < statements; ++i) statement();
    std::string yields;
    for (const Value &v : inside) {
      const Value *y = nullptr; // the newest of the right type more often than not
      for (size_t i = values_.size(); i-- > 0 && !y;)
        if (values_[i].type == v.type && values_[i].shape == v.shape && values_[i].trust == Trust::exact && random_.chance(60)) y = &values_[i];
      yields += (yields.empty() ? "" : ", ") + (y ? y->name : v.name);
    }
    line("scf.yield %s : %s", yields.c_str(), types.c_str());
  });
  line("}");
  for (size_t i = 0; i < inside.size(); ++i) {
    Value v = inside[i];
    v.name = results + "#" + std::to_string(i);
    keep(v);
  }
}

void Maker::if_op() {
  if (depth_ > 1) return;
  const Value *c = find([](const Value &v) { return v.type == DType::i1 && v.shape.empty(); });
  Value condition;
  if (c) condition = *c;
  else {
    condition = result(DType::i1, {});
    Value pid = program_id(), one = integer(1, DType::i32, {});
    line("%s = arith.cmpi slt, %s, %s : i32", condition.name.c_str(), pid.name.c_str(), one.name.c_str());
  }
  const Value *like = find([](const Value &v) { return v.type != DType::i1; });
  if (!like) return;
  Value v = *like;
  v.name = fresh();
  std::string type = type_text(v);
  line("%s = scf.if %s -> (%s) {", v.name.c_str(), condition.name.c_str(), type.c_str());
  auto branch = [&] {
    unsigned statements = unsigned(random_.below(3));
    for (unsigned i = 0; i < statements; ++i) statement();
    const Value *y = find([&](const Value &o) { return o.type == v.type && o.shape == v.shape; });
    v.trust = std::max(v.trust, y->trust);
    v.special |= y->special;
    line("scf.yield %s : %s", y->name.c_str(), type.c_str());
  };
  nested(branch);
  line("} else {");
  nested(branch);
  line("}");
  keep(v);
}

void Maker::while_op() {
  if (depth_ > 0) return;
  const Value *tile = find([](const Value &v) { return v.trust == Trust::exact && v.type != DType::i1; });
  if (!tile) return;
  Value init = *tile, zero = integer(0, DType::i32, {}), limit = integer(int64_t(random_.below(5)), DType::i32, {});
  std::string results = fresh(), type = type_text(init);
  Value count = result(DType::i32, {}), carried = result(init.type, init.shape, Trust::exact, init.is_float());
  line("%s:2 = scf.while (%s = %s, %s = %s) : (i32, %s) -> (i32, %s) {", results.c_str(), count.name.c_str(), zero.name.c_str(), carried.name.c_str(), init.name.c_str(), type.c_str(), type.c_str());
  nested([&] {
    std::string more = fresh();
    line("%s = arith.cmpi slt, %s, %s : i32", more.c_str(), count.name.c_str(), limit.name.c_str());
    line("scf.condition(%s) %s, %s : i32, %s", more.c_str(), count.name.c_str(), carried.name.c_str(), type.c_str());
  });
  line("} do {");
  Value c2 = result(DType::i32, {}), t2 = carried;
  t2.name = fresh();
  line("^bb0(%s: i32, %s: %s):", c2.name.c_str(), t2.name.c_str(), type.c_str());
  nested([&] {
    keep(c2);
    keep(t2);
    unsigned statements = 1 + unsigned(random_.below(3));
    for (unsigned i = 0; i < statements; ++i) statement();
    const Value *y = find([&](const Value &v) { return v.type == init.type && v.shape == init.shape && v.trust == Trust::exact; });
    std::string tile_name = y->name;
    Value next = binary("arith.addi", c2, integer(1, DType::i32, {}), DType::i32);
    line("scf.yield %s, %s : i32, %s", next.name.c_str(), tile_name.c_str(), type.c_str());
  });
  line("}");
  Value v = carried;
  v.name = results + "#1";
  keep(v);
  keep({results + "#0", DType::i32, {}, Trust::exact, false});
}

void Maker::statement() {
  if (budget_ == 0) return;
  --budget_;
  switch (random_.below(24)) {
  case 0: case 1: case 2: case 3: float_op(); break;
  case 4: case 5: case 6: int_op(); break;
  case 7: case 8: bool_op(); break;
  case 9: cast_op(); break;
  case 10: case 11: select_op(); break;
  case 12: case 13: case 14: shape_op(); break;
  case 15: reduce_op(); break;
  case 16: scan_op(); break;
  case 17: math_op(); break;
  case 18: depth_ == 0 && random_.chance(50) ? dot_op() : reduce_op(); break;
  case 19: random_.chance(50) ? softmax_op() : in_place_op(); break;
  case 20: for_op(); break;
  case 21: if_op(); break;
  case 22: while_op(); break;
  default: random_.chance(70) ? load_tile(shape_for_tile(), random_.pick(numeric)) : load_scalar();
  }
}

/// Stores a value into an output of its own, every program into its own part of it.
void Maker::store(const Value &value) {
  Value v = value;
  if (v.type == DType::i1) v = cast(v, DType::i32);
  else if (v.is_float() && v.trust != Trust::exact && v.type == DType::f32 && random_.chance(30)) v = cast(v, random_.chance(50) ? DType::f16 : DType::bf16);
  int64_t span = elements(v.shape);
  unsigned buffer = add_buffer(v.type, uint64_t(span) * program_.grid[0], true);
  tool::Features &f = program_.buffers[buffer].features;
  switch (v.trust) { // each class allows what the smaller ones do
  case Trust::dot_narrow: f.dot_narrow = true; break;
  case Trust::dot_f32: f.dot_f32 = true; break;
  case Trust::reduction: f.float_reduction = true; break;
  case Trust::transcendental: f.transcendental = true; break;
  case Trust::bounded: f.bounded = true; break;
  case Trust::exact: break;
  }
  if (v.shape.empty()) {
    Value pointer = pointers(buffer, program_id());
    line("tt.store %s, %s : %s", pointer.name.c_str(), v.name.c_str(), ptr_text(v.type, {}).c_str());
    return;
  }
  Shape strides = row_major(v.shape);
  if (random_.chance(20)) {
    strides.assign(v.shape.size(), 1);
    for (size_t d = 1; d < v.shape.size(); ++d) strides[d] = strides[d - 1] * v.shape[d - 1];
  }
  Value offsets = linear_index(v.shape, strides);
  Value start = binary("arith.muli", program_id(), integer(span, DType::i32, {}), DType::i32);
  offsets = binary("arith.addi", offsets, splat(start, v.shape), DType::i32);
  Value pointer = pointers(buffer, offsets);
  std::string mask = random_.chance(30) ? ", " + mask_for(v.shape).name : "";
  line("tt.store %s, %s%s : %s", pointer.name.c_str(), v.name.c_str(), mask.c_str(), ptr_text(v.type, v.shape).c_str());
}

Program Maker::make() {
  program_.grid[0] = 1 + uint32_t(random_.below(3));
  program_.scalar = int32_t(random_.below(40));
  unsigned loads = 1 + unsigned(random_.below(3));
  for (unsigned i = 0; i < loads; ++i) load_tile(shape_for_tile(), random_.pick(numeric));
  load_scalar();
  budget_ = 4 + unsigned(random_.below(28));
  while (budget_) statement();
  unsigned stores = 1 + unsigned(random_.below(4));
  for (unsigned i = 0; i < stores; ++i) {
    // The newest values are the ones that most was done for.
    size_t back = random_.below(values_.size() < 6 ? values_.size() : 6);
    store(Value(values_[values_.size() - 1 - back]));
  }
  std::string arguments;
  for (size_t i = 0; i < program_.buffers.size(); ++i)
    arguments += "%p" + std::to_string(i) + ": " + ptr_text(program_.buffers[i].type, {}) + (random_.chance(50) ? " {tt.divisibility = 16 : i32}, " : ", ");
  program_.text = "module {\n  tt.func public @random(" + arguments + "%n: i32) {\n" + body_ + "    tt.return\n  }\n}\n";
  return program_;
}

} // namespace

Program make_program(uint64_t seed) { return Maker(seed * 0x9e3779b97f4a7c15u + 12345).make(); }

std::vector<uint8_t> make_contents(const Buffer &buffer, uint64_t seed) {
  const tool::DTypeInfo &row = tool::info(buffer.type);
  std::vector<uint8_t> bytes(buffer.count * row.size);
  if (buffer.output) return bytes;
  Random random{seed};
  for (uint64_t i = 0; i < buffer.count; ++i) {
    uint64_t bits;
    if (!row.is_float) bits = random.chance(10) ? random.next() : uint64_t(int64_t(random.below(200)) - 100);
    else if (buffer.special && random.chance(20)) {
      static constexpr double specials[] = {0.0, -0.0, 1e30, -1e-42, 65504, 1e-7};
      unsigned k = unsigned(random.below(9));
      bits = k == 6 ? tessera::num::nan_bits(row.format)
             : k > 6 ? tessera::num::encode(row.format, k == 7 ? __builtin_inf() : -__builtin_inf())
                     : tessera::num::encode(row.format, specials[k]);
    } else bits = tessera::num::encode(row.format, (double(random.below(1u << 20)) / (1u << 19) - 1) * 4);
    tool::store_bits(buffer.type, bytes.data() + i * row.size, bits);
  }
  return bytes;
}

} // namespace fuzz
