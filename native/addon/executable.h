// The JavaScript class Executable.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "program/executable.h"

namespace lstm::addon {

// The arrays that enter one run, copied.
class Inputs {
 public:
  // Throws InvalidInput when an array does not have the size and dtype that the program says.
  void copy(const Program& program, const Counts& counts, const Napi::Array& arrays);
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
  void run_into(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  RunOutcome run_here(const Napi::CallbackInfo& info, const Counts& counts);
  const std::shared_ptr<Executable>& executable() const;
  void account(Napi::Env env);

  std::shared_ptr<Executable> executable_;
  // Of runs on the calling thread, kept from one to the next.
  Inputs sync_inputs_;
  int64_t accounted_ = 0;
};

}  // namespace lstm::addon
