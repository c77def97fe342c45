// Execution: every thread of the team walks the same equations, with a barrier after each.
#include <cmath>
#include <cstring>

#include "program/executable.h"
#include "runtime/denormals.h"

namespace lstm {

std::atomic<int> Executable::fault_opcode{-1};
std::atomic<double> Executable::fault_relative{0};

void Executable::inject_fault(int opcode, double relative) {
  fault_relative.store(relative);
  fault_opcode.store(opcode);
}

// Written by rank 0, read by all after a barrier.
struct Executable::Progress {
  // For even and odd equations: rank 0 may already be at the next one when the last thread reads.
  bool stop[2] = {false, false};
  // Memory that no thread has touched yet.
  char* untouched = nullptr;
  size_t untouched_bytes = 0;
  RunOutcome outcome;
};

void Executable::check(const Counts& counts) const {
  for (int name = 0; name < kCountNames; ++name) {
    if (counts[name] < 0 || counts[name] > program_.capacities[name]) {
      throw InvalidInput("a count is negative, or beyond the capacity of the plan");
    }
  }
}

RunOutcome Executable::run(Store& store, const Counts& counts, const void* const* inputs, Arena& arena, TeamSize team,
                           const std::atomic<bool>& abort) {
  if (abort.load()) return {RunStatus::aborted, 0};
  check(counts);
  const int threads = bind(store, counts, inputs, arena, team);
  Progress progress;
  if (arena.take_untouched()) {
    progress.untouched = arena.data();
    progress.untouched_bytes = arena.bytes();
  }
  run_team(threads, [&](Team& member) noexcept {
    Team own = member.in_run(team.adapts);
    walk(own, abort, progress);
  });
  if (progress.outcome.status == RunStatus::committed) {
    for (int32_t state : program_.written_states) store.changed(state_indices_[static_cast<size_t>(state)]);
  }
  return progress.outcome;
}

void Executable::walk(Team& team, const std::atomic<bool>& abort, Progress& progress) noexcept {
  const FlushDenormals flush;
  constexpr int64_t kPage = 4096;
  const Range pages = team.split(static_cast<int64_t>(progress.untouched_bytes), kPage);
  for (int64_t byte = pages.begin; byte < pages.end; byte += kPage) progress.untouched[byte] = 0;
  // A thread that comes late to its pages would wipe bytes of what the others have computed.
  if (progress.untouched) team.barrier();
  refresh_kept_packs(team);

  const size_t compute_count = static_cast<size_t>(program_.compute_count);
  for (size_t equation = 0; equation < compute_count; ++equation) {
    bool& stop = progress.stop[equation % 2];
    if (team.rank() == 0) stop = abort.load(std::memory_order_relaxed);
    execute(equation, team);
    if (!stop) continue;
    if (team.rank() == 0) progress.outcome = {RunStatus::aborted, static_cast<int>(equation)};
    return;
  }

  const int failed = first_failed_guard();
  if (failed >= 0) {
    if (team.rank() == 0) progress.outcome = {RunStatus::guard_failed, failed};
    return;
  }
  // The commit may reuse the memory of the guards.
  team.barrier();
  for (size_t equation = compute_count; equation < calls_.size(); ++equation) execute(equation, team);
  copy_next_states(team);
}

void Executable::execute(size_t equation, Team& team) noexcept {
  const size_t packs_end = pack_plan_.first_pack[equation + 1];
  bool packed = false;
  for (size_t index = pack_plan_.first_pack[equation]; index < packs_end; ++index) {
    if (bound_packs_[index].shared) continue;
    make_pack(index, team);
    packed = true;
  }
  if (packed) team.barrier();

  const int opcode = program_.equations[equation].opcode;
  kernels_.kernels[signatures()[opcode].kernel](calls_[equation], team);
  team.barrier();
  if (opcode == fault_.opcode) {
    if (team.rank() == 0) corrupt(calls_[equation], static_cast<int>(program_.equations[equation].outputs.size()));
    team.barrier();
  }
}

// Before any equation, since a run that is aborted must not leave packs behind that only seem fresh.
void Executable::refresh_kept_packs(Team& team) noexcept {
  bool packed = false;
  for (size_t index = 0; index < bound_packs_.size(); ++index) {
    if (!bound_packs_[index].stale) continue;
    make_pack(index, team);
    packed = true;
  }
  if (packed) team.barrier();
}

void Executable::make_pack(size_t index, Team& team) noexcept {
  const ProgramPack& pack = pack_plan_.packs[index];
  kernels_.pack(pack.kind, tensors_[pack.value], bound_packs_[index].data, team);
}

void Executable::copy_next_states(Team& team) noexcept {
  for (const NextState& pair : program_.next_states) {
    const Tensor& state = tensors_[pair.state];
    const Tensor& next = tensors_[pair.next];
    const int64_t bytes = next.size() * static_cast<int64_t>(element_bytes(next.dtype));
    const Range part = team.split(bytes, static_cast<int64_t>(kAlignment));
    if (part.size() > 0) {
      std::memcpy(static_cast<char*>(state.data) + part.begin, static_cast<const char*>(next.data) + part.begin,
                  static_cast<size_t>(part.size()));
    }
  }
}

void Executable::corrupt(const Call& call, int outputs) const noexcept {
  for (int slot = 0; slot < outputs; ++slot) {
    for (int index = 0; index < call.outputs[slot].count; ++index) {
      const Tensor& output = call.output(slot, index);
      if (!output.data || output.size() == 0 || output.dtype == Dtype::int32) continue;
      if (output.dtype == Dtype::float32) output.f32()[0] *= static_cast<float>(1 + fault_.relative);
      if (output.dtype == Dtype::float64) output.f64()[0] *= 1 + fault_.relative;
      return;
    }
  }
}

int Executable::first_failed_guard() const noexcept {
  for (size_t index = 0; index < program_.guards.size(); ++index) {
    const Tensor& guard = tensors_[program_.guards[index]];
    const double value = guard.dtype == Dtype::float64 ? *guard.f64() : static_cast<double>(*guard.f32());
    if (!std::isfinite(value)) return static_cast<int>(index);
  }
  return -1;
}

}  // namespace lstm
