// How a run ended.
#pragma once

#include <stdexcept>

namespace lstm {

enum class RunStatus {
  committed,     // all was computed, every guard was finite, and the states have their next values
  guard_failed,  // `index` is the first guard that was not finite; no state changed
  aborted,       // stopped between two equations, or before the first; no state changed
};

struct RunOutcome {
  RunStatus status = RunStatus::committed;
  int index = 0;
};

// A program, store or array that does not fit; the message says what was expected and what came.
class InvalidInput : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace lstm
