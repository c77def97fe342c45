// What one ISA unit offers: each kernel of kernels.inc, compiled for that ISA.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/pack.h"

namespace lstm {

struct Call;
struct Tensor;
class Team;

using Kernel = void (*)(const Call& call, Team& team) noexcept;
// Bytes of scratch memory that the kernel wants from a call with these sizes and a team of this size.
using WorkspaceSize = size_t (*)(const Call& call, int team_size) noexcept;

// The position of a kernel in the table.
enum class KernelId : int {
#define LSTM_KERNEL(name) name,
#define LSTM_KERNEL_WITH_WORKSPACE(name) name,
#include "kernels/kernels.inc"
#undef LSTM_KERNEL_WITH_WORKSPACE
#undef LSTM_KERNEL
  count
};

constexpr int kKernelCount = static_cast<int>(KernelId::count);

// Names by position; a null pointer ends the list.
constexpr const char* kKernelNames[] = {
#define LSTM_KERNEL(name) #name,
#define LSTM_KERNEL_WITH_WORKSPACE(name) #name,
#include "kernels/kernels.inc"
#undef LSTM_KERNEL_WITH_WORKSPACE
#undef LSTM_KERNEL
    nullptr};

struct Kernels {
  const char* isa;
  int lanes;

  // Over plain arrays: y[i] = f(x[i]) for i in [0, n); y may be x.
  void (*exp_array)(const float* x, float* y, size_t n) noexcept;
  void (*log_array)(const float* x, float* y, size_t n) noexcept;
  void (*tanh_array)(const float* x, float* y, size_t n) noexcept;
  void (*sigmoid_array)(const float* x, float* y, size_t n) noexcept;
  void (*log_sigmoid_array)(const float* x, float* y, size_t n) noexcept;
  float (*sum_array)(const float* x, size_t n) noexcept;
  float (*max_array)(const float* x, size_t n) noexcept;
  double (*square_sum_array)(const float* x, size_t n) noexcept;

  // By KernelId; a null pointer ends the list.
  Kernel kernels[kKernelCount + 1];
  // By KernelId; null where a kernel wants no workspace.
  WorkspaceSize workspaces[kKernelCount + 1];

  // The packed form of a weight (kernels/pack.h), and its size.
  size_t (*pack_bytes)(PackKind kind, const Tensor& weight) noexcept;
  void (*pack)(PackKind kind, const Tensor& weight, float* packed, Team& team) noexcept;

  // FMAs without memory (kernels/multiply/peak.inl): what this ISA can do at most on this machine.
  int64_t (*peak)(int64_t rounds, float* sink) noexcept;
  // Loads without arithmetic that counts, of a multiple of 256 floats.
  void (*read_all)(const float* data, int64_t count, float* sink) noexcept;

  Kernel operator[](KernelId id) const { return kernels[static_cast<int>(id)]; }
};

// One for each ISA unit of this build; only isa/dispatch.cc knows whether the machine can run it.
namespace scalar {
extern const Kernels kernels;
}
namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}

}  // namespace lstm
