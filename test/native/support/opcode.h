// Ops by name, for programs that tests write.
#pragma once

#include <string>

#include "program/signatures.h"

namespace lstm {

inline int opcode(const std::string& name) {
  for (size_t index = 0; index < signatures().size(); ++index) {
    if (signatures()[index].name == name) return static_cast<int>(index);
  }
  return -1;
}

}  // namespace lstm
