// The body of every ISA unit: the mathematics, the kernels and their table. Included after LSTM_ISA and its vocabulary.

#include "kernels/table.h"
#include "simd/math.h"
#include "simd/reduce.h"

#include "kernels/all.inl"

namespace lstm::LSTM_ISA {

#define LSTM_ARRAY_FUNCTION(function)                                             \
  static void function##_array(const float* x, float* y, size_t n) noexcept {     \
    size_t i = 0;                                                                 \
    for (; i + kLanes <= n; i += kLanes) store(y + i, function(load(x + i)));     \
    if (i < n) store_partial(y + i, function(load_partial(x + i, n - i)), n - i); \
  }
LSTM_ARRAY_FUNCTION(exp)
LSTM_ARRAY_FUNCTION(log)
LSTM_ARRAY_FUNCTION(tanh)
LSTM_ARRAY_FUNCTION(sigmoid)
LSTM_ARRAY_FUNCTION(log_sigmoid)
#undef LSTM_ARRAY_FUNCTION

static float sum_array(const float* x, size_t n) noexcept {
  return reduce<LaneSum>(n, [x](size_t i, size_t count) { return load_partial(x + i, count); });
}
static float max_array(const float* x, size_t n) noexcept {
  return reduce<LaneMax>(n, [x](size_t i, size_t count) { return load_partial(x + i, count); });
}
static double square_sum_array(const float* x, size_t n) noexcept {
  return reduce<SquareLaneSum>(n, [x](size_t i, size_t count) { return load_partial(x + i, count); });
}

#define LSTM_STRING(name) #name
#define LSTM_NAME(name) LSTM_STRING(name)

extern const Kernels kernels;
const Kernels kernels = {LSTM_NAME(LSTM_ISA),
                         kLanes,
                         exp_array,
                         log_array,
                         tanh_array,
                         sigmoid_array,
                         log_sigmoid_array,
                         sum_array,
                         max_array,
                         square_sum_array,
                         {
#define LSTM_KERNEL(name) name,
#define LSTM_KERNEL_WITH_WORKSPACE(name) name,
#include "kernels/kernels.inc"
#undef LSTM_KERNEL_WITH_WORKSPACE
#undef LSTM_KERNEL
                             nullptr},
                         {
#define LSTM_KERNEL(name) nullptr,
#define LSTM_KERNEL_WITH_WORKSPACE(name) name##_workspace,
#include "kernels/kernels.inc"
#undef LSTM_KERNEL_WITH_WORKSPACE
#undef LSTM_KERNEL
                             nullptr},
                         pack_bytes,
                         pack,
                         peak,
                         read_all};

}  // namespace lstm::LSTM_ISA
