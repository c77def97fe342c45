// Arrays of 2^32 elements and more: positions are computed in 64 bits. Memory that nobody touches costs nothing, and in a
// ragged batch most of it is padding.
#include <cmath>

#include "support/kernel_case.h"

#if defined(LSTM_GUARDED_MEMORY) && defined(MAP_NORESERVE)

namespace lstm::test {
namespace {

// T · B · 64 = 2^32; one row has all steps, the others none.
constexpr int64_t kSteps = int64_t{1} << 17, kBatch = 512, kWidth = 64;
static_assert(kSteps * kBatch * kWidth == int64_t{1} << 32);

// Zeros, page by page where they are read.
class LargeArray {
 public:
  explicit LargeArray(size_t bytes) : bytes_(bytes) {
    data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  ~LargeArray() {
    if (data_ != MAP_FAILED) munmap(data_, bytes_);
  }
  LargeArray(const LargeArray&) = delete;
  LargeArray& operator=(const LargeArray&) = delete;

  bool mapped() const { return data_ != MAP_FAILED; }
  float* data() const { return static_cast<float*>(data_); }

 private:
  size_t bytes_;
  void* data_;
};

Tensor tensor(void* data, const Dims& dims, Dtype dtype = Dtype::float32) {
  Tensor result{data, dtype, static_cast<int32_t>(dims.size()), {}};
  std::copy(dims.begin(), dims.end(), result.dims);
  return result;
}

// A sequence [T,B,64] of zeros but for ones in the very last row, and lengths that only this row has.
class Large : public testing::Test {
 protected:
  LargeArray sequence_{sizeof(float) * (size_t{1} << 32)}, list_{sizeof(int64_t) * kSteps * kBatch};
  std::vector<int32_t> lengths_ = std::vector<int32_t>(kBatch, 0);

  void SetUp() override {
    if (!sequence_.mapped() || !list_.mapped()) GTEST_SKIP() << "no address space for 2^32 elements";
    lengths_.back() = static_cast<int32_t>(kSteps);
    for (int64_t n = 1; n <= kWidth; ++n) sequence_.data()[(int64_t{1} << 32) - n] = 1;
  }
};

TEST_F(Large, ABiasGradientSumsTheLastRow) {
  std::vector<float> dbias(kWidth, NAN);
  const Tensor operands[] = {tensor(sequence_.data(), {kSteps, kBatch, kWidth}),
                             tensor(lengths_.data(), {kBatch}, Dtype::int32)};
  const Tensor output = tensor(dbias.data(), {kWidth});
  const Slot slots[] = {{&operands[0], 1}, {&operands[1], 1}}, outputs[] = {{&output, 1}};
  for (const Isa isa : available_isas()) {
    const Kernels& kernels = *kernels_for(isa);
    Call call{slots, outputs, nullptr, nullptr, list_.data()};
    run_team(2, [&](Team& team) { kernels[KernelId::linear_backward_bias](call, team); });
    EXPECT_EQ(dbias, std::vector<float>(kWidth, 1)) << isa_name(isa);
  }
}

TEST_F(Large, AnLstmReadsItsLastStep) {
  // One unit: with zeros before, c is σ(64) tanh(64) = 1 after the last step, whose inputs are ones.
  std::vector<float> weight_ih(4 * kWidth, 1), weight_hh(4, 0), h_n(kBatch, NAN);
  const Tensor x = tensor(sequence_.data(), {kSteps, kBatch, kWidth}), ih = tensor(weight_ih.data(), {4, kWidth});
  const Tensor hh = tensor(weight_hh.data(), {4, 1}), lengths = tensor(lengths_.data(), {kBatch}, Dtype::int32);
  const Tensor last = tensor(h_n.data(), {kBatch, 1}), none = tensor(nullptr, {kSteps, kBatch, 1});
  const Tensor gates = tensor(nullptr, {kSteps, kBatch, 4}), cell = tensor(nullptr, {kBatch, 1});
  const Slot absent{nullptr, 0};
  Slot slots[19] = {{&x, 1}, absent, absent, {&ih, 1}, {&hh, 1}};
  slots[18] = {&lengths, 1};
  Slot outputs[13] = {{&none, 1}, {&last, 1}, {&cell, 1}, {&gates, 1}};
  for (int output = 4; output < 13; ++output) outputs[output] = {&none, 1};
  const double forward = 0, activations[] = {0, 0, 1, 0, 1}, clip = 0;
  const Attribute attributes[] = {{&forward, 1}, {activations, 5}, {&clip, 1}, {&clip, 1}};
  for (const Isa isa : available_isas()) {
    const Kernels& kernels = *kernels_for(isa);
    const Scratch packed_ih(kernels.pack_bytes(PackKind::gates4, ih)),
        packed_hh(kernels.pack_bytes(PackKind::gates4, hh));
    Team alone(0, 1, nullptr);
    kernels.pack(PackKind::gates4, ih, packed_ih.data(), alone);
    kernels.pack(PackKind::gates4, hh, packed_hh.data(), alone);
    const float* packs[] = {packed_ih.data(), packed_hh.data(), nullptr, nullptr};
    Call call{slots, outputs, attributes, packs, nullptr};
    const Scratch workspace(kernels.workspaces[static_cast<int>(KernelId::lstm)](call, 1));
    call.workspace = workspace.data();
    kernels[KernelId::lstm](call, alone);
    EXPECT_NEAR(h_n.back(), std::tanh(1.0f), 1e-6f) << isa_name(isa);
    EXPECT_EQ(h_n.front(), 0) << isa_name(isa);
  }
}

}  // namespace
}  // namespace lstm::test

#endif
