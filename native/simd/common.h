// What every vector header shares. Standard headers come first and only here: an ISA unit may hold no inline code that the
// linker could merge with another unit's (see README.md).
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

#if defined(_MSC_VER)
#define LSTM_INLINE __forceinline
#else
#define LSTM_INLINE inline __attribute__((always_inline))
#endif
