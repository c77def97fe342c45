#include "runtime/threads.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace lstm {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<int> affinity() {
  std::vector<int> cpus;
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
#endif
  if (cpus.empty()) {
    const int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    for (int cpu = 0; cpu < count; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

// Logical CPUs of one core name the same siblings. Without that file, each counts as a core.
int physical_cores(const std::vector<int>& cpus) {
  std::set<std::string> cores;
  for (int cpu : cpus) {
    const std::string name = std::to_string(cpu);
    const std::string siblings = read_text("/sys/devices/system/cpu/cpu" + name + "/topology/thread_siblings_list");
    cores.insert(siblings.empty() ? "cpu" + name : siblings);
  }
  return static_cast<int>(cores.size());
}

int quota_of(double quota, double period) {
  return quota > 0 && period > 0 ? std::max(1, static_cast<int>(std::ceil(quota / period))) : 0;
}

// The quota of one group: "max 100000" or "150000 100000" in version 2, two files and -1 in version 1.
int group_quota(const std::string& folder, bool version2) {
  double quota = 0;
  double period = 0;
  if (version2) {
    std::istringstream(read_text(folder + "/cpu.max")) >> quota >> period;
  } else {
    std::istringstream(read_text(folder + "/cpu.cfs_quota_us")) >> quota;
    std::istringstream(read_text(folder + "/cpu.cfs_period_us")) >> period;
  }
  return quota_of(quota, period);
}

int smaller_limit(int a, int b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

int lineage_quota(const std::string& root, std::string group, bool version2) {
  int limit = group_quota(root, version2);
  while (group.size() > 1) {
    limit = smaller_limit(limit, group_quota(root + group, version2));
    group.erase(group.find_last_of('/'));
  }
  return limit;
}

struct Machine {
  int cpus;
  int cores;
};

const Machine& machine() {
  static const Machine measured = [] {
    const std::vector<int> cpus = affinity();
    const int quota = cgroup_quota(read_text("/proc/self/cgroup"), "/sys/fs/cgroup");
    const int count = static_cast<int>(cpus.size());
    return Machine{smaller_limit(count, quota), smaller_limit(physical_cores(cpus), quota)};
  }();
  return measured;
}

}  // namespace

int cgroup_quota(const std::string& membership, const std::string& mount) {
  int limit = 0;
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) limit = smaller_limit(limit, lineage_quota(mount, group, true));
    if (("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    for (const std::string& folder : {std::string("cpu"), controllers}) {
      limit = smaller_limit(limit, lineage_quota(mount + "/" + folder, group, false));
    }
  }
  return limit;
}

int available_cpus() { return machine().cpus; }

int default_threads() { return std::min(machine().cores, kMaxThreads); }

int parse_threads(const std::string& text) {
  if (text.empty() || text.size() > 3) return 0;
  int number = 0;
  for (char digit : text) {
    if (digit < '0' || digit > '9') return 0;
    number = number * 10 + (digit - '0');
  }
  return number <= kMaxThreads ? number : 0;
}

}  // namespace lstm
