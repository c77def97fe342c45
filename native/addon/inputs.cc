#include "addon/inputs.h"

#include <string>

namespace lstm::addon {

void Inputs::copy(const Program& program, const Counts& counts, const Napi::Array& arrays) {
  bind(program, counts, arrays);
  copy_bound(program);
  // Nothing of JavaScript's goes with them to another thread.
  sources_.clear();
}

void Inputs::bind(const Program& program, const Counts& counts, const Napi::Array& arrays) {
  size_t bytes = 0;
  for (int32_t input : program.inputs) bytes += align_up(value_bytes(program.values[input], counts));
  if (bytes > memory_.bytes()) memory_ = Memory(bytes);
  addresses_.clear();
  sources_.clear();
  char* position = memory_.data();
  for (size_t index = 0; index < program.inputs.size(); ++index) {
    const Value& value = program.values[program.inputs[index]];
    const size_t size = value_bytes(value, counts);
    sources_.push_back(source_array("input " + std::to_string(index), arrays.Get(static_cast<uint32_t>(index)),
                                    value.dtype, size / element_bytes(value.dtype)));
    addresses_.push_back(position);
    position += align_up(size);
  }
}

void Inputs::copy_bound(const Program& program) noexcept {
  for (size_t index = 0; index < sources_.size(); ++index) {
    copy_elements(sources_[index], program.values[program.inputs[index]].dtype, const_cast<void*>(addresses_[index]));
  }
}

}  // namespace lstm::addon
