// The LSTM that attends to a memory: nothing but the sequence and its memory may change a bit. What it computes is
// compared with the float64 reference in test/ops/recurrent/attentionLstmNative.test.ts.
#include "support/lstm_reference.h"

namespace lstm::test {
namespace {

struct AttentionCase {
  LstmCase c;
  int64_t slots, size;  // S and A
  bool additive;
  LstmOperands operands;
  Arrays keys, values, weight_query, weight_score, memory_lengths;

  AttentionCase(const LstmCase& sizes, int64_t slot_count, int64_t attention_size, bool is_additive)
      : c(sizes),
        slots(slot_count),
        size(is_additive ? attention_size : sizes.units),
        additive(is_additive),
        operands(sizes),
        keys{random_floats({c.batch, slots, size}, 21)},
        values{random_floats({c.batch, slots, c.units}, 22)},
        memory_lengths{random_ints({c.batch}, 25, static_cast<int32_t>(slots + 1))} {
    if (!additive) return;
    weight_query = {random_floats({size, c.units}, 23, 0.3f)};
    weight_score = {random_floats({size}, 24)};
  }

  KernelCase forward() const {
    const Dims state = {c.batch, c.units}, sequence = {c.steps, c.batch, c.units};
    const LstmOperands& o = operands;
    return {KernelId::attention_lstm,
            {{o.x},
             {o.h0},
             {o.c0},
             {o.weight_ih},
             {o.weight_hh},
             {o.bias_ih},
             {o.bias_hh},
             keys,
             values,
             weight_query,
             weight_score,
             memory_lengths,
             lengths_of(c, o)},
            {{empty(sequence)},
             {empty(state)},
             {empty(state)},
             {empty({c.steps, c.batch, 4 * c.units})},
             {empty(sequence)},
             {empty(sequence)},
             {empty({c.steps, c.batch, size})},
             {empty({c.steps, c.batch, slots})}},
            {{c.reverse ? 1.0 : 0.0}},
            {},
            {{3, PackKind::gates4}, {4, PackKind::gates4}, {9, PackKind::columns}},
            {1, 2, 8}};
  }

  KernelCase backward(const std::vector<Arrays>& seen) const {
    const LstmCotangents d(c);
    const Dims state = {c.batch, c.units}, sequence = {c.steps, c.batch, c.units};
    return {KernelId::attention_lstm_backward,
            {{d.dy},
             {d.dh_n},
             {d.dc_n},
             seen[3],
             seen[4],
             {operands.c0},
             seen[5],
             seen[6],
             seen[7],
             {operands.weight_hh},
             keys,
             values,
             weight_query,
             weight_score,
             memory_lengths,
             lengths_of(c, operands)},
            {{empty({c.steps, c.batch, 4 * c.units})},
             {empty(state)},
             {empty(state)},
             {empty({c.batch, slots, size})},
             {empty({c.batch, slots, c.units})},
             {empty({c.steps, c.batch, size})},
             {empty({c.batch, size})},
             {empty(sequence)},
             {empty(sequence)}},
            {{c.reverse ? 1.0 : 0.0}},
            {},
            {{9, PackKind::rows}, {12, PackKind::rows}},
            {1, 2, 8}};
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
      const AttentionCase one(c, sizes[(k + 4) % sizes.size()], sizes[(k + 7) % sizes.size()], additive);
      SCOPED_TRACE(testing::Message() << "additive " << additive << " H " << c.units << " S " << one.slots << " A "
                                      << one.size);
      const std::vector<Arrays> outputs = run_everywhere(one.forward());
      expect_finite(outputs);
      expect_finite(run_everywhere(one.backward(outputs)));
    }
  }
}

TEST(AttentionLstm, WritesWhatIsPlannedTheSameWhateverElseIs) {
  for (const bool additive : {false, true}) {
    LstmCase c;
    c.steps = 5, c.batch = 7, c.inputs = 5, c.units = 17, c.ragged = true;
    const AttentionCase one(c, 9, 11, additive);
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
  for (const bool additive : {false, true}) {
    LstmCase c;
    c.steps = 4, c.batch = 5, c.inputs = 3, c.units = 33;
    const AttentionCase one(c, 7, 9, additive);
    const std::vector<Arrays> whole = run_everywhere(one.forward());
    const std::vector<float> x = one.operands.x.floats();
    Array h = one.operands.h0, cell = one.operands.c0;
    const int64_t width = c.batch * c.inputs;
    for (int64_t t = 0; t < c.steps; ++t) {
      KernelCase step = one.forward();
      step.kernel = KernelId::attention_lstm_step;
      step.operands.pop_back();
      step.operands[0] = {floats({c.batch, c.inputs}, {x.begin() + t * width, x.begin() + (t + 1) * width})};
      step.operands[1] = {h}, step.operands[2] = {cell};
      step.outputs = {{empty(h.dims)},
                      {empty(h.dims)},
                      {empty({c.batch, 4 * c.units})},
                      {empty(h.dims)},
                      {empty({c.batch, one.size})},
                      {empty({c.batch, one.slots})}};
      step.attributes = {};
      const std::vector<Arrays> next = run_everywhere(step);
      h = next[0][0], cell = next[1][0];
    }
    EXPECT_TRUE(h.bytes == whole[1][0].bytes);
    EXPECT_TRUE(cell.bytes == whole[2][0].bytes);
  }
}

}  // namespace
}  // namespace lstm::test
