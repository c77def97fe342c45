// Between JavaScript's typed arrays and plain memory.
#pragma once

#include <napi.h>

#include <cstddef>
#include <string>

#include "kernels/call.h"

namespace lstm::addon {

// The elements of a typed array, at any byte offset. Valid until control returns to JavaScript.
struct ArrayData {
  const void* data;
  Dtype dtype;
  size_t elements;
};

// Throws InvalidInput, with the name in the message, for anything but a Float32Array, Float64Array or Int32Array.
ArrayData array_data(const std::string& name, const Napi::Value& value);

// The elements of a typed array that can be copied to `elements` values of this dtype. Throws InvalidInput unless it has
// exactly as many; integers come from integers only.
ArrayData source_array(const std::string& name, const Napi::Value& value, Dtype dtype, size_t elements);

// Copies all elements to `target`, rounded to `dtype`.
void copy_elements(const ArrayData& array, Dtype dtype, void* target);

// Both.
void copy_array(const std::string& name, const Napi::Value& value, Dtype dtype, size_t elements, void* target);

// A new typed array with a copy of the memory.
Napi::Value new_array(Napi::Env env, Dtype dtype, const void* data, size_t elements);

}  // namespace lstm::addon
