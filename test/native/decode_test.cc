#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "isa/dispatch.h"
#include "program/executable.h"
#include "program/program.h"
#include "support/opcode.h"

namespace lstm {
namespace {

// total = add(state, x) [B]; loss = sum of it; commit if finite: state -> total. An arena of two blocks of 64 bytes.
struct Encoded {
  // clang-format off
  std::vector<int32_t> words = {
      1, 1, 4, 1, 2,                     // format, capacities T B S, arena blocks
      4,                                 // values
      0, 1, 1, 0, 1, 0, 1, 0,            // 0: x, float32 [B], input 0
      0, 1, 1, 0, 1, 0, 2, 0,            // 1: state, float32 [B], state 0
      0, 1, 1, 0, 1, 0, 0, 0,            // 2: total, float32 [B], arena block 0
      0, 0, 0, 1,                        // 3: loss, float32 [], arena block 1
      1, 0,                              // inputs
      2, 2,                              // equations, of which compute
      opcode("add"), 1, 1, 1, 0, 1, 2,   // total = add(state, x)
      opcode("sum"), 1, 2, 1, 3, 1, 1,   // loss = sum(total), axes [0], no kept dims
      1, 3, 2, 3, 2,                     // guards, outputs
      1, 1, 1, 2,                        // state -> total
  };
  // clang-format on
  std::vector<double> numbers = {0, 0};
  std::vector<std::string> states = {"state"};

  Program decode() const { return lstm::decode(words.data(), words.size(), numbers.data(), numbers.size(), states); }
};

constexpr size_t kArenaBlocks = 4, kFirstValue = 6, kStatePlace = kFirstValue + 14, kTotalPosition = kFirstValue + 23,
                 kFirstEquation = kFirstValue + 32;

std::string refusal(const Encoded& encoded) {
  try {
    encoded.decode();
  } catch (const InvalidInput& error) {
    return error.what();
  }
  return "";
}

TEST(Decode, ReadsWhatWasEncoded) {
  const Program program = Encoded().decode();
  EXPECT_EQ(program.capacities, (Counts{1, 4, 1}));
  EXPECT_EQ(program.arena_bytes, 128u);
  EXPECT_EQ(program.equations.size(), 2u);
  EXPECT_EQ(program.values[3].position, 64);
  EXPECT_EQ(program.written_states, (std::vector<int32_t>{0}));
}

TEST(Decode, RefusesWhatEndsEarlyOrHasALeftOver) {
  for (size_t length = 0; length < Encoded().words.size(); ++length) {
    Encoded encoded;
    encoded.words.resize(length);
    EXPECT_NE(refusal(encoded), "") << length;
  }
  Encoded encoded;
  encoded.words.push_back(0);
  EXPECT_NE(refusal(encoded), "");
  encoded = Encoded();
  encoded.numbers.push_back(0);
  EXPECT_NE(refusal(encoded), "");
}

TEST(Decode, NamesWhatDoesNotFit) {
  const auto changed = [](size_t position, int32_t word) {
    Encoded encoded;
    encoded.words[position] = word;
    return refusal(encoded);
  };
  EXPECT_EQ(changed(0, 2), "encoded program: another version of the format");
  EXPECT_EQ(changed(kArenaBlocks, 1), "encoded program: a value lies outside the arena");
  EXPECT_EQ(changed(kTotalPosition, 2), "encoded program: a value lies outside the arena");
  EXPECT_EQ(changed(kStatePlace, 0), "encoded program: a value is read before it is made");
  EXPECT_EQ(changed(kFirstValue, 1), "encoded program: add: b has the wrong dtype");
  EXPECT_EQ(changed(kFirstValue, 7), "encoded program: a number is out of range");
  EXPECT_EQ(changed(kFirstEquation + 2, 3), "encoded program: a value is read before it is made");
  EXPECT_EQ(changed(kFirstEquation + 6, 0), "encoded program: a value is made twice, or lies in an input or a state");
  EXPECT_EQ(changed(kFirstValue + 4, 6), "");
  Encoded encoded;
  encoded.words[2] = std::numeric_limits<int32_t>::max();
  encoded.words[kFirstValue + 4] = 6;
  EXPECT_EQ(refusal(encoded), "encoded program: a value is too large");
  encoded = Encoded();
  encoded.numbers[0] = std::nan("");
  EXPECT_EQ(refusal(encoded), "encoded program: an attribute is not an integer");
}

TEST(Decode, SurvivesAnyCorruption) {
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    Encoded encoded;
    for (uint32_t change = 1 + random() % 3; change > 0; --change) {
      const int32_t words[] = {
          0, 1, 2, 3, 5, -1, 64, static_cast<int32_t>(random()), std::numeric_limits<int32_t>::max()};
      encoded.words[random() % encoded.words.size()] = words[random() % 9];
    }
    refused += refusal(encoded) != "";
  }
  EXPECT_GT(refused, 10000);
}

class ExecutableTest : public testing::Test {
 protected:
  ExecutableTest() : executable_(Encoded().decode(), *active_isa().kernels) {
    store_.allocate({{"other", Dtype::float32, 3}, {"state", Dtype::float32, 4}});
  }
  RunOutcome run(int32_t rows, const std::vector<float>& x, int threads = 1) {
    const void* inputs[] = {x.data()};
    return executable_.run(store_, {1, rows, 1}, inputs, arena_, {threads}, abort_);
  }
  std::vector<float> state() const {
    const float* data = reinterpret_cast<const float*>(store_.state(1).data);
    return {data, data + 4};
  }
  float loss() const { return *executable_.output(0).f32(); }

