// What the machine could do at most, to measure kernels against.
#pragma once

#include <cstdint>

namespace lstm {

// Operations a second, two for each FMA, of a team of this size that does nothing else for 20 ms, which is as long as a
// training step; with the instruction set in use.
double measure_peak(int threads);

// Bytes a second that such a team reads, each member again and again the same `bytes` of its own, which it has touched
// first; for 20 ms or once. 0 where there is no memory for that.
double measure_bandwidth(int threads, int64_t bytes);

}  // namespace lstm
