// The GRU, the plain RNN and the sLSTM against their equations in float64, and against themselves: nothing but the sequence may
// change a bit.
#include <array>

#include "support/cell_reference.h"
#include "support/slstm_reference.h"

namespace lstm::test {
namespace {

std::vector<Doubles> forward_reference(const CellCase& c, const CellOperands& o) {
  if (c.is_slstm()) return slstm_forward_reference(c, o);
  const CellExpected expected = cell_forward_reference(c, o);
  if (!c.is_gru()) return {expected.y, expected.h_n, expected.gates, expected.bounds};
  return {expected.y, expected.h_n, expected.gates, expected.recurrent, expected.bounds};
}
std::vector<Doubles> backward_reference(const CellCase& c, const CellOperands& o, const std::vector<Arrays>& forward) {
  return c.is_slstm() ? slstm_backward_reference(c, o, forward) : cell_backward_reference(c, o, forward);
}
Doubles weight_reference(const CellCase& c, const CellOperands& o, const std::vector<Arrays>& forward,
                         const std::vector<Arrays>& backward) {
  return c.is_slstm() ? slstm_weight_reference(c, o, forward, backward)
                      : cell_weight_reference(c, o, forward, backward);
}

void check(const CellCase& c) {
  SCOPED_TRACE(testing::Message() << "cell " << static_cast<int>(c.cell) << " T " << c.steps << " B " << c.batch
                                  << " I " << c.inputs << " H " << c.units << (c.reverse ? " reverse" : "")
                                  << (c.ragged ? " ragged" : "") << (c.initial ? " initial state" : "")
                                  << (c.mask ? " mask" : "") << " zoneout " << static_cast<int>(c.zoneout) << " "
                                  << static_cast<int>(c.cell_zoneout) << " clip " << c.gate_clip);
  const CellOperands operands(c);
  const std::vector<Arrays> forward = run_everywhere(cell_forward_case(c, operands));
  const std::vector<Doubles> expected = forward_reference(c, operands);
  const double terms = static_cast<double>((c.inputs + c.seen()) * c.steps);
  for (size_t i = 0; i < forward.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "output " << i);
    expect_close(forward[i][0].floats(), expected[i], terms);
  }
  const std::vector<Arrays> backward = run_everywhere(cell_backward_case(c, operands, forward));
  const std::vector<Doubles> exact = backward_reference(c, operands, forward);
  for (size_t i = 0; i < exact.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "gradient " << i);
    expect_close(backward[i][0].floats(), exact[i], static_cast<double>(c.gates() * c.seen() * c.steps), 2);
  }
  const std::vector<float> dweight = run_for_floats(cell_weight_case(c, operands, forward, backward));
  expect_close(dweight, weight_reference(c, operands, forward, backward), static_cast<double>(c.steps * c.batch), 2);
}

// The ways in which a cell can have options; with 0 it has none.
const std::vector<size_t> kWays = {0, 1, 2, 3, 4, 5, 6, 7};

// Masks, zoneout, and with 6 and 7 a clip; of an sLSTM, which has none, zoneout of h and of the rest of its state apart.
CellCase with_options(CellCase c, size_t way) {
  constexpr std::array zoneouts = {Zoneout::none, Zoneout::drawn, Zoneout::expected, Zoneout::none};
  c.mask = way % 2 == 1;
  c.zoneout = zoneouts[way / 2];
  c.gate_clip = way < 6 || c.is_slstm() ? 0 : 0.4;
  if (c.is_slstm()) c.cell_zoneout = zoneouts[(way + 2) % 8 / 2];
  return c;
}

// Forward, backward and the gradient of the recurrent weight, on every instruction set.
void expect_same_bits(const CellCase& c, const std::vector<int>& threads) {
  const CellOperands operands(c);
  const auto run = [&](KernelCase test) {
    test.threads = threads;
    return run_everywhere(test);
  };
  const std::vector<Arrays> outputs = run(cell_forward_case(c, operands));
  run(cell_weight_case(c, operands, outputs, run(cell_backward_case(c, operands, outputs))));
}

