// Layout kernels against index arithmetic.
#include "support/kernel_case.h"

namespace lstm::test {
namespace {

size_t count(const Dims& dims) { return empty(dims).size(); }

// The coordinates of element `index` of a row-major array.
Dims coordinates(size_t index, const Dims& dims) {
  Dims result(dims.size());
  for (size_t axis = dims.size(); axis-- > 0;) {
    result[axis] = static_cast<int64_t>(index) % dims[axis];
    index /= static_cast<size_t>(dims[axis]);
  }
  return result;
}

size_t index_of(const Dims& coordinate, const Dims& dims) {
  size_t index = 0;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    index = index * static_cast<size_t>(dims[axis]) + static_cast<size_t>(coordinate[axis]);
  }
  return index;
}

// 0, 1, 2, ...
Array counting(const Dims& dims) {
  std::vector<int32_t> values(count(dims));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int32_t>(i);
  return ints(dims, values);
}

TEST(Layout, TransposeFollowsThePermutation) {
  const std::vector<std::pair<Dims, Dims>> cases = {{{5, 7, 16}, {1, 0, 2}},
                                                    {{6, 3, 1}, {1, 0, 2}},
                                                    {{17, 33}, {1, 0}},
                                                    {{4, 5, 6}, {2, 0, 1}},
                                                    {{4, 5, 6}, {0, 2, 1}},
                                                    {{2, 3, 4, 5}, {3, 1, 2, 0}},
                                                    {{1, 9, 1, 2}, {2, 1, 0, 3}},
                                                    {{3, 4}, {0, 1}},
                                                    {{7}, {0}},
                                                    {{}, {}}};
  for (const auto& [dims, permutation] : cases) {
    Dims turned;
    for (const int64_t axis : permutation) turned.push_back(dims[static_cast<size_t>(axis)]);
    const auto results = run_everywhere({KernelId::transpose,
                                         {{counting(dims)}},
                                         {{empty(turned, Dtype::int32)}},
                                         {std::vector<double>(permutation.begin(), permutation.end())}});
    const std::vector<int32_t> y = results[0][0].as<int32_t>();
    for (size_t i = 0; i < y.size(); ++i) {
      const Dims to = coordinates(i, turned);
      Dims from(dims.size());
      for (size_t axis = 0; axis < dims.size(); ++axis) from[static_cast<size_t>(permutation[axis])] = to[axis];
      ASSERT_EQ(y[i], static_cast<int32_t>(index_of(from, dims)));
    }
  }
}

TEST(Layout, BroadcastRepeatsAxesOfSizeOne) {
  const std::vector<std::pair<Dims, Dims>> cases = {{{17}, {3, 5, 17}},      {{3, 5, 1}, {3, 5, 17}},
                                                    {{1, 5, 1}, {3, 5, 17}}, {{}, {4, 9}},
                                                    {{3, 1, 4}, {3, 2, 4}},  {{2, 3}, {2, 3}}};
  for (const auto& [dims, wide] : cases) {
    const auto results = run_everywhere({KernelId::broadcast, {{counting(dims)}}, {{empty(wide, Dtype::int32)}}});
    const std::vector<int32_t> y = results[0][0].as<int32_t>();
    for (size_t i = 0; i < y.size(); ++i) {
      Dims from = coordinates(i, wide);
      from.erase(from.begin(), from.end() - static_cast<std::ptrdiff_t>(dims.size()));
      for (size_t axis = 0; axis < dims.size(); ++axis) {
        if (dims[axis] == 1) from[axis] = 0;
      }
      ASSERT_EQ(y[i], static_cast<int32_t>(index_of(from, dims)));
    }
  }
}

TEST(Layout, ReshapeKeepsEveryBit) {
  const Array x = ints({5, 21}, random_ints({5, 21}, 1, INT32_MAX).as<int32_t>());
  const auto results = run_everywhere({KernelId::reshape, {{x}}, {{empty({7, 15}, Dtype::int32)}}});
  EXPECT_EQ(results[0][0].bytes, x.bytes);
}

TEST(Layout, ConcatAndSliceAreInverse) {
  const Dims sizes = {3, 0, 17, 1};
  for (const size_t axis : {size_t{0}, size_t{1}, size_t{2}}) {
    Arrays pieces;
    Dims whole = {4, 5, 6};
    whole[axis] = 0;
    for (size_t k = 0; k < sizes.size(); ++k) {
      Dims dims = {4, 5, 6};
      dims[axis] = sizes[k];
      whole[axis] += sizes[k];
      pieces.push_back(random_floats(dims, static_cast<uint32_t>(k)));
    }
    const double a = static_cast<double>(axis);
    const Array y = run_everywhere({KernelId::concat, {pieces}, {{empty(whole)}}, {{a}}})[0][0];
    double begin = 0;
    for (const Array& piece : pieces) {
      const double end = begin + static_cast<double>(piece.dims[axis]);
      const auto slice = run_everywhere({KernelId::slice, {{y}}, {{empty(piece.dims)}}, {{a}, {begin}, {end}}});
      EXPECT_EQ(slice[0][0].floats(), piece.floats());
      begin = end;
    }
    EXPECT_NE(y.floats(), std::vector<float>(y.size(), y.floats()[0]));
  }
}

TEST(Layout, SliceBackwardIsZeroOutsideTheSlice) {
  const Dims dims = {4, 9, 5};
  for (const size_t axis : {size_t{0}, size_t{1}, size_t{2}}) {
    for (const int64_t length : {0, 1, 2}) {
      for (const int64_t begin : {int64_t{0}, int64_t{1}, dims[axis] - length}) {
        Dims part = dims;
        part[axis] = length;
        const Array dy = random_floats(part, 2);
        const std::vector<float> dx = run_for_floats({KernelId::slice_backward,
                                                      {{dy}},
                                                      {{empty(dims)}},
                                                      {{static_cast<double>(axis)}, {static_cast<double>(begin)}}});
        for (size_t i = 0; i < dx.size(); ++i) {
          Dims at = coordinates(i, dims);
          at[axis] -= begin;
          const bool inside = at[axis] >= 0 && at[axis] < length;
          ASSERT_EQ(dx[i], inside ? dy.floats()[index_of(at, part)] : 0);
        }
      }
    }
  }
}

// Every subset of the axes of x.
std::vector<std::vector<double>> subsets(size_t rank) {
  std::vector<std::vector<double>> result;
  for (size_t set = 0; set < size_t{1} << rank; ++set) {
    std::vector<double> axes;
    for (size_t axis = 0; axis < rank; ++axis) {
      if (set >> axis & 1) axes.push_back(static_cast<double>(axis));
    }
    result.push_back(axes);
  }
  return result;
}

// dims with size 1 on the axes.
Dims kept_dims(Dims dims, const std::vector<double>& axes) {
  for (const double axis : axes) dims[static_cast<size_t>(axis)] = 1;
  return dims;
}

TEST(Layout, SumAndMeanAddOverAnyAxes) {
  for (const Dims& dims : {Dims{3, 5, 17}, Dims{65, 1}, Dims{2, 3, 2, 7}, Dims{2, 300}, Dims{1000}, Dims{}}) {
    const Array x = random_floats(dims, 3);
    for (const auto& axes : subsets(dims.size())) {
      const Dims kept = kept_dims(dims, axes);
      std::vector<double> expected(count(kept), 0);
      for (size_t i = 0; i < x.size(); ++i) {
        Dims at = coordinates(i, dims);
        for (const double axis : axes) at[static_cast<size_t>(axis)] = 0;
        expected[index_of(at, kept)] += x.floats()[i];
      }
      expect_close(run_for_floats({KernelId::sum, {{x}}, {{empty(kept)}}, {axes, {1}}}), expected, 1);
      const double terms = static_cast<double>(x.size() / expected.size());
      for (double& value : expected) value /= terms;
      expect_close(run_for_floats({KernelId::mean, {{x}}, {{empty(kept)}}, {axes, {1}}}), expected, 1);
    }
  }
}

TEST(Layout, SumsOfManyColumnsAndOfNothing) {
  const std::vector<float> wide = run_for_floats(
      {KernelId::sum, {{floats({2, 500}, std::vector<float>(1000, 0.5f))}}, {{empty({500})}}, {{0}, {0}}});
  EXPECT_EQ(wide, std::vector<float>(500, 1.0f));
  EXPECT_EQ(run_for_floats({KernelId::sum, {{empty({3, 0})}}, {{empty({3})}}, {{1}, {0}}}),
            std::vector<float>(3, 0.0f));
  EXPECT_EQ(run_for_floats({KernelId::sum, {{empty({0, 3})}}, {{empty({3})}}, {{0}, {0}}}),
            std::vector<float>(3, 0.0f));
}

TEST(Layout, SumsKeepWhatFloat32WouldLose) {
  std::vector<float> values(4096, 1.0f);
  values[0] = 0x1p24f;
  EXPECT_EQ(run_for_floats({KernelId::sum, {{floats({4096}, values)}}, {{empty({})}}, {{0}, {0}}})[0],
            static_cast<float>(0x1p24 + 4095));
}

TEST(Layout, MeanBackwardSpreadsTheGradient) {
  const Dims dims = {3, 5, 17};
  for (const auto& axes : subsets(dims.size())) {
    const Dims kept = kept_dims(dims, axes);
    const Array dy = random_floats(kept, 4);
    const std::vector<float> dx = run_for_floats({KernelId::mean_backward, {{dy}}, {{empty(dims)}}, {axes}});
    const double terms = static_cast<double>(count(dims) / count(kept));
    for (size_t i = 0; i < dx.size(); ++i) {
      Dims at = coordinates(i, dims);
      for (const double axis : axes) at[static_cast<size_t>(axis)] = 0;
      ASSERT_EQ(dx[i], static_cast<float>(dy.floats()[index_of(at, kept)] / terms));
    }
  }
}

}  // namespace
}  // namespace lstm::test
