#include "addon/executable.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "addon/convert.h"
#include "addon/environment.h"
#include "addon/store.h"
#include "isa/dispatch.h"

namespace lstm::addon {
namespace {

Counts counts_at(const Napi::CallbackInfo& info, size_t first) {
  Counts counts;
  for (int name = 0; name < kCountNames; ++name) counts[name] = info[first + name].ToNumber();
  return counts;
}

const char* status_name(RunStatus status) {
  switch (status) {
    case RunStatus::committed:
      return "committed";
    case RunStatus::guard_failed:
      return "guard failed";
    case RunStatus::aborted:
      return "aborted";
  }
  return "";
}

// Whether a run that ended so made this output.
bool has_output(const Program& program, const RunOutcome& outcome, size_t output) {
  return outcome.status == RunStatus::committed ||
         (outcome.status == RunStatus::guard_failed && !program.made_by_commit[output]);
}

// { status, index, outputs }; `output` gives the tensor of an output.
template <typename Output>
Napi::Value outcome_object(Napi::Env env, const Program& program, const RunOutcome& outcome, const Output& output) {
  const Napi::Array outputs = Napi::Array::New(env, program.outputs.size());
  for (size_t index = 0; index < program.outputs.size(); ++index) {
    const uint32_t position = static_cast<uint32_t>(index);
    if (!has_output(program, outcome, index)) {
      outputs.Set(position, env.Null());
      continue;
    }
    const Tensor tensor = output(index);
    outputs.Set(position, new_array(env, tensor.dtype, tensor.data, static_cast<size_t>(tensor.size())));
  }
  const Napi::Object object = Napi::Object::New(env);
  object.Set("status", status_name(outcome.status));
  object.Set("index", outcome.index);
  object.Set("outputs", outputs);
  return object;
}

class RunJob : public PromiseJob {
 public:
  RunJob(Napi::Env env, std::shared_ptr<Executable> program, std::shared_ptr<Store> store, const Counts& counts,
         Inputs inputs)
      : PromiseJob(env, Environment::of(env)),
        executable_(std::move(program)),
        store_(std::move(store)),
        counts_(counts),
        inputs_(std::move(inputs)) {
    stores[0] = store_.get();
    writes[0] = !executable_->program().written_states.empty();
    executable = executable_.get();
  }

  void execute(Arena& arena, TeamSize team) noexcept override {
    try {
      outcome_ = executable_->run(*store_, counts_, inputs_.addresses(), arena, team, abort);
      copy_outputs();
    } catch (const std::bad_alloc&) {
      error_ = "not enough memory for the run";
    } catch (const std::exception& error) {
      error_ = error.what();
    }
    inputs_ = Inputs();
  }

 protected:
  Napi::Value result(Napi::Env env, bool executed) override {
    if (!error_.empty()) throw InvalidInput(error_);
    if (!executed) outcome_ = {RunStatus::aborted, 0};
    return outcome_object(env, executable_->program(), outcome_, [this](size_t index) { return outputs_[index]; });
  }

 private:
  // The arena belongs to the next run as soon as this one is over.
  void copy_outputs() {
    const Program& program = executable_->program();
    size_t bytes = 0;
    for (size_t index = 0; index < program.outputs.size(); ++index) {
      bytes += align_up(value_bytes(program.values[program.outputs[index]], counts_));
    }
    if (outcome_.status != RunStatus::aborted) memory_ = Memory(bytes);
    char* position = memory_.data();
    for (size_t index = 0; index < program.outputs.size(); ++index) {
      outputs_.push_back(executable_->output(index));
      if (!has_output(program, outcome_, index)) continue;
      const size_t size = value_bytes(program.values[program.outputs[index]], counts_);
      if (size > 0) std::memcpy(position, outputs_.back().data, size);
      outputs_.back().data = position;
      position += align_up(size);
    }
  }

