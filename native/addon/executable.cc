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

// By position in a list.
auto elements(const Napi::Array& array) {
  return [array](size_t index) { return array.Get(static_cast<uint32_t>(index)); };
}

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

template <typename Arrays>
void Inputs::copy(const Program& program, const Counts& counts, const Arrays& array) {
  size_t bytes = 0;
  for (int32_t input : program.inputs) bytes += align_up(value_bytes(program.values[input], counts));
  if (bytes > memory_.bytes()) memory_ = Memory(bytes);
  addresses_.clear();
  char* position = memory_.data();
  for (size_t index = 0; index < program.inputs.size(); ++index) {
    const Value& value = program.values[program.inputs[index]];
    const size_t size = value_bytes(value, counts);
    copy_array("input " + std::to_string(index), array(index), value.dtype, size / element_bytes(value.dtype),
               position);
    addresses_.push_back(position);
    position += align_up(size);
  }
}

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

// (store, T, B, S, inputs, training, abortable): { outcome: Promise, abort() }, which is there for those alone that ask
// for it, since a function takes longer to make than the rest
Napi::Value ExecutableObject::run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Counts counts = counts_at(info, 1);
  const std::shared_ptr<Store> store = StoreObject::unwrap(info[0]);
  StoreObject::unwrap_object(info[0]).account_if_idle(env);
  executable()->check(counts);
  Inputs inputs;
  inputs.copy(executable_->program(), counts, elements(info[4].As<Napi::Array>()));
  const auto job = std::make_shared<RunJob>(env, executable_, store, counts, std::move(inputs));
  job->priority = info[5].ToBoolean() ? Priority::training : Priority::inference;
  const Napi::Object handle = Napi::Object::New(env);
  handle.Set("outcome", Environment::of(env).submit_promised(env, job));
  if (info[6].ToBoolean()) {
    handle.Set("abort", Napi::Function::New(env, [job = std::weak_ptr<Job>(job)](const Napi::CallbackInfo&) {
                 if (const auto waiting = job.lock()) Engine::instance().abandon(waiting);
               }));
  }
  return handle;
}

// On the calling thread, when nobody else uses the store or the executable; the inputs are in `sync_inputs_`.
RunOutcome ExecutableObject::run_here(Napi::Env env, StoreObject& store, const Counts& counts) {
  static const std::atomic<bool> never{false};
  const std::shared_ptr<Store> states = store.store();
  Engine::instance().wait_until_idle(*states);
  Engine::instance().wait_until_idle(*executable_);
  const RunOutcome outcome =
      executable_->run(*states, counts, sync_inputs_.addresses(), executable_->own_arena(), {1}, never);
  store.account_if_idle(env);
  account(env);
  return outcome;
}

// (store, T, B, S, inputs): the outcome
Napi::Value ExecutableObject::run_sync(const Napi::CallbackInfo& info) {
  const Counts counts = counts_at(info, 1);
  StoreObject& store = StoreObject::unwrap_object(info[0]);
  executable()->check(counts);
  sync_inputs_.copy(executable_->program(), counts, elements(info[4].As<Napi::Array>()));
  const RunOutcome outcome = run_here(info.Env(), store, counts);
  return outcome_object(info.Env(), executable_->program(), outcome,
                        [this](size_t index) { return executable_->output(index); });
}

// (store, T, B, S): a function of inputs and outputs, one argument each. It looks nothing up and makes no JavaScript
// object, so that a stream of steps is fast and leaves no garbage.
Napi::Value ExecutableObject::repeat_sync(const Napi::CallbackInfo& info) {
  const Counts counts = counts_at(info, 1);
  StoreObject& store = StoreObject::unwrap_object(info[0]);
  executable()->check(counts);
  if (!executable_->program().guards.empty()) throw InvalidInput("expected a program without guards");
  // The objects live as long as the function, disposed or not.
  const auto objects = std::make_shared<std::array<Napi::ObjectReference, 2>>();
  *objects = {Napi::Persistent(info[0].As<Napi::Object>()), Napi::Persistent(info.This().As<Napi::Object>())};
  return Napi::Function::New(
      info.Env(), [this, &store, counts, objects](const Napi::CallbackInfo& call) { run_into(call, store, counts); });
}

void ExecutableObject::run_into(const Napi::CallbackInfo& call, StoreObject& store, const Counts& counts) {
  const Program& program = executable()->program();
  store.store();
  sync_inputs_.copy(program, counts, [&](size_t index) { return call[index]; });
  // Before the run, which cannot be undone.
  targets_.clear();
  for (size_t index = 0; index < program.outputs.size(); ++index) {
    targets_.push_back(output_array(program, counts, index, call[program.inputs.size() + index]));
  }
  run_here(call.Env(), store, counts);
  for (size_t index = 0; index < program.outputs.size(); ++index) {
    const size_t bytes = targets_[index].elements * element_bytes(targets_[index].dtype);
    if (bytes > 0) std::memcpy(const_cast<void*>(targets_[index].data), executable_->output(index).data, bytes);
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
