// The LSTM against its equations in float64, and against itself: nothing but the sequence may change a bit.
#include "support/kernel_case.h"
#include "support/lstm_reference.h"

namespace lstm::test {
namespace {

// The two tolerances for a sequence: the longest chain, repeated over time.
double terms_of(const LstmCase& c) { return static_cast<double>((c.inputs + c.units) * c.steps); }

void check(const LstmCase& c) {
  SCOPED_TRACE(testing::Message() << "T " << c.steps << " B " << c.batch << " I " << c.inputs << " H " << c.units
                                  << (c.reverse ? " reverse" : "") << (c.ragged ? " ragged" : "")
                                  << (c.initial ? " initial state" : ""));
  const LstmOperands operands(c);
  const LstmExpected expected = forward_reference(c, operands);
  const std::vector<Arrays> forward = run_everywhere(forward_case(c, operands));
  for (size_t i = 0; i < 5; ++i) {
    SCOPED_TRACE(testing::Message() << "output " << i);
    expect_close(forward[i][0].floats(), expected.outputs[i], terms_of(c));
  }

  const LstmCotangents cotangents(c);
  const KernelCase backward = backward_case(c, operands, cotangents, forward[3][0], forward[4][0]);
  const std::vector<Arrays> gradients = run_everywhere(backward);
  const std::vector<std::vector<double>> exact =
      backward_reference(c, operands, cotangents, forward[3][0], forward[4][0]);
  for (size_t i = 0; i < 3; ++i) {
    SCOPED_TRACE(testing::Message() << "gradient " << i);
    expect_close(gradients[i][0].floats(), exact[i], static_cast<double>(4 * c.units * c.steps), 2);
  }

  const std::vector<float> dweight = run_for_floats(
      {KernelId::lstm_backward_weight,
       {{gradients[0][0]}, {forward[0][0]}, c.initial ? Arrays{operands.h0} : Arrays{}, lengths_of(c, operands)},
       {{empty({4 * c.units, c.units})}},
       {{c.reverse ? 1.0 : 0.0}}});
  expect_close(dweight, weight_reference(c, operands, gradients[0][0], forward[0][0]),
               static_cast<double>(c.steps * c.batch), 2);
}

TEST(Lstm, MatchesItsEquationsWhereSizesStraddleTiles) {
  const std::vector<int64_t> batches = {1, 2, 3, 5, 6, 7, 17}, steps = {1, 2, 7};
  for (size_t i = 0; i < kSizes.size(); ++i) {
    for (size_t j = 0; j < steps.size(); ++j) {
      LstmCase c;
      c.steps = steps[j], c.batch = batches[(i + 3 * j) % batches.size()];
      c.units = kSizes[i], c.inputs = kSizes[(5 * i + j) % kSizes.size()];
      c.reverse = (i + j) % 2 == 1, c.ragged = (i + j) % 3 == 1, c.initial = (i + j) % 4 != 0, c.bias = i % 3 != 2;
      check(c);
    }
  }
}

TEST(Lstm, HasTheSameBitsWithManyThreads) {
  for (const int64_t batch : {3, 17, 50}) {
    LstmCase c;
    c.steps = 3, c.batch = batch, c.inputs = 9, c.units = 65, c.ragged = true;
    const LstmOperands operands(c);
    KernelCase forward = forward_case(c, operands);
    forward.threads = {1, 4, 8};
    const std::vector<Arrays> outputs = run_everywhere(forward);
    KernelCase backward = backward_case(c, operands, LstmCotangents(c), outputs[3][0], outputs[4][0]);
    backward.threads = {1, 4, 8};
    run_everywhere(backward);
  }
}

TEST(Lstm, WritesWhatIsPlannedTheSameWhateverElseIs) {
  LstmCase c;
  c.steps = 7, c.batch = 7, c.inputs = 5, c.units = 17, c.ragged = true;
  const LstmOperands operands(c);
  const std::vector<Arrays> all = run_everywhere(forward_case(c, operands));
  for (size_t wanted = 0; wanted < all.size(); ++wanted) {
    KernelCase test = forward_case(c, operands);
    for (size_t i = 0; i < all.size(); ++i) test.outputs[i][0].planned = i == wanted;
    EXPECT_TRUE(run_everywhere(test)[wanted][0].bytes == all[wanted][0].bytes) << "output " << wanted;
  }
  const LstmCotangents cotangents(c);
  KernelCase backward = backward_case(c, operands, cotangents, all[3][0], all[4][0]);
  const std::vector<Arrays> gradients = run_everywhere(backward);
  for (size_t i = 1; i < 4; ++i) backward.outputs[i][0].planned = false;
  EXPECT_TRUE(run_everywhere(backward)[0][0].bytes == gradients[0][0].bytes);
}

TEST(Lstm, TreatsMissingCotangentsAndStatesAsZeros) {
  LstmCase c;
  c.steps = 2, c.batch = 3, c.inputs = 5, c.units = 9;
  LstmOperands operands(c);
  const Array state = floats({c.batch, c.units}, std::vector<float>(static_cast<size_t>(c.batch * c.units)));
  operands.h0 = operands.c0 = state;
  KernelCase with = forward_case(c, operands), without = forward_case(c, operands);
  without.operands[1].clear(), without.operands[2].clear();
  const std::vector<Arrays> outputs = run_everywhere(with);
  EXPECT_TRUE(run_everywhere(without)[0][0].bytes == outputs[0][0].bytes);

  const Array zeros =
      floats({c.steps, c.batch, c.units}, std::vector<float>(static_cast<size_t>(c.steps * c.batch * c.units)));
  LstmCotangents cotangents(c);
  for (size_t wanted = 0; wanted < 3; ++wanted) {
    KernelCase backward = backward_case(c, operands, cotangents, outputs[3][0], outputs[4][0]);
    for (size_t i = 0; i < 3; ++i)
      if (i != wanted) backward.operands[i] = {i == 0 ? zeros : state};
    const std::vector<Arrays> explicit_zeros = run_everywhere(backward);
    for (size_t i = 0; i < 3; ++i)
      if (i != wanted) backward.operands[i].clear();
    const std::vector<Arrays> missing = run_everywhere(backward);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(missing[i][0].floats(), explicit_zeros[i][0].floats());
  }
}

TEST(Lstm, AStreamOfStepsHasTheBitsOfTheSequence) {
  LstmCase c;
  c.steps = 7, c.batch = 7, c.inputs = 9, c.units = 33;
  const LstmOperands operands(c);
  const std::vector<Arrays> whole = run_everywhere(forward_case(c, operands));
  const std::vector<float> x = operands.x.floats(), y = whole[0][0].floats(), gates = whole[3][0].floats();
  Array h = operands.h0, state = operands.c0;
  for (int64_t step = 0; step < c.steps; ++step) {
    const auto begin = x.begin() + step * c.batch * c.inputs;
    const Array x_step = floats({c.batch, c.inputs}, {begin, begin + c.batch * c.inputs});
    const std::vector<Arrays> next = run_everywhere(
        {KernelId::lstm_step,
         {{x_step},
          {h},
          {state},
          {operands.weight_ih},
          {operands.weight_hh},
          {operands.bias_ih},
          {operands.bias_hh},
          {},
          {},
          {},
          {},
          {},
          {},
          {},
          {},
          {},
          {},
          {}},
         {{empty(h.dims)},
          {empty(h.dims)},
          {empty({c.batch, 4 * c.units})},
          {empty(h.dims)},
          unplanned({c.batch, 3 * c.units}),
          unplanned({4, 2}),
          unplanned({c.batch, 4 * c.units}),
          unplanned({c.batch, 4 * c.units}),
          unplanned(h.dims),
          unplanned({c.batch, 3})},
         {kPlainActivations, {0}, {0}},
         {},
         {{3, PackKind::gates4}, {4, PackKind::gates4}, {8, PackKind::columns}, {13, PackKind::gates3}}});
    h = next[0][0], state = next[1][0];
    EXPECT_EQ(0, std::memcmp(h.bytes.data(), &y[static_cast<size_t>(step * c.batch * c.units)], h.bytes.size()));
    EXPECT_EQ(0, std::memcmp(next[2][0].bytes.data(), &gates[static_cast<size_t>(step * c.batch * 4 * c.units)],
                             next[2][0].bytes.size()));
  }
  EXPECT_TRUE(h.bytes == whole[1][0].bytes);
  EXPECT_TRUE(state.bytes == whole[2][0].bytes);
}

// One row of [T,B,width], cut at its length.
std::vector<float> row_of(const Array& array, int64_t row, int64_t length) {
  const int64_t batch = array.dims[1], width = array.dims[2];
  const std::vector<float> values = array.floats();
  std::vector<float> result;
  for (int64_t t = 0; t < length; ++t) {
    const auto begin = values.begin() + (t * batch + row) * width;
    result.insert(result.end(), begin, begin + width);
  }
  return result;
}

TEST(Lstm, ARowOfARaggedBatchHasTheBitsOfTheRowAlone) {
  for (const bool reverse : {false, true}) {
    LstmCase c;
    c.steps = 7, c.batch = 17, c.inputs = 9, c.units = 33, c.ragged = true, c.reverse = reverse;
    const LstmOperands operands(c);
    const LstmCotangents cotangents(c);
    const std::vector<Arrays> together = run_everywhere(forward_case(c, operands));
    const std::vector<Arrays> gradients =
        run_everywhere(backward_case(c, operands, cotangents, together[3][0], together[4][0]));
    for (int64_t row = 0; row < c.batch; ++row) {
      LstmCase one = c;
      one.batch = 1, one.ragged = false, one.steps = operands.length(c, row);
      if (one.steps == 0) continue;
      const auto cut = [&](const Array& array) {
        return floats({one.steps, 1, array.dims[2]}, row_of(array, row, one.steps));
      };
      const auto state = [&](const Array& array) {
        const std::vector<float> values = array.floats();
        return floats({1, c.units}, {values.begin() + row * c.units, values.begin() + (row + 1) * c.units});
      };
      LstmOperands own = operands;
      own.x = cut(operands.x), own.h0 = state(operands.h0), own.c0 = state(operands.c0);
      LstmCotangents own_cotangents = cotangents;
      own_cotangents.dy = cut(cotangents.dy);
      own_cotangents.dh_n = state(cotangents.dh_n), own_cotangents.dc_n = state(cotangents.dc_n);
      KernelCase forward = forward_case(one, own);
      forward.threads = {1};  // one row leaves nothing to split by
      const std::vector<Arrays> alone = run_everywhere(forward);
      for (const size_t i : {0, 3, 4}) EXPECT_TRUE(alone[i][0].bytes == cut(together[i][0]).bytes);
      for (const size_t i : {1, 2}) EXPECT_TRUE(alone[i][0].bytes == state(together[i][0]).bytes);
      KernelCase backward = backward_case(one, own, own_cotangents, alone[3][0], alone[4][0]);
      backward.threads = {1};
      const std::vector<Arrays> own_gradients = run_everywhere(backward);
      EXPECT_TRUE(own_gradients[0][0].bytes == cut(gradients[0][0]).bytes);
      for (const size_t i : {1, 2}) EXPECT_TRUE(own_gradients[i][0].bytes == state(gradients[i][0]).bytes);
    }
  }
}

}  // namespace
}  // namespace lstm::test
