// The JavaScript class Executable.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "addon/convert.h"
#include "addon/store.h"
#include "program/executable.h"

namespace lstm::addon {

// The arrays that enter one run, copied.
class Inputs {
 public:
  // Throws InvalidInput when an array does not have the size and dtype that the program says.
  // `array` gives the JavaScript value of an input.
  template <typename Arrays>
  void copy(const Program& program, const Counts& counts, const Arrays& array);
  const void* const* addresses() const { return addresses_.data(); }

 private:
  Memory memory_;
  std::vector<const void*> addresses_;
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

  RunOutcome run_here(Napi::Env env, StoreObject& store, const Counts& counts);
  void run_into(const Napi::CallbackInfo& call, StoreObject& store, const Counts& counts);
  const std::shared_ptr<Executable>& executable() const;
  void account(Napi::Env env);

  std::shared_ptr<Executable> executable_;
  // Of runs on the calling thread, kept from one to the next.
  Inputs sync_inputs_;
  std::vector<ArrayData> targets_;
  int64_t accounted_ = 0;
};

}  // namespace lstm::addon
