// Pooling over the steps of each sequence, forward and backward. Every sum is one chain over t in increasing order.
#pragma once

#include "kernels/steps.h"
#include "simd/reduce.h"

namespace lstm::LSTM_ISA {

// mean_pooling, mean_pooling_backward
// Computes  y = Σ x[t] / length over t < length, 0 for length 0;  dx[t] = dy / length within the length, 0 past it
// Shapes    x, dx [T,B,F], lengths? [B], y, dy [B,F]
// Layout    dense
// Aliasing  none
// Accuracy  one chain of additions over t from 0, one division; backward 0.5 ULP
// Source    none
void mean_pooling(const Call& call, Team& team) noexcept {
  const float* x = call.operand(0).f32();
  const Sequences all(call.operand(0), call.operand_i32(1));
  all.for_each_piece(team, [&](int64_t b, Range columns) {
    float* y = call.output(0).f32() + b * all.size;
    const int64_t length = all.length(b);
    clear_row(y + columns.begin, columns.size());
    for (int64_t t = 0; t < length; ++t) {
      map_range(
          columns, y, [](Vector sum, Vector v) { return add(sum, v); }, y, x + all.offset(t, b));
    }
    if (length == 0) return;
    const Vector count = broadcast(static_cast<float>(length));
    map_range(
        columns, y, [=](Vector sum) { return divide(sum, count); }, y);
  });
}

void mean_pooling_backward(const Call& call, Team& team) noexcept {
  const float* dy = call.operand(0).f32();
  const Sequences all(call.output(0), call.operand_i32(1));
  all.for_each_row(team, [&](int64_t t, int64_t b, int64_t offset) {
    float* dx = call.output(0).f32() + offset;
    if (t >= all.length(b)) return clear_row(dx, all.size);
    const Vector count = broadcast(static_cast<float>(all.length(b)));
    map_range(
        {0, all.size}, dx, [=](Vector v) { return divide(v, count); }, dy + b * all.size);
  });
}

// max_pooling, max_pooling_backward
// Computes  y = max x[t] over t < length, index its t, the first of equals; 0 and -1 for length 0; a NaN is larger than all
//           dx[t] = t == index ? dy : 0
// Shapes    x, dx [T,B,F], lengths? [B], y, dy, index! int32 [B,F]
// Layout    dense
// Aliasing  none
// Accuracy  exact
// Source    PyTorch, max along an axis
void max_pooling(const Call& call, Team& team) noexcept {
  const float* x = call.operand(0).f32();
  const Sequences all(call.operand(0), call.operand_i32(1));
  int32_t* indices = call.output(1).i32();
  all.for_each_piece(team, [&](int64_t b, Range columns) {
    float* y = call.output(0).f32() + b * all.size;
    int32_t* index = indices ? indices + b * all.size : nullptr;
    const int64_t length = all.length(b);
    for_each_vector(columns, [=, &all](int64_t i, size_t n) {
      store_first(y + i, length == 0 ? zero() : load_first(x + all.offset(0, b) + i, n), n);
      if (index) store_first(index + i, broadcast_int(length == 0 ? -1 : 0), n);
    });
    for (int64_t t = 1; t < length; ++t) {
      const float* values = x + all.offset(t, b);
      const IntVector now = broadcast_int(static_cast<int32_t>(t));
      for_each_vector(columns, [=](int64_t i, size_t n) {
        const Vector value = load_first(values + i, n), largest = load_first(y + i, n);
        const Mask stays = either(less_equal(value, largest), is_nan(largest));
        store_first(y + i, select(stays, largest, value), n);
        if (index) store_first(index + i, select(stays, load_first(index + i, n), now), n);
      });
    }
  });
}

void max_pooling_backward(const Call& call, Team& team) noexcept {
  const float* dy = call.operand(0).f32();
  const int32_t* index = call.operand(1).i32();
  const Sequences all(call.output(0), nullptr);
  all.for_each_row(team, [&](int64_t t, int64_t b, int64_t offset) {
    float* dx = call.output(0).f32() + offset;
    const int64_t column = b * all.size;
    const IntVector now = broadcast_int(static_cast<int32_t>(t));
    for_each_vector({0, all.size}, [=](int64_t i, size_t n) {
      const Mask taken = equal(load_first(index + column + i, n), now);
      store_first(dx + i, select(taken, load_first(dy + column + i, n), zero()), n);
    });
  });
}

// weighted_pooling, weighted_pooling_backward
// Computes  y = Σ weights[t]·x[t] over t < length, 0 for length 0
//           dx[t] = weights[t]·dy, dweights[t] = Σ over F of dy·x[t], within the length; 0 past it
// Shapes    x, dx! [T,B,F], weights, dweights! [T,B], lengths? [B], y, dy [B,F]
// Layout    dense
// Aliasing  none
// Accuracy  forward one FMA chain over t from 0; dx 0.5 ULP; dweights in 16 virtual lanes
// Source    none
void weighted_pooling(const Call& call, Team& team) noexcept {
  const float *x = call.operand(0).f32(), *weights = call.operand(1).f32();
  const Sequences all(call.operand(0), call.operand_i32(2));
  all.for_each_piece(team, [&](int64_t b, Range columns) {
    float* y = call.output(0).f32() + b * all.size;
    clear_row(y + columns.begin, columns.size());
    for (int64_t t = 0; t < all.length(b); ++t) {
      const Vector weight = broadcast(weights[t * all.batch + b]);
      map_range(
          columns, y, [=](Vector sum, Vector v) { return fma(weight, v, sum); }, y, x + all.offset(t, b));
    }
  });
}

void weighted_pooling_backward(const Call& call, Team& team) noexcept {
  const float *x = call.operand(1).f32(), *weights = call.operand(2).f32();
  const Sequences all(call.operand(1), call.operand_i32(3));
  float *dxs = call.output(0).f32(), *dweights = call.output(1).f32();
  all.for_each_row(team, [&](int64_t t, int64_t b, int64_t offset) {
    const bool within = t < all.length(b);
    const int64_t step = t * all.batch + b;
    const float *dy = call.operand(0).f32() + b * all.size, *row = x + offset;
    if (dweights != nullptr) {
      dweights[step] = !within ? 0 : reduce<LaneSum>(static_cast<size_t>(all.size), [=](size_t i, size_t n) {
        return multiply(load_first(dy + i, n), load_first(row + i, n));
      });
    }
    if (dxs == nullptr) return;
    if (!within) return clear_row(dxs + offset, all.size);
    const Vector weight = broadcast(weights[step]);
    map_range(
        {0, all.size}, dxs + offset, [=](Vector v) { return multiply(weight, v); }, dy);
  });
}

// mask_steps
// Computes  y = x within the length of each sequence, 0 past it
// Shapes    x, y [T,B,...,F], lengths [B]
// Layout    dense
// Aliasing  none
// Accuracy  exact
// Source    none
void mask_steps(const Call& call, Team& team) noexcept {
  const Tensor& y = call.output(0);
  const int64_t size = y.dim(-1);
  const StepRows steps(y, call.operand_i32(1));
  const Range rows = team.split(y.rows());
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    float* out = y.f32() + row * size;
    if (steps.within(row)) {
      memcpy(out, call.operand(0).f32() + row * size, static_cast<size_t>(size) * sizeof(float));
    } else {
      clear_row(out, size);
    }
  }
}