  Executable executable_;
  Store store_;
  Arena arena_;
  std::atomic<bool> abort_{false};
};

TEST_F(ExecutableTest, CommitsTheNextStatesOfTheRowsThatWereRun) {
  EXPECT_EQ(run(4, {1, 2, 3, 4}).status, RunStatus::committed);
  EXPECT_EQ(loss(), 10);
  EXPECT_EQ(run(2, {10, 20}, 2).status, RunStatus::committed);
  EXPECT_EQ(loss(), 33);
  EXPECT_EQ(executable_.output(1).size(), 2);
  EXPECT_EQ(state(), (std::vector<float>{11, 22, 3, 4}));
}

TEST_F(ExecutableTest, ChangesNothingWhenAGuardIsNotFinite) {
  run(4, {1, 2, 3, 4});
  const uint64_t version = store_.state(1).version;
  const RunOutcome outcome = run(4, {0, INFINITY, 0, 0});
  EXPECT_EQ(outcome.status, RunStatus::guard_failed);
  EXPECT_EQ(outcome.index, 0);
  EXPECT_EQ(state(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(store_.state(1).version, version);
}

TEST_F(ExecutableTest, ChangesNothingWhenAborted) {
  abort_ = true;
  EXPECT_EQ(run(4, {1, 2, 3, 4}).status, RunStatus::aborted);
  EXPECT_EQ(state(), (std::vector<float>{0, 0, 0, 0}));
}

TEST_F(ExecutableTest, MovesToAnotherStoreAndRefusesOneThatDoesNotFit) {
  run(4, {1, 2, 3, 4});
  Store other;
  other.allocate({{"state", Dtype::float32, 4}});
  const std::vector<float> x = {5, 5, 5, 5};
  const void* inputs[] = {x.data()};
  executable_.run(other, {1, 4, 1}, inputs, arena_, {1}, abort_);
  EXPECT_EQ(loss(), 20);
  Store small;
  small.allocate({{"state", Dtype::float32, 3}});
  EXPECT_THROW(executable_.run(small, {1, 1, 1}, inputs, arena_, {1}, abort_), InvalidInput);
  Store without;
  EXPECT_THROW(executable_.run(without, {1, 1, 1}, inputs, arena_, {1}, abort_), InvalidInput);
  run(4, {1, 1, 1, 1});
  EXPECT_EQ(loss(), 14);
}

TEST_F(ExecutableTest, RefusesCountsBeyondTheCapacities) {
  EXPECT_THROW(run(5, {1, 2, 3, 4, 5}), InvalidInput);
  EXPECT_THROW(run(-1, {}), InvalidInput);
}

TEST_F(ExecutableTest, AnInjectedFaultChangesOneElementByAFactor) {
  Executable::inject_fault(opcode("add"), 0.5);
  run(4, {2, 2, 2, 2}, 2);
  Executable::inject_fault(-1, 0);
  EXPECT_EQ(loss(), 9);
  EXPECT_EQ(state(), (std::vector<float>{3, 2, 2, 2}));
}

}  // namespace
}  // namespace lstm
