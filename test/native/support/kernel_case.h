// Runs one kernel on every ISA of this machine with teams of several sizes, on memory between guard pages, and demands
// the same bits from all of them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "isa/dispatch.h"
#include "kernels/call.h"
#include "runtime/denormals.h"
#include "runtime/parallel.h"
#include "support/guarded_memory.h"

namespace lstm::test {

// Vector widths, one less and one more.
inline const std::vector<int64_t> kSizes = {1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65};

using Dims = std::vector<int64_t>;

// A tensor by value. Arrays without values begin as bytes 0xFF (NaN, -1), so that what a kernel forgets is seen.
struct Array {
  Dtype dtype;
  Dims dims;
  std::vector<uint8_t> bytes;
  bool planned = true;  // false: the kernel gets null

  size_t size() const {
    size_t product = 1;
    for (const int64_t dim : dims) product *= static_cast<size_t>(dim);
    return product;
  }
  template <class T>
  std::vector<T> as() const {
    std::vector<T> values(size());
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
  }
  std::vector<float> floats() const { return as<float>(); }
};

template <class T>
Array array_of(Dtype dtype, Dims dims, const std::vector<T>& values) {
  Array array{dtype, std::move(dims), {}};
  EXPECT_EQ(array.size(), values.size());
  array.bytes.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  return array;
}
inline Array floats(Dims dims, const std::vector<float>& values) {
  return array_of(Dtype::float32, std::move(dims), values);
}
inline Array ints(Dims dims, const std::vector<int32_t>& values) {
  return array_of(Dtype::int32, std::move(dims), values);
}
inline Array doubles(const std::vector<double>& values) {
  return array_of(Dtype::float64, {static_cast<int64_t>(values.size())}, values);
}
inline Array empty(Dims dims, Dtype dtype = Dtype::float32) {
  Array array{dtype, std::move(dims), {}};
  array.bytes.assign(array.size() * (dtype == Dtype::float64 ? 8 : 4), 0xFF);
  return array;
}

// Normally distributed values, the same at every call with the same seed.
inline Array random_floats(Dims dims, uint32_t seed, float scale = 1) {
  Array array = empty(std::move(dims));
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(array.size());
  for (float& value : values) value = normal(engine);
  return floats(array.dims, values);
}
inline Array random_ints(Dims dims, uint32_t seed, int32_t below) {
  Array array = empty(std::move(dims), Dtype::int32);
  std::mt19937 engine(seed);
  std::vector<int32_t> values(array.size());
  for (int32_t& value : values) value = static_cast<int32_t>(engine() % static_cast<uint32_t>(below));
  return ints(array.dims, values);
}

using Arrays = std::vector<Array>;

struct KernelCase {
  KernelId kernel;
  std::vector<Arrays> operands;
  std::vector<Arrays> outputs;
  std::vector<std::vector<double>> attributes = {};
  std::vector<std::pair<int, int>> in_place = {};    // output slot, operand slot
  std::vector<std::pair<int, PackKind>> packs = {};  // operand slot, as the op's signature says
  std::vector<int> threads = {1, 2, 3};
};

// The arrays of one run, each ending at a guard page: almost never aligned to a vector.
class PlacedSlots {
 public:
  explicit PlacedSlots(const std::vector<Arrays>& slots) {
    for (const Arrays& arrays : slots) {
      std::vector<Tensor> tensors;
      for (const Array& array : arrays) {
        Tensor tensor{nullptr, array.dtype, static_cast<int32_t>(array.dims.size()), {}};
        for (size_t axis = 0; axis < array.dims.size(); ++axis) tensor.dims[axis] = array.dims[axis];
        if (array.planned) {
          memory_.push_back(std::make_unique<GuardedMemory>(array.bytes.size()));
          tensor.data = memory_.back()->last<uint8_t>(array.bytes.size());
          if (!array.bytes.empty()) std::memcpy(tensor.data, array.bytes.data(), array.bytes.size());
        }
        tensors.push_back(tensor);
      }
      tensors_.push_back(std::move(tensors));
    }
  }

