// The exports of the addon, described for TypeScript in lib/backend/native/addon.ts.
#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "addon/environment.h"
#include "addon/executable.h"
#include "addon/store.h"
#include "isa/dispatch.h"
#include "isa/peak.h"
#include "program/signatures.h"
#include "runtime/threads.h"

namespace lstm::addon {
namespace {

// Grows with every change of the exports or of the encoding; lib/backend/native/addon.ts has the same number.
constexpr int kInterface = 8;

const char* arity_name(Arity arity) {
  switch (arity) {
    case Arity::one:
      return "one";
    case Arity::optional:
      return "optional";
    case Arity::many:
      return "many";
    case Arity::on_demand:
      return "onDemand";
  }
  return "";
}

Napi::Array describe_slots(Napi::Env env, const std::vector<SlotSignature>& slots,
                           const std::vector<SlotSignature>& operands) {
  const Napi::Array list = Napi::Array::New(env);
  for (const SlotSignature& slot : slots) {
    const Napi::Object object = Napi::Object::New(env);
    object.Set("name", slot.name);
    object.Set("dtype", slot.dtype);
    object.Set("arity", arity_name(slot.arity));
    if (slot.in_place >= 0) object.Set("inPlace", operands[slot.in_place].name);
    list.Set(list.Length(), object);
  }
  return list;
}

Napi::Array describe_ops(Napi::Env env) {
  const Napi::Array ops = Napi::Array::New(env);
  for (const Signature& signature : signatures()) {
    const Napi::Array attributes = Napi::Array::New(env);
    for (const AttributeSignature& attribute : signature.attributes) {
      const Napi::Object object = Napi::Object::New(env);
      object.Set("name", attribute.name);
      object.Set("kind", attribute.kind);
      attributes.Set(attributes.Length(), object);
    }
    const Napi::Object op = Napi::Object::New(env);
    op.Set("name", signature.name);
    op.Set("operands", describe_slots(env, signature.operands, {}));
    op.Set("outputs", describe_slots(env, signature.outputs, signature.operands));
    op.Set("attributes", attributes);
    op.Set("hasKernel", signature.kernel >= 0);
    ops.Set(ops.Length(), op);
  }
  return ops;
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const IsaChoice& choice = active_isa();
  const Napi::Array isas = Napi::Array::New(env);
  for (Isa isa : available_isas()) isas.Set(isas.Length(), isa_name(isa));
  const Napi::Object object = Napi::Object::New(env);
  object.Set("isa", choice.kernels ? choice.kernels->isa : "");
  object.Set("isaError", choice.error);
  object.Set("isas", isas);
  object.Set("cpus", available_cpus());
  object.Set("ops", describe_ops(env));
  return object;
}

Napi::Value threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Engine::instance().threads());
}

void set_threads(const Napi::CallbackInfo& info) {
  const int32_t threads = info[0].ToNumber();
  if (threads < 1 || threads > kMaxThreads) throw Napi::RangeError::New(info.Env(), "threads: expected 1 to 256");
  Engine::instance().set_threads(threads);
}

void inject_fault(const Napi::CallbackInfo& info) { Executable::inject_fault(info[0].ToNumber(), info[1].ToNumber()); }

// On the compute thread, whose team it is that is measured: a rate, from the size of the team.
template <typename Measure>
class MeasureJob : public PromiseJob {
 public:
  MeasureJob(Napi::Env env, Environment& environment, Measure measure)
      : PromiseJob(env, environment), measure_(measure) {}
  void execute(Arena&, TeamSize team) noexcept override { rate_ = measure_(team.most); }

 protected:
  Napi::Value result(Napi::Env env, bool) override { return Napi::Number::New(env, rate_); }

 private:
  Measure measure_;
  double rate_ = 0;
};

template <typename Measure>
Napi::Value submit_measure(Napi::Env env, Measure measure) {
  Environment& environment = Environment::of(env);
  return environment.submit_promised(env, std::make_shared<MeasureJob<Measure>>(env, environment, measure));
}

Napi::Value measure_peak(const Napi::CallbackInfo& info) {
  return submit_measure(info.Env(), [](int threads) { return lstm::measure_peak(threads); });
}

Napi::Value measure_bandwidth(const Napi::CallbackInfo& info) {
  const int64_t bytes = info[0].ToNumber();
  if (bytes < 1 || bytes > int64_t{1} << 32) throw Napi::RangeError::New(info.Env(), "bytes: expected 1 to 2^32");
  return submit_measure(info.Env(), [bytes](int threads) { return lstm::measure_bandwidth(threads, bytes); });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  Environment::create(env);
  const Napi::Function store = StoreObject::define(env);
  Environment::of(env).store_class = Napi::Persistent(store);
  exports.Set("interface", kInterface);
  exports.Set("describe", Napi::Function::New(env, describe));
  exports.Set("threads", Napi::Function::New(env, threads));
  exports.Set("setThreads", Napi::Function::New(env, set_threads));
  exports.Set("injectFault", Napi::Function::New(env, inject_fault));
  exports.Set("measurePeak", Napi::Function::New(env, measure_peak));
  exports.Set("measureBandwidth", Napi::Function::New(env, measure_bandwidth));
  exports.Set("Store", store);
  exports.Set("Executable", ExecutableObject::define(env));
  return exports;
}

NODE_API_MODULE(lstm_native, initialize)

}  // namespace
}  // namespace lstm::addon
