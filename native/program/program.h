// A decoded program: checked, and as flat as the executor wants it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/call.h"
#include "program/signatures.h"

namespace lstm {

// The run-time sizes T, B and S.
constexpr int kCountNames = 3;
using Counts = std::array<int32_t, kCountNames>;

// coefficient · T^t · B^b · S^s
struct Dim {
  int32_t coefficient;
  std::array<int32_t, kCountNames> exponents;

  int64_t at(const Counts& counts) const {
    int64_t size = coefficient;
    for (int name = 0; name < kCountNames; ++name) {
      for (int power = 0; power < exponents[name]; ++power) size *= counts[name];
    }
    return size;
  }
};

// Where a value lies. Its `position` is a byte offset in the arena, or the index of an input or a state.
enum class Place : int32_t { arena = 0, input = 1, state = 2, unplanned = 3 };

struct Value {
  Dtype dtype;
  int32_t rank;
  Dim dims[kMaxRank];
  Place place;
  int64_t position;
};

constexpr size_t element_bytes(Dtype dtype) { return dtype == Dtype::float64 ? 8 : 4; }

// Bytes of a value at these counts; they are no larger than the capacities, for which decoding has excluded overflow.
size_t value_bytes(const Value& value, const Counts& counts);

struct Equation {
  int opcode;
  // The values of each slot, in the order of the signature.
  std::vector<std::vector<int32_t>> operands;
  std::vector<std::vector<int32_t>> outputs;
  std::vector<std::vector<double>> attributes;
};

struct NextState {
  int32_t state;  // the value of the state
  int32_t next;   // the value that it becomes
};

struct Program {
  Counts capacities;
  size_t arena_bytes;
  std::vector<std::string> states;  // names
  std::vector<Value> values;
  std::vector<int32_t> inputs;  // values
  std::vector<Equation> equations;
  int compute_count;  // the equations from here on are the commit
  std::vector<int32_t> guards;
  std::vector<int32_t> outputs;
  // For each output: whether the commit makes it, so that there is none when a guard fails.
  std::vector<bool> made_by_commit;
  std::vector<NextState> next_states;   // those that have to be copied
  std::vector<int32_t> written_states;  // indices of every state that the commit changes
};

// Reads what lib/backend/native/encode.ts wrote. Throws InvalidInput for anything that could lead the executor astray. The
// shapes of operands among themselves, and attributes that must fit them, were checked when the program was built.
Program decode(const int32_t* words, size_t word_count, const double* numbers, size_t number_count,
               std::vector<std::string> states);

}  // namespace lstm
