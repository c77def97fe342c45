// How many threads a team may sensibly have.
#pragma once

#include <string>

namespace lstm {

constexpr int kMaxThreads = 256;

// How many threads a run may have. Where nobody asked for a number, a run too small to be shared takes one.
struct TeamSize {
  int most;
  bool adapts = false;
};

// Logical CPUs that this process may use: its affinity mask, and no more than its cgroup's quota. Read once.
int available_cpus();

// The default team: as `available_cpus`, but one thread for each physical core.
int default_threads();

// A number from 1 to 256, or 0 when the text is anything else.
int parse_threads(const std::string& text);

// The CPU quota of a process, rounded up, or 0 when it has none. `membership` is the text of its /proc/<pid>/cgroup,
// `mount` the folder where control groups are mounted; parent groups limit their children.
int cgroup_quota(const std::string& membership, const std::string& mount);

}  // namespace lstm
