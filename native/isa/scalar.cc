// The kernels for any machine.
#define LSTM_ISA scalar
#include "simd/scalar.h"

#include "isa/unit.inl"
