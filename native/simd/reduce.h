// Reductions that give the same bits on every ISA: element i goes to virtual lane i mod 16, each lane adds in order of i,
// and a fixed tree folds the lanes (8 onto 8, 4 onto 4, 2 onto 2, 1 onto 1).
// Include after one of the ISA headers.
#pragma once

namespace lstm::LSTM_ISA {

constexpr int kVirtualLanes = 16;
constexpr int kParts = kVirtualLanes / kLanes;  // vectors that make up the virtual lanes
static_assert(kVirtualLanes % kLanes == 0);

// Sum in float32. A NaN stays.
struct LaneSum {
  Vector parts[kParts];

  LSTM_INLINE LaneSum() {
    for (int part = 0; part < kParts; ++part) parts[part] = zero();
  }
  LSTM_INLINE void take(int part, Vector v) { parts[part] = add(parts[part], v); }
  LSTM_INLINE void take_partial(int part, Vector v, size_t n) { take(part, select(first_lanes(n), v, zero())); }
  LSTM_INLINE float total() const {
    float lanes[kVirtualLanes];
    for (int part = 0; part < kParts; ++part) store(lanes + part * kLanes, parts[part]);
    for (int width = kVirtualLanes / 2; width > 0; width /= 2)
      for (int lane = 0; lane < width; ++lane) lanes[lane] = lanes[lane] + lanes[lane + width];
    return lanes[0];
  }
};

// Sum in float64 of float32 values.
struct DoubleLaneSum {
  DoubleVector parts[kParts];

  LSTM_INLINE DoubleLaneSum() {
    for (int part = 0; part < kParts; ++part) parts[part] = double_zero();
  }
  LSTM_INLINE void take(int part, DoubleVector v) { parts[part] = add(parts[part], v); }
  LSTM_INLINE void take(int part, Vector v) { take(part, widen(v)); }
  LSTM_INLINE void take_partial(int part, Vector v, size_t n) { take(part, select(first_lanes(n), v, zero())); }
  LSTM_INLINE double total() const {
    double lanes[kVirtualLanes];
    for (int part = 0; part < kParts; ++part) store(lanes + part * kLanes, parts[part]);
    for (int width = kVirtualLanes / 2; width > 0; width /= 2)
      for (int lane = 0; lane < width; ++lane) lanes[lane] = lanes[lane] + lanes[lane + width];
    return lanes[0];
  }
};

// Sum of squares in float64; each square is exact.
struct SquareLaneSum : DoubleLaneSum {
  LSTM_INLINE void take(int part, Vector v) {
    const DoubleVector wide = widen(v);
    DoubleLaneSum::take(part, multiply(wide, wide));
  }
  LSTM_INLINE void take_partial(int part, Vector v, size_t n) { take(part, select(first_lanes(n), v, zero())); }
};

// Maximum; NaNs are passed over, and nothing at all gives -infinity.
struct LaneMax {
  Vector parts[kParts];

  LSTM_INLINE LaneMax() {
    for (int part = 0; part < kParts; ++part) parts[part] = broadcast(-INFINITY);
  }
  LSTM_INLINE void take(int part, Vector v) { parts[part] = max(v, parts[part]); }
  LSTM_INLINE void take_partial(int part, Vector v, size_t n) {
    take(part, select(first_lanes(n), v, broadcast(-INFINITY)));
  }
  LSTM_INLINE float total() const {
    float lanes[kVirtualLanes];
    for (int part = 0; part < kParts; ++part) store(lanes + part * kLanes, parts[part]);
    for (int width = kVirtualLanes / 2; width > 0; width /= 2)
      for (int lane = 0; lane < width; ++lane)
        lanes[lane] = lanes[lane] > lanes[lane + width] ? lanes[lane] : lanes[lane + width];
    return lanes[0];
  }
};

// Feeds value(i, count), the vector of elements i .. i + count, to a reduction for all of [0, n). Lanes of the last vector
// beyond count are ignored, whatever they hold.
template <class Reduction, class Value>
LSTM_INLINE auto reduce(size_t n, Value value) {
  Reduction reduction;
  size_t i = 0;
  for (; i + kVirtualLanes <= n; i += kVirtualLanes)
    LSTM_UNROLL for (int part = 0; part < kParts; ++part)
        reduction.take(part, value(i + part * kLanes, size_t{kLanes}));
  for (int part = 0; i < n; ++part, i += kLanes) {
    const size_t count = n - i < size_t{kLanes} ? n - i : size_t{kLanes};
    reduction.take_partial(part, value(i, count), count);
  }
  return reduction.total();
}

}  // namespace lstm::LSTM_ISA
