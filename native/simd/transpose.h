// Blocks of floats from rows to columns. Include after one of the ISA headers.
#pragma once

namespace lstm::LSTM_ISA {

// Rows and columns of a block.
constexpr int kTransposeBlock = 8;

// to[k * stride + n] = rows[n][k], for n and k below kTransposeBlock. In registers with AVX2, which AVX-512 has too.
LSTM_INLINE void transpose_block(const float* const* rows, float* to, int64_t stride) {
#if defined(__AVX2__)
  __m256 even[4], odd[4], block[kTransposeBlock];
  LSTM_UNROLL
  for (int n = 0; n < 4; ++n) {
    // Rows n and n + 4, in halves, so that what follows stays within halves.
    const auto halves = [&](int row, int k) {
      const __m256 low = _mm256_castps128_ps256(_mm_loadu_ps(rows[row] + k));
      return _mm256_insertf128_ps(low, _mm_loadu_ps(rows[row + 4] + k), 1);
    };
    even[n] = halves(n, 0), odd[n] = halves(n, 4);
  }
  const auto columns = [&](const __m256(&v)[4], __m256* column) {
    const __m256 low01 = _mm256_unpacklo_ps(v[0], v[1]), high01 = _mm256_unpackhi_ps(v[0], v[1]);
    const __m256 low23 = _mm256_unpacklo_ps(v[2], v[3]), high23 = _mm256_unpackhi_ps(v[2], v[3]);
    column[0] = _mm256_shuffle_ps(low01, low23, 0x44), column[1] = _mm256_shuffle_ps(low01, low23, 0xEE);
    column[2] = _mm256_shuffle_ps(high01, high23, 0x44), column[3] = _mm256_shuffle_ps(high01, high23, 0xEE);
  };
  columns(even, block), columns(odd, block + 4);
  LSTM_UNROLL
  for (int k = 0; k < kTransposeBlock; ++k) _mm256_storeu_ps(to + k * stride, block[k]);
#else
  for (int n = 0; n < kTransposeBlock; ++n) {
    for (int k = 0; k < kTransposeBlock; ++k) to[k * stride + n] = rows[n][k];
  }
#endif
}

}  // namespace lstm::LSTM_ISA
