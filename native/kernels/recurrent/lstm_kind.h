// Which LSTM an op is: what each gate and the cell go through, and the bound of the cell.
#pragma once

#include "kernels/call.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

// The positions of `activations` in lib/ops/recurrent/lstmKind.ts. `one` is a gate that is not there; `coupled` the forget
// gate 1 - i.
enum class LstmActivation : int { sigmoid, tanh, relu, hard_sigmoid, identity, one, coupled };

constexpr float kHardSigmoidSlope = 0.2f;

// NaN stays NaN: min and max keep their second operand where one is.
LSTM_INLINE Vector clamp(Vector v, Vector low, Vector high) { return min(high, max(low, v)); }

// What is neither sigmoid nor tanh: none of it costs a division.
LSTM_INLINE Vector activate_cheaply(LstmActivation activation, Vector z) {
  switch (activation) {
    case LstmActivation::relu:
      return max(zero(), z);
    case LstmActivation::hard_sigmoid:
      return clamp(fma(broadcast(kHardSigmoidSlope), z, broadcast(0.5f)), zero(), broadcast(1.0f));
    case LstmActivation::one:
      return broadcast(1.0f);
    default:
      return z;
  }
}

// Inlined, because a call would spill what the cell has in registers: 10 % of a training step at H 128.
LSTM_INLINE Vector activate(LstmActivation activation, Vector z) {
  if (activation == LstmActivation::sigmoid) return sigmoid(z);
  if (activation == LstmActivation::tanh) return tanh(z);
  return activate_cheaply(activation, z);
}

// The slope where the value is y.
LSTM_INLINE Vector slope_at(LstmActivation activation, Vector y) {
  const Vector one = broadcast(1.0f);
  switch (activation) {
    case LstmActivation::sigmoid:
      return multiply(y, subtract(one, y));
    case LstmActivation::tanh:
      return negative_fma(y, y, one);
    case LstmActivation::relu:
      return select(less(zero(), y), one, zero());
    case LstmActivation::hard_sigmoid:
      return select(both(less(zero(), y), less(y, one)), broadcast(kHardSigmoidSlope), zero());
    case LstmActivation::identity:
      return one;
    default:
      return zero();
  }
}

struct LstmKind {
  LstmActivation input, forget, candidate, output, cell;
  float clip;  // 0: none

  bool plain() const {
    return clip == 0 && input == LstmActivation::sigmoid && forget == LstmActivation::sigmoid &&
           candidate == LstmActivation::tanh && output == LstmActivation::sigmoid && cell == LstmActivation::tanh;
  }
};

// From the attributes `activations` and `cell_clip`, at `attribute` and the one after.
inline LstmKind lstm_kind_of(const Call& call, int attribute) noexcept {
  const double* codes = call.attributes[attribute].values;
  const auto code = [codes](int place) { return static_cast<LstmActivation>(static_cast<int>(codes[place])); };
  return {code(0), code(1), code(2), code(3), code(4), static_cast<float>(call.number(attribute + 1))};
}

// A peephole weight [3H]; missing when null. Its rows belong to the input, the forget and the output gate.
struct LstmPeepholes {
  const float *input, *forget, *output;

  LstmPeepholes() = default;
  LstmPeepholes(const float* weight, int64_t hidden_size)
      : input(weight),
        forget(weight ? weight + hidden_size : nullptr),
        output(weight ? weight + 2 * hidden_size : nullptr) {}
};

// A share of zoneout, one for each element of [T,B,width] or a vector for all; missing when null.
struct LstmShare {
  const float* data;
  int64_t stride;  // from row to row of [T,B]

  const float* row(int64_t position) const { return data ? data + position * stride : nullptr; }
};

inline LstmShare lstm_share_of(const Call& call, int slot) noexcept {
  if (!call.has(slot)) return {nullptr, 0};
  const Tensor& share = call.operand(slot);
  return {share.f32(), share.rank == 1 ? 0 : share.dim(-1)};
}

// keep * before + (1 - keep) * after: exactly one of them where keep is 1 or 0.
LSTM_INLINE Vector mix(Vector keep, Vector before, Vector after) {
  return fma(keep, before, multiply(subtract(broadcast(1.0f), keep), after));
}

}  // namespace lstm::LSTM_ISA
