#include <algorithm>
#include <cmath>
#include <limits>

#include "program/program.h"
#include "runtime/arena.h"
#include "runtime/status.h"

namespace lstm {
namespace {

constexpr int32_t kFormat = 1;
// No address space is larger; products of sizes below it cannot overflow.
constexpr double kMaxBytes = 140737488355328.0;  // 2^47
constexpr int32_t kMaxInteger = std::numeric_limits<int32_t>::max();

[[noreturn]] void refuse(const std::string& what) { throw InvalidInput("encoded program: " + what); }
void require(bool condition, const char* what) {
  if (!condition) refuse(what);
}

class Decoder {
 public:
  Decoder(const int32_t* words, size_t word_count, const double* numbers, size_t number_count)
      : word_(words), words_end_(words + word_count), number_(numbers), numbers_end_(numbers + number_count) {}

  Program decode(std::vector<std::string> states) {
    require(word() == kFormat, "another version of the format");
    program_.states = std::move(states);
    for (int32_t& capacity : program_.capacities) capacity = word_in(0, kMaxInteger);
    program_.arena_bytes = static_cast<size_t>(word_in(0, kMaxInteger)) * kAlignment;
    decode_values();
    decode_inputs();
    decode_equations();
    decode_results();
    require(word_ == words_end_ && number_ == numbers_end_, "words or numbers are left over");
    return std::move(program_);
  }

 private:
  int32_t word() {
    require(word_ != words_end_, "it ends early");
    return *word_++;
  }
  int32_t word_in(int32_t low, int32_t high) {
    const int32_t value = word();
    require(low <= value && value <= high, "a number is out of range");
    return value;
  }
  // A length; each element takes a word at least, so that no corrupt length makes us allocate much.
  size_t count() {
    const int32_t value = word();
    require(value >= 0 && value <= words_end_ - word_, "a length is out of range");
    return static_cast<size_t>(value);
  }
  std::vector<int32_t> ids() {
    std::vector<int32_t> values(count());
    for (int32_t& value : values) value = word_in(0, static_cast<int32_t>(program_.values.size()) - 1);
    return values;
  }

  void decode_values() {
    program_.values.resize(count());
    made_.assign(program_.values.size(), false);
    for (size_t index = 0; index < program_.values.size(); ++index) {
      decode_value(program_.values[index]);
      const Place place = program_.values[index].place;
      made_[index] = place == Place::input || place == Place::state;
    }
  }

  void decode_inputs() {
    program_.inputs = ids();
    for (size_t id = 0; id < program_.values.size(); ++id) {
      const Value& value = program_.values[id];
      if (value.place != Place::input) continue;
      const size_t position = static_cast<size_t>(value.position);
      require(position < program_.inputs.size() && program_.inputs[position] == static_cast<int32_t>(id),
              "an input is unknown");
    }
    for (int32_t input : program_.inputs)
      require(program_.values[input].place == Place::input, "an input lies elsewhere");
  }

  void decode_value(Value& value) {
    value.dtype = static_cast<Dtype>(word_in(0, 2));
    value.rank = word_in(0, kMaxRank);
    double bytes = static_cast<double>(element_bytes(value.dtype));
    for (int axis = 0; axis < value.rank; ++axis) {
      Dim& dim = value.dims[axis];
      dim.coefficient = word_in(0, kMaxInteger);
      bytes *= std::max(dim.coefficient, 1);
      for (int name = 0; name < kCountNames; ++name) {
        dim.exponents[name] = word_in(0, kMaxRank);
        for (int power = 0; power < dim.exponents[name]; ++power) bytes *= std::max(program_.capacities[name], 1);
      }
    }
    require(bytes < kMaxBytes, "a value is too large");
    value.place = static_cast<Place>(word_in(0, 3));
    value.position = word_in(0, kMaxInteger);
    if (value.place == Place::arena) {
      value.position *= static_cast<int64_t>(kAlignment);
      const size_t end = static_cast<size_t>(value.position) + value_bytes(value, program_.capacities);
      require(end <= program_.arena_bytes, "a value lies outside the arena");
    }
    require(value.place != Place::state || static_cast<size_t>(value.position) < program_.states.size(),
            "a state is unknown");
  }

  void decode_equations() {
    const size_t equations = count();
    program_.compute_count = word_in(0, static_cast<int32_t>(equations));
    made_by_commit_.assign(program_.values.size(), false);
    for (size_t index = 0; index < equations; ++index) {
      const bool commit = index >= static_cast<size_t>(program_.compute_count);
      program_.equations.push_back(decode_equation(commit));
    }
  }

  Equation decode_equation(bool commit) {
    Equation equation;
    equation.opcode = word_in(0, static_cast<int32_t>(signatures().size()) - 1);
    const Signature& signature = signatures()[equation.opcode];
    if (signature.kernel < 0) refuse("this build has no kernel for " + signature.name);
    for (const SlotSignature& slot : signature.operands) {
      equation.operands.push_back(ids());
      check_slot(signature, slot, equation.operands.back());
      for (int32_t value : equation.operands.back()) require(made_[value], "a value is read before it is made");
    }
    for (const SlotSignature& slot : signature.outputs) {
      equation.outputs.push_back(ids());
      check_slot(signature, slot, equation.outputs.back());
      for (size_t index = 0; index < equation.outputs.back().size(); ++index) {
        check_output(equation, slot, index, equation.outputs.back()[index], commit);
      }
    }
    for (const AttributeSignature& attribute : signature.attributes) {
      equation.attributes.push_back(decode_attribute(attribute));
    }
    return equation;
  }

