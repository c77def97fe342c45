#include "addon/convert.h"

#include <algorithm>
#include <cstring>

#include "program/program.h"
#include "runtime/status.h"

namespace lstm::addon {
namespace {

template <typename To, typename From>
void convert(const void* source, size_t elements, void* target) {
  const From* from = static_cast<const From*>(source);
  std::transform(from, from + elements, static_cast<To*>(target), [](From value) { return static_cast<To>(value); });
}

template <typename To>
void convert_from(const ArrayData& array, void* target) {
  if (array.dtype == Dtype::float32) convert<To, float>(array.data, array.elements, target);
  if (array.dtype == Dtype::float64) convert<To, double>(array.data, array.elements, target);
  if (array.dtype == Dtype::int32) convert<To, int32_t>(array.data, array.elements, target);
}

}  // namespace

ArrayData array_data(const std::string& name, const Napi::Value& value) {
  napi_typedarray_type type{};
  ArrayData array{};
  const napi_status status = napi_get_typedarray_info(value.Env(), value, &type, &array.elements,
                                                      const_cast<void**>(&array.data), nullptr, nullptr);
  const bool known = type == napi_float32_array || type == napi_float64_array || type == napi_int32_array;
  if (status == napi_ok && known) {
    array.dtype = type == napi_float32_array   ? Dtype::float32
                  : type == napi_float64_array ? Dtype::float64
                                               : Dtype::int32;
    return array;
  }
  throw InvalidInput(name + ": expected a Float32Array, Float64Array or Int32Array");
}

ArrayData source_array(const std::string& name, const Napi::Value& value, Dtype dtype, size_t elements) {
  const ArrayData array = array_data(name, value);
  if (array.elements != elements) {
    const char* detached = array.elements == 0 ? " (is its buffer detached?)" : "";
    throw InvalidInput(name + ": expected " + std::to_string(elements) + " elements, received " +
                       std::to_string(array.elements) + detached);
  }
  if (dtype == Dtype::int32 && array.dtype != Dtype::int32) throw InvalidInput(name + ": expected an Int32Array");
  return array;
}

void copy_elements(const ArrayData& array, Dtype dtype, void* target) {
  if (array.elements == 0) return;
  if (array.dtype == dtype) {
    std::memcpy(target, array.data, array.elements * element_bytes(dtype));
  } else if (dtype == Dtype::float32) {
    convert_from<float>(array, target);
  } else {
    convert_from<double>(array, target);
  }
}

void copy_array(const std::string& name, const Napi::Value& value, Dtype dtype, size_t elements, void* target) {
  copy_elements(source_array(name, value, dtype, elements), dtype, target);
}

Napi::Value new_array(Napi::Env env, Dtype dtype, const void* data, size_t elements) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, elements * element_bytes(dtype));
  if (elements > 0) std::memcpy(buffer.Data(), data, elements * element_bytes(dtype));
  switch (dtype) {
    case Dtype::float32:
      return Napi::Float32Array::New(env, elements, buffer, 0);
    case Dtype::int32:
      return Napi::Int32Array::New(env, elements, buffer, 0);
    default:
      return Napi::Float64Array::New(env, elements, buffer, 0);
  }
}

}  // namespace lstm::addon
