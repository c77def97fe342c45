// Layer normalization over the last axis, forward and backward.
#pragma once

#include "kernels/multiply/tile.h"
#include "kernels/steps.h"
#include "simd/reduce.h"

namespace lstm::LSTM_ISA {

LSTM_INLINE Vector load_or(const float* p, int64_t i, size_t n, float otherwise) {
  return p == nullptr ? broadcast(otherwise) : load_first(p + i, n);
}

// The mean of value(i, n) over [0, size), by the 16 virtual lanes.
template <class Value>
LSTM_INLINE float row_mean(int64_t size, Value value) {
  return reduce<LaneSum>(static_cast<size_t>(size), value) / static_cast<float>(size);
}

LSTM_INLINE float inverse_root(float x) {
  float lanes[kLanes];
  store(lanes, divide(broadcast(1.0f), sqrt(broadcast(x))));
  return lanes[0];
}

// layer_norm
// Computes  mean = Σ x / F;  rstd = 1 / √(Σ (x - mean)² / F + eps);  y = (x - mean)·rstd·weight + bias; 0 past a length
// Shapes    x, y [...,F] ([T,B,...,F] with lengths [B]), weight?, bias? [F] (1 and 0 where missing); mean!, rstd! [...]
// Layout    dense
// Aliasing  y may be x
// Accuracy  sums in 16 virtual lanes, the variance in a second pass: (F/16 + 8) ULP of the largest |x - mean| at most
// Source    Ba, Kiros & Hinton 2016, equation 4; PyTorch nn.LayerNorm
void layer_norm(const Call& call, Team& team) noexcept {
  const Tensor& y = call.output(0);
  const int64_t size = y.dim(-1);
  const float *weight = call.operand_f32(1), *bias = call.operand_f32(2);
  const StepRows steps(y, call.operand_i32(3));
  float *means = call.output(1).f32(), *rstds = call.output(2).f32();
  const float eps = static_cast<float>(call.number(0));
  const Range rows = team.split(y.rows());
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* x = call.operand(0).f32() + row * size;
    float* out = y.f32() + row * size;
    float mean = 0, rstd = 0;
    if (steps.within(row)) {
      mean = row_mean(size, [=](size_t i, size_t n) { return load_first(x + i, n); });
      const Vector center = broadcast(mean);
      rstd = inverse_root(row_mean(size,
                                   [=](size_t i, size_t n) {
                                     const Vector distance = subtract(load_first(x + i, n), center);
                                     return multiply(distance, distance);
                                   }) +
                          eps);
      const Vector scale = broadcast(rstd);
      for_each_vector({0, size}, [=](int64_t i, size_t n) {
        const Vector normalized = multiply(subtract(load_first(x + i, n), center), scale);
        store_first(out + i, fma(normalized, load_or(weight, i, n, 1), load_or(bias, i, n, 0)), n);
      });
    } else {
      clear_row(out, size);
    }
    if (means != nullptr) means[row] = mean;
    if (rstds != nullptr) rstds[row] = rstd;
  }
}

// What the backward pass knows of its rows.
struct NormalizedRows {
  const float *dy, *x, *means, *rstds, *weight;
  StepRows steps;
  int64_t rows, size;

  explicit NormalizedRows(const Call& call)
      : dy(call.operand(0).f32()),
        x(call.operand(1).f32()),
        means(call.operand(2).f32()),
        rstds(call.operand(3).f32()),
        weight(call.operand_f32(4)),
        steps(call.operand(1), call.operand_i32(5)),
        rows(call.operand(1).rows()),
        size(call.operand(1).dim(-1)) {}

  LSTM_INLINE Vector normalized(int64_t row, int64_t i, size_t n) const {
    return multiply(subtract(load_first(x + row * size + i, n), broadcast(means[row])), broadcast(rstds[row]));
  }
  LSTM_INLINE Vector given(int64_t row, int64_t i, size_t n) const { return load_first(dy + row * size + i, n); }
  LSTM_INLINE Vector scaled(int64_t row, int64_t i, size_t n) const {
    return multiply(given(row, i, n), load_or(weight, i, n, 1));
  }
};

