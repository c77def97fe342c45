// The LSTM with options: whatever they are, nothing but the sequence may change a bit. What they compute is compared with
// the float64 reference in test/ops/recurrent/lstmOptionsNative.test.ts.
#include "support/kernel_case.h"
#include "support/lstm_reference.h"

namespace lstm::test {
namespace {

// Slots of lstm and lstm_backward that hold options.
enum Slot : size_t {
  kPeephole = 7,
  kProjection,
  kKeepHidden,
  kKeepCell,
  kMask,
  kGateState,  // in lstm_backward, the gradient of the last
  kGateWeight,
  kNormInput,
  kNormState,
  kNormCell,
  kNormCellBias,
  kSlots
};
const std::vector<size_t> kGates = {kGateState, kGateWeight};
const std::vector<size_t> kNorm = {kNormInput, kNormState, kNormCell, kNormCellBias};
// The first output of lstm that only lstm_backward reads, and its operand there.
constexpr size_t kSavedOutput = 8, kSavedOperand = kSlots, kSavedCount = 5;

struct Options {
  const char* name;
  std::vector<double> activations = kPlainActivations;
  double clip = 0;
  std::vector<size_t> slots = {};
  double gate_clip = 0;
};

// sigmoid 0, tanh 1, relu 2, hard sigmoid 3, identity 4, one 5, coupled 6
const std::vector<Options> kOptions = {
    {"peepholes", kPlainActivations, 0, {kPeephole}},
    {"no gates", {5, 5, 1, 5, 1}},
    {"coupled gates with peepholes", {0, 6, 1, 0, 1}, 0, {kPeephole}},
    {"hard sigmoid and relu", {3, 3, 2, 3, 2}},
    {"identity and tanh gates", {1, 1, 4, 1, 4}, 0.5},
    {"clip", kPlainActivations, 0.5},
    {"projection", kPlainActivations, 0, {kProjection}},
    {"zoneout", kPlainActivations, 0, {kKeepHidden, kKeepCell}},
    {"mask", kPlainActivations, 0, {kMask}},
    {"all", {0, 6, 1, 3, 1}, 0.7, {kPeephole, kProjection, kKeepHidden, kKeepCell, kMask}},
    {"gate clip", kPlainActivations, 0, {kPeephole}, 0.6},
    {"full gate recurrence", kPlainActivations, 0, kGates},
    {"full gate recurrence without two gates", {5, 0, 1, 5, 1}, 0, kGates},
    {"layer normalization", kPlainActivations, 0, kNorm},
    {"layer normalization of coupled gates", {0, 6, 1, 5, 1}, 0, kNorm},
    {"layer normalization with full gate recurrence",
     {0, 6, 1, 0, 1},
     0,
     {kGateState, kGateWeight, kNormInput, kNormState, kNormCell, kNormCellBias}},
    {"everything",
     {0, 6, 1, 3, 1},
     0.7,
     {kPeephole, kProjection, kKeepHidden, kKeepCell, kMask, kGateState, kGateWeight, kNormInput, kNormState, kNormCell,
      kNormCellBias},
     0.8},
};

struct OptionCase {
  LstmCase c;
  LstmOperands operands;
  int64_t outputs;  // P with a projection, else H
  std::vector<Arrays> slots;
  const Options& options;

  OptionCase(const LstmCase& sizes, const Options& chosen)
      : c(sizes), operands(sizes), outputs(sizes.units), slots(kSlots), options(chosen) {
    const int64_t T = c.steps, B = c.batch, H = c.units;
    for (const size_t slot : options.slots)
      if (slot == kProjection) outputs = (H + 1) / 2;
    operands.h0 = random_floats({B, outputs}, 2, 0.5f);
    operands.weight_hh = random_floats({4 * H, outputs}, 5, 0.2f);
    const Dims dims[] = {{3 * H},        {outputs, H}, {T, B, outputs}, {T, B, H}, {B, outputs}, {B, 3 * H},
                         {3 * H, 3 * H}, {4 * H},      {4 * H},         {H},       {H}};
    for (const size_t slot : options.slots)
      slots[slot] = {random_floats(dims[slot - kPeephole], static_cast<uint32_t>(20 + slot), 0.4f)};
  }

  KernelCase forward() const {
    KernelCase test = forward_case(c, operands);
    std::copy(slots.begin() + kPeephole, slots.end(), test.operands.begin() + kPeephole);
    test.outputs[0] = {empty({c.steps, c.batch, outputs})}, test.outputs[1] = {empty({c.batch, outputs})};
    describe(test);
    return test;
  }

  // Of what lstm gave, with every output planned.
  KernelCase backward(const std::vector<Arrays>& forward) const {
    const Array &gates = forward[3][0], &cells = forward[4][0];
    LstmCotangents cotangents(c);
    cotangents.dy = random_floats({c.steps, c.batch, outputs}, 9),
    cotangents.dh_n = random_floats({c.batch, outputs}, 10);
    KernelCase test = backward_case(c, operands, cotangents, gates, cells);
    std::copy(slots.begin() + kPeephole, slots.end(), test.operands.begin() + kPeephole);
    if (options.gate_clip > 0) test.operands[kSavedOperand] = forward[kSavedOutput];
    for (size_t i = 1; normalizes() && i < kSavedCount; ++i)
      test.operands[kSavedOperand + i] = forward[kSavedOutput + i];
    test.outputs[1] = {empty({c.batch, outputs})}, test.outputs[5] = {empty(cotangents.dy.dims)};
    for (Arrays& output : test.outputs) output[0].planned = true;
    describe(test);
    return test;
  }

