// The multiply-adds a second that bare loops of 8-bit products reach, data in registers: the limit of an 8-bit scan.
//
// hardware_limit THREADS SECONDS prints one number, of the widest instructions that the machine it was compiled on has.

#include <immintrin.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kAccumulators = 16;  // enough to hide the latency of the products
constexpr std::int64_t kRounds = 1 << 16;

#if defined(__AVX512VNNI__)
using Register = __m512i;
inline Register zero() { return _mm512_setzero_si512(); }
inline Register fill(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
inline Register multiply_add(Register sum, Register a, Register b) { return _mm512_dpbusd_epi32(sum, a, b); }
#elif defined(__AVX2__)
using Register = __m256i;
inline Register zero() { return _mm256_setzero_si256(); }
inline Register fill(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }
inline Register multiply_add(Register sum, Register a, Register b) {
  const Register pairs = _mm256_maddubs_epi16(a, b);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#else
#error "expected AVX2 or AVX-512 VNNI"
#endif

// kRounds times kAccumulators products of registers.
std::int64_t run_rounds(int seed) {
  Register sums[kAccumulators];
  for (Register& sum : sums) sum = zero();
  Register a = fill(seed), b = fill(seed + 1);
  for (std::int64_t round = 0; round < kRounds; ++round) {
    for (Register& sum : sums) sum = multiply_add(sum, a, b);
    asm volatile("" : "+x"(a), "+x"(b));  // as if they had changed: nothing moves out of the loop
  }
  std::int64_t total = 0;
  for (const Register& sum : sums) total += reinterpret_cast<const std::int32_t*>(&sum)[0];
  return total;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: hardware_limit THREADS SECONDS\n"), 2;
  const int threads = std::atoi(argv[1]);
  const double seconds = std::atof(argv[2]);
  std::atomic<std::int64_t> rounds{0}, sink{0};
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [start] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::vector<std::thread> team;
  for (int thread = 0; thread < threads; ++thread) {
    team.emplace_back([&, thread] {
      while (elapsed() < seconds) {
        sink += run_rounds(thread + 1);
        rounds += kRounds;
      }
    });
  }
  for (std::thread& thread : team) thread.join();
  const double multiply_adds = static_cast<double>(rounds) * kAccumulators * sizeof(Register);
  std::printf("%.6g\n", multiply_adds / elapsed());
  return sink == 42 ? 1 : 0;
}
