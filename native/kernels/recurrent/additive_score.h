// The additive score v · tanh(q + k_s) of the slots of a row, and its gradients. With E = e^2q e^2k, tanh(q + k) is
// (E - 1) / (E + 1): the exponentials of a key are taken once for all steps, those of a query once for all slots.
#pragma once

#include "kernels/recurrent/attention.h"

namespace lstm::LSTM_ISA {

// Up to here in magnitude, an exponential of twice the number and a product of two such are normal numbers. A row with
// anything larger among its keys, or in the query of a step, has the tanh of the sum itself instead.
constexpr float kLargestSummand = 20.0f;

// tanh and its derivative in the sum q + k.
struct Tanh {
  Vector value, slope;
};

struct TanhOfSum {
  static LSTM_INLINE Vector value(Vector q, Vector k) { return tanh(add(q, k)); }
  static LSTM_INLINE Tanh with_slope(Vector q, Vector k) {
    const Vector t = value(q, k);
    return {t, negative_fma(t, t, broadcast(1.0f))};
  }
};

// Of e^2q and e^2k. E - 1 is exact where the two are close, so that nothing is lost but the error of E: 1.4e-7 of it.
struct TanhOfExponentials {
  static LSTM_INLINE Vector value(Vector q, Vector k) {
    const Vector e = multiply(q, k), one = broadcast(1.0f);
    return divide(subtract(e, one), add(e, one));
  }
  static LSTM_INLINE Tanh with_slope(Vector q, Vector k) {
    const Vector e = multiply(q, k), one = broadcast(1.0f);
    const Vector r = divide(one, add(e, one));
    const Vector share = multiply(e, r);
    return {multiply(subtract(e, one), r), multiply(multiply(share, r), broadcast(4.0f))};
  }
};

// Whether all n numbers of x have exponentials; a NaN has one, which is NaN.
inline bool have_exponentials(const float* x, int64_t n) noexcept {
  return reduce<LaneMax>(static_cast<size_t>(n),
                         [x](size_t i, size_t count) { return abs(load_first(x + i, count)); }) <= kLargestSummand;
}

inline void take_exponentials(const float* x, int64_t n, float* y) noexcept {
  map_range(
      {0, n}, y, [](Vector v) { return exp(add(v, v)); }, x);
}

// scores[s] = Σ over a of v_a * tanh(q_a + k_sa), of what `Form` takes for q and k.
template <class Form>
inline void additive_scores(const float* weight, const float* query, const float* keys, int64_t count, int64_t width,
                            float* scores) noexcept {
  const auto take = [=](const float* first) {
    return [=](int r, int64_t k, int64_t n, Vector sum) {
      const Vector key = load_first(first + r * width + k, n);
      return fma(load_first(weight + k, n), Form::value(load_first(query + k, n), key), sum);
    };
  };
  int64_t s = 0;
  for (; s + kRowsAtOnce <= count; s += kRowsAtOnce) {
    reduce_rows<kRowsAtOnce>(width, take(keys + s * width), scores + s);
  }
  for (; s < count; ++s) reduce_rows<1>(width, take(keys + s * width), scores + s);
}

// The rows that an additive score's gradients are added to; dkeys may be null.
struct AdditiveGradients {
  float *dquery, *dweight, *dkeys;
};

// Part of additive_scores_backward: kVectors vectors of A from k, each of min(kLanes, columns) elements; more than one are whole.
template <class Form, int kVectors>
LSTM_INLINE void additive_columns_backward(const float* weight, const float* query, const float* keys, int64_t count,
                                           int64_t width, int64_t k, int64_t columns, const float* dscores,
                                           const AdditiveGradients& to) noexcept {
  Vector q[kVectors], dq[kVectors], dv[kVectors];
  LSTM_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    q[v] = load_first(query + k + v * kLanes, columns);
    dq[v] = zero();
    dv[v] = load_first(to.dweight + k + v * kLanes, columns);
  }
  for (int64_t s = 0; s < count; ++s) {
    const Vector dscore = broadcast(dscores[s]);
    LSTM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = s * width + k + v * kLanes;
      const Tanh t = Form::with_slope(q[v], load_first(keys + at, columns));
      const Vector through = multiply(dscore, t.slope);
      dq[v] = add(dq[v], through);
      dv[v] = fma(dscore, t.value, dv[v]);
      if (to.dkeys) store_first(to.dkeys + at, add(load_first(to.dkeys + at, columns), through), columns);
    }
  }
  LSTM_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const int64_t at = k + v * kLanes;
    store_first(to.dquery + at, multiply(dq[v], load_first(weight + at, columns)), columns);
    store_first(to.dweight + at, dv[v], columns);
  }
}