  static void check_slot(const Signature& signature, const SlotSignature& slot, size_t count) {
    const bool fits = slot.arity == Arity::many || count == 1 || (slot.arity == Arity::optional && count == 0);
    if (!fits) refuse(signature.name + ": " + slot.name + " has the wrong number of values");
  }
  void check_slot(const Signature& signature, const SlotSignature& slot, const std::vector<int32_t>& values) const {
    check_slot(signature, slot, values.size());
    for (int32_t value : values) {
      const Dtype dtype = program_.values[value].dtype;
      const bool fits = slot.dtype == "any"       ? dtype != Dtype::float64
                        : slot.dtype == "int32"   ? dtype == Dtype::int32
                        : slot.dtype == "float64" ? dtype == Dtype::float64
                                                  : dtype == Dtype::float32;
      if (!fits) refuse(signature.name + ": " + slot.name + " has the wrong dtype");
    }
  }

  // An output lies in the arena, unless nobody reads it or it overwrites a state in the commit.
  void check_output(const Equation& equation, const SlotSignature& slot, size_t index, int32_t id, bool commit) {
    const Value& value = program_.values[id];
    if (slot.in_place >= 0) {
      require(commit, "a state is overwritten before the commit");
      const std::vector<int32_t>& operands = equation.operands[slot.in_place];
      require(index < operands.size(), "an output overwrites no operand");
      const Value& operand = program_.values[operands[index]];
      require(value.place == Place::state && operand.place == Place::state && value.position == operand.position &&
                  value_bytes(value, program_.capacities) == value_bytes(operand, program_.capacities),
              "an output and the operand that it overwrites lie apart");
      program_.written_states.push_back(static_cast<int32_t>(value.position));
    } else {
      require(!made_[id], "a value is made twice, or lies in an input or a state");
      require(value.place == Place::arena || slot.arity == Arity::on_demand, "an output has no place");
    }
    made_[id] = value.place != Place::unplanned;
    made_by_commit_[id] = commit;
  }

  std::vector<double> decode_attribute(const AttributeSignature& attribute) {
    const size_t values = static_cast<size_t>(word_in(0, kMaxInteger));
    require(values <= static_cast<size_t>(numbers_end_ - number_), "an attribute is out of range");
    const bool is_list = attribute.kind == "integers" || attribute.kind == "numbers";
    const bool fits = is_list ? attribute.count == 0 || values == attribute.count : values == 1;
    require(fits, "an attribute has the wrong number of values");
    const std::vector<double> decoded(number_, number_ + values);
    number_ += values;
    if (attribute.kind != "number" && attribute.kind != "numbers") {
      for (double value : decoded)
        require(std::abs(value) <= kMaxInteger && value == std::floor(value), "an attribute is not an integer");
    }
    return decoded;
  }

  void decode_results() {
    program_.guards = made_ids();
    for (int32_t guard : program_.guards) {
      const Value& value = program_.values[guard];
      require(value.rank == 0 && value.dtype != Dtype::int32, "a guard is not a scalar");
      require(!made_by_commit_[guard], "a guard is made by the commit");
    }
    program_.outputs = made_ids();
    for (int32_t output : program_.outputs) program_.made_by_commit.push_back(made_by_commit_[output]);
    const std::vector<int32_t> states = made_ids();
    const std::vector<int32_t> nexts = made_ids();
    require(states.size() == nexts.size(), "states and next values differ in number");
    for (size_t index = 0; index < states.size(); ++index) decode_next(states[index], nexts[index]);
  }

  std::vector<int32_t> made_ids() {
    std::vector<int32_t> values = ids();
    for (int32_t value : values) require(made_[value], "a result is never made");
    return values;
  }

  void decode_next(int32_t state_id, int32_t next_id) {
    const Value& state = program_.values[state_id];
    const Value& next = program_.values[next_id];
    require(state.place == Place::state, "something that is no state becomes another value");
    require(state.dtype == next.dtype, "a state becomes a value of another dtype");
    require(value_bytes(state, program_.capacities) == value_bytes(next, program_.capacities),
            "a state becomes a value of another size");
    if (next.place == Place::state && next.position == state.position) return;
    require(next.place != Place::state, "a state becomes another state");
    program_.next_states.push_back({state_id, next_id});
    program_.written_states.push_back(static_cast<int32_t>(state.position));
  }

  const int32_t* word_;
  const int32_t* words_end_;
  const double* number_;
  const double* numbers_end_;
  Program program_{};
  std::vector<bool> made_;
  std::vector<bool> made_by_commit_;
};

}  // namespace

size_t value_bytes(const Value& value, const Counts& counts) {
  size_t bytes = element_bytes(value.dtype);
  for (int axis = 0; axis < value.rank; ++axis) bytes *= static_cast<size_t>(value.dims[axis].at(counts));
  return bytes;
}

Program decode(const int32_t* words, size_t word_count, const double* numbers, size_t number_count,
               std::vector<std::string> states) {
  return Decoder(words, word_count, numbers, number_count).decode(std::move(states));
}

}  // namespace lstm
