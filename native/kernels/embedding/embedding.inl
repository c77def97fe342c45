// Rows of a table by token, forward and backward.
#pragma once

#include "kernels/elementwise/map.h"

namespace lstm::LSTM_ISA {

// embedding
// Computes  y[r] = scale[tokens[r]]·weight[tokens[r]]
// Shapes    tokens [...], weight [V,E], scale? [V] (1 where missing), y [...,E]
// Layout    dense
// Aliasing  none
// Accuracy  exact, with a scale 0.5 ULP; a token outside [0, V) gives a row of NaN, never a read outside the table
// Source    Bengio et al. 2003, the look-up table
void embedding(const Call& call, Team& team) noexcept {
  const int32_t* tokens = call.operand(0).i32();
  const Tensor& weight = call.operand(1);
  const float* scale = call.operand_f32(2);
  float* y = call.output(0).f32();
  const int64_t features = weight.dim(1);
  const Range range = team.split(call.operand(0).size());
  for (int64_t row = range.begin; row < range.end; ++row) {
    const int64_t token = tokens[row];
    const bool known = token >= 0 && token < weight.dim(0);
    if (known && scale != nullptr) {
      const Vector factor = broadcast(scale[token]);
      map_range(
          {0, features}, y + row * features, [=](Vector v) { return multiply(factor, v); },
          weight.f32() + token * features);
    } else if (known) {
      memcpy(y + row * features, weight.f32() + token * features, static_cast<size_t>(features) * sizeof(float));
    } else {
      map_range({0, features}, y + row * features, [] { return broadcast(NAN); });
    }
  }
}

// embedding_backward
// Computes  dweight[v] = Σ scale[v]·dy[r] over the rows r with tokens[r] = v, in order of r, from 0
// Shapes    dy [...,E], tokens [...], scale? [V] (1 where missing), dweight [V,E]
// Layout    dense; threads own columns, so that frequent tokens burden all alike
// Aliasing  none
// Accuracy  float32 chain in order of r; tokens outside [0, V) add nothing
// Source    transpose of the look-up
void embedding_backward(const Call& call, Team& team) noexcept {
  const float* dy = call.operand(0).f32();
  const int32_t* tokens = call.operand(1).i32();
  const float* scale = call.operand_f32(2);
  const Tensor& dweight = call.output(0);
  const int64_t rows = call.operand(1).size();
  const int64_t features = dweight.dim(1);
  const Range columns = team.split(features, kGrain);
  if (columns.size() == 0) return;
  for (int64_t token = 0; token < dweight.dim(0); ++token) {
    memset(dweight.f32() + token * features + columns.begin, 0, static_cast<size_t>(columns.size()) * sizeof(float));
  }
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t token = tokens[row];
    if (token < 0 || token >= dweight.dim(0)) continue;
    float* sum = dweight.f32() + token * features;
    // With 1 the FMA is an addition.
    const Vector factor = broadcast(scale == nullptr ? 1.0f : scale[token]);
    map_range(
        columns, sum, [=](Vector a, Vector b) { return fma(factor, b, a); }, sum, dy + row * features);
  }
}

}  // namespace lstm::LSTM_ISA
