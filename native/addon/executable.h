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
  // In two parts: all that may fail, which need not be repeated, and the elements of the same arrays once more.
  template <typename Arrays>
  void bind(const Program& program, const Counts& counts, const Arrays& array);
  void copy_bound(const Program& program) noexcept;
  const void* const* addresses() const { return addresses_.data(); }

 private:
  Memory memory_;
  std::vector<const void*> addresses_;
  // Where the elements come from; valid until control returns to JavaScript, or for as long as it keeps the arrays whole.
  std::vector<ArrayData> sources_;
};

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
