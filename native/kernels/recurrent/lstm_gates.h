// The order of the gates in every LSTM array of 4H: PyTorch's, as lstmGates in lib/ops/recurrent/lstm.ts.
#pragma once

#include "kernels/multiply/tile.h"

namespace lstm::LSTM_ISA {

enum LstmGate : int { kInputGate, kForgetGate, kCellGate, kOutputGate, kLstmGates };

// A panel of a gates4 pack holds the four gates of kLanes units, a vector each.
static_assert(kLstmGates == kTileVectors);

// What the gates of the step before add to, in a gates3 pack.
using RecurrentGateColumns = Columns<kInputGate, kForgetGate, kOutputGate>;

}  // namespace lstm::LSTM_ISA
