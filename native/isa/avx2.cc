// The kernels for AVX2 and FMA. Compiled with that ISA's flags; run only where isa/dispatch.cc finds it.
#if defined(__x86_64__) || defined(_M_X64)

#define LSTM_ISA avx2
#include "simd/avx2.h"

#include "isa/unit.inl"

#endif
