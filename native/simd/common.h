// What every vector header shares. Standard headers come first and only here: an ISA unit may hold no inline code that the
// linker could merge with another unit's (see README.md).
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/inline.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

// Before a loop with a small constant count over an array of vectors: GCC 12 otherwise unrolls it too late to keep the
// array in registers, and copies a tile through the stack once at its beginning and once at its end.
#if defined(__clang__)
#define LSTM_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define LSTM_UNROLL _Pragma("GCC unroll 16")
#else
#define LSTM_UNROLL
#endif

namespace lstm {

// Ask for the cache line at an address, which need not be memory, in the L1, or no nearer than the L2. What is not there
// when it is read costs time, nothing else.
LSTM_INLINE void prefetch(const void* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p);
#elif defined(_M_X64)
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
#else
  static_cast<void>(p);
#endif
}
LSTM_INLINE void prefetch_outer(const void* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p, 0, 2);
#elif defined(_M_X64)
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
#else
  static_cast<void>(p);
#endif
}

}  // namespace lstm
