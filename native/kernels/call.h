// What a kernel is called with: the tensors of one equation, by slot, with the sizes of this run.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "runtime/inline.h"

namespace lstm {

enum class Dtype : int32_t { float32 = 0, int32 = 1, float64 = 2 };

constexpr int kMaxRank = 6;

// Row-major and dense. `data` is null for an output that nobody reads.
struct Tensor {
  void* data;
  Dtype dtype;
  int32_t rank;
  int64_t dims[kMaxRank];

  LSTM_INLINE float* f32() const { return static_cast<float*>(data); }
  LSTM_INLINE int32_t* i32() const { return static_cast<int32_t*>(data); }
  LSTM_INLINE double* f64() const { return static_cast<double*>(data); }

  LSTM_INLINE int64_t size() const {
    int64_t product = 1;
    for (int axis = 0; axis < rank; ++axis) product *= dims[axis];
    return product;
  }
  // The size of an axis; negative counts from the last.
  LSTM_INLINE int64_t dim(int axis) const { return dims[axis < 0 ? rank + axis : axis]; }
  // Every axis but the last, as one.
  LSTM_INLINE int64_t rows() const { return rank == 0 ? 1 : (dim(-1) == 0 ? 0 : size() / dim(-1)); }
};

// The values bound to a named slot: none for a missing optional operand, several for a list.
struct Slot {
  const Tensor* tensors;
  int32_t count;
};

struct Attribute {
  const double* values;
  int32_t count;
};

// Slots, attributes and packs stand in the order of the op's signature (program/signatures.cc).
struct Call {
  const Slot* operands;
  const Slot* outputs;
  const Attribute* attributes;
  // Packed weights, one for each pack of the signature; 64-byte aligned.
  const float* const* packs;
  // What the kernel's workspace function asked for; 64-byte aligned, shared by the team, contents undefined.
  void* workspace;

  LSTM_INLINE bool has(int slot) const { return operands[slot].count > 0; }
  LSTM_INLINE const Tensor& operand(int slot, int index = 0) const { return operands[slot].tensors[index]; }
  LSTM_INLINE const Tensor& output(int slot, int index = 0) const { return outputs[slot].tensors[index]; }
  // Null when the optional operand is missing.
  LSTM_INLINE const float* operand_f32(int slot) const { return has(slot) ? operand(slot).f32() : nullptr; }
  LSTM_INLINE const int32_t* operand_i32(int slot) const { return has(slot) ? operand(slot).i32() : nullptr; }
  LSTM_INLINE double number(int attribute) const { return attributes[attribute].values[0]; }
  LSTM_INLINE int64_t integer(int attribute) const { return static_cast<int64_t>(attributes[attribute].values[0]); }
  LSTM_INLINE bool flag(int attribute) const { return attributes[attribute].values[0] != 0; }
};

}  // namespace lstm
