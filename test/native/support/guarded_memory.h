// Memory between two pages that may not be touched: a kernel that reads or writes past an array's end dies.
#pragma once

#include <cstddef>
#include <cstdlib>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define LSTM_GUARDED_MEMORY 1
#endif

namespace lstm::test {

#if defined(LSTM_GUARDED_MEMORY)

class GuardedMemory {
 public:
  explicit GuardedMemory(size_t bytes) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    inner_ = (bytes + page_ - 1) / page_ * page_;
    base_ = static_cast<char*>(mmap(nullptr, inner_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + page_, inner_, PROT_READ | PROT_WRITE) != 0) std::abort();
  }
  ~GuardedMemory() { munmap(base_, inner_ + 2 * page_); }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  // The first elements behind the lower guard.
  template <class T>
  T* first() const {
    return reinterpret_cast<T*>(base_ + page_);
  }
  // The last `count` elements before the upper guard.
  template <class T>
  T* last(size_t count) const {
    return reinterpret_cast<T*>(base_ + page_ + inner_ - count * sizeof(T));
  }

 private:
  size_t page_, inner_;
  char* base_;
};

#endif

}  // namespace lstm::test
