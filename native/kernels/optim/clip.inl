// Clipping by the global norm.
#pragma once

#include "kernels/elementwise/map.h"
#include "simd/reduce.h"

namespace lstm::LSTM_ISA {

// Elements whose squares one thread sums before anything is shared. Fixed, so that the norm does not depend on the team;
// 16 KB are read in well under a microsecond and make the final sum 4096 times shorter.
constexpr int64_t kNormBlock = 4096;

LSTM_INLINE int64_t norm_blocks(const Tensor& gradient) { return (gradient.size() + kNormBlock - 1) / kNormBlock; }

inline int64_t norm_blocks(const Slot& gradients) {
  int64_t blocks = 0;
  for (int k = 0; k < gradients.count; ++k) blocks += norm_blocks(gradients.tensors[k]);
  return blocks;
}

size_t gradient_norm_workspace(const Call& call, int) noexcept {
  return static_cast<size_t>(norm_blocks(call.operands[0])) * sizeof(double);
}

// gradient_norm
// Computes  norm = sqrt(Σ g²) over all gradients: 16 virtual lanes within blocks of 4096, then the blocks in order
// Shapes    gradients, any; norm float64 []
// Layout    dense
// Aliasing  none
// Accuracy  float64: n·2^-53 relative
// Source    Pascanu et al. 2013, clipping by norm
void gradient_norm(const Call& call, Team& team) noexcept {
  const Slot& gradients = call.operands[0];
  double* sums = static_cast<double*>(call.workspace);
  const int64_t blocks = norm_blocks(gradients);
  const Range own = team.split(blocks);
  int64_t block = 0;
  for (int k = 0; k < gradients.count; ++k) {
    const Tensor& gradient = gradients.tensors[k];
    const int64_t size = gradient.size();
    for (int64_t begin = 0; begin < size; begin += kNormBlock, ++block) {
      if (block < own.begin || block >= own.end) continue;
      const float* g = gradient.f32() + begin;
      const int64_t count = size - begin < kNormBlock ? size - begin : kNormBlock;
      sums[block] =
          reduce<SquareLaneSum>(static_cast<size_t>(count), [g](size_t i, size_t n) { return load_first(g + i, n); });
    }
  }
  team.barrier();
  if (team.rank() != 0) return;
  double total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += sums[b];
  *call.output(0).f64() = ::sqrt(total);
}

// clip_scale
// Computes  scale = min(1, max_norm / (norm + 1e-6))
// Shapes    norm, max_norm, scale float64 []
// Layout    dense
// Aliasing  none
// Accuracy  float64, 1 ULP; a NaN norm gives NaN
// Source    PyTorch, clip_grad_norm_
void clip_scale(const Call& call, Team& team) noexcept {
  if (team.rank() != 0) return;
  const double ratio = *call.operand(1).f64() / (*call.operand(0).f64() + 1e-6);
  *call.output(0).f64() = ratio > 1.0 ? 1.0 : ratio;
}

}  // namespace lstm::LSTM_ISA
