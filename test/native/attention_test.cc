// The LSTM that attends to a memory: nothing but the sequence and its memory may change a bit. What it computes is
// compared with the float64 reference in test/ops/recurrent/attentionLstmNative.test.ts.
#include "support/lstm_reference.h"

namespace lstm::test {
namespace {

// Options of the cell: by their slots in attention_lstm, and by attributes.
struct Options {
  const char* name;
  std::vector<double> activations = kPlainActivations;
  double clip = 0, gate_clip = 0;
  bool peepholes = false, projection = false, zoneout = false, mask = false, gates_recur = false, norm = false;
};
const Options kPlain = {"plain"};
const std::vector<Options> kOptions = {
    kPlain,
    {"peepholes and clips", kPlainActivations, 0.5, 0.6, true},
    {"coupled gates and relu", {0, 6, 2, 3, 2}},
    {"projection", kPlainActivations, 0, 0, false, true},
    {"zoneout and mask", kPlainActivations, 0, 0, false, false, true, true},
    {"full gate recurrence", kPlainActivations, 0, 0, false, false, false, false, true},
    {"layer normalization", kPlainActivations, 0, 0, false, false, false, false, false, true},
    {"everything", {0, 6, 1, 3, 1}, 0.7, 0.8, true, true, true, true, true, true},
};

// Where attention_lstm has its cell's options, and lstm_backward's operands the same.
enum Slot : size_t {
  kPeephole = 7,
  kProjection,
  kKeepHidden,
  kKeepCell,
  kMask,
  kGates,
  kGateWeight,
  kNorm,
  kKeys = 18
};
constexpr size_t kSavedOutput = 8, kUnattended = 13;

struct AttentionCase {
  LstmCase c;
  int64_t slots, width, size;  // S, P and A
  bool additive;
  Options options;
  LstmOperands operands;
  std::vector<Arrays> cell;  // of options, from kPeephole on
  Arrays keys, values, weight_query, weight_score, memory_lengths;

  AttentionCase(const LstmCase& sizes, int64_t slot_count, int64_t attention_size, bool is_additive,
                const Options& chosen = kPlain)
      : c(sizes),
        slots(slot_count),
        width(chosen.projection ? (sizes.units + 1) / 2 : sizes.units),
        size(is_additive ? attention_size : width),
        additive(is_additive),
        options(chosen),
        operands(sizes),
        cell(kKeys - kPeephole),
        keys{random_floats({c.batch, slots, size}, 21)},
        values{random_floats({c.batch, slots, width}, 22)},
        memory_lengths{random_ints({c.batch}, 25, static_cast<int32_t>(slots + 1))} {
    const int64_t T = c.steps, B = c.batch, H = c.units;
    operands.h0 = random_floats({B, width}, 2, 0.5f);
    operands.weight_hh = random_floats({4 * H, width}, 5, 0.2f);
    const auto give = [&](bool present, size_t slot, Dims dims) {
      if (present) cell[slot - kPeephole] = {random_floats(std::move(dims), 30 + static_cast<uint32_t>(slot), 0.4f)};
    };
    give(options.peepholes, kPeephole, {3 * H});
    give(options.projection, kProjection, {width, H});
    give(options.zoneout, kKeepHidden, {T, B, width});
    give(options.zoneout, kKeepCell, {T, B, H});
    give(options.mask, kMask, {B, width});
    give(options.gates_recur, kGates, {B, 3 * H});
    give(options.gates_recur, kGateWeight, {3 * H, 3 * H});
    const Dims gains[] = {{4 * H}, {4 * H}, {H}, {H}};
    for (size_t i = 0; i < 4; ++i) give(options.norm, kNorm + i, gains[i]);
    if (!additive) return;
    // The first row has a key beyond those of which exponentials are taken, and attends to it.
    std::vector<float> large = keys[0].floats();
    std::vector<int32_t> slots_of = memory_lengths[0].as<int32_t>();
    if (!large.empty()) large[0] = 21, slots_of[0] = std::max(slots_of[0], 1);
    keys = {floats(keys[0].dims, large)}, memory_lengths = {ints({c.batch}, slots_of)};
    weight_query = {random_floats({size, width}, 23, 0.3f)};
    weight_score = {random_floats({size}, 24)};
  }

  Dims sequence(int64_t last) const { return {c.steps, c.batch, last}; }
  std::vector<std::vector<double>> attributes() const {
    return {{c.reverse ? 1.0 : 0.0}, options.activations, {options.clip}, {options.gate_clip}};
  }

