// Which packs a program's runs need, which of them outlive a run, and where in the arena the others lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/pack.h"
#include "kernels/table.h"
#include "program/program.h"

namespace lstm {

// A packed value, for all equations that read it in this form.
struct ProgramPack {
  PackKind kind;
  int32_t value;
  // The program's state whose value it is; kNoState for something computed, and for what the commit reads, which it may
  // have changed.
  int32_t state;
  // The pack of a state that this program does not change: the store holds it from run to run, for all programs. Every
  // other pack is made for one run, in the arena, by the first equation that reads it.
  bool kept;
  // The equations from the first to the last that read it.
  size_t first, last;
  // At the capacities.
  size_t bytes;
  // In the arena, unless it is kept.
  size_t offset;
};

constexpr int32_t kNoState = -1, kNoPack = -1;

struct PackPlan {
  // In the order of their first equations.
  std::vector<ProgramPack> packs;
  // For each equation, and each pack of its signature: a position in `packs`, or kNoPack where the operand is missing.
  std::vector<int32_t> uses;
  // By equation, and one more: where in `uses` and in `packs` those of the equation begin. Of the packs, those that it
  // is the first to read.
  std::vector<size_t> first_use, first_pack;
  // Of values and packs together.
  size_t arena_bytes;
};

// A pack takes memory of the arena in which no value and no other pack is alive while it is needed, and lies beyond
// the values where there is none.
PackPlan plan_packs(const Program& program, const Kernels& kernels);

}  // namespace lstm
