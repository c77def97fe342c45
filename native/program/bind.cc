// Binding: sizes from the counts of a run, addresses from its store, inputs and arena.
#include <algorithm>
#include <string>
#include <utility>

#include "program/executable.h"

namespace lstm {

Executable::Executable(Program program, const Kernels& kernels)
    : program_(std::move(program)), kernels_(kernels), pack_plan_(plan_packs(program_, kernels)) {
  build_calls();
}

void Executable::build_calls() {
  for (const Value& value : program_.values) {
    Tensor tensor{};
    tensor.dtype = value.dtype;
    tensor.rank = value.rank;
    tensors_.push_back(tensor);
  }
  for (const Equation& equation : program_.equations) {
    add_slots(equation.operands);
    add_slots(equation.outputs);
    for (const std::vector<double>& values : equation.attributes) {
      attributes_.push_back({values.data(), static_cast<int32_t>(values.size())});
    }
  }
  bound_packs_.resize(pack_plan_.packs.size());
  packs_.resize(pack_plan_.uses.size());
  for (int32_t value : slot_values_) slot_tensors_.push_back(tensors_[value]);

  // The tables are complete and stay where they are: now they can be pointed into.
  const Tensor* tensors = slot_tensors_.data();
  for (Slot& slot : slots_) slot.tensors = std::exchange(tensors, tensors + slot.count);
  const Slot* slot = slots_.data();
  const Attribute* attribute = attributes_.data();
  for (size_t index = 0; index < program_.equations.size(); ++index) {
    const Equation& equation = program_.equations[index];
    const Slot* operands = std::exchange(slot, slot + equation.operands.size());
    const Slot* outputs = std::exchange(slot, slot + equation.outputs.size());
    calls_.push_back({operands, outputs, attribute, packs_.data() + pack_plan_.first_use[index], nullptr});
    attribute += equation.attributes.size();
  }
}

void Executable::add_slots(const std::vector<std::vector<int32_t>>& slots) {
  for (const std::vector<int32_t>& values : slots) {
    slots_.push_back({nullptr, static_cast<int32_t>(values.size())});
    slot_values_.insert(slot_values_.end(), values.begin(), values.end());
  }
}

int Executable::bind(Store& store, const Counts& counts, const void* const* inputs, Arena& arena, TeamSize team) {
  resolve(store, counts);
  const int threads = team.adapts && small_ ? 1 : team.most;
  arena.reserve(pack_plan_.arena_bytes + workspace_bytes_);
  if (!is_placed(inputs, arena.data())) place(store, inputs, arena.data());
  if (threads != threads_) {
    workspace_bytes_ = workspace_bytes(threads);
    threads_ = threads;
    arena.reserve(pack_plan_.arena_bytes + workspace_bytes_);
    place(store, inputs, arena.data());
  }
  bind_packs(store, arena.data());
  fault_ = {fault_opcode.load(), fault_relative.load()};
  return threads;
}

bool Executable::is_brief(Store& store, const Counts& counts) {
  resolve(store, counts);
  if (!brief_) return false;
  for (size_t index = 0; index < bound_packs_.size(); ++index) {
    if (pack_plan_.packs[index].kept && !store.is_fresh(*bound_packs_[index].shared)) return false;
  }
  return true;
}

void Executable::resolve(Store& store, const Counts& counts) {
  const bool other_store = store.id() != store_id_;
  if (other_store) find_states(store);
  if (other_store || counts != counts_) resolve_sizes(store, counts);
}

void Executable::find_states(const Store& store) {
  store_id_ = 0;
  state_indices_.clear();
  for (const std::string& name : program_.states) {
    state_indices_.push_back(store.find(name));
    if (state_indices_.back() < 0) throw InvalidInput("the store has no state '" + name + "'");
  }
  for (const Value& value : program_.values) {
    if (value.place != Place::state) continue;
    const State& state = store.state(state_indices_[static_cast<size_t>(value.position)]);
    if (state.spec.dtype != value.dtype || state.bytes() < value_bytes(value, program_.capacities)) {
      throw InvalidInput("the state '" + state.spec.name + "' has another dtype than the program's, or is smaller");
    }
  }
  store_id_ = store.id();
}

void Executable::resolve_sizes(Store& store, const Counts& counts) {
  counts_ = {-1, -1, -1};
  placed_ = false;
  threads_ = 0;
  for (size_t id = 0; id < tensors_.size(); ++id) {
    for (int axis = 0; axis < tensors_[id].rank; ++axis) {
      tensors_[id].dims[axis] = program_.values[id].dims[axis].at(counts);
    }
  }
  for (size_t index = 0; index < slot_values_.size(); ++index) slot_tensors_[index] = tensors_[slot_values_[index]];

  for (size_t index = 0; index < bound_packs_.size(); ++index) {
    const ProgramPack& pack = pack_plan_.packs[index];
    if (!pack.kept) continue;
    bound_packs_[index].shared =
        &store.pack(state_indices_[static_cast<size_t>(pack.state)], pack.kind, tensors_[pack.value], pack.bytes);
  }
  counts_ = counts;
  measure_work();
}

// Whether the addresses of the last run hold; those of states and packs do as long as the sizes.
bool Executable::is_placed(const void* const* inputs, const char* arena) const {
  return placed_ && arena == placed_arena_ && std::equal(placed_inputs_.begin(), placed_inputs_.end(), inputs);
}

void Executable::place(Store& store, const void* const* inputs, char* arena) {
  for (size_t id = 0; id < tensors_.size(); ++id) {
    const Value& value = program_.values[id];
    const size_t position = static_cast<size_t>(value.position);
    switch (value.place) {
      case Place::arena:
        tensors_[id].data = arena + position;
        break;
      case Place::input:
        tensors_[id].data = const_cast<void*>(inputs[position]);
        break;
      case Place::state:
        tensors_[id].data = store.state(state_indices_[position]).data;
        break;
      case Place::unplanned:
        tensors_[id].data = nullptr;
        break;
    }
  }
  for (size_t index = 0; index < slot_values_.size(); ++index) {
    slot_tensors_[index].data = tensors_[slot_values_[index]].data;
  }
  for (Call& call : calls_) call.workspace = arena + pack_plan_.arena_bytes;
  placed_inputs_.assign(inputs, inputs + program_.inputs.size());
  placed_arena_ = arena;
  placed_ = true;
}

void Executable::bind_packs(Store& store, char* arena) {
  for (size_t index = 0; index < bound_packs_.size(); ++index) {
    if (pack_plan_.packs[index].kept) bound_packs_[index].shared->hold();
  }
  // From here on nothing fails: the run will make the packs that are stale.
  for (size_t index = 0; index < bound_packs_.size(); ++index) {
    const ProgramPack& pack = pack_plan_.packs[index];
    BoundPack& bound = bound_packs_[index];
    if (!pack.kept && pack.state != kNoState) bound.shared = fresh_pack(store, pack);
    if (bound.shared) {
      bound.stale = !store.is_fresh(*bound.shared);
      bound.shared->version = store.state(bound.shared->state).version;
    }
    bound.data = reinterpret_cast<float*>(bound.shared ? bound.shared->memory.data() : arena + pack.offset);
  }
  for (size_t use = 0; use < packs_.size(); ++use) {
    const int32_t pack = pack_plan_.uses[use];
    if (pack != kNoPack) packs_[use] = bound_packs_[static_cast<size_t>(pack)].data;
  }
}

// Of a weight that this program changes, the pack that another has made, as a prediction does between steps of training.
// One that nobody has read since the last step has no use for now: its memory is given back.
Pack* Executable::fresh_pack(Store& store, const ProgramPack& pack) {
  const int state = state_indices_[static_cast<size_t>(pack.state)];
  Pack* found = store.find_pack(state, pack.kind, tensors_[pack.value]);
  if (!found || store.is_fresh(*found)) return found;
  found->release();
  return nullptr;
}

size_t Executable::workspace_bytes(int threads) const {
  size_t largest = 0;
  for (size_t index = 0; index < calls_.size(); ++index) {
    const int kernel = signatures()[program_.equations[index].opcode].kernel;
    const WorkspaceSize wanted = kernels_.workspaces[kernel];
    if (wanted) largest = std::max(largest, wanted(calls_[index], threads));
  }
  return align_up(largest);
}

}  // namespace lstm
