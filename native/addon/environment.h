// What belongs to one JavaScript environment: the main thread and every worker thread load the addon once.
#pragma once

#include <napi.h>

#include <memory>

#include "runtime/engine.h"

namespace lstm::addon {

class Environment;

// A job with a promise. It holds plain C++ data only, and no JavaScript value but the promise's handle, which is used
// on the environment's thread alone.
class PromiseJob : public Job, public std::enable_shared_from_this<PromiseJob> {
 public:
  PromiseJob(Napi::Env env, Environment& environment);

  Napi::Promise promise() const { return deferred_.Promise(); }
  // On the environment's thread, after `settle`.
  void resolve(Napi::Env env);
  void settle(bool executed) noexcept final;

 protected:
  // What the promise resolves to; an exception rejects it. `executed` is false when the job was abandoned in the queue.
  virtual Napi::Value result(Napi::Env env, bool executed) = 0;

 private:
  Environment& environment_;
  Napi::Promise::Deferred deferred_;
  bool executed_ = false;
};

class Environment {
 public:
  // Becomes the instance data of the environment; lives as long as it does.
  static void create(Napi::Env env);
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  explicit Environment(Napi::Env env);

  // Queues a job that nobody waits for.
  void submit(std::shared_ptr<Job> job);
  // Queues a job; the process stays alive until its promise is settled.
  Napi::Promise submit_promised(Napi::Env env, const std::shared_ptr<PromiseJob>& job);

  Napi::FunctionReference store_class;

 private:
  friend class PromiseJob;
  static void deliver(Napi::Env env, Napi::Function, Environment* environment, std::shared_ptr<PromiseJob>* job);
  using Channel = Napi::TypedThreadSafeFunction<Environment, std::shared_ptr<PromiseJob>, deliver>;

  Channel channel_;
  // Promises not settled yet.
  int waiting_ = 0;
};

}  // namespace lstm::addon
