// The kernels for AVX-512 F, BW, DQ and VL. Compiled with that ISA's flags; run only where isa/dispatch.cc finds it.
#if defined(__x86_64__) || defined(_M_X64)

#define LSTM_ISA avx512
#include "simd/avx512.h"

#include "isa/unit.inl"

#endif