class Cells : public testing::TestWithParam<Cell> {};

TEST_P(Cells, MatchesItsEquationsWhereSizesStraddleTiles) {
  const std::vector<int64_t> batches = {1, 2, 3, 5, 6, 7, 17}, steps = {1, 2, 7};
  for (size_t i = 0; i < kSizes.size(); ++i) {
    for (size_t j = 0; j < steps.size(); ++j) {
      CellCase c;
      c.cell = GetParam();
      c.steps = steps[j], c.batch = batches[(i + 3 * j) % batches.size()];
      c.units = kSizes[i], c.inputs = kSizes[(5 * i + j) % kSizes.size()];
      c.reverse = (i + j) % 2 == 1, c.ragged = (i + j) % 3 == 1, c.initial = (i + j) % 4 != 0, c.bias = i % 3 != 2;
      check(c);
      check(with_options(c, 1 + (i + j) % (kWays.size() - 1)));
    }
  }
}

// Chains of more than 512 are multiplied in blocks of k: over three gates of 172 units, or one of 516.
TEST_P(Cells, MatchesItsEquationsWhereChainsAreMultipliedInBlocks) {
  for (const int64_t units : {172, 516}) {
    CellCase c;
    c.cell = GetParam();
    c.steps = 2, c.batch = 7, c.inputs = 3, c.units = units, c.ragged = true;
    check(c);
    check(with_options(c, 3));
  }
}

// Seven rows are three tiles, or two for each of two threads: where a step takes long, the threads share columns, and meet.
TEST_P(Cells, HasTheSameBitsWhereThreadsShareColumns) {
  CellCase c;
  c.cell = GetParam();
  c.steps = 3, c.batch = 7, c.inputs = 300, c.units = 321, c.ragged = true;
  expect_same_bits(c, {1, 2, 3});
}

TEST_P(Cells, HasTheSameBitsWithManyThreads) {
  for (const size_t how : {0, 1, 2, 3, 5, 7}) {
    CellCase c;
    c.cell = GetParam();
    c.steps = 3, c.batch = std::array{3, 17, 50}[how % 3], c.inputs = 9, c.units = 65, c.ragged = true;
    expect_same_bits(with_options(c, how), {1, 4, 8});
  }
}

TEST_P(Cells, WritesWhatIsPlannedTheSameWhateverElseIs) {
  CellCase c;
  c.cell = GetParam();
  c.steps = 7, c.batch = 7, c.inputs = 5, c.units = 17, c.ragged = true;
  for (const size_t how : kWays) {
    c = with_options(c, how);
    const CellOperands operands(c);
    const std::vector<Arrays> all = run_everywhere(cell_forward_case(c, operands));
    for (size_t wanted = 0; wanted < all.size(); ++wanted) {
      KernelCase test = cell_forward_case(c, operands);
      for (size_t i = 0; i < all.size(); ++i) test.outputs[i][0].planned = i == wanted;
      EXPECT_TRUE(run_everywhere(test)[wanted][0].bytes == all[wanted][0].bytes) << "output " << wanted;
    }
    const KernelCase backward = cell_backward_case(c, operands, all);
    const std::vector<Arrays> gradients = run_everywhere(backward);
    for (size_t left_out = c.on_demand(); left_out < gradients.size(); ++left_out) {
      KernelCase test = backward;
      test.outputs[left_out][0].planned = false;
      const std::vector<Arrays> without = run_everywhere(test);
      for (size_t i = 0; i < gradients.size(); ++i) {
        EXPECT_TRUE(i == left_out || without[i][0].bytes == gradients[i][0].bytes) << i << " without " << left_out;
      }
    }
  }
}