  std::shared_ptr<Executable> executable_;
  std::shared_ptr<Store> store_;
  Counts counts_;
  Inputs inputs_;
  RunOutcome outcome_;
  Memory memory_;
  std::vector<Tensor> outputs_;
  std::string error_;
};

// The array for this output, whose size and dtype it has. Throws InvalidInput when it has not.
ArrayData output_array(const Program& program, const Counts& counts, size_t index, const Napi::Value& given) {
  const Value& value = program.values[program.outputs[index]];
  const ArrayData array = array_data("output", given);
  if (array.dtype != value.dtype || array.elements * element_bytes(value.dtype) != value_bytes(value, counts)) {
    throw InvalidInput("output " + std::to_string(index) + ": expected an array of its size and dtype");
  }
  return array;
}

std::vector<std::string> strings(const Napi::Array& array) {
  std::vector<std::string> list;
  for (uint32_t index = 0; index < array.Length(); ++index) list.push_back(array.Get(index).ToString());
  return list;
}

}  // namespace

Napi::Function ExecutableObject::define(Napi::Env env) {
  return DefineClass(
      env, "Executable",
      {InstanceMethod<&ExecutableObject::run>("run"), InstanceMethod<&ExecutableObject::run_sync>("runSync"),
       InstanceMethod<&ExecutableObject::repeat_sync>("repeatSync"),
       InstanceMethod<&ExecutableObject::arena_bytes>("arenaBytes"),
       InstanceMethod<&ExecutableObject::dispose>("dispose")});
}

// (words: Int32Array, numbers: Float64Array, states: string[])
ExecutableObject::ExecutableObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ExecutableObject>(info) {
  const ArrayData words = array_data("words", info[0]);
  const ArrayData numbers = array_data("numbers", info[1]);
  if (words.dtype != Dtype::int32 || numbers.dtype != Dtype::float64) {
    throw InvalidInput("expected an encoded program: an Int32Array and a Float64Array");
  }
  Program program =
      decode(static_cast<const int32_t*>(words.data), words.elements, static_cast<const double*>(numbers.data),
             numbers.elements, strings(info[2].As<Napi::Array>()));
  const IsaChoice& isa = active_isa();
  if (!isa.kernels) throw InvalidInput(isa.error);
  executable_ = std::make_shared<Executable>(std::move(program), *isa.kernels);
}

ExecutableObject::~ExecutableObject() {
  executable_.reset();
  account(Env());
}

void ExecutableObject::account(Napi::Env env) {
  const int64_t bytes = executable_ ? static_cast<int64_t>(executable_->own_arena().bytes()) : 0;
  if (bytes != accounted_) Napi::MemoryManagement::AdjustExternalMemory(env, bytes - std::exchange(accounted_, bytes));
}

const std::shared_ptr<Executable>& ExecutableObject::executable() const {
  if (!executable_) throw InvalidInput("the executable was disposed");
  return executable_;
}

// (store, T, B, S, inputs, training, abortable, at once): { outcome: Promise, abort() }, which is there for those alone that
// ask for it, since a function takes longer to make than the rest; or the outcome, of a run that took place at once
Napi::Value ExecutableObject::run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Counts counts = counts_at(info, 1);
  StoreObject& object = StoreObject::unwrap_object(info[0]);
  const std::shared_ptr<Store> store = object.store();
  object.account_if_idle(env);
  executable()->check(counts);
  const bool abortable = info[6].ToBoolean();
  if (info[7].ToBoolean() && runs_at_once(*store, counts, abortable)) return run_sync(info);
  Inputs inputs;
  inputs.copy(executable_->program(), counts, info[4].As<Napi::Array>());
  const auto job = std::make_shared<RunJob>(env, executable_, store, counts, std::move(inputs));
  job->priority = info[5].ToBoolean() ? Priority::training : Priority::inference;
  const Napi::Object handle = Napi::Object::New(env);
  handle.Set("outcome", Environment::of(env).submit_promised(env, job));
  if (abortable) {
    handle.Set("abort", Napi::Function::New(env, [job = std::weak_ptr<Job>(job)](const Napi::CallbackInfo&) {
                 if (const auto waiting = job.lock()) Engine::instance().abandon(waiting);
               }));
  }
  return handle;
}

