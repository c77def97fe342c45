// The named states of one model, and packed forms of its weights.
//
// A store has no lock: while no queued job uses it, the thread that owns it may; else the compute thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/call.h"
#include "kernels/table.h"
#include "runtime/arena.h"
#include "runtime/engine.h"

namespace lstm {

struct StateSpec {
  std::string name;
  Dtype dtype;
  size_t elements;
};

struct State {
  StateSpec spec;
  char* data;
  // Grows with every change, so that packs know when they are stale.
  uint64_t version;

  size_t bytes() const;
};

// A weight in packed form, as it was at `version` of its state; 0 means that it has to be made.
struct Pack {
  int32_t state;
  PackKind kind;
  std::array<int64_t, 2> dims;
  size_t bytes;
  // Empty until `hold`, and again from `release` on.
  Memory memory;
  uint64_t version = 0;

  // Throws std::bad_alloc.
  void hold() {
    if (memory.bytes() < bytes) memory = Memory(bytes);
  }
  void release() {
    memory = Memory();
    version = 0;
  }
};

class Store : public Resource {
 public:
  Store();

  // Different for each store of the process.
  uint64_t id() const { return id_; }

  // Adds zero-filled states, one after the other, each 64-byte aligned. Throws InvalidInput when a name exists.
  void allocate(const std::vector<StateSpec>& specs);

  // The index of a state, or -1.
  int find(const std::string& name) const;
  State& state(int index) { return states_[static_cast<size_t>(index)]; }
  const State& state(int index) const { return states_[static_cast<size_t>(index)]; }
  size_t state_count() const { return states_.size(); }

  // Call after each change of a state.
  void changed(int index) { state(index).version = ++clock_; }

  // The packed form of a state, added or found, and found or null. The address stays as long as the store.
  Pack& pack(int state, PackKind kind, const Tensor& weight, size_t bytes);
  Pack* find_pack(int state, PackKind kind, const Tensor& weight);
  // Whether the pack is of the state as it is now.
  bool is_fresh(const Pack& pack) const { return pack.version == state(pack.state).version; }

  // Native memory held, for the garbage collector's accounts; and how much of it is packs.
  size_t bytes() const;
  size_t pack_bytes() const;

 private:
  const uint64_t id_;
  std::vector<Memory> blocks_;
  std::vector<State> states_;
  std::unordered_map<std::string, int> names_;
  std::vector<std::unique_ptr<Pack>> packs_;
  uint64_t clock_ = 1;
};

}  // namespace lstm