  std::vector<Slot> slots() const {
    std::vector<Slot> result;
    for (const auto& tensors : tensors_) result.push_back({tensors.data(), static_cast<int32_t>(tensors.size())});
    return result;
  }
  void alias(int slot, const PlacedSlots& other, int other_slot) {
    tensors_[static_cast<size_t>(slot)] = other.tensors_[static_cast<size_t>(other_slot)];
  }
  void read_back(std::vector<Arrays>& slots) const {
    for (size_t slot = 0; slot < slots.size(); ++slot) {
      for (size_t k = 0; k < slots[slot].size(); ++k) {
        Array& array = slots[slot][k];
        if (array.planned && !array.bytes.empty()) {
          std::memcpy(array.bytes.data(), tensors_[slot][k].data, array.bytes.size());
        }
      }
    }
  }

 private:
  std::vector<std::unique_ptr<GuardedMemory>> memory_;
  std::vector<std::vector<Tensor>> tensors_;
};

// 64-byte aligned memory that ends at a guard page, NaN throughout.
class Scratch {
 public:
  explicit Scratch(size_t bytes)
      : memory_(round_up(bytes)), data_(memory_.last<float>(round_up(bytes) / sizeof(float))) {
    std::memset(data_, 0xFF, round_up(bytes));
  }
  float* data() const { return data_; }

 private:
  static size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }
  GuardedMemory memory_;
  float* data_;
};

inline std::vector<Arrays> run_once(const KernelCase& test, const Kernels& kernels, int threads) {
  const PlacedSlots operands(test.operands);
  PlacedSlots outputs(test.outputs);
  for (const auto& [output, operand] : test.in_place) outputs.alias(output, operands, operand);
  std::vector<Attribute> attributes;
  for (const auto& values : test.attributes) attributes.push_back({values.data(), static_cast<int32_t>(values.size())});
  const std::vector<Slot> operand_slots = operands.slots(), output_slots = outputs.slots();
  std::vector<std::unique_ptr<Scratch>> packed;
  std::vector<const float*> packs;
  for (const auto& [operand, kind] : test.packs) {
    if (test.operands[static_cast<size_t>(operand)].empty()) {
      packs.push_back(nullptr);
      continue;
    }
    const Tensor& weight = operand_slots[static_cast<size_t>(operand)].tensors[0];
    packed.push_back(std::make_unique<Scratch>(kernels.pack_bytes(kind, weight)));
    packs.push_back(packed.back()->data());
    const PackKind layout = kind;
    run_team(threads, [&](Team& team) { kernels.pack(layout, weight, packed.back()->data(), team); });
  }
  Call call{operand_slots.data(), output_slots.data(), attributes.data(), packs.data(), nullptr};
  const WorkspaceSize workspace_size = kernels.workspaces[static_cast<int>(test.kernel)];
  const Scratch workspace(workspace_size != nullptr ? workspace_size(call, threads) : 0);
  call.workspace = workspace.data();
  run_team(threads, [&](Team& team) {
    const FlushDenormals guard;
    kernels[test.kernel](call, team);
  });
  std::vector<Arrays> results = test.outputs;
  outputs.read_back(results);
  return results;
}

// The outputs, by slot and index.
inline std::vector<Arrays> run_everywhere(const KernelCase& test) {
  std::vector<Arrays> first;
  for (const Isa isa : available_isas()) {
    for (const int threads : test.threads) {
      std::vector<Arrays> results = run_once(test, *kernels_for(isa), threads);
      if (first.empty()) {
        first = std::move(results);
        continue;
      }
      for (size_t slot = 0; slot < first.size(); ++slot) {
        for (size_t k = 0; k < first[slot].size(); ++k) {
          EXPECT_TRUE(results[slot][k].bytes == first[slot][k].bytes)
              << kKernelNames[static_cast<int>(test.kernel)] << " output " << slot << " differs on " << isa_name(isa)
              << " with " << threads << " threads";
        }
      }
    }
  }
  return first;
}

inline std::vector<float> run_for_floats(const KernelCase& test) { return run_everywhere(test)[0][0].floats(); }

// Relative L2 within k·(16 + sqrt(terms))·2^-24, k 1 forward and 2 backward.
inline void expect_close(const std::vector<float>& actual, const std::vector<double>& expected, double terms,
                         double k = 1) {
  ASSERT_EQ(actual.size(), expected.size());
  double error = 0, norm = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  // Negated, so that a NaN fails.
  if (!(std::sqrt(error) <= k * (16 + std::sqrt(terms)) * 0x1p-24 * std::sqrt(norm))) {
    ADD_FAILURE() << "relative error " << std::sqrt(error / norm) << " over " << actual.size() << " elements";
  }
}

}  // namespace lstm::test
