#include "addon/store.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "addon/convert.h"
#include "addon/environment.h"
#include "program/program.h"
#include "runtime/status.h"

namespace lstm::addon {
namespace {

constexpr napi_type_tag kTag = {0x6c73746d2d6e6174, 0x73746f7265000001};

// From three arguments: names, dtypes and elements.
std::vector<StateSpec> state_specs(const Napi::CallbackInfo& info, size_t first) {
  const Napi::Array names = info[first].As<Napi::Array>();
  const Napi::Array dtypes = info[first + 1].As<Napi::Array>();
  const Napi::Array elements = info[first + 2].As<Napi::Array>();
  std::vector<StateSpec> specs;
  for (uint32_t index = 0; index < names.Length(); ++index) {
    const int32_t dtype = dtypes.Get(index).ToNumber();
    const int64_t size = elements.Get(index).ToNumber();
    if (dtype < 0 || dtype > 2 || size < 0) throw InvalidInput("a state has an unknown dtype or a negative size");
    specs.push_back({names.Get(index).ToString(), static_cast<Dtype>(dtype), static_cast<size_t>(size)});
  }
  return specs;
}

// Exclusive access to one store, in the order of the queue.
class WriteJob : public Job {
 public:
  WriteJob(std::shared_ptr<Store> store, int state, Memory data)
      : store_(std::move(store)), state_(state), data_(std::move(data)) {
    exclusive = true;
    stores[0] = store_.get();
    writes[0] = true;
  }
  void execute(Arena&, TeamSize) noexcept override {
    std::memcpy(store_->state(state_).data, data_.data(), store_->state(state_).bytes());
    store_->changed(state_);
  }
  void settle(bool) noexcept override {}

 private:
  std::shared_ptr<Store> store_;
  int state_;
  Memory data_;
};

class ReadJob : public PromiseJob {
 public:
  ReadJob(Napi::Env env, std::shared_ptr<Store> store, int state)
      : PromiseJob(env, Environment::of(env)),
        store_(std::move(store)),
        spec_(store_->state(state).spec),
        state_(state),
        data_(store_->state(state).bytes()) {
    exclusive = true;
    stores[0] = store_.get();
  }
  void execute(Arena&, TeamSize) noexcept override {
    std::memcpy(data_.data(), store_->state(state_).data, store_->state(state_).bytes());
  }

 protected:
  Napi::Value result(Napi::Env env, bool executed) override {
    if (!executed) throw InvalidInput("the read was abandoned");
    return new_array(env, spec_.dtype, data_.data(), spec_.elements);
  }

 private:
  std::shared_ptr<Store> store_;
  StateSpec spec_;
  int state_;
  Memory data_;
};

// Copies states of one store to all states of another.
void copy_states(const Store& from, const std::vector<int>& states, Store& to) {
  for (size_t index = 0; index < states.size(); ++index) {
    const State& source = from.state(states[index]);
    if (source.bytes() > 0) std::memcpy(to.state(static_cast<int>(index)).data, source.data, source.bytes());
    to.changed(static_cast<int>(index));
  }
}

class CopyJob : public Job {
 public:
  CopyJob(std::shared_ptr<Store> from, std::vector<int> states, std::shared_ptr<Store> to)
      : from_(std::move(from)), states_(std::move(states)), to_(std::move(to)) {
    exclusive = true;
    stores = {from_.get(), to_.get()};
    writes = {false, true};
  }
  void execute(Arena&, TeamSize) noexcept override { copy_states(*from_, states_, *to_); }
  void settle(bool) noexcept override {}

 private:
  std::shared_ptr<Store> from_;
  std::vector<int> states_;
  std::shared_ptr<Store> to_;
};

}  // namespace

Napi::Function StoreObject::define(Napi::Env env) {
  return DefineClass(
      env, "Store",
      {InstanceMethod<&StoreObject::allocate>("allocate"), InstanceMethod<&StoreObject::write>("write"),
       InstanceMethod<&StoreObject::read>("read"), InstanceMethod<&StoreObject::snapshot>("snapshot"),
       InstanceMethod<&StoreObject::pack_bytes>("packBytes"), InstanceMethod<&StoreObject::dispose>("dispose")});
}

StoreObject& StoreObject::unwrap_object(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) throw InvalidInput("expected a Store");
  return *Napi::ObjectWrap<StoreObject>::Unwrap(value.As<Napi::Object>());
}

