#include "program/store.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "program/program.h"
#include "runtime/status.h"

namespace lstm {

namespace {
std::atomic<uint64_t> last_store_id{0};
}

Store::Store() : id_(++last_store_id) {}

size_t State::bytes() const { return spec.elements * element_bytes(spec.dtype); }

void Store::allocate(const std::vector<StateSpec>& specs) {
  size_t total = 0;
  for (const StateSpec& spec : specs) {
    const auto same = [&](const StateSpec& other) { return other.name == spec.name; };
    if (find(spec.name) >= 0 || std::count_if(specs.begin(), specs.end(), same) > 1) {
      throw InvalidInput("the store has a state '" + spec.name + "' already");
    }
    total += align_up(spec.elements * element_bytes(spec.dtype));
  }
  Memory block(total);
  if (total > 0) std::memset(block.data(), 0, total);
  char* position = block.data();
  blocks_.push_back(std::move(block));
  for (const StateSpec& spec : specs) {
    names_.emplace(spec.name, static_cast<int>(states_.size()));
    states_.push_back({spec, position, ++clock_});
    position += align_up(states_.back().bytes());
  }
}

int Store::find(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? -1 : found->second;
}

Pack* Store::find_pack(int state, PackKind kind, const Tensor& weight) {
  for (const auto& pack : packs_) {
    const bool same_sizes = pack->dims[0] == weight.dims[0] && pack->dims[1] == weight.dims[1];
    if (pack->state == state && pack->kind == kind && same_sizes) return pack.get();
  }
  return nullptr;
}

Pack& Store::pack(int state, PackKind kind, const Tensor& weight, size_t bytes) {
  if (Pack* found = find_pack(state, kind, weight)) return *found;
  packs_.push_back(std::make_unique<Pack>(Pack{state, kind, {weight.dims[0], weight.dims[1]}, bytes, Memory()}));
  return *packs_.back();
}

size_t Store::bytes() const {
  size_t total = pack_bytes();
  for (const Memory& block : blocks_) total += block.bytes();
  return total;
}

size_t Store::pack_bytes() const {
  size_t total = 0;
  for (const auto& pack : packs_) total += pack->memory.bytes();
  return total;
}

}  // namespace lstm
