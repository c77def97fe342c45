// The order of the gates in every GRU array of 3H: PyTorch's, as gruGates in lib/ops/recurrent/gruCell.ts.
#pragma once

#include "kernels/multiply/tile.h"

namespace lstm::LSTM_ISA {

enum GruGate : int { kResetGate, kUpdateGate, kCandidateGate, kGruGates };

// A tile holds r and z, and what x and what the state add to the candidate, which the reset gate parts.
constexpr int kCandidateOfInput = kCandidateGate, kCandidateOfState = kGruGates;
static_assert(kCandidateOfState < kTileVectors);

}  // namespace lstm::LSTM_ISA