TEST_P(Cells, TreatsMissingCotangentsAndStatesAsZeros) {
  CellCase c;
  c.cell = GetParam();
  c.steps = 2, c.batch = 3, c.inputs = 5, c.units = 9;
  CellOperands operands(c);
  const auto zeros = [](const Dims& dims) { return floats(dims, std::vector<float>(empty(dims).size())); };
  for (Array* state : operands.initial_states()) *state = zeros(c.state());
  CellCase without = c;
  without.initial = false;
  const std::vector<Arrays> outputs = run_everywhere(cell_forward_case(c, operands));
  EXPECT_TRUE(run_everywhere(cell_forward_case(without, operands))[0][0].bytes == outputs[0][0].bytes);
  for (size_t missing = 0; missing < c.cotangents(); ++missing) {
    KernelCase present = cell_backward_case(c, operands, outputs),
               absent = cell_backward_case(without, operands, outputs);
    present.operands[missing] = {zeros(missing == 0 ? c.sequence(c.units) : c.state())};
    absent.operands[missing].clear();
    const std::vector<Arrays> expected = run_everywhere(present), received = run_everywhere(absent);
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(received[i][0].floats(), expected[i][0].floats());
  }
}

// The part of an array over time that belongs to one step.
Array part_of(const Array& array, int64_t step) {
  const std::vector<float> values = array.floats();
  const int64_t size = array.dims[1] * array.dims[2];
  return floats({array.dims[1], array.dims[2]}, {values.begin() + step * size, values.begin() + (step + 1) * size});
}

TEST_P(Cells, AStreamOfStepsHasTheBitsOfTheSequence) {
  for (const size_t how : kWays) {
    CellCase c;
    c.cell = GetParam();
    c.steps = 7, c.batch = 7, c.inputs = 9, c.units = 33;
    c = with_options(c, how);
    const CellOperands operands(c);
    const std::vector<Arrays> whole = run_everywhere(cell_forward_case(c, operands));
    Arrays states = cell_states(c, operands);
    const std::vector<size_t> sequences = sequences_of_step(c);
    for (int64_t step = 0; step < c.steps; ++step) {
      Arrays keep = cell_shares(c, operands), cell = cell_keep(c, operands);
      if (c.zoneout == Zoneout::drawn) keep = {part_of(keep[0], step)};
      if (c.cell_zoneout == Zoneout::drawn) cell = {part_of(cell[0], step)};
      const Array x = part_of(operands.x, step);
      const std::vector<Arrays> next = run_everywhere(cell_step_case(c, operands, x, states, keep, cell));
      for (size_t i = 0; i < states.size(); ++i) states[i] = next[i][0];
      for (size_t i = 0; i < sequences.size(); ++i) {
        EXPECT_TRUE(next[i][0].bytes == part_of(whole[sequences[i]][0], step).bytes) << "output " << i;
      }
    }
    for (size_t i = 0; i < states.size(); ++i) EXPECT_TRUE(states[i].bytes == whole[1 + i][0].bytes);
  }
}

// One row of [T,B,width], cut at its length.
Array row_of(const Array& array, int64_t row, int64_t length) {
  const int64_t batch = array.dims[1], width = array.dims[2];
  const std::vector<float> values = array.floats();
  std::vector<float> result;
  for (int64_t t = 0; t < length; ++t) {
    const auto begin = values.begin() + (t * batch + row) * width;
    result.insert(result.end(), begin, begin + width);
  }
  return floats({length, 1, width}, result);
}

// One row of [B,H], or of [T,B,width] as above; [H] belongs to every row.
Array cut(const Array& array, int64_t row, int64_t length) {
  if (array.dims.size() == 1) return array;
  if (array.dims.size() == 3) return row_of(array, row, length);
  const std::vector<float> values = array.floats();
  const int64_t width = array.dims[1];
  return floats({1, width}, {values.begin() + row * width, values.begin() + (row + 1) * width});
}