inline void layer_norm_backward_input(const NormalizedRows& all, float* dx, const Team& team) noexcept {
  const Range rows = team.split(all.rows);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    float* out = dx + row * all.size;
    if (!all.steps.within(row)) {
      clear_row(out, all.size);
      continue;
    }
    const auto scaled = [=, &all](size_t i, size_t n) { return all.scaled(row, static_cast<int64_t>(i), n); };
    const Vector mean = broadcast(row_mean(all.size, scaled));
    const Vector projection = broadcast(row_mean(all.size, [=, &all](size_t i, size_t n) {
      return multiply(scaled(i, n), all.normalized(row, static_cast<int64_t>(i), n));
    }));
    const Vector rstd = broadcast(all.rstds[row]);
    for_each_vector({0, all.size}, [=, &all](int64_t i, size_t n) {
      const Vector centered = subtract(all.scaled(row, i, n), mean);
      store_first(out + i, multiply(rstd, negative_fma(all.normalized(row, i, n), projection, centered)), n);
    });
  }
}

// dweight and dbias, either of which may be null: each column one chain over the rows.
inline void layer_norm_backward_affine(const NormalizedRows& all, float* dweight, float* dbias,
                                       const Team& team) noexcept {
  const Range columns = team.split(all.size, kGrain);
  for (int64_t first = columns.begin; first < columns.end; first += kTileColumns) {
    const int64_t width = columns.end - first < kTileColumns ? columns.end - first : kTileColumns;
    Vector weights[kTileVectors], biases[kTileVectors];
    for (int v = 0; v < kTileVectors; ++v) weights[v] = biases[v] = zero();
    const auto count = [width](int v) {
      const int64_t left = width - v * kLanes;
      return static_cast<size_t>(left < 0 ? 0 : left < kLanes ? left : kLanes);
    };
    for (int64_t row = 0; row < all.rows; ++row) {
      if (!all.steps.within(row)) continue;
      LSTM_UNROLL
      for (int v = 0; v < kTileVectors; ++v) {
        const int64_t i = first + v * kLanes;
        const Vector dy = all.given(row, i, count(v));
        weights[v] = fma(dy, all.normalized(row, i, count(v)), weights[v]);
        biases[v] = add(biases[v], dy);
      }
    }
    for (int v = 0; v < kTileVectors; ++v) {
      if (dweight != nullptr) store_first(dweight + first + v * kLanes, weights[v], count(v));
      if (dbias != nullptr) store_first(dbias + first + v * kLanes, biases[v], count(v));
    }
  }
}

// layer_norm_backward
// Computes  with n = (x - mean)·rstd and g = dy·weight: dx = rstd·(g - Σ g / F - n·Σ g·n / F);  dweight = Σ dy·n;  dbias = Σ dy
//           over the rows within the lengths; dx is 0 past them
// Shapes    dy, x, dx! [...,F], mean, rstd [...], weight?, dweight!, dbias! [F], lengths? [B]
// Layout    dense; threads own rows of dx and columns of dweight and dbias
// Aliasing  none
// Accuracy  dx: sums in 16 virtual lanes; dweight: one FMA chain, dbias one of additions, over the rows in increasing order
// Source    derivative of layer_norm
void layer_norm_backward(const Call& call, Team& team) noexcept {
  const NormalizedRows all(call);
  float *dx = call.output(0).f32(), *dweight = call.output(1).f32(), *dbias = call.output(2).f32();
  if (dx != nullptr) layer_norm_backward_input(all, dx, team);
  if (dweight != nullptr || dbias != nullptr) layer_norm_backward_affine(all, dweight, dbias, team);
}

}  // namespace lstm::LSTM_ISA
