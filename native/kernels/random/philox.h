// Random numbers by counter: Philox4x32-10, one counter for each vector lane.
#pragma once

namespace lstm::LSTM_ISA {

struct PhiloxKey {
  uint32_t low, high;
};

// Four words for each lane.
struct PhiloxWords {
  IntVector words[4];
};

// The ten rounds of Philox4x32: each multiplies two words of the counter into 64 bits and exchanges the halves; the key
// advances by the golden ratio and by sqrt(3) - 1. (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".)
LSTM_INLINE PhiloxWords philox(PhiloxKey key, PhiloxWords counter) {
  const IntVector multiplier0 = broadcast_int(static_cast<int32_t>(0xD2511F53u));
  const IntVector multiplier1 = broadcast_int(static_cast<int32_t>(0xCD9E8D57u));
  IntVector c0 = counter.words[0], c1 = counter.words[1], c2 = counter.words[2], c3 = counter.words[3];
  for (int round = 0; round < 10; ++round) {
    const IntVector high0 = multiply_high(multiplier0, c0), low0 = multiply_low(multiplier0, c0);
    const IntVector high1 = multiply_high(multiplier1, c2), low1 = multiply_low(multiplier1, c2);
    c0 = xor_(xor_(high1, c1), broadcast_int(static_cast<int32_t>(key.low)));
    c2 = xor_(xor_(high0, c3), broadcast_int(static_cast<int32_t>(key.high)));
    c1 = low1;
    c3 = low0;
    key.low += 0x9E3779B9u;
    key.high += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace lstm::LSTM_ISA