TEST_P(Cells, ARowOfARaggedBatchHasTheBitsOfTheRowAlone) {
  for (const size_t how : {0, 1, 3, 4, 7}) {
    CellCase c;
    c.cell = GetParam();
    c.steps = 7, c.batch = 17, c.inputs = 9, c.units = 33, c.ragged = true, c.reverse = how % 2 == 1;
    c = with_options(c, how);
    const CellOperands operands(c);
    const std::vector<Arrays> together = run_everywhere(cell_forward_case(c, operands));
    const std::vector<Arrays> gradients = run_everywhere(cell_backward_case(c, operands, together));
    for (int64_t row = 0; row < c.batch; ++row) {
      CellCase one = c;
      one.batch = 1, one.ragged = false, one.steps = operands.length(c, row);
      if (one.steps == 0) continue;
      CellOperands own = operands;
      for (Array* array : {&own.x, &own.h0, &own.dy, &own.dh_n, &own.c0, &own.n0, &own.m0, &own.dc_n, &own.dn_n,
                           &own.dm_n, &own.keep_hidden, &own.keep_cell, &own.hidden_mask}) {
        *array = cut(*array, row, one.steps);
      }
      KernelCase forward = cell_forward_case(one, own);
      forward.threads = {1};  // one row leaves nothing to split by
      const std::vector<Arrays> alone = run_everywhere(forward);
      for (size_t i = 0; i < alone.size(); ++i) {
        const bool of_all_rows = !c.is_slstm() && i + 1 == alone.size();  // the bounds
        const Array& all = together[i][0];
        EXPECT_TRUE(alone[i][0].bytes == (of_all_rows ? all : cut(all, row, one.steps)).bytes) << "output " << i;
      }
      KernelCase backward = cell_backward_case(one, own, alone);
      backward.threads = {1};
      const std::vector<Arrays> own_gradients = run_everywhere(backward);
      for (size_t i = 0; i < own_gradients.size(); ++i) {
        EXPECT_TRUE(own_gradients[i][0].bytes == cut(gradients[i][0], row, one.steps).bytes) << "gradient " << i;
      }
    }
  }
}

TEST_P(Cells, KeepsNaNInTheRowThatHasIt) {
  CellCase c;
  c.cell = GetParam();
  c.steps = 2, c.batch = 2, c.inputs = 3, c.units = 5;
  CellOperands operands(c);
  std::vector<float> x = operands.x.floats();
  x[0] = NAN;
  operands.x = floats(operands.x.dims, x);
  for (const Isa isa : available_isas()) {  // one by one: a NaN's sign and payload may differ
    const std::vector<float> y = run_once(cell_forward_case(c, operands), *kernels_for(isa), 1)[0][0].floats();
    for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i / 5 % 2 == 0) << isa_name(isa) << " " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Gru, Cells, testing::Values(Cell::gru_after, Cell::gru_before));
INSTANTIATE_TEST_SUITE_P(Rnn, Cells, testing::Values(Cell::rnn_tanh, Cell::rnn_relu));
INSTANTIATE_TEST_SUITE_P(Slstm, Cells, testing::Values(Cell::slstm_sigmoid, Cell::slstm_exp));

// Panels within a head, with several heads, and with parts of two or three.
TEST(Slstm, MatchesItsEquationsWhereHeadsStraddlePanels) {
  const std::vector<std::pair<int64_t, int64_t>> units_and_heads = {{130, 2}, {272, 2}, {64, 2},  {96, 3},   {60, 3},
                                                                    {100, 5}, {40, 40}, {48, 16}, {132, 12}, {70, 1}};
  for (const auto& [units, heads] : units_and_heads) {
    CellCase c;
    c.cell = units % 4 == 0 ? Cell::slstm_exp : Cell::slstm_sigmoid;
    c.steps = 3, c.batch = 7, c.inputs = 5, c.units = units, c.head_size = units / heads;
    c.ragged = true, c.reverse = heads % 2 == 0;
    check(c);
  }
}

}  // namespace
}  // namespace lstm::test
