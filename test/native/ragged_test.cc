// Ragged batches: nothing past a length is read or left unwritten, and neither order nor threads change a bit.
#include <algorithm>
#include <functional>

#include "support/cell_reference.h"
#include "support/lstm_reference.h"

#define LSTM_ISA ragged_probe
#include "kernels/recurrent/ragged.h"
#undef LSTM_ISA

namespace lstm::test {
namespace {

constexpr int64_t kSteps = 7, kBatch = 17, kInputs = 9, kUnits = 33;
const std::vector<int> kTeams = {1, 2, 8};

// Lengths from 0 to T in no order; a few long rows among many short ones; none at all.
const std::vector<std::vector<int32_t>> kLengths = {
    {3, 0, 7, 1, 5, 2, 7, 0, 4, 6, 1, 7, 2, 3, 0, 5, 6},
    {0, 0, 0, 1, 0, 7, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 7},
    std::vector<int32_t>(kBatch, 0),
};

struct RaggedCase {
  std::string name;
  KernelCase test;
  std::vector<size_t> sequences;  // operands [T,B,·]
  bool sums = false;              // over the rows of the batch
};

Array random_sequence(int64_t width, uint32_t seed) { return random_floats({kSteps, kBatch, width}, seed); }

std::vector<RaggedCase> linear_cases(const Array& lengths) {
  const Array x = random_sequence(kInputs, 1), dy = random_sequence(kUnits, 2);
  const Array weight = random_floats({kUnits, kInputs}, 3), bias = random_floats({kUnits}, 4);
  return {
      {"linear",
       {KernelId::linear,
        {{x}, {weight}, {bias}, {lengths}},
        {{empty(dy.dims)}},
        {},
        {},
        {{1, PackKind::columns}},
        kTeams},
       {0}},
      {"linear_backward_input",
       {KernelId::linear_backward_input,
        {{dy}, {weight}, {lengths}},
        {{empty(x.dims)}},
        {},
        {},
        {{1, PackKind::rows}},
        kTeams},
       {0}},
      {"linear_backward_weight",
       {KernelId::linear_backward_weight, {{dy}, {x}, {lengths}}, {{empty(weight.dims)}}, {}, {}, {}, kTeams},
       {0, 1},
       true},
      {"linear_backward_bias",
       {KernelId::linear_backward_bias, {{dy}, {lengths}}, {{empty(bias.dims)}}, {}, {}, {}, kTeams},
       {0},
       true},
  };
}

std::vector<RaggedCase> lstm_cases(const Array& lengths, bool reverse) {
  LstmCase c;
  c.steps = kSteps, c.batch = kBatch, c.inputs = kInputs, c.units = kUnits, c.ragged = true, c.reverse = reverse;
  LstmOperands o(c);
  o.lengths = lengths;
  const KernelCase forward = forward_case(c, o);
  const std::vector<Arrays> made = run_everywhere(forward);
  const KernelCase backward = backward_case(c, o, LstmCotangents(c), made[3][0], made[4][0]);
  const Arrays dgates = run_everywhere(backward)[0];
  const std::vector<std::vector<double>> direction = {{reverse ? 1.0 : 0.0}};
  return {{"lstm", forward, {0}},
          {"lstm_backward", backward, {0, 3, 4}},
          {"lstm_backward_weight",
           {KernelId::lstm_backward_weight,
            {dgates, made[0], {o.h0}, {lengths}},
            {{empty({4 * kUnits, kUnits})}},
            direction},
           {0, 1},
           true},
          {"lstm_backward_peephole",
           {KernelId::lstm_backward_peephole, {dgates, made[4], {o.c0}, {lengths}}, {{empty({3 * kUnits})}}, direction},
           {0, 1},
           true}};
}

std::vector<RaggedCase> cell_cases(Cell cell, const Array& lengths, bool reverse) {
  CellCase c;
  c.cell = cell;
  c.steps = kSteps, c.batch = kBatch, c.inputs = kInputs, c.units = kUnits, c.ragged = true, c.reverse = reverse;
  CellOperands o(c);
  o.lengths = lengths;
  const KernelCase forward = cell_forward_case(c, o);
  const std::vector<Arrays> made = run_everywhere(forward);
  const KernelCase backward = cell_backward_case(c, o, made);
  const KernelCase weight = cell_weight_case(c, o, made, run_everywhere(backward));
  const std::string name = kKernelNames[static_cast<int>(forward.kernel)];
  if (c.is_slstm()) {
    return {{name, forward, {0}},
            {name + "_backward", backward, {0, 5, 6, 7, 8}},
            {name + "_weight", weight, {0, 1}, true}};
  }
  if (!c.is_gru()) {
    return {{name, forward, {0}}, {name + "_backward", backward, {0, 2}}, {name + "_weight", weight, {0, 1}, true}};
  }
  return {{name, forward, {0}},
          {name + "_backward", backward, {0, 2, 3, 4}},
          {name + "_weight", weight, {0, 1, 2, 3}, true}};
}

// Every kernel that takes lengths, with each of kLengths, in both directions.
void for_each_case(const std::function<void(const RaggedCase&, const std::vector<int32_t>&)>& body) {
  for (const std::vector<int32_t>& lengths : kLengths) {
    const Array array = ints({kBatch}, lengths);
    std::vector<RaggedCase> cases = linear_cases(array);
    const auto add = [&](const std::vector<RaggedCase>& more) { cases.insert(cases.end(), more.begin(), more.end()); };
    for (const bool reverse : {false, true}) {
      add(lstm_cases(array, reverse));
      for (const Cell cell :
           {Cell::gru_after, Cell::gru_before, Cell::rnn_tanh, Cell::rnn_relu, Cell::slstm_sigmoid, Cell::slstm_exp}) {
        add(cell_cases(cell, array, reverse));
      }
    }
    for (RaggedCase& one : cases) {
      SCOPED_TRACE(one.name);
      one.test.threads = kTeams;
      body(one, lengths);
    }
  }
}

// The array with `value` in every row past its length.
Array filled_past(const Array& sequence, const std::vector<int32_t>& lengths, float value) {
  std::vector<float> values = sequence.floats();
  const int64_t width = sequence.dims[2];
  for (int64_t row = 0; row < kSteps * kBatch; ++row) {
    if (row / kBatch < lengths[static_cast<size_t>(row % kBatch)]) continue;
    std::fill_n(values.begin() + row * width, width, value);
  }
  return floats(sequence.dims, values);
}

TEST(Ragged, NothingPastALengthIsRead) {
  for_each_case([](const RaggedCase& one, const std::vector<int32_t>& lengths) {
    KernelCase poisoned = one.test;
    for (const size_t slot : one.sequences) {
      if (poisoned.operands[slot].empty()) continue;
      poisoned.operands[slot] = {filled_past(one.test.operands[slot][0], lengths, NAN)};
    }
    const std::vector<Arrays> clean = run_everywhere(one.test), received = run_everywhere(poisoned);
    for (size_t slot = 0; slot < clean.size(); ++slot) {
      EXPECT_TRUE(received[slot][0].bytes == clean[slot][0].bytes) << "output " << slot;
    }
  });
}

TEST(Ragged, OutputsOverTimeAreZeroPastALength) {
  for_each_case([](const RaggedCase& one, const std::vector<int32_t>& lengths) {
    for (const Arrays& output : run_everywhere(one.test)) {  // they begin as NaN
      if (!output[0].planned) continue;
      for (const float value : output[0].floats()) ASSERT_FALSE(std::isnan(value));
      if (output[0].dims.size() != 3) continue;
      EXPECT_TRUE(output[0].bytes == filled_past(output[0], lengths, 0).bytes);
    }
  });
}

// The rows of the batch in another order, for arrays that have one for each.
Array reordered(const Array& array, const std::vector<int64_t>& order) {
  const size_t rank = array.dims.size();
  const bool sequence = rank == 3, state = array.dims[0] == kBatch;
  if (!sequence && !state) return array;
  Array result = array;
  const int64_t outer = sequence ? array.dims[0] : 1;
  const size_t row_bytes = array.bytes.size() / static_cast<size_t>(outer * kBatch);
  for (int64_t t = 0; t < outer; ++t) {
    for (int64_t row = 0; row < kBatch; ++row) {
      std::memcpy(&result.bytes[static_cast<size_t>(t * kBatch + row) * row_bytes],
                  &array.bytes[static_cast<size_t>(t * kBatch + order[static_cast<size_t>(row)]) * row_bytes],
                  row_bytes);
    }
  }
  return result;
}

TEST(Ragged, RowsHaveTheSameBitsInAnyOrder) {
  for_each_case([](const RaggedCase& one, const std::vector<int32_t>& lengths) {
    if (one.sums) return;
    const std::vector<Arrays> expected = run_everywhere(one.test);
    std::vector<int64_t> order(kBatch);
    for (int64_t row = 0; row < kBatch; ++row) order[static_cast<size_t>(row)] = row;
    const auto longer = [&](int64_t a, int64_t b) {
      return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
    };
    for (const bool sorted : {true, false}) {
      if (sorted) std::stable_sort(order.begin(), order.end(), longer);
      if (!sorted) std::reverse(order.begin(), order.end());
      KernelCase other = one.test;
      for (Arrays& operand : other.operands)
        for (Array& array : operand) array = reordered(array, order);
      const std::vector<Arrays> received = run_everywhere(other);
      for (size_t slot = 0; slot < expected.size(); ++slot) {
        EXPECT_TRUE(received[slot][0].bytes == reordered(expected[slot][0], order).bytes) << "output " << slot;
      }
    }
  });
}

// The rows within their length, one after another.
Array gathered(const Array& sequence, const std::vector<int32_t>& lengths) {
  const std::vector<float> values = sequence.floats();
  const int64_t width = sequence.dims[2];
  std::vector<float> kept;
  for (int64_t row = 0; row < kSteps * kBatch; ++row) {
    if (row / kBatch >= lengths[static_cast<size_t>(row % kBatch)]) continue;
    kept.insert(kept.end(), values.begin() + row * width, values.begin() + (row + 1) * width);
  }
  return floats({static_cast<int64_t>(kept.size()) / width, width}, kept);
}

TEST(Ragged, ALinearLayerHasTheBitsOfItsActiveRowsAlone) {
  for (const std::vector<int32_t>& lengths : kLengths) {
    for (const RaggedCase& one : linear_cases(ints({kBatch}, lengths))) {
      SCOPED_TRACE(one.name);
      KernelCase dense = one.test;
      dense.operands.back().clear();
      for (const size_t slot : one.sequences) dense.operands[slot] = {gathered(one.test.operands[slot][0], lengths)};
      const Array& output = one.test.outputs[0][0];
      if (!one.sums) dense.outputs[0] = {gathered(output, lengths)};
      const Array ragged = run_everywhere(one.test)[0][0], expected = run_everywhere(dense)[0][0];
      EXPECT_TRUE((one.sums ? ragged : gathered(ragged, lengths)).bytes == expected.bytes);
    }
  }
}

TEST(Ragged, ALinearLayerTakesActiveRowsBeyondEveryBlock) {
  // More rows than a weight gradient sums at a time, and a deeper product than is multiplied at a time.
  const int64_t steps = 40, batch = 17, inputs = 1100, outputs = 70;
  std::vector<int32_t> lengths;
  for (int32_t row = 0; row < batch; ++row) lengths.push_back(row * 29 % 41);
  const Array x = random_floats({steps, batch, inputs}, 1), dy = random_floats({steps, batch, outputs}, 2);
  const Array weight = random_floats({outputs, inputs}, 3), rows = ints({batch}, lengths);
  const auto dense = [&](const Array& sequence) {
    const std::vector<float> values = sequence.floats();
    const int64_t width = sequence.dims[2];
    std::vector<float> kept;
    for (int64_t row = 0; row < steps * batch; ++row) {
      if (row / batch >= lengths[static_cast<size_t>(row % batch)]) continue;
      kept.insert(kept.end(), values.begin() + row * width, values.begin() + (row + 1) * width);
    }
    return floats({static_cast<int64_t>(kept.size()) / width, width}, kept);
  };
  const std::vector<std::pair<int, PackKind>> pack = {{1, PackKind::columns}};
  const Array y =
      run_everywhere({KernelId::linear, {{x}, {weight}, {}, {rows}}, {{empty(dy.dims)}}, {}, {}, pack})[0][0];
  const Array kept = dense(x);
  EXPECT_EQ(
      dense(y).floats(),
      run_for_floats({KernelId::linear, {{kept}, {weight}, {}, {}}, {{empty({kept.dims[0], outputs})}}, {}, {}, pack}));
  EXPECT_EQ(run_for_floats({KernelId::linear_backward_weight, {{dy}, {x}, {rows}}, {{empty(weight.dims)}}}),
            run_for_floats({KernelId::linear_backward_weight, {{dense(dy)}, {kept}, {}}, {{empty(weight.dims)}}}));
}

// Calls body(ranges): the rows of each thread.
void with_split(const std::vector<int32_t>& lengths, int threads,
                const std::function<void(const std::vector<Range>&)>& body) {
  std::vector<Range> ranges;
  for (int rank = 0; rank < threads; ++rank) {
    const Team member(rank, threads, nullptr);
    ranges.push_back(ragged_probe::split_by_length(lengths.data(), static_cast<int64_t>(lengths.size()), member));
  }
  body(ranges);
}

TEST(Ragged, EveryRowBelongsToOneThreadAndStepsAreDealtEvenly) {
  std::mt19937 engine(1);
  for (int round = 0; round < 200; ++round) {
    const int threads = 1 + round % 8;
    const int32_t longest = 1 + round % 50;
    std::vector<int32_t> lengths(1 + engine() % 64);
    for (int32_t& length : lengths) length = static_cast<int32_t>(engine() % static_cast<uint32_t>(longest + 1));
    if (round % 3 == 0) std::sort(lengths.rbegin(), lengths.rend());
    int64_t total = 0;
    for (const int32_t length : lengths) total += length;
    with_split(lengths, threads, [&](const std::vector<Range>& ranges) {
      int64_t next = 0;
      for (const Range& range : ranges) {
        EXPECT_EQ(range.begin, next);
        EXPECT_GE(range.end, range.begin);
        next = range.end;
        int64_t own = 0;
        for (int64_t row = range.begin; row < range.end; ++row) own += lengths[static_cast<size_t>(row)];
        EXPECT_LE(std::abs(own * threads - total), longest * threads) << own << " of " << total;
      }
      EXPECT_EQ(next, static_cast<int64_t>(lengths.size()));
    });
  }
}

}  // namespace
}  // namespace lstm::test
