// Which LSTM an op is: what each gate and the cell go through, and the bound of the cell.
#pragma once

#include "kernels/recurrent/sequence.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

// The positions of `activations` in lib/ops/recurrent/lstmKind.ts. `one` is a gate that is not there; `coupled` the forget
// gate 1 - i.
enum class LstmActivation : int { sigmoid, tanh, relu, hard_sigmoid, identity, one, coupled };

constexpr float kHardSigmoidSlope = 0.2f;

// NaN stays NaN: min and max keep their second operand where one is.
LSTM_INLINE Vector clamp(Vector v, Vector low, Vector high) { return min(high, max(low, v)); }

// v within ±limit; a limit of 0 bounds nothing.
LSTM_INLINE Vector bounded(Vector v, float limit) {
  return limit > 0 ? clamp(v, broadcast(-limit), broadcast(limit)) : v;
}

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

// What an activation has when its input is bounded to ±clip: [gate][least, greatest], or null for no bound.
struct GateBounds {
  const float* data;
};

// Writes them for one gate; 0 where there is no bound.
template <class Value>
LSTM_INLINE void write_bounds(float limit, Value value, float* bounds, int gate) noexcept {
  const auto at = [&](float z) { return limit > 0 ? value(broadcast(z)) : zero(); };
  store_first(bounds + 2 * gate, at(-limit), int64_t{1});
  store_first(bounds + 2 * gate + 1, at(limit), int64_t{1});
}

// The slope where a gate's value is y; none where its input was clipped.
LSTM_INLINE Vector slope_within(GateBounds bounds, int gate, Vector y, Vector slope) {
  if (!bounds.data) return slope;
  const Vector low = broadcast(bounds.data[2 * gate]), high = broadcast(bounds.data[2 * gate + 1]);
  return select(either(less_equal(y, low), less_equal(high, y)), zero(), slope);
}

struct LstmKind {
  LstmActivation input, forget, candidate, output, cell;
  float clip, gate_clip;  // of the cell, and of what enters a gate's activation; 0: none

  // In the order of lstm_gates.h.
  LstmActivation gate(int gate) const {
    return gate == 0 ? input : gate == 1 ? forget : gate == 2 ? candidate : output;
  }
  // Whether a gate has weights of its own: it is there, and not coupled.
  bool weighted(int place) const {
    return gate(place) != LstmActivation::one && gate(place) != LstmActivation::coupled;
  }

  bool plain() const {
    return clip == 0 && gate_clip == 0 && input == LstmActivation::sigmoid && forget == LstmActivation::sigmoid &&
           candidate == LstmActivation::tanh && output == LstmActivation::sigmoid && cell == LstmActivation::tanh;
  }
};

// From the attributes `activations`, `cell_clip` and `gate_clip`, at `attribute` and after it.
inline LstmKind lstm_kind_of(const Call& call, int attribute) noexcept {
  const double* codes = call.attributes[attribute].values;
  const auto code = [codes](int place) { return static_cast<LstmActivation>(static_cast<int>(codes[place])); };
  return {code(0),
          code(1),
          code(2),
          code(3),
          code(4),
          static_cast<float>(call.number(attribute + 1)),
          static_cast<float>(call.number(attribute + 2))};
}

// Operand slots that lstm, lstm_step and lstm_backward have at the same places: what belongs to options.
enum LstmSlot : int {
  kPeepholeSlot = 7,
  kProjectionSlot,
  kKeepHiddenSlot,
  kKeepCellSlot,
  kMaskSlot,
  kGateStateSlot,  // of the step before, or its gradient
  kGateWeightSlot,
  kNormInputSlot,
  kNormStateSlot,
  kNormCellSlot,
  kNormCellBiasSlot,
  kSlotsAfterOptions
};

inline bool has_lstm_options(const Call& call) noexcept {
  for (int slot = kPeepholeSlot; slot < kSlotsAfterOptions; ++slot) {
    if (call.has(slot)) return true;
  }
  return false;
}

// The gains and the bias of layer normalization; missing when null.
struct LstmNorm {
  const float *input, *state;     // [4H]
  const float *cell, *cell_bias;  // [H]

  LstmNorm() = default;
  explicit LstmNorm(const Call& call)
      : input(call.operand_f32(kNormInputSlot)),
        state(call.operand_f32(kNormStateSlot)),
        cell(call.operand_f32(kNormCellSlot)),
        cell_bias(call.operand_f32(kNormCellBiasSlot)) {}
};

// The gates that the next step may see: input, forget and output.
constexpr int kRecurrentGates = 3;

// clear_past_lengths, or all of the rows' time where nothing was written.
inline void clear_rows_past_lengths(const SequenceWalk& walk, Range rows, float* matrix, int64_t width,
                                    bool written) noexcept {
  if (!matrix || written) return clear_past_lengths(walk, rows, matrix, width);
  for (int64_t time = 0; time < walk.steps; ++time) {
    clear(matrix + (time * walk.batch + rows.begin) * width, rows.size() * width);
  }
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