  KernelCase forward() const {
    const LstmOperands& o = operands;
    const int64_t H = c.units;
    KernelCase test = {KernelId::attention_lstm,
                       {{o.x}, {o.h0}, {o.c0}, {o.weight_ih}, {o.weight_hh}, {o.bias_ih}, {o.bias_hh}},
                       {{empty(sequence(width))},
                        {empty({c.batch, width})},
                        {empty({c.batch, H})},
                        {empty(sequence(4 * H))},
                        {empty(sequence(H))},
                        {empty(sequence(H))},
                        {empty(sequence(3 * H))},
                        {empty({c.batch, 3 * H})},
                        {empty({4, 2})},
                        {empty(sequence(4 * H))},
                        {empty(sequence(4 * H))},
                        {empty(sequence(H))},
                        {empty(sequence(3))},
                        {empty(sequence(width))},
                        {empty(sequence(size))},
                        {empty(sequence(slots))}},
                       attributes(),
                       {},
                       {{3, PackKind::gates4},
                        {4, PackKind::gates4},
                        {kProjection, PackKind::columns},
                        {kGateWeight, PackKind::gates3},
                        {kKeys + 2, PackKind::columns}},
                       {1, 2, 8}};
    test.operands.insert(test.operands.end(), cell.begin(), cell.end());
    for (const Arrays& attended : {keys, values, weight_query, weight_score, memory_lengths, lengths_of(c, o)}) {
      test.operands.push_back(attended);
    }
    return test;
  }