  bool normalizes() const { return !slots[kNormInput].empty(); }

 private:
  void describe(KernelCase& test) const {
    test.attributes[1] = options.activations, test.attributes[2] = {options.clip};
    test.attributes[3] = {options.gate_clip};
  }
};

TEST(LstmOptions, HaveTheSameBitsWithEveryIsaAndManyThreads) {
  for (const Options& options : kOptions) {
    for (const int64_t batch : {3, 17, 50}) {
      SCOPED_TRACE(testing::Message() << options.name << " B " << batch);
      LstmCase sizes;
      sizes.steps = 3, sizes.batch = batch, sizes.inputs = 9, sizes.units = batch == 17 ? 130 : 33;
      sizes.ragged = true, sizes.reverse = batch == 17;
      const OptionCase one(sizes, options);
      KernelCase forward = one.forward();
      forward.threads = {1, 4, 8};
      const std::vector<Arrays> outputs = run_everywhere(forward);
      KernelCase backward = one.backward(outputs);
      backward.threads = {1, 4, 8};
      const std::vector<Arrays> gradients = run_everywhere(backward);
      KernelCase peephole = {KernelId::lstm_backward_peephole,
                             {{gradients[0][0]}, {outputs[4][0]}, {one.operands.c0}, {one.operands.lengths}},
                             {{empty({3 * sizes.units})}},
                             {{sizes.reverse ? 1.0 : 0.0}}};
      peephole.threads = {1, 4, 8};
      run_everywhere(peephole);
      KernelCase norm = {
          KernelId::lstm_backward_norm,
          {{gradients[0][0]}, {gradients[9][0]}, outputs[9], outputs[10], outputs[11]},
          {{empty({4 * sizes.units})}, {empty({4 * sizes.units})}, {empty({sizes.units})}, {empty({sizes.units})}}};
      norm.threads = {1, 4, 8};
      for (const Arrays& sum : run_everywhere(norm))
        for (const float value : sum[0].floats()) ASSERT_TRUE(std::isfinite(value));
      for (const Arrays& output : outputs)
        for (const float value : output[0].floats()) ASSERT_TRUE(std::isfinite(value));
      for (const Arrays& gradient : gradients)
        for (const float value : gradient[0].floats()) ASSERT_TRUE(std::isfinite(value));
    }
  }
}

TEST(LstmOptions, WriteWhatIsPlannedTheSameWhateverElseIs) {
  for (const Options& options : kOptions) {
    SCOPED_TRACE(options.name);
    LstmCase sizes;
    sizes.steps = 7, sizes.batch = 7, sizes.inputs = 5, sizes.units = 17, sizes.ragged = true;
    const OptionCase one(sizes, options);
    const std::vector<Arrays> all = run_everywhere(one.forward());
    for (size_t wanted = 0; wanted < all.size(); ++wanted) {
      KernelCase test = one.forward();
      for (size_t i = 0; i < all.size(); ++i) test.outputs[i][0].planned = i == wanted;
      EXPECT_TRUE(run_everywhere(test)[wanted][0].bytes == all[wanted][0].bytes) << "output " << wanted;
    }
    KernelCase backward = one.backward(all);
    const std::vector<Arrays> gradients = run_everywhere(backward);
    for (size_t wanted = 0; wanted < gradients.size(); ++wanted) {
      for (size_t i = 1; i < gradients.size(); ++i) backward.outputs[i][0].planned = i == wanted;
      const std::vector<Arrays> received = run_everywhere(backward);
      EXPECT_TRUE(received[0][0].bytes == gradients[0][0].bytes) << "beside gradient " << wanted;
      EXPECT_TRUE(received[wanted][0].bytes == gradients[wanted][0].bytes) << "gradient " << wanted;
    }
  }
}

TEST(LstmOptions, ThatChangeNothingGiveThePlainBits) {
  LstmCase sizes;
  sizes.steps = 3, sizes.batch = 7, sizes.inputs = 5, sizes.units = 33;
  const LstmOperands operands(sizes);
  const std::vector<Arrays> plain = run_everywhere(forward_case(sizes, operands));
  const KernelCase backward = backward_case(sizes, operands, LstmCotangents(sizes), plain[3][0], plain[4][0]);
  const std::vector<Arrays> gradients = run_everywhere(backward);
  // Clips that nothing reaches.
  KernelCase forward_clipped = forward_case(sizes, operands), backward_clipped = backward;
  forward_clipped.attributes[2] = backward_clipped.attributes[2] = {1e6};
  forward_clipped.attributes[3] = backward_clipped.attributes[3] = {1e6};
  const std::vector<Arrays> clipped = run_everywhere(forward_clipped);
  for (size_t i = 0; i < 6; ++i) EXPECT_TRUE(clipped[i][0].bytes == plain[i][0].bytes) << "output " << i;
  backward_clipped.operands[kSavedOperand] = clipped[kSavedOutput];
  const std::vector<Arrays> clipped_gradients = run_everywhere(backward_clipped);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_TRUE(clipped_gradients[i][0].bytes == gradients[i][0].bytes) << "gradient " << i;
  // Asking for what reaches h and c takes the cell with options.
  KernelCase asking = backward;
  for (const size_t output : {5, 6}) asking.outputs[output][0].planned = true;
  const std::vector<Arrays> asked = run_everywhere(asking);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(asked[i][0].bytes == gradients[i][0].bytes) << "gradient " << i;
  EXPECT_TRUE(asked[5][0].bytes == asked[3][0].bytes);
}

}  // namespace
}  // namespace lstm::test
