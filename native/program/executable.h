// A program made ready: its calls, bound to memory for one run after another.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "kernels/call.h"
#include "kernels/table.h"
#include "program/packs.h"
#include "program/program.h"
#include "program/store.h"
#include "runtime/arena.h"
#include "runtime/engine.h"
#include "runtime/parallel.h"
#include "runtime/status.h"
#include "runtime/threads.h"

namespace lstm {

class Executable : public Resource {
 public:
  Executable(Program program, const Kernels& kernels);
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;

  const Program& program() const { return program_; }

  // Throws InvalidInput unless the counts are within the capacities.
  void check(const Counts& counts) const;

  // Whether a run at these counts takes no longer than work.cc says of brief ones, on one thread: it has little to do, and
  // no weight to pack anew. The store and the executable must be idle; throws as `run` does.
  bool is_brief(Store& store, const Counts& counts);

  // Runs at counts no larger than the capacities, on a team of `team.most` threads, or on one when the run is small and
  // `team.adapts`; `inputs` has one address for each input. The outputs are where
  // `output` says until the arena is used again. Throws InvalidInput or std::bad_alloc before anything has run.
  RunOutcome run(Store& store, const Counts& counts, const void* const* inputs, Arena& arena, TeamSize team,
                 const std::atomic<bool>& abort);

  // An output of the last run, which was committed or failed at a guard.
  const Tensor& output(size_t index) const { return tensors_[program_.outputs[index]]; }

  // What a run takes of its arena, as far as the runs up to now tell: values and packs, and the workspace.
  size_t arena_bytes() const { return pack_plan_.arena_bytes + workspace_bytes_; }

  // A wrong kernel on purpose, to test those who look for one: after each equation of this op, the first element of its
  // first planned output is multiplied by 1 + relative. An opcode of -1 ends it. For the whole process.
  static void inject_fault(int opcode, double relative);

  // For runs on the calling thread.
  Arena& own_arena() { return own_arena_; }

 private:
  // A pack of the plan in the current run.
  struct BoundPack {
    // The store's; null for one that is made in the arena, by the first equation that reads it.
    Pack* shared;
    // A pack of the store that this run makes anew.
    bool stale;
    float* data;
  };
  struct Fault {
    int opcode = -1;
    double relative = 0;
  };
  struct Progress;

  void build_calls();
  void add_slots(const std::vector<std::vector<int32_t>>& slots);

  // Returns the number of threads.
  int bind(Store& store, const Counts& counts, const void* const* inputs, Arena& arena, TeamSize team);
  void resolve(Store& store, const Counts& counts);
  void find_states(const Store& store);
  void resolve_sizes(Store& store, const Counts& counts);
  bool is_placed(const void* const* inputs, const char* arena) const;
  void place(Store& store, const void* const* inputs, char* arena);
  size_t workspace_bytes(int threads) const;
  bool is_packed_state(size_t equation, int operand) const;
  double work(double packed_element_cost) const;
  void measure_work();
  void bind_packs(Store& store, char* arena);
  Pack* fresh_pack(Store& store, const ProgramPack& pack);

  void walk(Team& team, const std::atomic<bool>& abort, Progress& progress) noexcept;
  void execute(size_t equation, Team& team) noexcept;
  void refresh_kept_packs(Team& team) noexcept;
  void make_pack(size_t index, Team& team) noexcept;
  void copy_next_states(Team& team) noexcept;
  void corrupt(const Call& call, int outputs) const noexcept;
  int first_failed_guard() const noexcept;

  const Program program_;
  const Kernels& kernels_;
  Arena own_arena_;

  // By value: size and address in the current run.
  std::vector<Tensor> tensors_;
  // The values of all slots, one after the other, since those of a list must lie together.
  std::vector<Tensor> slot_tensors_;
  std::vector<int32_t> slot_values_;
  std::vector<Slot> slots_;
  std::vector<Attribute> attributes_;
  const PackPlan pack_plan_;
  // By pack of the plan, and by use.
  std::vector<BoundPack> bound_packs_;
  std::vector<const float*> packs_;
  // One for each equation.
  std::vector<Call> calls_;

  // What the tables above are bound to.
  uint64_t store_id_ = 0;
  std::vector<int> state_indices_;
  Counts counts_{-1, -1, -1};
  bool small_ = false;
  bool brief_ = false;
  bool placed_ = false;
  const char* placed_arena_ = nullptr;
  std::vector<const void*> placed_inputs_;
  // For which the workspace was measured; 0: for none yet.
  int threads_ = 0;
  size_t workspace_bytes_ = 0;
  Fault fault_;
  static std::atomic<int> fault_opcode;
  static std::atomic<double> fault_relative;
};

}  // namespace lstm
