// Inlining that does not depend on the optimizer: an instruction-set unit may not leave a copy of a shared function that
// the linker could keep for everybody.
#pragma once

#if defined(_MSC_VER)
#define LSTM_INLINE __forceinline
#define LSTM_NOINLINE __declspec(noinline)
#else
#define LSTM_INLINE inline __attribute__((always_inline))
#define LSTM_NOINLINE __attribute__((noinline))
#endif