// last_steps, last_steps_backward
// Computes  y[b,j] = x[length - count + j, b], 0 where that is before the first step;  dx = dy of the step, 0 elsewhere
// Shapes    x, dx [T,B,F], lengths? [B], y, dy [B,count,F]
// Layout    dense
// Aliasing  none
// Accuracy  exact
// Source    none
void last_steps(const Call& call, Team& team) noexcept {
  const Tensor& x = call.operand(0);
  const Sequences all(x, call.operand_i32(1));
  const int64_t count = call.integer(0);
  const Range rows = team.split(all.batch * count);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int64_t b = row / count, t = all.length(b) - count + row % count;
    float* y = call.output(0).f32() + row * all.size;
    if (t < 0) {
      clear_row(y, all.size);
    } else {
      memcpy(y, x.f32() + all.offset(t, b), static_cast<size_t>(all.size) * sizeof(float));
    }
  }
}

void last_steps_backward(const Call& call, Team& team) noexcept {
  const float* dy = call.operand(0).f32();
  const Sequences all(call.output(0), call.operand_i32(1));
  const int64_t count = call.integer(0);
  all.for_each_row(team, [&](int64_t t, int64_t b, int64_t offset) {
    float* dx = call.output(0).f32() + offset;
    const int64_t length = all.length(b), j = t - (length - count);
    if (t >= length || j < 0) return clear_row(dx, all.size);
    memcpy(dx, dy + (b * count + j) * all.size, static_cast<size_t>(all.size) * sizeof(float));
  });
}

}  // namespace lstm::LSTM_ISA
