// The one compute thread of the process and its queue.
//
// Jobs run one at a time, in order, except that inference overtakes training. A job that gives exclusive access to a
// store (a write, a read, a copy) is never overtaken by, and never overtakes, another job on that store.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "runtime/arena.h"
#include "runtime/threads.h"

namespace lstm {

enum class Priority { inference, training };

// What jobs use: a store or an executable. While it is idle, the thread that submits its jobs may use it directly.
class Resource {
 public:
  bool idle() const { return pending_.load(std::memory_order_acquire) == 0; }
  // No job that was submitted changes it, so any thread may read it.
  bool steady() const { return writers_.load(std::memory_order_acquire) == 0; }

 private:
  friend class Engine;
  std::atomic<int> pending_{0};
  std::atomic<int> writers_{0};
};

class Job {
 public:
  virtual ~Job() = default;

  // On the compute thread.
  virtual void execute(Arena& arena, TeamSize team) noexcept = 0;
  // After it was executed, or instead when it was abandoned in the queue; on the thread that abandons it, then. It
  // must not call the engine.
  virtual void settle(bool executed) noexcept = 0;

  Priority priority = Priority::inference;
  bool exclusive = false;
  // Null where unused.
  std::array<Resource*, 2> stores{};
  // Whether the job changes the store at the same place in `stores`.
  std::array<bool, 2> writes{};
  Resource* executable = nullptr;
  // Whose job it is, for `abandon_all`.
  const void* owner = nullptr;
  // Polled by `execute`.
  std::atomic<bool> abort{false};
};

class Engine {
 public:
  // Never destroyed: its thread may be computing while the process exits.
  static Engine& instance();

  // Starts the compute thread at the first call.
  void submit(std::shared_ptr<Job> job);
  // Takes the job out of the queue, or asks it to stop if it runs. Nothing happens to a job that is done.
  void abandon(const std::shared_ptr<Job>& job);
  // Abandons every job of an owner; afterwards none of them runs or settles any more.
  void abandon_all(const void* owner);
  // Returns when no job that was submitted uses the resource.
  void wait_until_idle(const Resource& resource);

  int threads() const { return threads_.load(); }
  // Whether a small run has one thread, so that it may as well take place on the one that asks for it: nobody has asked for
  // more.
  bool gives_small_runs_one_thread() const { return adapts_.load() || threads_.load() == 1; }
  // From 1 to kMaxThreads; from the next job on, and for every job, however small.
  void set_threads(int threads) {
    adapts_.store(false);
    threads_.store(threads);
  }

 private:
  Engine();
  void compute();
  // Until another number of threads is wanted.
  void compute_with(int threads);
  std::shared_ptr<Job> take_next();
  // Adds to the counts of what the job uses.
  static void count(const Job& job, int change);
  void discard(std::deque<std::shared_ptr<Job>>::iterator position);

  std::mutex mutex_;
  std::condition_variable submitted_;
  std::condition_variable finished_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::shared_ptr<Job> running_;
  bool started_ = false;
  std::atomic<int> threads_;
  // Nobody has asked for a number of threads.
  std::atomic<bool> adapts_;
  // Used by the compute thread alone.
  Arena arena_;
};

}  // namespace lstm
