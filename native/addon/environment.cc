#include "addon/environment.h"

#include <utility>

namespace lstm::addon {

PromiseJob::PromiseJob(Napi::Env env, Environment& environment)
    : environment_(environment), deferred_(Napi::Promise::Deferred::New(env)) {}

void PromiseJob::settle(bool executed) noexcept {
  executed_ = executed;
  auto* self = new std::shared_ptr<PromiseJob>(shared_from_this());
  // Refused only when the environment is closing: then nobody waits any more.
  if (environment_.channel_.NonBlockingCall(self) != napi_ok) delete self;
}

void PromiseJob::resolve(Napi::Env env) {
  try {
    try {
      deferred_.Resolve(result(env, executed_));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::exception& error) {
      deferred_.Reject(Napi::Error::New(env, error.what()).Value());
    }
  } catch (const Napi::Error&) {
    // The environment is being torn down, so that nothing can be made or settled in it, and nobody waits.
  }
}

void Environment::create(Napi::Env env) {
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  // Hooks run last in, first out: this one before the channel closes and before any store is finalized.
  env.AddCleanupHook([environment] { Engine::instance().abandon_all(environment); });
}

Environment::Environment(Napi::Env env) : channel_(Channel::New(env, "lstm-native", 0, 1, this)) {
  // An idle addon must not keep the process alive.
  channel_.Unref(env);
}

void Environment::submit(std::shared_ptr<Job> job) {
  job->owner = this;
  Engine::instance().submit(std::move(job));
}

Napi::Promise Environment::submit_promised(Napi::Env env, const std::shared_ptr<PromiseJob>& job) {
  const Napi::Promise promise = job->promise();
  if (waiting_++ == 0) channel_.Ref(env);
  submit(job);
  return promise;
}

void Environment::deliver(Napi::Env env, Napi::Function, Environment* environment, std::shared_ptr<PromiseJob>* job) {
  const std::unique_ptr<std::shared_ptr<PromiseJob>> owned(job);
  // Without an environment, the channel only wants its items freed.
  if (static_cast<napi_env>(env) == nullptr) return;
  if (--environment->waiting_ == 0) environment->channel_.Unref(env);
  (*owned)->resolve(env);
}

}  // namespace lstm::addon
