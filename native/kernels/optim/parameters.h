// All parameters of an update as one range of elements, so that threads share them evenly whatever their sizes.
#pragma once

#include "kernels/elementwise/map.h"

namespace lstm::LSTM_ISA {

// f(parameter, range) for this thread's part of every parameter.
template <class Function>
LSTM_INLINE void for_each_part(const Slot& parameters, const Team& team, Function f) {
  int64_t total = 0;
  for (int k = 0; k < parameters.count; ++k) total += parameters.tensors[k].size();
  const Range own = team.split(total, kGrain);
  int64_t offset = 0;
  for (int k = 0; k < parameters.count; ++k) {
    const int64_t size = parameters.tensors[k].size();
    const int64_t begin = own.begin > offset ? own.begin - offset : 0;
    const int64_t end = own.end - offset < size ? own.end - offset : size;
    if (begin < end) f(k, Range{begin, end});
    offset += size;
  }
}

// The optional factor of clipping, 1 when there is none.
LSTM_INLINE double optional_scale(const Call& call, int slot) {
  return call.has(slot) ? *call.operand(slot).f64() : 1.0;
}

// The group of a parameter, where per-group scalars are found.
LSTM_INLINE int64_t group_of(const Attribute& groups, int parameter) {
  return static_cast<int64_t>(groups.values[parameter]);
}

LSTM_INLINE Vector broadcast_rounded(double x) { return broadcast(static_cast<float>(x)); }

}  // namespace lstm::LSTM_ISA
