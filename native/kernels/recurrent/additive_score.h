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

// Of e^2q and e^2k, in [-1, 1]. Over 5e8 random pairs up to kLargestSummand, also of nearly opposite numbers, E was within
// 1.4e-7 of itself, the tanh within 1.6e-7 and its slope within 2.5e-7 and 4.2e-7 of itself; that of the sum 1.1e-7 and 1.9e-7.
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

// A row of the batch: v [A], and what a form takes for its query [A] and its keys [count,A].
struct AdditiveRow {
  const float *weight, *query, *keys;
  int64_t count, width;
};

// scores[s] = Σ over a of v_a * tanh(q_a + k_sa).
template <class Form>
inline void additive_scores(const AdditiveRow& row, float* scores) noexcept {
  const auto take = [=](const float* keys) {
    return [=](int r, int64_t k, int64_t n, Vector sum) {
      const Vector key = load_first(keys + r * row.width + k, n);
      return fma(load_first(row.weight + k, n), Form::value(load_first(row.query + k, n), key), sum);
    };
  };
  int64_t s = 0;
  for (; s + kRowsAtOnce <= row.count; s += kRowsAtOnce) {
    reduce_rows<kRowsAtOnce>(row.width, take(row.keys + s * row.width), scores + s);
  }
  for (; s < row.count; ++s) reduce_rows<1>(row.width, take(row.keys + s * row.width), scores + s);
}

// Where the gradients of a row go: that of its query is stored, those of v and of the keys (may be null) are added to.
struct AdditiveGradients {
  float *dquery, *dweight, *dkeys;
};

// Part of additive_scores_backward: kVectors vectors of A from k, each of min(kLanes, columns) elements; more than one are whole.
template <class Form, int kVectors>
LSTM_INLINE void additive_columns_backward(const AdditiveRow& row, int64_t k, int64_t columns, const float* dscores,
                                           const AdditiveGradients& to) noexcept {
  Vector q[kVectors], dq[kVectors], dv[kVectors];
  LSTM_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    q[v] = load_first(row.query + k + v * kLanes, columns);
    dq[v] = zero();
    dv[v] = load_first(to.dweight + k + v * kLanes, columns);
  }
  for (int64_t s = 0; s < row.count; ++s) {
    const Vector dscore = broadcast(dscores[s]);
    LSTM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = s * row.width + k + v * kLanes;
      const Tanh t = Form::with_slope(q[v], load_first(row.keys + at, columns));
      const Vector through = multiply(dscore, t.slope);
      dq[v] = add(dq[v], through);
      dv[v] = fma(dscore, t.value, dv[v]);
      if (to.dkeys) store_first(to.dkeys + at, add(load_first(to.dkeys + at, columns), through), columns);
    }
  }
  LSTM_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const int64_t at = k + v * kLanes;
    store_first(to.dquery + at, multiply(dq[v], load_first(row.weight + at, columns)), columns);
    store_first(to.dweight + at, dv[v], columns);
  }
}

// From the gradients of the scores: that of the query, and what this step adds to those of v and, but for the factor v, of
// the keys. With t = tanh(q + k_s):  dq = v * Σ ds * (1 - t²),  dv += Σ ds * t,  dk_s += ds * (1 - t²).
template <class Form>
inline void additive_scores_backward(const AdditiveRow& row, const float* dscores,
                                     const AdditiveGradients& to) noexcept {
  // With 8 lanes a cache line of keys: one vector at a time took a fifth longer at A 512, S 32.
  constexpr int kVectors = 2;
  int64_t k = 0;
  for (; k + kVectors * kLanes <= row.width; k += kVectors * kLanes) {
    additive_columns_backward<Form, kVectors>(row, k, kLanes, dscores, to);
  }
  for (; k < row.width; k += kLanes) additive_columns_backward<Form, 1>(row, k, row.width - k, dscores, to);
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
    with_row(row, of_query, [=](auto form, const AdditiveRow& of) { additive_scores<decltype(form)>(of, scores); });
  }

  void backward(int64_t row, const float* of_query, const float* dscores, const AdditiveGradients& to) const noexcept {
    with_row(row, of_query,
             [=](auto form, const AdditiveRow& of) { additive_scores_backward<decltype(form)>(of, dscores, to); });
  }

 private:
  float* exponentials_of(int64_t row) const { return keys + row * attention->slots * attention->size; }

  // Calls use(form, row): of exponentials, where all numbers have them.
  template <class Use>
  void with_row(int64_t row, const float* of_query, Use use) const noexcept {
    const int64_t count = attention->count(row), A = attention->size;
    if (bounded[row] && have_exponentials(of_query, A)) {
      take_exponentials(of_query, A, query);
      use(TanhOfExponentials{}, AdditiveRow{attention->weight, query, exponentials_of(row), count, A});
    } else {
      use(TanhOfSum{}, AdditiveRow{attention->weight, of_query, attention->keys_of(row), count, A});
    }
  }
};

}  // namespace lstm::LSTM_ISA
