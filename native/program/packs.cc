#include "program/packs.h"

#include <algorithm>
#include <utility>

#include "runtime/arena.h"

namespace lstm {
namespace {

// Memory of the arena that is taken from one equation to another.
struct Stay {
  size_t first, last;
  size_t begin, end;
};

std::vector<Stay> stays_of_values(const Program& program) {
  constexpr size_t kNever = static_cast<size_t>(-1);
  std::vector<std::pair<size_t, size_t>> lifetimes(program.values.size(), {kNever, 0});
  const auto read = [&](int32_t value, size_t equation) {
    lifetimes[value].second = std::max(lifetimes[value].second, equation);
  };
  for (size_t index = 0; index < program.equations.size(); ++index) {
    for (const auto& slot : program.equations[index].operands) {
      for (int32_t value : slot) read(value, index);
    }
    for (const auto& slot : program.equations[index].outputs) {
      for (int32_t value : slot) lifetimes[value] = {index, index};
    }
  }
  const size_t end = program.equations.size();
  for (int32_t guard : program.guards) read(guard, static_cast<size_t>(program.compute_count));
  for (int32_t output : program.outputs) read(output, end);
  for (const NextState& pair : program.next_states) read(pair.next, end);

  std::vector<Stay> stays;
  for (size_t id = 0; id < program.values.size(); ++id) {
    const Value& value = program.values[id];
    if (value.place != Place::arena || lifetimes[id].first == kNever) continue;
    const size_t begin = static_cast<size_t>(value.position);
    stays.push_back(
        {lifetimes[id].first, lifetimes[id].second, begin, begin + align_up(value_bytes(value, program.capacities))});
  }
  return stays;
}

// The lowest place that is free for so long, with nothing beyond the last stay.
size_t free_place(const std::vector<Stay>& stays, const ProgramPack& pack) {
  std::vector<std::pair<size_t, size_t>> taken;
  for (const Stay& stay : stays) {
    if (stay.first <= pack.last && pack.first <= stay.last) taken.push_back({stay.begin, stay.end});
  }
  std::sort(taken.begin(), taken.end());
  size_t place = 0;
  for (const auto& [begin, end] : taken) {
    if (place + pack.bytes <= begin) break;
    place = std::max(place, end);
  }
  return place;
}

Tensor tensor_at_capacities(const Program& program, int32_t id) {
  const Value& value = program.values[id];
  Tensor tensor{nullptr, value.dtype, value.rank, {}};
  for (int axis = 0; axis < value.rank; ++axis) tensor.dims[axis] = value.dims[axis].at(program.capacities);
  return tensor;
}

bool writes(const Program& program, int32_t state) {
  const std::vector<int32_t>& written = program.written_states;
  return std::find(written.begin(), written.end(), state) != written.end();
}

// The pack for one more reading, made or found. What the commit reads it may have changed, so it finds none.
int32_t pack_for(std::vector<ProgramPack>& packs, const Program& program, const Kernels& kernels, PackKind kind,
                 int32_t value, size_t equation) {
  const bool commit = equation >= static_cast<size_t>(program.compute_count);
  for (size_t index = 0; index < packs.size() && !commit; ++index) {
    if (packs[index].value != value || packs[index].kind != kind) continue;
    packs[index].last = equation;
    return static_cast<int32_t>(index);
  }
  const Value& packed = program.values[value];
  const int32_t state = packed.place == Place::state && !commit ? static_cast<int32_t>(packed.position) : kNoState;
  const bool kept = state != kNoState && !writes(program, state);
  const size_t bytes = align_up(kernels.pack_bytes(kind, tensor_at_capacities(program, value)));
  packs.push_back({kind, value, state, kept, equation, equation, bytes, 0});
  return static_cast<int32_t>(packs.size()) - 1;
}

}  // namespace

PackPlan plan_packs(const Program& program, const Kernels& kernels) {
  PackPlan plan{{}, {}, {}, {}, program.arena_bytes};
  for (size_t index = 0; index < program.equations.size(); ++index) {
    const Equation& equation = program.equations[index];
    plan.first_use.push_back(plan.uses.size());
    plan.first_pack.push_back(plan.packs.size());
    for (const PackSignature& pack : signatures()[equation.opcode].packs) {
      const std::vector<int32_t>& operand = equation.operands[pack.operand];
      plan.uses.push_back(operand.empty() ? kNoPack
                                          : pack_for(plan.packs, program, kernels, pack.kind, operand.front(), index));
    }
  }
  plan.first_use.push_back(plan.uses.size());
  plan.first_pack.push_back(plan.packs.size());

  // The largest first, as they fit into the fewest gaps.
  std::vector<ProgramPack*> unplaced;
  for (ProgramPack& pack : plan.packs) {
    if (!pack.kept) unplaced.push_back(&pack);
  }
  std::stable_sort(unplaced.begin(), unplaced.end(),
                   [](const ProgramPack* a, const ProgramPack* b) { return a->bytes > b->bytes; });
  std::vector<Stay> stays = stays_of_values(program);
  for (ProgramPack* pack : unplaced) {
    pack->offset = free_place(stays, *pack);
    stays.push_back({pack->first, pack->last, pack->offset, pack->offset + pack->bytes});
    plan.arena_bytes = std::max(plan.arena_bytes, pack->offset + pack->bytes);
  }
  return plan;
}

}  // namespace lstm
