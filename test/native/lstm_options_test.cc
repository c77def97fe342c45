// The LSTM with options: whatever they are, nothing but the sequence may change a bit. What they compute is compared with
// the float64 reference in test/ops/recurrent/lstmOptionsNative.test.ts.
#include "support/kernel_case.h"
#include "support/lstm_reference.h"

namespace lstm::test {
namespace {

// Slots of lstm and lstm_backward that hold options.
enum Slot : size_t { kPeephole = 7, kProjection = 8, kKeepHidden = 9, kKeepCell = 10, kMask = 11 };

struct Options {
  const char* name;
  std::vector<double> activations = kPlainActivations;
  double clip = 0;
  std::vector<size_t> slots = {};
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
};

struct OptionCase {
  LstmCase c;
  LstmOperands operands;
  int64_t outputs;  // P with a projection, else H
  std::vector<Arrays> slots;
  const Options& options;

  OptionCase(const LstmCase& sizes, const Options& chosen)
      : c(sizes), operands(sizes), outputs(sizes.units), slots(12), options(chosen) {
    const int64_t T = c.steps, B = c.batch, H = c.units;
    for (const size_t slot : options.slots)
      if (slot == kProjection) outputs = (H + 1) / 2;
    operands.h0 = random_floats({B, outputs}, 2, 0.5f);
    operands.weight_hh = random_floats({4 * H, outputs}, 5, 0.2f);
    const Dims dims[] = {{3 * H}, {outputs, H}, {T, B, outputs}, {T, B, H}, {B, outputs}};
    for (const size_t slot : options.slots)
      slots[slot] = {random_floats(dims[slot - kPeephole], static_cast<uint32_t>(20 + slot), 0.4f)};
  }

  KernelCase forward() const {
    KernelCase test = forward_case(c, operands);
    std::copy(slots.begin() + kPeephole, slots.end(), test.operands.begin() + kPeephole);
    test.outputs[0] = {empty({c.steps, c.batch, outputs})}, test.outputs[1] = {empty({c.batch, outputs})};
    test.attributes[1] = options.activations, test.attributes[2] = {options.clip};
    return test;
  }

  KernelCase backward(const Array& gates, const Array& cells) const {
    LstmCotangents cotangents(c);
    cotangents.dy = random_floats({c.steps, c.batch, outputs}, 9),
    cotangents.dh_n = random_floats({c.batch, outputs}, 10);
    KernelCase test = backward_case(c, operands, cotangents, gates, cells);
    std::copy(slots.begin() + kPeephole, slots.end(), test.operands.begin() + kPeephole);
    test.outputs[1] = {empty({c.batch, outputs})};
    test.attributes[1] = options.activations, test.attributes[2] = {options.clip};
    return test;
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
      KernelCase backward = one.backward(outputs[3][0], outputs[4][0]);
      backward.threads = {1, 4, 8};
      const std::vector<Arrays> gradients = run_everywhere(backward);
      KernelCase peephole = {KernelId::lstm_backward_peephole,
                             {{gradients[0][0]}, {outputs[4][0]}, {one.operands.c0}, {one.operands.lengths}},
                             {{empty({3 * sizes.units})}},
                             {{sizes.reverse ? 1.0 : 0.0}}};
      peephole.threads = {1, 4, 8};
      run_everywhere(peephole);
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
    KernelCase backward = one.backward(all[3][0], all[4][0]);
    const std::vector<Arrays> gradients = run_everywhere(backward);
    for (size_t i = 1; i < 4; ++i) backward.outputs[i][0].planned = false;
    EXPECT_TRUE(run_everywhere(backward)[0][0].bytes == gradients[0][0].bytes);
  }
}

TEST(LstmOptions, ThatChangeNothingGiveThePlainBits) {
  LstmCase sizes;
  sizes.steps = 3, sizes.batch = 7, sizes.inputs = 5, sizes.units = 33;
  const LstmOperands operands(sizes);
  const std::vector<Arrays> plain = run_everywhere(forward_case(sizes, operands));
  const KernelCase backward = backward_case(sizes, operands, LstmCotangents(sizes), plain[3][0], plain[4][0]);
  const std::vector<Arrays> gradients = run_everywhere(backward);
  // A clip that no cell reaches.
  KernelCase forward_clipped = forward_case(sizes, operands), backward_clipped = backward;
  forward_clipped.attributes[2] = backward_clipped.attributes[2] = {1e6};
  const std::vector<Arrays> clipped = run_everywhere(forward_clipped);
  for (size_t i = 0; i < 6; ++i) EXPECT_TRUE(clipped[i][0].bytes == plain[i][0].bytes) << "output " << i;
  const std::vector<Arrays> clipped_gradients = run_everywhere(backward_clipped);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_TRUE(clipped_gradients[i][0].bytes == gradients[i][0].bytes) << "gradient " << i;
}

}  // namespace
}  // namespace lstm::test
