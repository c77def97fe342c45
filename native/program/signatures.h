// What each op takes and gives, as both sides must agree: loading compares this list with the registry of lib/ops.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/pack.h"
#include "kernels/table.h"

namespace lstm {

enum class Arity { one, optional, many, on_demand };

struct SlotSignature {
  std::string name;
  std::string dtype;  // float32, int32, float64, or any: float32 or int32
  Arity arity;
  int in_place;  // for an output: the operand slot whose memory it overwrites; else -1
};

struct AttributeSignature {
  std::string name;
  std::string kind;  // integer, number, boolean or integers
  size_t count;      // of integers; 0 for any number of them
};

// A kernel wants this operand packed.
struct PackSignature {
  int operand;
  PackKind kind;
};

struct Signature {
  std::string name;
  std::vector<SlotSignature> operands;
  std::vector<SlotSignature> outputs;
  std::vector<AttributeSignature> attributes;
  std::vector<PackSignature> packs;
  // Position in the kernel table; -1 when this build has no kernel for the op.
  int kernel;
};

// An opcode is a position in this list.
const std::vector<Signature>& signatures();

}  // namespace lstm
