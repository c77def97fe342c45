#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "isa/dispatch.h"
#include "program/packs.h"
#include "runtime/arena.h"
#include "support/opcode.h"

namespace lstm {
namespace {

constexpr int kWidth = 24;

Dim fixed(int32_t size) { return {size, {0, 0, 0}}; }

// y = linear(x, weight) of [1, 24], or dx = linear_backward_input(dy, weight), again and again: x is any value that was
// made before, and a weight one of the states, of which some change. The last four are the commit; there are a guard, outputs and
// a next state.
class Linears {
 public:
  explicit Linears(unsigned seed) : random_(seed) {
    program.capacities = {1, 1, 1};
    for (int state = 0; state < 3; ++state) {
      program.states.push_back("weight " + std::to_string(state));
      program.values.push_back({Dtype::float32, 2, {fixed(kWidth), fixed(kWidth)}, Place::state, state});
    }
    program.values.push_back({Dtype::float32, 2, {fixed(1), fixed(kWidth)}, Place::input, 0});
    program.inputs = {3};
    for (int equation = 0; equation < 12; ++equation) add();
    program.compute_count = 8;
    program.arena_bytes = align_up(kWidth * sizeof(float)) * 12 + gap_;
    program.guards = {pick(4, 11)};
    program.outputs = {pick(4, 15), 15};
    program.next_states = {{0, pick(4, 15)}};
    program.written_states = {0, 2};
  }

  Program program{};

 private:
  int32_t pick(int32_t least, int32_t most) { return std::uniform_int_distribution<int32_t>(least, most)(random_); }

  // Each value lies behind the last, with gaps in which a pack may have room.
  void add() {
    const int32_t made = static_cast<int32_t>(program.values.size());
    const int64_t position = static_cast<int64_t>(align_up(kWidth * sizeof(float))) * (made - 4) + gap_;
    if (pick(0, 2) == 0) gap_ += 4096;
    program.values.push_back({Dtype::float32, 2, {fixed(1), fixed(kWidth)}, Place::arena, position});
    const bool backward = pick(0, 1) == 1;
    const int32_t read = pick(3, made - 1), weight = pick(0, 2);
    std::vector<std::vector<int32_t>> operands{{read}, {weight}, {}};
    if (!backward) operands.push_back({});
    program.equations.push_back({opcode(backward ? "linear_backward_input" : "linear"), operands, {{made}}, {}});
  }

  std::mt19937 random_;
  int64_t gap_ = 0;
};

bool reads(const Equation& equation, int32_t value) {
  return std::any_of(equation.operands.begin(), equation.operands.end(), [&](const std::vector<int32_t>& slot) {
    return std::find(slot.begin(), slot.end(), value) != slot.end();
  });
}

// From the equation that makes it to the last that reads it, to the end of what is computed when it is a guard, or to the end
// of all when it is an output or what a state becomes.
bool is_alive(const Program& program, int32_t value, size_t equation) {
  if (static_cast<size_t>(value) - 4 > equation) return false;
  if (static_cast<size_t>(value) - 4 == equation) return true;
  const auto is_in = [&](const std::vector<int32_t>& list) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  if (is_in(program.outputs) || program.next_states[0].next == value) return true;
  // It is looked at before the commit begins.
  if (is_in(program.guards) && equation <= static_cast<size_t>(program.compute_count)) return true;
  for (size_t later = equation; later < program.equations.size(); ++later) {
    if (reads(program.equations[later], value)) return true;
  }
  return false;
}

struct Bytes {
  size_t begin, end;
  bool meets(const Bytes& other) const { return begin < other.end && other.begin < end; }
};

TEST(Packs, LieWhereNothingIsAliveThatTheyWouldOverwrite) {
  const Kernels& kernels = *kernels_for(available_isas().back());
  int within = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    const Program program = Linears(seed).program;
    const PackPlan plan = plan_packs(program, kernels);
    for (size_t equation = 0; equation < program.equations.size(); ++equation) {
      std::vector<Bytes> taken;
      for (int32_t value = 4; value < static_cast<int32_t>(program.values.size()); ++value) {
        const size_t begin = static_cast<size_t>(program.values[value].position);
        if (is_alive(program, value, equation)) taken.push_back({begin, begin + kWidth * sizeof(float)});
      }
      for (const ProgramPack& pack : plan.packs) {
        if (pack.kept || equation < pack.first || equation > pack.last) continue;
        const Bytes bytes{pack.offset, pack.offset + pack.bytes};
        for (const Bytes& other : taken) EXPECT_FALSE(bytes.meets(other)) << "program " << seed << ", at " << equation;
        EXPECT_LE(bytes.end, plan.arena_bytes);
        taken.push_back(bytes);
        within += bytes.end <= program.arena_bytes;
      }
    }
  }
  EXPECT_GT(within, 0) << "no pack lies among the values, so nothing was tested";
}

TEST(Packs, AreOneForAllEquationsThatReadAWeightInOneFormBeforeTheCommit) {
  const Kernels& kernels = *kernels_for(available_isas().back());
  for (unsigned seed = 0; seed < 50; ++seed) {
    const Program program = Linears(seed).program;
    const size_t commit = static_cast<size_t>(program.compute_count);
    const PackPlan plan = plan_packs(program, kernels);
    for (size_t equation = 0; equation < program.equations.size(); ++equation) {
      ASSERT_EQ(plan.first_use[equation + 1] - plan.first_use[equation], 1u);
      const ProgramPack& pack = plan.packs[static_cast<size_t>(plan.uses[plan.first_use[equation]])];
      EXPECT_EQ(pack.value, program.equations[equation].operands[1].front());
      EXPECT_LE(pack.first, equation);
      EXPECT_GE(pack.last, equation);
      // Weights 0 and 2 change with each run.
      EXPECT_EQ(pack.kept, pack.value == 1 && equation < commit);
    }
    for (const ProgramPack& pack : plan.packs) {
      const auto same = [&](const ProgramPack& other) {
        return other.value == pack.value && other.kind == pack.kind && other.first < commit;
      };
      if (pack.first >= commit) continue;
      EXPECT_EQ(std::count_if(plan.packs.begin(), plan.packs.end(), same), 1);
    }
  }
}

// The commit may have changed the weight.
TEST(Packs, OfTheCommitAreMadeByTheEquationThatReadsThem) {
  const Kernels& kernels = *kernels_for(available_isas().back());
  for (unsigned seed = 0; seed < 50; ++seed) {
    const Program program = Linears(seed).program;
    const PackPlan plan = plan_packs(program, kernels);
    for (size_t equation = static_cast<size_t>(program.compute_count); equation < 12; ++equation) {
      const size_t index = static_cast<size_t>(plan.uses[plan.first_use[equation]]);
      EXPECT_EQ(plan.packs[index].first, equation);
      EXPECT_EQ(plan.packs[index].last, equation);
      EXPECT_EQ(plan.packs[index].state, kNoState);
      EXPECT_EQ(plan.first_pack[equation], index);
    }
  }
}

}  // namespace
}  // namespace lstm
