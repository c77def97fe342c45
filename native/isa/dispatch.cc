#include "isa/dispatch.h"

#include <stdint.h>
#include <stdlib.h>

#if defined(__x86_64__) || defined(_M_X64)
#define LSTM_X86 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace lstm {
namespace {

#if defined(LSTM_X86)

struct Registers {
  uint32_t eax, ebx, ecx, edx;
};

// Zeros for a leaf that the processor does not have.
Registers cpuid(uint32_t leaf) {
#if defined(_MSC_VER)
  int highest[4], r[4];
  __cpuid(highest, 0);
  if (static_cast<uint32_t>(highest[0]) < leaf) return {};
  __cpuidex(r, static_cast<int>(leaf), 0);
  return {static_cast<uint32_t>(r[0]), static_cast<uint32_t>(r[1]), static_cast<uint32_t>(r[2]),
          static_cast<uint32_t>(r[3])};
#else
  Registers r = {};
  if (!__get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx)) return {};
  return r;
#endif
}

// The register files that the operating system saves for a process. Only where cpuid says OSXSAVE.
uint64_t saved_state() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
#endif
}

constexpr bool has_all(uint64_t set, uint64_t bits) { return (set & bits) == bits; }
constexpr uint32_t bit(int position) { return uint32_t{1} << position; }

constexpr uint32_t kOsxsave = bit(27), kFma = bit(12), kAvx = bit(28), kF16c = bit(29);  // leaf 1, ecx
constexpr uint32_t kAvx2 = bit(5);                                                       // leaf 7, ebx
constexpr uint32_t kAvx512 = bit(16) | bit(17) | bit(30) | bit(31);                      // leaf 7, ebx: F DQ BW VL
constexpr uint64_t kYmmState = 0x06, kZmmState = 0xe6;  // xmm + ymm; and the mask registers, zmm halves, zmm16-31

std::vector<Isa> detect() {
  std::vector<Isa> found = {Isa::scalar};
  const Registers basic = cpuid(1), extended = cpuid(7);
  if (!has_all(basic.ecx, kOsxsave | kFma | kAvx | kF16c) || !has_all(extended.ebx, kAvx2)) return found;
  const uint64_t state = saved_state();
  if (!has_all(state, kYmmState)) return found;
  found.push_back(Isa::avx2);
  if (has_all(extended.ebx, kAvx512) && has_all(state, kZmmState)) found.push_back(Isa::avx512);
  return found;
}

#else

std::vector<Isa> detect() { return {Isa::scalar}; }

#endif

std::string joined_names(const std::vector<Isa>& isas) {
  std::string names;
  for (const Isa isa : isas) names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  return names;
}

}  // namespace

const char* isa_name(Isa isa) noexcept {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "unknown";
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

const Kernels* kernels_for(Isa wanted) {
  for (const Isa isa : available_isas()) {
    if (isa != wanted) continue;
    switch (isa) {
      case Isa::scalar:
        return &scalar::kernels;
#if defined(LSTM_X86)
      case Isa::avx2:
        return &avx2::kernels;
      case Isa::avx512:
        return &avx512::kernels;
#else
      default:
        return nullptr;
#endif
    }
  }
  return nullptr;
}

IsaChoice choose_isa(const char* name) {
  if (name == nullptr || *name == '\0') return {kernels_for(available_isas().back()), ""};
  for (const Isa isa : available_isas())
    if (std::string(name) == isa_name(isa)) return {kernels_for(isa), ""};
  return {nullptr, "LSTM_NATIVE_ISA is '" + std::string(name) +
                       "'; this machine and build have: " + joined_names(available_isas())};
}

const IsaChoice& active_isa() {
  static const IsaChoice choice = choose_isa(getenv("LSTM_NATIVE_ISA"));
  return choice;
}

}  // namespace lstm
