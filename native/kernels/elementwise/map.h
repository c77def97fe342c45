// Applies a vector function along arrays: the loop under every elementwise kernel.
#pragma once

#include "kernels/call.h"
#include "runtime/parallel.h"

namespace lstm::LSTM_ISA {

// Threads meet at multiples of one 64-byte line, so that none writes into another's.
constexpr int64_t kGrain = 16;

// y[i] = f(x[i]...) for i in [begin, end). The tail reads and writes nothing past the end.
template <class Function, class... Operand>
LSTM_INLINE void map_range(Range range, float* y, Function f, const Operand*... x) {
  int64_t i = range.begin;
  for (; i + kLanes <= range.end; i += kLanes) store(y + i, f(load(x + i)...));
  if (const size_t rest = static_cast<size_t>(range.end - i); rest > 0) {
    store_partial(y + i, f(load_partial(x + i, rest)...), rest);
  }
}

// The first n lanes from memory and to it. Where n is the constant kLanes, a plain access is left.
LSTM_INLINE Vector load_first(const float* p, size_t n) { return n == kLanes ? load(p) : load_partial(p, n); }
LSTM_INLINE void store_first(float* p, Vector v, size_t n) {
  if (n == kLanes) {
    store(p, v);
  } else {
    store_partial(p, v, n);
  }
}

// f(i, n) for each vector of n elements from i on: n is kLanes but at the tail.
template <class Function>
LSTM_INLINE void for_each_vector(Range range, Function f) {
  int64_t i = range.begin;
  for (; i + kLanes <= range.end; i += kLanes) f(i, size_t{kLanes});
  if (i < range.end) f(i, static_cast<size_t>(range.end - i));
}

// The kernel of an op with one operand and one output of the same shape.
template <class Function>
LSTM_INLINE void map_unary(const Call& call, const Team& team, Function f) {
  const Tensor& y = call.output(0);
  map_range(team.split(y.size(), kGrain), y.f32(), f, call.operand(0).f32());
}

// The kernel of an op with two operands and one output of the same shape.
template <class Function>
LSTM_INLINE void map_binary(const Call& call, const Team& team, Function f) {
  const Tensor& y = call.output(0);
  map_range(team.split(y.size(), kGrain), y.f32(), f, call.operand(0).f32(), call.operand(1).f32());
}

}  // namespace lstm::LSTM_ISA
