// Chooses the kernels that this machine can run.
#pragma once

#include <string>
#include <vector>

#include "kernels/table.h"

namespace lstm {

enum class Isa { scalar, avx2, avx512 };

const char* isa_name(Isa isa) noexcept;

// What the processor and the operating system support and this build contains, slowest first; never empty.
const std::vector<Isa>& available_isas();

// The kernels of an available ISA; null for any other.
const Kernels* kernels_for(Isa isa);

struct IsaChoice {
  const Kernels* kernels;  // null when there is an error
  std::string error;
};

// The fastest available ISA, or the one named (null or "": no wish). An unknown or unavailable name is an error.
IsaChoice choose_isa(const char* name);

// choose_isa by the environment's LSTM_NATIVE_ISA, decided at the first call and never again.
const IsaChoice& active_isa();

}  // namespace lstm
