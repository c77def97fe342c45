// Kernels without a program around them, for benchmarks: arrays, and calls with everything that a kernel wants.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <random>
#include <vector>

#include "isa/dispatch.h"
#include "kernels/call.h"
#include "runtime/parallel.h"

namespace lstm {

// A 64-byte aligned array.
struct Array {
  explicit Array(int64_t count, float scale = 0) : data(new (std::align_val_t{64}) float[static_cast<size_t>(count)]) {
    std::mt19937 engine(1);
    std::uniform_real_distribution<float> uniform(-scale, scale);
    for (int64_t i = 0; i < count; ++i) data[i] = scale > 0 ? uniform(engine) : 0;
  }
  ~Array() { operator delete[](data, std::align_val_t{64}); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  float* data;
};

// One kernel with everything it is called with.
class Equation {
 public:
  Equation(KernelId id, std::vector<Tensor> operands, std::vector<Tensor> outputs, std::vector<const float*> packs,
           int threads)
      : id_(id), operands_(std::move(operands)), outputs_(std::move(outputs)), packs_(std::move(packs)) {
    for (Tensor& tensor : operands_) operand_slots_.push_back({&tensor, tensor.data ? 1 : 0});
    for (Tensor& tensor : outputs_) output_slots_.push_back({&tensor, 1});
    call_ = {operand_slots_.data(), output_slots_.data(), attributes_, packs_.data(), nullptr};
    if (const WorkspaceSize size = kernels().workspaces[static_cast<int>(id)]) {
      workspace_ = std::make_unique<Array>(static_cast<int64_t>(size(call_, threads) / sizeof(float)));
      call_.workspace = workspace_->data;
    }
  }
  const char* name() const { return kKernelNames[static_cast<int>(id_)]; }
  void run(Team& team) const { kernels()[id_](call_, team); }
  static const Kernels& kernels() { return *active_isa().kernels; }

 private:
  KernelId id_;
  std::vector<Tensor> operands_, outputs_;
  std::vector<const float*> packs_;
  std::vector<Slot> operand_slots_, output_slots_;
  // Not reversed; sigmoid, sigmoid, tanh, sigmoid, and tanh of the cell; no clips.
  double no_ = 0, activations_[5] = {0, 0, 1, 0, 1};
  Attribute attributes_[4] = {{&no_, 1}, {activations_, 5}, {&no_, 1}, {&no_, 1}};
  std::unique_ptr<Array> workspace_;
  Call call_;
};

inline Tensor tensor(float* data, std::initializer_list<int64_t> dims) {
  Tensor result{data, Dtype::float32, static_cast<int32_t>(dims.size()), {}};
  std::copy(dims.begin(), dims.end(), result.dims);
  return result;
}

}  // namespace lstm
