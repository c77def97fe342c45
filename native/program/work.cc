// How much a run has to do, to tell whether a team is worth its meetings, and another thread its wake-up.
#include <algorithm>

#include "program/executable.h"

namespace lstm {
namespace {

// Reading or writing an element, exponentials included, in multiply-adds that take as long.
constexpr double kElementCost = 16;

// Below this, about 35 µs on one AVX-512 core, the barriers after each equation and step cost a team about what it
// gains, and many times that beside other processes: there, a training step of an LSTM at T 30, B 16, H 16 took 0.27 ms
// on one thread and 0.46 ms on two, and at T 100, B 1, H 64 inference took 0.1 ms and 1.3 ms.
constexpr double kSmallWork = 1 << 22;

// A packed weight is read once in a run, from a cache: 77 ps an element for a step of one LSTM at H 64 to 256 on an AVX2
// core, its multiply-add included.
constexpr double kPackedElementCost = 2;

// Below this, waking another thread and being woken by it, 0.1 to 0.2 ms on two cores, takes longer than the run, and the
// event loop hardly notices it. On one AVX2 core the longest such runs of LSTMs take 25 to 70 µs, those of GRUs of few
// units over a thousand steps up to 126.
constexpr double kBriefWork = 1 << 21;
// Lanes of the ISA for which that holds; with fewer it takes longer.
constexpr int kBriefLanes = 8;
// Of the values and packs of a run on the calling thread, which has an arena of its own and touches it first.
constexpr size_t kBriefArena = size_t{1} << 20;

int64_t elements(const Tensor& tensor) { return tensor.rank == 0 ? 1 : tensor.size(); }

}  // namespace

// Whether an operand of an equation is a state that the kernel reads in its packed form alone.
bool Executable::is_packed_state(size_t equation, int operand) const {
  const std::vector<PackSignature>& packs = signatures()[program_.equations[equation].opcode].packs;
  for (size_t index = 0; index < packs.size(); ++index) {
    if (packs[index].operand != operand) continue;
    const int32_t pack = pack_plan_.uses[pack_plan_.first_use[equation] + index];
    if (pack != kNoPack && pack_plan_.packs[static_cast<size_t>(pack)].kept) return true;
  }
  return false;
}

double Executable::work(double packed_element_cost) const {
  double total = 0;
  for (size_t index = 0; index < calls_.size(); ++index) {
    const Equation& equation = program_.equations[index];
    const Call& call = calls_[index];
    const int operands = static_cast<int>(equation.operands.size());
    const int slots = operands + static_cast<int>(equation.outputs.size());
    for (int slot = 0; slot < slots; ++slot) {
      const bool packed = slot < operands && is_packed_state(index, slot);
      // Outputs follow the operands.
      const Slot& bound = call.operands[slot];
      for (int value = 0; value < bound.count; ++value) {
        total += (packed ? packed_element_cost : kElementCost) * static_cast<double>(elements(bound.tensors[value]));
      }
    }
    // A packed weight is multiplied once for each row of the first output.
    for (size_t use = pack_plan_.first_use[index]; use < pack_plan_.first_use[index + 1]; ++use) {
      const int32_t pack = pack_plan_.uses[use];
      if (pack == kNoPack) continue;
      const Tensor& weight = tensors_[pack_plan_.packs[static_cast<size_t>(pack)].value];
      total += static_cast<double>(call.output(0).rows()) * static_cast<double>(elements(weight));
    }
    if (signatures()[equation.opcode].name == "matmul") {
      const Tensor& a = call.operand(0);
      const int64_t depth = a.dim(call.flag(0) ? -2 : -1);
      total += static_cast<double>(elements(call.output(0))) * static_cast<double>(depth);
    }
  }
  return total;
}

void Executable::measure_work() {
  small_ = work(kElementCost) < kSmallWork;
  const int lanes = std::min(kernels_.lanes, kBriefLanes);
  brief_ = work(kPackedElementCost) < kBriefWork * lanes / kBriefLanes && pack_plan_.arena_bytes <= kBriefArena;
}

}  // namespace lstm
