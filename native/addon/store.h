// The JavaScript class Store.
#pragma once

#include <napi.h>

#include <memory>

#include "program/store.h"

namespace lstm::addon {

class StoreObject : public Napi::ObjectWrap<StoreObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // The store of a JavaScript value. Throws InvalidInput when it is none, or was disposed.
  static std::shared_ptr<Store> unwrap(const Napi::Value& value) { return unwrap_object(value).store(); }
  // Throws InvalidInput when the value is no store.
  static StoreObject& unwrap_object(const Napi::Value& value);

  // Tells the garbage collector of memory that a run has added to an idle store, such as packs.
  void account_if_idle(Napi::Env env);

  // Throws InvalidInput when it was disposed.
  const std::shared_ptr<Store>& store() const;

  explicit StoreObject(const Napi::CallbackInfo& info);
  ~StoreObject() override;

 private:
  void allocate(const Napi::CallbackInfo& info);
  void write(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value snapshot(const Napi::CallbackInfo& info);
  Napi::Value pack_bytes(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  int state(const Napi::Value& name) const;
  // Tells the garbage collector how much native memory hangs on this object.
  void account(Napi::Env env);

  std::shared_ptr<Store> store_;
  int64_t accounted_ = 0;
};

}  // namespace lstm::addon
