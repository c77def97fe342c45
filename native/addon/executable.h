// The JavaScript class Executable.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "addon/inputs.h"
#include "addon/store.h"
#include "program/executable.h"

namespace lstm::addon {

// A run to be repeated: it keeps its objects, disposed or not, and its arrays alive.
struct Repetition {
  StoreObject& store;
  Counts counts;
  std::vector<Napi::ObjectReference> kept{};
  Inputs inputs{};
  std::vector<ArrayData> targets{};
};

class ExecutableObject : public Napi::ObjectWrap<ExecutableObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit ExecutableObject(const Napi::CallbackInfo& info);
  ~ExecutableObject() override;

 private:
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value run_sync(const Napi::CallbackInfo& info);
  Napi::Value repeat_sync(const Napi::CallbackInfo& info);
  Napi::Value arena_bytes(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  bool runs_at_once(Store& store, const Counts& counts, bool abortable) const;
  RunOutcome run_here(Napi::Env env, StoreObject& store, const Counts& counts, const Inputs& inputs);
  void run_again(Napi::Env env, Repetition& repetition);
  const std::shared_ptr<Executable>& executable() const;
  void account(Napi::Env env);

  std::shared_ptr<Executable> executable_;
  // Of runs on the calling thread, kept from one to the next.
  Inputs sync_inputs_;
  int64_t accounted_ = 0;
};

}  // namespace lstm::addon
