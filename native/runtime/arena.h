// Memory for values: 64-byte aligned, and large ranges on huge pages where the system has them.
#pragma once

#include <cstddef>

namespace lstm {

constexpr size_t kAlignment = 64;

constexpr size_t align_up(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// One aligned range, owned. Fresh memory is not touched, so that the team may touch it first.
class Memory {
 public:
  Memory() = default;
  // Throws std::bad_alloc.
  explicit Memory(size_t bytes);
  ~Memory();
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;

  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  char* data_ = nullptr;
  size_t bytes_ = 0;
};

// Scratch memory shared by successive runs. It only grows, and its contents do not survive from run to run.
class Arena {
 public:
  // At least `bytes`; what was there is gone when it grows. Throws std::bad_alloc and stays as it was.
  void reserve(size_t bytes);

  char* data() const { return memory_.data(); }
  size_t bytes() const { return memory_.bytes(); }

  // True once after each growth: the next team should touch every page, each thread its own part.
  bool take_untouched();

 private:
  Memory memory_;
  bool untouched_ = false;
};

}  // namespace lstm
