// The arrays that enter a run.
#pragma once

#include <napi.h>

#include <vector>

#include "addon/convert.h"
#include "program/program.h"
#include "runtime/arena.h"

namespace lstm::addon {

// Copies of the arrays that enter one run.
class Inputs {
 public:
  // Throws InvalidInput when an array does not have the size and dtype that the program says.
  void copy(const Program& program, const Counts& counts, const Napi::Array& arrays);
  // In two parts: all that may fail, which need not be repeated, and the elements of the same arrays once more.
  void bind(const Program& program, const Counts& counts, const Napi::Array& arrays);
  void copy_bound(const Program& program) noexcept;
  const void* const* addresses() const { return addresses_.data(); }

 private:
  Memory memory_;
  std::vector<const void*> addresses_;
  // Where the elements come from; valid until control returns to JavaScript, or for as long as it keeps the arrays whole.
  std::vector<ArrayData> sources_;
};

}  // namespace lstm::addon
