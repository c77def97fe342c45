// Reading an array along other axes than its own: strides for every axis, and a walk over them.
#pragma once

#include "kernels/call.h"

namespace lstm::LSTM_ISA {

// Element (i0, i1, ...) of the view lies at Σ i·stride. Stride 0 repeats.
struct View {
  int rank = 0;
  int64_t dims[kMaxRank];
  int64_t strides[kMaxRank];

  // Appends an axis; axes of size 1 vanish, and axes that continue each other become one.
  void append(int64_t dim, int64_t stride) {
    if (dim == 1) return;
    if (rank > 0 && strides[rank - 1] == stride * dim) {
      dims[rank - 1] *= dim;
      strides[rank - 1] = stride;
      return;
    }
    dims[rank] = dim;
    strides[rank] = stride;
    ++rank;
  }

  int64_t size() const {
    int64_t product = 1;
    for (int axis = 0; axis < rank; ++axis) product *= dims[axis];
    return product;
  }
};

// The row-major strides of a tensor.
struct Strides {
  int64_t values[kMaxRank];

  explicit Strides(const Tensor& tensor) {
    int64_t stride = 1;
    for (int axis = tensor.rank - 1; axis >= 0; --axis) {
      values[axis] = stride;
      stride *= tensor.dims[axis];
    }
  }
};

// Visits the first `rank` axes of a view in row-major order.
class Walk {
 public:
  Walk(const View& view, int rank, int64_t start) : view_(view), rank_(rank) {
    for (int axis = rank - 1; start > 0; --axis) {  // a start behind the first means that no axis is empty
      position_[axis] = start % view.dims[axis];
      start /= view.dims[axis];
      offset_ += position_[axis] * view.strides[axis];
    }
  }

  int64_t offset() const { return offset_; }

  void next() {
    for (int axis = rank_ - 1; axis >= 0; --axis) {
      offset_ += view_.strides[axis];
      if (++position_[axis] < view_.dims[axis]) return;
      offset_ -= view_.strides[axis] * view_.dims[axis];
      position_[axis] = 0;
    }
  }

 private:
  const View& view_;
  int rank_;
  int64_t position_[kMaxRank] = {};
  int64_t offset_ = 0;
};

}  // namespace lstm::LSTM_ISA
