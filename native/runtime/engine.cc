#include "runtime/engine.h"

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include "runtime/parallel.h"
#include "runtime/threads.h"

namespace lstm {
namespace {

// What the environment asks for; 0 when it does not, or when that is no number.
int requested_threads() {
  const char* request = std::getenv("LSTM_NATIVE_THREADS");
  return request ? parse_threads(request) : 0;
}

bool shares_store(const Job& a, const Job& b) {
  return std::any_of(a.stores.begin(), a.stores.end(), [&](const Resource* store) {
    return store && std::find(b.stores.begin(), b.stores.end(), store) != b.stores.end();
  });
}

}  // namespace

void Engine::count(const Job& job, int change) {
  for (Resource* resource : {job.stores[0], job.stores[1], job.executable}) {
    if (resource) resource->pending_.fetch_add(change);
  }
  for (size_t index = 0; index < job.stores.size(); ++index) {
    if (job.stores[index] && job.writes[index]) job.stores[index]->writers_.fetch_add(change);
  }
}

Engine& Engine::instance() {
  static Engine* const engine = new Engine;
  return *engine;
}

Engine::Engine()
    : threads_(requested_threads() > 0 ? requested_threads() : default_threads()), adapts_(requested_threads() == 0) {}

void Engine::submit(std::shared_ptr<Job> job) {
  std::lock_guard lock(mutex_);
  if (!started_) {
    std::thread([this] { compute(); }).detach();
    started_ = true;
  }
  queue_.push_back(job);
  count(*job, 1);
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
  count(*job, -1);
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
    running_->execute(arena_, {threads, adapts_.load()});
    lock.lock();
    count(*running_, -1);
    running_->settle(true);
    running_.reset();
    finished_.notify_all();
  }
}

}  // namespace lstm
