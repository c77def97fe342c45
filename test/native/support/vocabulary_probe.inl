// Runs each operation of the vector vocabulary over arrays and writes the raw bits of what comes out, a row of n for each
// operation, in the order of the expectations in simd_vocabulary_test.cc. Included once for every ISA.

namespace lstm::LSTM_ISA {

LSTM_INLINE IntVector as_bits(Vector v) { return bits_of(v); }
LSTM_INLINE IntVector as_bits(IntVector v) { return v; }
LSTM_INLINE IntVector as_bits(Mask m) { return select(m, broadcast_int(1), broadcast_int(0)); }

static void probe_vocabulary(const ProbeInputs& in, int32_t* out) {
#define LSTM_PROBE(expression)                                                                   \
  for (size_t at = 0; at < in.n; at += kLanes) {                                                 \
    [[maybe_unused]] const Vector a = load(in.a + at), b = load(in.b + at), c = load(in.c + at); \
    [[maybe_unused]] const IntVector i = load(in.i + at), j = load(in.j + at);                   \
    store(out + at, as_bits(expression));                                                        \
  }                                                                                              \
  out += in.n;

  LSTM_PROBE(add(a, b))
  LSTM_PROBE(subtract(a, b))
  LSTM_PROBE(multiply(a, b))
  LSTM_PROBE(divide(a, b))
  LSTM_PROBE(fma(a, b, c))
  LSTM_PROBE(negative_fma(a, b, c))
  LSTM_PROBE(sqrt(a))
  LSTM_PROBE(min(a, b))
  LSTM_PROBE(max(a, b))
  LSTM_PROBE(round(a))
  LSTM_PROBE(abs(a))
  LSTM_PROBE(copysign(a, b))
  LSTM_PROBE(less(a, b))
  LSTM_PROBE(less_equal(a, b))
  LSTM_PROBE(greater(a, b))
  LSTM_PROBE(greater_equal(a, b))
  LSTM_PROBE(equal(a, b))
  LSTM_PROBE(is_nan(a))
  LSTM_PROBE(less(i, j))
  LSTM_PROBE(equal(i, j))
  LSTM_PROBE(both(less(a, b), less(i, j)))
  LSTM_PROBE(either(less(a, b), less(i, j)))
  LSTM_PROBE(select(less(a, b), c, a))
  LSTM_PROBE(select(less(i, j), j, i))
  LSTM_PROBE(add(i, j))
  LSTM_PROBE(subtract(i, j))
  LSTM_PROBE(multiply_low(i, j))
  LSTM_PROBE(multiply_high(i, j))
  LSTM_PROBE(and_(i, j))
  LSTM_PROBE(or_(i, j))
  LSTM_PROBE(xor_(i, j))
  LSTM_PROBE(shift_left<5>(i))
  LSTM_PROBE(shift_right<5>(i))
  LSTM_PROBE(shift_right_arithmetic<5>(i))
  LSTM_PROBE(to_float(i))
  LSTM_PROBE(to_int(multiply(to_float(i), broadcast(0x1p-8f))))
  LSTM_PROBE(narrow(add(widen(a), multiply(widen(b), widen(c)))))
#undef LSTM_PROBE
}

// out[k][0, kLanes] for k in [0, kLanes]: the first k numbers from 1 on, loaded and stored partially; -1 elsewhere.
static void probe_partial_integers(int32_t* out) {
  for (size_t k = 0; k <= size_t{kLanes}; ++k, out += kLanes) {
    int32_t numbers[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) numbers[lane] = lane + 1;
    store(out, broadcast_int(-1));
    store_partial(out, load_partial(numbers, k), k);
  }
}

constexpr VocabularyProbe vocabulary_probe = {kLanes, probe_vocabulary, probe_partial_integers};

}  // namespace lstm::LSTM_ISA
