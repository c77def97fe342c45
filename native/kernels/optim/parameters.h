// What update kernels share: all parameters as one range of elements, so that threads share them evenly whatever their
// sizes, and the operands with which every update begins (lib/ops/update/parameters.ts).
#pragma once

#include "kernels/elementwise/map.h"

namespace lstm::LSTM_ISA {

// Slots of every update, in this order; the op's own states follow.
constexpr int kParameters = 0, kGradients = 1, kLearningRate = 2, kWeightDecay = 3, kScale = 4, kClipValue = 5,
              kOwnOperands = 6;
// The group of each parameter; the op's own attributes follow.
constexpr int kGroups = 0, kOwnAttributes = 1;

LSTM_INLINE Vector broadcast_rounded(double x) { return broadcast(static_cast<float>(x)); }

// The optional scalar of a slot.
LSTM_INLINE double scalar_or(const Call& call, int slot, double missing) {
  return call.has(slot) ? *call.operand(slot).f64() : missing;
}

// f(k, range) for this thread's part of every tensor of a list.
template <class Function>
LSTM_INLINE void for_each_range(const Slot& list, const Team& team, Function f) {
  int64_t total = 0;
  for (int k = 0; k < list.count; ++k) total += list.tensors[k].size();
  const Range own = team.split(total, kGrain);
  int64_t offset = 0;
  for (int k = 0; k < list.count; ++k) {
    const int64_t size = list.tensors[k].size();
    const int64_t begin = own.begin > offset ? own.begin - offset : 0;
    const int64_t end = own.end - offset < size ? own.end - offset : size;
    if (begin < end) f(k, Range{begin, end});
    offset += size;
  }
}

// One thread's part of one parameter, with its gradient as clipped.
struct Part {
  int index;
  Range range;
  double rate, decay;
  float* parameter;
  const float* gradient;
  Vector scale, bound;

  LSTM_INLINE Vector p(int64_t i, size_t n) const { return load_first(parameter + i, n); }
  // scale * gradient within ± bound; the bound stands first in min and max, so NaN stays NaN.
  LSTM_INLINE Vector g(int64_t i, size_t n) const {
    const Vector scaled = multiply(scale, load_first(gradient + i, n));
    return min(bound, max(subtract(zero(), bound), scaled));
  }
};

// f(part) for this thread's part of every parameter.
template <class Function>
LSTM_INLINE void for_each_part(const Call& call, const Team& team, Function f) {
  const double* groups = call.attributes[kGroups].values;
  Part part;
  part.scale = broadcast_rounded(scalar_or(call, kScale, 1));
  part.bound = broadcast_rounded(scalar_or(call, kClipValue, __builtin_inf()));
  for_each_range(call.operands[kParameters], team, [&](int k, Range range) {
    const int64_t group = static_cast<int64_t>(groups[k]);
    part.index = k;
    part.range = range;
    part.rate = call.operand(kLearningRate).f64()[group];
    part.decay = call.operand(kWeightDecay).f64()[group];
    part.parameter = call.output(0, k).f32();
    part.gradient = call.operand(kGradients, k).f32();
    f(part);
  });
}

}  // namespace lstm::LSTM_ISA
