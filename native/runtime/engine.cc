#include "runtime/engine.h"

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include "runtime/parallel.h"
#include "runtime/threads.h"

namespace lstm {
namespace {

int initial_threads() {
  const char* override = std::getenv("LSTM_NATIVE_THREADS");
  const int threads = override ? parse_threads(override) : 0;
  return threads > 0 ? threads : default_threads();
}

bool shares_store(const Job& a, const Job& b) {
  return std::any_of(a.stores.begin(), a.stores.end(), [&](const Resource* store) {
    return store && std::find(b.stores.begin(), b.stores.end(), store) != b.stores.end();
  });
}

template <typename Change>
void for_each_resource(const Job& job, std::atomic<int> Resource::*pending, const Change& change) {
  for (Resource* resource : {job.stores[0], job.stores[1], job.executable}) {
    if (resource) change(resource->*pending);
  }
}

}  // namespace

Engine& Engine::instance() {
  static Engine* const engine = new Engine;
  return *engine;
}

Engine::Engine() : threads_(initial_threads()) {}

void Engine::submit(std::shared_ptr<Job> job) {
  std::lock_guard lock(mutex_);
  if (!started_) {
    std::thread([this] { compute(); }).detach();
    started_ = true;
  }
  queue_.push_back(job);
  for_each_resource(*job, &Resource::pending_, [](std::atomic<int>& pending) { pending.fetch_add(1); });
  submitted_.notify_one();
}

void Engine::abandon(const std::shared_ptr<Job>& job) {
  std::lock_guard lock(mutex_);
  job->abort.store(true);
  const auto position = std::find(queue_.begin(), queue_.end(), job);
  if (position != queue_.end()) discard(position);
}

void Engine::abandon_all(const void* owner) {
  std::unique_lock lock(mutex_);
  const auto owned = [owner](const std::shared_ptr<Job>& job) { return job && job->owner == owner; };
  for (auto job = queue_.begin(); (job = std::find_if(queue_.begin(), queue_.end(), owned)) != queue_.end();) {
    discard(job);
  }
  if (owned(running_)) running_->abort.store(true);
  finished_.wait(lock, [&] { return !owned(running_); });
}

void Engine::wait_until_idle(const Resource& resource) {
  if (resource.idle()) return;
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] { return resource.idle(); });
}

void Engine::discard(std::deque<std::shared_ptr<Job>>::iterator position) {
  const std::shared_ptr<Job> job = std::move(*position);
  queue_.erase(position);
  for_each_resource(*job, &Resource::pending_, [](std::atomic<int>& pending) { pending.fetch_sub(1); });
  job->settle(false);
  finished_.notify_all();
}

std::shared_ptr<Job> Engine::take_next() {
  const auto overtakes = [this](auto candidate) {
    return std::none_of(queue_.begin(), candidate, [&](const std::shared_ptr<Job>& earlier) {
      return (earlier->exclusive || (*candidate)->exclusive) && shares_store(*earlier, **candidate);
    });
  };
  auto chosen = queue_.begin();
  for (auto candidate = queue_.begin(); candidate != queue_.end(); ++candidate) {
    if ((*candidate)->priority == Priority::inference && overtakes(candidate)) {
      chosen = candidate;
      break;
    }
  }
  std::shared_ptr<Job> job = std::move(*chosen);
  queue_.erase(chosen);
  return job;
}

void Engine::compute() {
  for (;;) {
    const int threads = threads_.load();
    keep_team(threads, [this, threads] { compute_with(threads); });
  }
}

void Engine::compute_with(int threads) {
  std::unique_lock lock(mutex_);
  for (;;) {
    submitted_.wait(lock, [this] { return !queue_.empty(); });
    if (threads_.load() != threads) return;
    running_ = take_next();
    lock.unlock();
    running_->execute(arena_, threads);
    lock.lock();
    for_each_resource(*running_, &Resource::pending_, [](std::atomic<int>& pending) { pending.fetch_sub(1); });
    running_->settle(true);
    running_.reset();
    finished_.notify_all();
  }
}

}  // namespace lstm
