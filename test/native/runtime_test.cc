#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "runtime/arena.h"
#include "runtime/engine.h"
#include "runtime/parallel.h"
#include "runtime/threads.h"

namespace lstm {
namespace {

TEST(Team, EveryThreadSeesWhatAllWroteBeforeTheBarrier) {
  for (int size : {1, 2, 3, 8}) {
    std::vector<int> written(static_cast<size_t>(size) * 1000, 0);
    std::vector<int> wrong(static_cast<size_t>(size), 0);
    run_team(size, [&](Team& team) {
      for (int phase = 0; phase < 1000; ++phase) {
        written[static_cast<size_t>(phase * team.size() + team.rank())] = phase + 1;
        team.barrier();
        for (int rank = 0; rank < team.size(); ++rank) {
          if (written[static_cast<size_t>(phase * team.size() + rank)] != phase + 1) ++wrong[team.rank()];
        }
      }
    });
    EXPECT_EQ(std::count(wrong.begin(), wrong.end(), 0), size);
  }
}

TEST(Team, NoMoreMembersThanCpusMeetWithinARun) {
  for (int size : {1, 2, 3, 8}) {
    const int meeting_size = std::min(size, available_cpus());
    std::vector<int> sums(static_cast<size_t>(size), 0);
    std::vector<int> written(static_cast<size_t>(size), 0);
    run_team(size, [&](Team& member) {
      EXPECT_EQ(member.meeting_size(), size);
      const Team team = member.in_run(false);
      EXPECT_EQ(team.meeting_size(), meeting_size);
      if (team.rank() >= team.meeting_size()) return;
      Team few = team.meeting();
      EXPECT_EQ(few.size(), meeting_size);
      for (int phase = 0; phase < 1000; ++phase) {
        written[static_cast<size_t>(few.rank())] = phase;
        few.barrier();
        for (int rank = 0; rank < few.size(); ++rank) sums[few.rank()] += written[static_cast<size_t>(rank)] == phase;
        few.barrier();
      }
    });
    EXPECT_EQ(std::count(sums.begin(), sums.end(), 1000 * meeting_size), meeting_size);
  }
}

TEST(Team, AKeptTeamRunsOneBodyAfterAnother) {
  for (int size : {1, 2, 3, 8}) {
    std::vector<int> runs(static_cast<size_t>(size), 0);
    const auto count = [&](Team& team) {
      EXPECT_EQ(team.size(), size);
      runs[static_cast<size_t>(team.rank())] += 1;
    };
    keep_team(size, [&] {
      for (int run = 0; run < 1000; ++run) run_team(size, count);
      int others = 0;
      run_team(size + 1, [&](Team& team) {
        if (team.rank() == 0) others = team.size();
      });
      EXPECT_EQ(others, size > 1 ? 1 : 2);
      run_team(size, count);
    });
    EXPECT_EQ(std::count(runs.begin(), runs.end(), 1001), size);
  }
}

TEST(Team, SplitsCoverTheWholeWithoutOverlap) {
  for (int size : {1, 2, 3, 8}) {
    for (int64_t count : {0, 1, 7, 64, 65, 1000}) {
      int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const Range range = Team(rank, size, nullptr).split(count, 16);
        EXPECT_EQ(range.begin, std::min(next, count));
        EXPECT_TRUE(range.end % 16 == 0 || range.end == count);
        next = range.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

TEST(Threads, ParsesNumbersFrom1To256AndNothingElse) {
  EXPECT_EQ(parse_threads("1"), 1);
  EXPECT_EQ(parse_threads("256"), 256);
  for (const char* text : {"", "0", "257", "-1", "2x", " 2", "1e2", "00000001"}) EXPECT_EQ(parse_threads(text), 0);
}

TEST(Threads, DefaultIsAtLeastOneAndAtMostTheCpusOfTheProcess) {
  EXPECT_GE(default_threads(), 1);
  EXPECT_LE(default_threads(), available_cpus());
}

class CgroupQuota : public testing::Test {
 protected:
  void SetUp() override {
    mount_ = std::filesystem::temp_directory_path() / ("lstm-native-cgroup-" + std::to_string(getpid()));
  }
  void TearDown() override { std::filesystem::remove_all(mount_); }
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = mount_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  int quota(const std::string& membership) const { return cgroup_quota(membership, mount_.string()); }

 private:
  std::filesystem::path mount_;
};

TEST_F(CgroupQuota, IsRoundedUpAndLimitedByTheParentGroup) {
  write("service/cpu.max", "250000 100000\n");
  EXPECT_EQ(quota("0::/service/worker\n"), 3);
  write("service/worker/cpu.max", "800000 100000\n");
  EXPECT_EQ(quota("0::/service/worker\n"), 3);
  write("service/worker/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota("0::/service/worker\n"), 1);
}

TEST_F(CgroupQuota, IsAbsentWithoutALimit) {
  EXPECT_EQ(quota(""), 0);
  EXPECT_EQ(quota("0::/nowhere\n"), 0);
  write("cpu.max", "max 100000\n");
  EXPECT_EQ(quota("0::/\n"), 0);
}

TEST_F(CgroupQuota, IsReadFromVersion1Too) {
  write("cpu/box/cpu.cfs_quota_us", "150000\n");
  write("cpu/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota("4:memory:/box\n3:cpu,cpuacct:/box\n"), 2);
  write("cpu/box/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(quota("3:cpu,cpuacct:/box\n"), 0);
}

TEST(Arena, GrowsAlignedAndNeverShrinks) {
  Arena arena;
  arena.reserve(100);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.data()) % kAlignment, 0u);
  EXPECT_GE(arena.bytes(), 100u);
  EXPECT_TRUE(arena.take_untouched());
  EXPECT_FALSE(arena.take_untouched());
  const char* before = arena.data();
  arena.reserve(50);
  EXPECT_EQ(arena.data(), before);
  EXPECT_FALSE(arena.take_untouched());
  arena.reserve(32 << 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.data()) % kAlignment, 0u);
  EXPECT_TRUE(arena.take_untouched());
}

// Records its name when it runs, and its abandonment.
class Step : public Job {
 public:
  Step(std::vector<std::string>& log, std::string name) : log_(log), name_(std::move(name)) {}
  std::function<void(Step&)> body = [](Step&) {};
  void execute(Arena&, TeamSize) noexcept override {
    body(*this);
    log_.push_back(name_);
  }
  void settle(bool executed) noexcept override {
    if (!executed) log_.push_back(name_ + " abandoned");
  }

 private:
  std::vector<std::string>& log_;
  std::string name_;
};

class EngineQueue : public testing::Test {
 protected:
  std::shared_ptr<Step> step(const std::string& name, Priority priority, bool exclusive = false) {
    auto job = std::make_shared<Step>(log_, name);
    job->priority = priority;
    job->exclusive = exclusive;
    job->stores[0] = &store_;
    job->owner = this;
    return job;
  }
  // A job that keeps the compute thread busy until `release`.
  void block() {
    auto job = step("first", Priority::training);
    job->body = [this](Step&) {
      started_.set_value();
      released_.get_future().wait();
    };
    Engine::instance().submit(job);
    started_.get_future().wait();
  }
  void release() {
    released_.set_value();
    Engine::instance().wait_until_idle(store_);
  }

  std::vector<std::string> log_;
  Resource store_;

 private:
  std::promise<void> started_;
  std::promise<void> released_;
};

using Log = std::vector<std::string>;

TEST_F(EngineQueue, InferenceOvertakesTraining) {
  block();
  Engine::instance().submit(step("train", Priority::training));
  Engine::instance().submit(step("predict", Priority::inference));
  EXPECT_FALSE(store_.idle());
  release();
  EXPECT_TRUE(store_.idle());
  EXPECT_EQ(log_, (Log{"first", "predict", "train"}));
}

TEST_F(EngineQueue, NothingOvertakesAWriteToTheSameStore) {
  block();
  Engine::instance().submit(step("train", Priority::training));
  Engine::instance().submit(step("write", Priority::inference, true));
  Engine::instance().submit(step("predict", Priority::inference));
  release();
  EXPECT_EQ(log_, (Log{"first", "train", "write", "predict"}));
}

TEST_F(EngineQueue, AJobOfAnotherStoreMayOvertakeAWrite) {
  Resource other;
  block();
  Engine::instance().submit(step("train", Priority::training));
  Engine::instance().submit(step("write", Priority::inference, true));
  auto predict = step("predict", Priority::inference);
  predict->stores[0] = &other;
  Engine::instance().submit(predict);
  release();
  EXPECT_EQ(log_, (Log{"first", "predict", "train", "write"}));
}

TEST_F(EngineQueue, AnAbandonedJobSettlesWithoutRunning) {
  block();
  auto job = step("train", Priority::training);
  Engine::instance().submit(job);
  Engine::instance().abandon(job);
  release();
  Engine::instance().abandon(job);
  EXPECT_EQ(log_, (Log{"train abandoned", "first"}));
}

TEST_F(EngineQueue, AbandoningAllStopsTheRunningJobAndWaitsForIt) {
  auto job = step("running", Priority::training);
  std::promise<void> started;
  job->body = [&](Step& self) {
    started.set_value();
    while (!self.abort.load()) continue;
  };
  Engine::instance().submit(job);
  started.get_future().wait();
  Engine::instance().submit(step("queued", Priority::training));
  Engine::instance().abandon_all(this);
  EXPECT_EQ(log_, (Log{"queued abandoned", "running"}));
  EXPECT_TRUE(store_.idle());
}

}  // namespace
}  // namespace lstm
