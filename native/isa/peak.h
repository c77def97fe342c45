// What the machine could do at most, to measure kernels against.
#pragma once

namespace lstm {

// Operations a second, two for each FMA, of a team of this size that does nothing else for 20 ms, which is as long as a
// training step; with the instruction set in use.
double measure_peak(int threads);

}  // namespace lstm