// From the gradients of the scores: that of the query, and what this step adds to those of v and, but for the factor v, of
// the keys. With t = tanh(q + k_s):  dq = v * Σ ds * (1 - t²),  dv += Σ ds * t,  dk_s += ds * (1 - t²).
template <class Form>
inline void additive_scores_backward(const float* weight, const float* query, const float* keys, int64_t count,
                                     int64_t width, const float* dscores, const AdditiveGradients& to) noexcept {
  // With 8 lanes a cache line of keys: one vector at a time took a fifth longer at A 512, S 32.
  constexpr int kVectors = 2;
  int64_t k = 0;
  for (; k + kVectors * kLanes <= width; k += kVectors * kLanes) {
    additive_columns_backward<Form, kVectors>(weight, query, keys, count, width, k, kLanes, dscores, to);
  }
  for (; k < width; k += kLanes) {
    additive_columns_backward<Form, 1>(weight, query, keys, count, width, k, width - k, dscores, to);
  }
}

// The additive score over all steps of an op.
struct AdditiveScore {
  const Attention* attention;
  float* keys;       // e^2k, [B,S,A], shared; not of rows that are not `bounded`
  int32_t* bounded;  // [B], shared
  float* query;      // e^2q, [A], of one thread

  AdditiveScore(const Attention& of, int64_t batch, Carver& carver, int thread, int team_size) noexcept
      : attention(&of),
        keys(carver.take<float>(of.additive() ? batch * of.slots * of.size : 0)),
        bounded(carver.take<int32_t>(of.additive() ? batch : 0)),
        query(carver.take_own<float>(of.additive() ? of.size : 0, thread, team_size)) {}

  // What the steps of some rows of the batch need.
  void prepare(Range rows) const noexcept {
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const int64_t count = attention->count(row) * attention->size;
      bounded[row] = have_exponentials(attention->keys_of(row), count);
      if (bounded[row]) take_exponentials(attention->keys_of(row), count, exponentials_of(row));
    }
  }

  void scores(int64_t row, const float* of_query, float* scores) const noexcept {
    const int64_t count = attention->count(row), A = attention->size;
    if (take_query(row, of_query)) {
      additive_scores<TanhOfExponentials>(attention->weight, query, exponentials_of(row), count, A, scores);
    } else {
      additive_scores<TanhOfSum>(attention->weight, of_query, attention->keys_of(row), count, A, scores);
    }
  }

  void backward(int64_t row, const float* of_query, const float* dscores, const AdditiveGradients& to) const noexcept {
    const int64_t count = attention->count(row), A = attention->size;
    if (take_query(row, of_query)) {
      additive_scores_backward<TanhOfExponentials>(attention->weight, query, exponentials_of(row), count, A, dscores,
                                                   to);
    } else {
      additive_scores_backward<TanhOfSum>(attention->weight, of_query, attention->keys_of(row), count, A, dscores, to);
    }
  }

 private:
  float* exponentials_of(int64_t row) const { return keys + row * attention->slots * attention->size; }
  // Whether the row and this query have exponentials, the query's being taken.
  bool take_query(int64_t row, const float* of_query) const noexcept {
    if (!bounded[row] || !have_exponentials(of_query, attention->size)) return false;
    take_exponentials(of_query, attention->size, query);
    return true;
  }
};

}  // namespace lstm::LSTM_ISA
