#include "runtime/arena.h"

#include <new>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace lstm {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

// Below a few huge pages, rounding up to them wastes more than the address translation costs.
std::align_val_t alignment_for(size_t bytes) {
  return std::align_val_t{bytes >= 4 * kHugePage ? kHugePage : kAlignment};
}

}  // namespace

Memory::Memory(size_t bytes) : bytes_(align_up(bytes)) {
  if (bytes_ == 0) return;
  data_ = static_cast<char*>(::operator new(bytes_, alignment_for(bytes_)));
#ifdef __linux__
  if (bytes_ >= 4 * kHugePage) madvise(data_, bytes_, MADV_HUGEPAGE);
#endif
}

Memory::~Memory() {
  if (data_) ::operator delete(data_, alignment_for(bytes_));
}

Memory::Memory(Memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Arena::reserve(size_t bytes) {
  if (bytes <= memory_.bytes()) return;
  memory_ = Memory(bytes);
  untouched_ = true;
}

bool Arena::take_untouched() { return std::exchange(untouched_, false); }

}  // namespace lstm
