// Kernels that move 4-byte elements (float32 or int32) and compute nothing.
#pragma once

#include "kernels/elementwise/map.h"
#include "kernels/layout/view.h"

namespace lstm::LSTM_ISA {

// Elements are moved as words: bits stay, signalling NaNs included.
using Word = uint32_t;

LSTM_INLINE Word* words(const Tensor& tensor) { return static_cast<Word*>(tensor.data); }

LSTM_INLINE void copy_words(Word* y, const Word* x, int64_t count) {
  memcpy(y, x, static_cast<size_t>(count) * sizeof(Word));
}

LSTM_INLINE void copy_strided(Word* y, const Word* x, int64_t count, int64_t stride) {
  if (stride == 1) {
    copy_words(y, x, count);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = x[i * stride];
  }
}

// y = the view of x, for this thread's part of y. Whole rows of the view's last axis are copied at once.
inline void copy_view(const Tensor& y, const Word* x, const View& view, const Team& team) {
  const Range range = team.split(y.size(), kGrain);
  if (range.size() == 0) return;
  const int last = view.rank - 1;
  const int64_t length = last < 0 ? 1 : view.dims[last];
  const int64_t stride = last < 0 ? 1 : view.strides[last];
  Walk walk(view, last, range.begin / length);
  int64_t column = range.begin % length;
  for (int64_t i = range.begin; i < range.end;) {
    const int64_t count = length - column < range.end - i ? length - column : range.end - i;
    copy_strided(words(y) + i, x + walk.offset() + column * stride, count, stride);
    i += count;
    column = 0;
    walk.next();
  }
}

// broadcast
// Computes  y[i...] = x[i...], an axis of size 1 in x repeated
// Shapes    x broadcastable to y by NumPy's rule: aligned at the last axis
// Layout    dense
// Aliasing  none
// Accuracy  exact
// Source    NumPy, broadcasting
void broadcast(const Call& call, Team& team) noexcept {
  const Tensor& x = call.operand(0);
  const Tensor& y = call.output(0);
  const Strides strides(x);
  View view;
  for (int axis = 0; axis < y.rank; ++axis) {
    const int own = axis - (y.rank - x.rank);
    view.append(y.dims[axis], own < 0 || x.dims[own] == 1 ? 0 : strides.values[own]);
  }
  copy_view(y, words(x), view, team);
}

// reshape
// Computes  y = x, in row-major order
// Shapes    x, y of equal size
// Layout    dense
// Aliasing  y may be x
// Accuracy  exact
// Source    none
void reshape(const Call& call, Team& team) noexcept {
  const Tensor& y = call.output(0);
  const Range range = team.split(y.size(), kGrain);
  const Word* x = words(call.operand(0));
  if (range.size() > 0 && x != words(y)) copy_words(words(y) + range.begin, x + range.begin, range.size());
}

// transpose
// Computes  y[i_p(0), i_p(1), ...] = x[i_0, i_1, ...] for the permutation p: axis a of y is axis p(a) of x
// Shapes    x [d_0, d_1, ...], y [d_p(0), d_p(1), ...]
// Layout    dense; exchanging leading axes ([B,T,F] with [T,B,F]) copies whole rows
// Aliasing  none
// Accuracy  exact
// Source    none
void transpose(const Call& call, Team& team) noexcept {
  const Tensor& x = call.operand(0);
  const Attribute& permutation = call.attributes[0];
  const Strides strides(x);
  View view;
  for (int axis = 0; axis < permutation.count; ++axis) {
    const int from = static_cast<int>(permutation.values[axis]);
    view.append(x.dims[from], strides.values[from]);
  }
  copy_view(call.output(0), words(x), view, team);
}

// The size of one step along an axis, and of the whole axis, counted in elements.
LSTM_INLINE int64_t inner_size(const Tensor& tensor, int axis) {
  int64_t product = 1;
  for (int inner = axis + 1; inner < tensor.rank; ++inner) product *= tensor.dims[inner];
  return product;
}
LSTM_INLINE int64_t axis_size(const Tensor& tensor, int axis) { return tensor.dims[axis] * inner_size(tensor, axis); }

// concat
// Computes  y = the list of x one after the other along `axis`
// Shapes    x [..., d_k, ...], y [..., Σ d_k, ...]
// Layout    dense
// Aliasing  none
// Accuracy  exact
// Source    none
void concat(const Call& call, Team& team) noexcept {
  const Tensor& y = call.output(0);
  const int axis = static_cast<int>(call.integer(0));
  const int64_t row = axis_size(y, axis);
  int64_t offset = 0;
  for (int k = 0; k < call.operands[0].count; ++k) {
    const Tensor& x = call.operand(0, k);
    const int64_t length = axis_size(x, axis);
    const Range range = team.split(x.size(), kGrain);
    for (int64_t i = range.begin; i < range.end;) {
      const int64_t column = i % length;
      const int64_t count = length - column < range.end - i ? length - column : range.end - i;
      copy_words(words(y) + i / length * row + offset + column, words(x) + i, count);
      i += count;
    }
    offset += length;
  }
}

// slice, slice_backward
// Computes  y = x[..., begin:end, ...];  dx = 0 with dx[..., begin:end, ...] = dy
// Shapes    x, dx [..., d, ...], y, dy [..., end - begin, ...]
// Layout    dense
// Aliasing  none
// Accuracy  exact
// Source    none
void slice(const Call& call, Team& team) noexcept {
  const Tensor& x = call.operand(0);
  const Tensor& y = call.output(0);
  const int axis = static_cast<int>(call.integer(0));
  const Strides strides(x);
  View view;
  for (int a = 0; a < y.rank; ++a) view.append(y.dims[a], strides.values[a]);
  copy_view(y, words(x) + call.integer(1) * inner_size(x, axis), view, team);
}

void slice_backward(const Call& call, Team& team) noexcept {
  const Tensor& dy = call.operand(0);
  const Tensor& dx = call.output(0);
  const int axis = static_cast<int>(call.integer(0));
  const int64_t row = axis_size(dx, axis);
  const int64_t length = axis_size(dy, axis);
  const int64_t begin = call.integer(1) * inner_size(dx, axis);
  const Range range = team.split(dx.size(), kGrain);
  for (int64_t i = range.begin; i < range.end;) {
    const int64_t column = i % row;
    const bool inside = column >= begin && column < begin + length;
    const int64_t stop = inside ? begin + length : column < begin && length > 0 ? begin : row;
    const int64_t count = stop - column < range.end - i ? stop - column : range.end - i;
    if (inside) {
      copy_words(words(dx) + i, words(dy) + i / row * length + column - begin, count);
    } else {
      memset(words(dx) + i, 0, static_cast<size_t>(count) * sizeof(Word));
    }
    i += count;
  }
}

}  // namespace lstm::LSTM_ISA