void StoreObject::account_if_idle(Napi::Env env) {
  if (store_ && store_->idle()) account(env);
}

StoreObject::StoreObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<StoreObject>(info), store_(std::make_shared<Store>()) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

StoreObject::~StoreObject() {
  store_.reset();
  account(Env());
}

void StoreObject::account(Napi::Env env) {
  const int64_t bytes = store_ ? static_cast<int64_t>(store_->bytes()) : 0;
  if (bytes != accounted_) Napi::MemoryManagement::AdjustExternalMemory(env, bytes - std::exchange(accounted_, bytes));
}

const std::shared_ptr<Store>& StoreObject::store() const {
  if (!store_) throw InvalidInput("the store was disposed");
  return store_;
}

int StoreObject::state(const Napi::Value& name) const {
  const std::string text = name.As<Napi::String>();
  const int state = store()->find(text);
  if (state < 0) throw InvalidInput("the store has no state '" + text + "'");
  return state;
}

// (names, dtypes, elements)
void StoreObject::allocate(const Napi::CallbackInfo& info) {
  Engine::instance().wait_until_idle(*store());
  store_->allocate(state_specs(info, 0));
  account(info.Env());
}

// (name, typed array)
void StoreObject::write(const Napi::CallbackInfo& info) {
  const int index = state(info[0]);
  const State& target = store_->state(index);
  if (store_->idle()) {
    copy_array(target.spec.name, info[1], target.spec.dtype, target.spec.elements, target.data);
    store_->changed(index);
    return;
  }
  Memory data(target.bytes());
  copy_array(target.spec.name, info[1], target.spec.dtype, target.spec.elements, data.data());
  Environment::of(info.Env()).submit(std::make_shared<WriteJob>(store_, index, std::move(data)));
}

// (name): a typed array when nothing is about to change the store, else a promise of one
Napi::Value StoreObject::read(const Napi::CallbackInfo& info) {
  const int index = state(info[0]);
  if (store_->steady()) {
    const State& source = store_->state(index);
    return new_array(info.Env(), source.spec.dtype, source.data, source.spec.elements);
  }
  return Environment::of(info.Env()).submit_promised(info.Env(), std::make_shared<ReadJob>(info.Env(), store_, index));
}

// (names, names, dtypes and elements of states to add): a Store
Napi::Value StoreObject::snapshot(const Napi::CallbackInfo& info) {
  const Napi::Array names = info[0].As<Napi::Array>();
  std::vector<int> states;
  std::vector<StateSpec> specs;
  for (uint32_t index = 0; index < names.Length(); ++index) {
    states.push_back(state(names.Get(index)));
    specs.push_back(store_->state(states.back()).spec);
  }
  Environment& environment = Environment::of(info.Env());
  const Napi::Object copy = environment.store_class.New({});
  StoreObject& object = *Unwrap(copy);
  const std::vector<StateSpec> added = state_specs(info, 1);
  specs.insert(specs.end(), added.begin(), added.end());
  object.store_->allocate(specs);
  object.account(info.Env());
  if (store()->steady()) {
    copy_states(*store_, states, *object.store_);
  } else {
    environment.submit(std::make_shared<CopyJob>(store_, std::move(states), object.store_));
  }
  return copy;
}

Napi::Value StoreObject::pack_bytes(const Napi::CallbackInfo& info) {
  Engine::instance().wait_until_idle(*store());
  return Napi::Number::New(info.Env(), static_cast<double>(store_->pack_bytes()));
}

void StoreObject::dispose(const Napi::CallbackInfo& info) {
  store_.reset();
  account(info.Env());
}

}  // namespace lstm::addon