// Whether a run had better take place on the calling thread than queue: it waits for nobody, and is over before another
// thread would have been woken for it. One that writes states and may be aborted queues, since nothing undoes it.
bool ExecutableObject::runs_at_once(Store& store, const Counts& counts, bool abortable) const {
  if (abortable && !executable_->program().written_states.empty()) return false;
  if (!store.idle() || !executable_->idle() || !Engine::instance().gives_small_runs_one_thread()) return false;
  try {
    return executable_->is_brief(store, counts);
  } catch (const std::exception&) {
    // The run meets it too, and says so.
    return false;
  }
}

// On the calling thread, when nobody else uses the store or the executable.
RunOutcome ExecutableObject::run_here(Napi::Env env, StoreObject& store, const Counts& counts, const Inputs& inputs) {
  static const std::atomic<bool> never{false};
  Store& states = *store.store();
  Engine::instance().wait_until_idle(states);
  Engine::instance().wait_until_idle(*executable_);
  const RunOutcome outcome = executable_->run(states, counts, inputs.addresses(), executable_->own_arena(), {1}, never);
  store.account_if_idle(env);
  account(env);
  return outcome;
}

// (store, T, B, S, inputs): the outcome
Napi::Value ExecutableObject::run_sync(const Napi::CallbackInfo& info) {
  const Counts counts = counts_at(info, 1);
  StoreObject& store = StoreObject::unwrap_object(info[0]);
  executable()->check(counts);
  sync_inputs_.copy(executable_->program(), counts, info[4].As<Napi::Array>());
  const RunOutcome outcome = run_here(info.Env(), store, counts, sync_inputs_);
  return outcome_object(info.Env(), executable_->program(), outcome,
                        [this](size_t index) { return executable_->output(index); });
}

// (store, T, B, S, arrays of inputs, arrays of outputs): a function without arguments. It looks nothing up, asks for no array
// and makes no JavaScript object, so that a stream of steps is fast and leaves no garbage.
Napi::Value ExecutableObject::repeat_sync(const Napi::CallbackInfo& info) {
  const Program& program = executable()->program();
  const auto repetition =
      std::make_shared<Repetition>(Repetition{StoreObject::unwrap_object(info[0]), counts_at(info, 1)});
  executable()->check(repetition->counts);
  if (!program.guards.empty()) throw InvalidInput("expected a program without guards");
  const Napi::Array inputs = info[4].As<Napi::Array>(), outputs = info[5].As<Napi::Array>();
  const auto keep = [&](const Napi::Value& value) {
    repetition->kept.push_back(Napi::Persistent(value.As<Napi::Object>()));
  };
  keep(info.This()), keep(info[0]);
  for (const Napi::Array& list : {inputs, outputs}) {
    for (uint32_t index = 0; index < list.Length(); ++index) keep(list.Get(index));
  }
  repetition->inputs.bind(program, repetition->counts, inputs);
  for (size_t index = 0; index < program.outputs.size(); ++index) {
    repetition->targets.push_back(
        output_array(program, repetition->counts, index, outputs.Get(static_cast<uint32_t>(index))));
  }
  return Napi::Function::New(
      info.Env(), [this, repetition](const Napi::CallbackInfo& call) { run_again(call.Env(), *repetition); });
}

void ExecutableObject::run_again(Napi::Env env, Repetition& repetition) {
  const Program& program = executable()->program();
  repetition.inputs.copy_bound(program);
  run_here(env, repetition.store, repetition.counts, repetition.inputs);
  for (size_t index = 0; index < repetition.targets.size(); ++index) {
    const ArrayData& target = repetition.targets[index];
    const size_t bytes = target.elements * element_bytes(target.dtype);
    if (bytes > 0) std::memcpy(const_cast<void*>(target.data), executable_->output(index).data, bytes);
  }
}

Napi::Value ExecutableObject::arena_bytes(const Napi::CallbackInfo& info) {
  Engine::instance().wait_until_idle(*executable());
  return Napi::Number::New(info.Env(), static_cast<double>(executable_->arena_bytes()));
}

void ExecutableObject::dispose(const Napi::CallbackInfo& info) {
  executable_.reset();
  account(info.Env());
}

}  // namespace lstm::addon