  // From the outputs of forward.
  KernelCase backward(const std::vector<Arrays>& seen) const {
    const int64_t H = c.units;
    KernelCase test = {KernelId::attention_lstm_backward,
                       {{random_floats(sequence(width), 9)},
                        {random_floats({c.batch, width}, 10)},
                        {random_floats({c.batch, H}, 11)},
                        seen[3],
                        seen[4],
                        {operands.c0},
                        {operands.weight_hh}},
                       {{empty(sequence(4 * H))},
                        {empty({c.batch, width})},
                        {empty({c.batch, H})},
                        {empty(sequence(width))},
                        {empty({c.batch, 3 * H})},
                        {empty(sequence(width))},
                        {empty(sequence(H))},
                        {empty(sequence(4 * H))},
                        {empty(sequence(4 * H))},
                        {empty(sequence(H))},
                        {empty({c.batch, slots, size})},
                        {empty({c.batch, slots, width})},
                        {empty(sequence(size))},
                        {empty({c.batch, size})}},
                       attributes(),
                       {},
                       {{6, PackKind::rows},
                        {kProjection, PackKind::rows},
                        {kGateWeight, PackKind::rows},
                        {kKeys + 9, PackKind::rows}},
                       {1, 2, 8}};
    test.operands.insert(test.operands.end(), cell.begin(), cell.end());
    for (size_t i = 0; i < 5; ++i) {
      const bool saved = i == 0 ? options.gate_clip > 0 : options.norm;
      test.operands.push_back(saved ? seen[kSavedOutput + i] : Arrays{});
    }
    const Arrays& queries = seen[additive ? kUnattended + 1 : kUnattended];
    for (const Arrays& attended : {queries, seen[kUnattended + 2], keys, values, weight_query, weight_score,
                                   memory_lengths, lengths_of(c, operands)}) {
      test.operands.push_back(attended);
    }
    return test;
  }
};

void expect_finite(const std::vector<Arrays>& outputs) {
  for (const Arrays& output : outputs)
    for (const float value : output[0].floats()) ASSERT_TRUE(std::isfinite(value));
}

// A batch that threads share by rows, and one that they share by columns; a memory of zero length in each.
TEST(AttentionLstm, HasTheSameBitsWithEveryIsaAndManyThreads) {
  const std::vector<int64_t> sizes = {1, 3, 7, 8, 9, 15, 16, 17, 31, 33};
  for (const bool additive : {false, true}) {
    for (size_t k = 0; k < sizes.size(); ++k) {
      LstmCase c;
      c.steps = 3, c.batch = k % 2 == 0 ? 5 : 25, c.inputs = 4, c.units = sizes[k];
      c.ragged = true, c.reverse = k % 3 == 0;
      const AttentionCase one(c, sizes[(k + 4) % sizes.size()], sizes[(k + 7) % sizes.size()], additive,
                              kOptions[k % kOptions.size()]);
      SCOPED_TRACE(testing::Message() << one.options.name << " additive " << additive << " H " << c.units << " S "
                                      << one.slots << " A " << one.size);
      const std::vector<Arrays> outputs = run_everywhere(one.forward());
      expect_finite(outputs);
      expect_finite(run_everywhere(one.backward(outputs)));
    }
  }
}

TEST(AttentionLstm, WritesWhatIsPlannedTheSameWhateverElseIs) {
  for (const size_t k : {0, 1, 2, 3, 6, 7}) {
    const bool additive = k % 2 == 1;
    LstmCase c;
    c.steps = 3, c.batch = 7, c.inputs = 5, c.units = 17, c.ragged = true;
    const AttentionCase one(c, 9, 11, additive, kOptions[k]);
    SCOPED_TRACE(one.options.name);
    const std::vector<Arrays> all = run_everywhere(one.forward());
    for (size_t wanted = 0; wanted < all.size(); ++wanted) {
      KernelCase test = one.forward();
      for (size_t i = 0; i < all.size(); ++i) test.outputs[i][0].planned = i == wanted;
      EXPECT_TRUE(run_everywhere(test)[wanted][0].bytes == all[wanted][0].bytes) << "output " << wanted;
    }
    const std::vector<Arrays> gradients = run_everywhere(one.backward(all));
    for (size_t wanted = 1; wanted < gradients.size(); ++wanted) {
      KernelCase test = one.backward(all);
      for (size_t i = 1; i < gradients.size(); ++i) test.outputs[i][0].planned = i == wanted;
      const std::vector<Arrays> some = run_everywhere(test);
      EXPECT_TRUE(some[0][0].bytes == gradients[0][0].bytes) << "dgates beside gradient " << wanted;
      EXPECT_TRUE(some[wanted][0].bytes == gradients[wanted][0].bytes) << "gradient " << wanted;
    }
  }
}

// Large values past the slots of a row would change whatever read them, NaN all the more.
TEST(AttentionLstm, ReadsNothingPastTheSlotsOfARow) {
  for (const bool additive : {false, true}) {
    LstmCase c;
    c.steps = 3, c.batch = 6, c.inputs = 2, c.units = 19;
    const AttentionCase one(c, 10, 12, additive);
    AttentionCase spoilt = one;
    const std::vector<int32_t> lengths = one.memory_lengths[0].as<int32_t>();
    for (Arrays* arrays : {&spoilt.keys, &spoilt.values}) {
      Array& array = (*arrays)[0];
      std::vector<float> values = array.floats();
      const int64_t width = array.dims[2];
      for (int64_t row = 0; row < c.batch * one.slots; ++row) {
        if (row % one.slots < lengths[static_cast<size_t>(row / one.slots)]) continue;
        for (int64_t k = 0; k < width; ++k) values[static_cast<size_t>(row * width + k)] = NAN;
      }
      array = floats(array.dims, values);
    }
    const std::vector<Arrays> expected = run_everywhere(one.forward()), received = run_everywhere(spoilt.forward());
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(received[i][0].bytes == expected[i][0].bytes) << "output " << i;
    const std::vector<Arrays> gradients = run_everywhere(one.backward(expected));
    const std::vector<Arrays> others = run_everywhere(spoilt.backward(expected));
    for (size_t i = 0; i < gradients.size(); ++i)
      EXPECT_TRUE(others[i][0].bytes == gradients[i][0].bytes) << "gradient " << i;
  }
}

// The step's kernel, from state to state.
TEST(AttentionLstm, GivesAStepTheBitsOfTheSequence) {
  for (size_t k = 0; k < kOptions.size(); ++k) {
    LstmCase c;
    c.steps = 4, c.batch = 5, c.inputs = 3, c.units = 33;
    const AttentionCase one(c, 7, 9, k % 2 == 1, kOptions[k]);
    SCOPED_TRACE(one.options.name);
    const std::vector<Arrays> whole = run_everywhere(one.forward());
    const auto step_of = [&](const Array& array, int64_t step) {
      const std::vector<float> all = array.floats();
      const int64_t size = array.dims[1] * array.dims[2];
      return floats({array.dims[1], array.dims[2]}, {all.begin() + step * size, all.begin() + (step + 1) * size});
    };
    const auto without_time = [](const Array& array) {
      return array.dims.size() == 3 ? empty({array.dims[1], array.dims[2]}) : empty(array.dims);
    };
    KernelCase step = one.forward();
    step.kernel = KernelId::attention_lstm_step;
    step.operands.pop_back();
    step.attributes.erase(step.attributes.begin());
    // h, c, gates, unprojected, the gates that recur, what layer normalization saves, and the attention.
    const std::vector<size_t> kept = {0, 4, 3, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    step.outputs.clear();
    for (const size_t output : kept) step.outputs.push_back({without_time(whole[output][0])});
    for (int64_t t = 0; t < c.steps; ++t) {
      step.operands[0] = {step_of(one.operands.x, t)};
      for (const size_t slot : {kKeepHidden, kKeepCell}) {
        if (one.options.zoneout) step.operands[slot] = {step_of(one.cell[slot - kPeephole][0], t)};
      }
      const std::vector<Arrays> next = run_everywhere(step);
      step.operands[1] = next[0], step.operands[2] = next[1];
      if (one.options.gates_recur) step.operands[kGates] = next[4];
    }
    EXPECT_TRUE(step.operands[1][0].bytes == whole[1][0].bytes);
    EXPECT_TRUE(step.operands[2][0].bytes == whole[2][0].bytes);
    if (!one.options.gates_recur) continue;
    EXPECT_TRUE(step.operands[kGates][0].bytes == whole[7][0].bytes);
  }
}

}  // namespace
}  // namespace lstm::test
