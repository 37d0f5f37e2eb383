// The multiply-adds a second that bare loops of 8-bit products reach, data in registers: the limit of an 8-bit scan.
//
// hardware_limit avx2|avx512|amx THREADS SECONDS prints one number; exit status 3 where the machine has no such
// instructions.

#include <cpuid.h>
#include <immintrin.h>

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr std::int64_t kRounds = 1 << 16;

// What a loop is run as: `run` makes kRounds rounds of `multiply_adds` each.
struct Loop {
    const char* name;
    bool (*available)();
    std::int64_t (*run)(int seed);
    double multiply_adds;
};

#pragma GCC push_options
#pragma GCC target("avx2")

constexpr int kSums256 = 10; // with operands and a temporary: all 16 registers

std::int64_t run_avx2(int seed) {
    __m256i sums[kSums256] = {};
    __m256i a = _mm256_set1_epi8(static_cast<char>(seed));
    __m256i b = _mm256_set1_epi8(static_cast<char>(seed + 1));
    const __m256i ones = _mm256_set1_epi16(1);
    for (std::int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
        for (__m256i& sum : sums) {
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
            asm volatile("" : "+x"(a), "+x"(b)); // as if they had changed: no product is used twice
        }
    }
    __m256i total = _mm256_setzero_si256();
    for (const __m256i& sum : sums) {
        total = _mm256_add_epi32(total, sum);
    }
    return _mm256_extract_epi32(total, 0);
}

#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vnni")

constexpr int kSums512 = 16; // enough to hide the latency of the products

std::int64_t run_avx512(int seed) {
    __m512i sums[kSums512] = {};
    __m512i a = _mm512_set1_epi8(static_cast<char>(seed));
    __m512i b = _mm512_set1_epi8(static_cast<char>(seed + 1));
    for (std::int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
        for (__m512i& sum : sums) {
            sum = _mm512_dpbusd_epi32(sum, a, b);
            asm volatile("" : "+v"(a), "+v"(b)); // as if they had changed: no product is used twice
        }
    }
    __m512i total = _mm512_setzero_si512();
    for (const __m512i& sum : sums) {
        total = _mm512_add_epi32(total, sum);
    }
    alignas(64) std::int32_t lanes[16];
    _mm512_store_si512(lanes, total);
    return lanes[0];
}

#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("amx-tile,amx-int8,avx512f")

constexpr int kTileProducts = 4; // two by two tiles: enough to hide their latency

// What LDTILECFG loads: eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileConfig {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

std::int64_t run_amx(int seed) {
    const TileConfig config;
    alignas(64) std::int8_t operands[16 * 64];
    alignas(64) std::int32_t sums[16 * 16];
    std::memset(operands, seed, sizeof operands);
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, operands, 64);
    _tile_loadd(5, operands, 64);
    _tile_loadd(6, operands, 64);
    _tile_loadd(7, operands, 64);
    for (std::int64_t round = 0; round < kRounds; ++round) {
        _tile_dpbsud(0, 4, 6);
        _tile_dpbsud(1, 4, 7);
        _tile_dpbsud(2, 5, 6);
        _tile_dpbsud(3, 5, 7);
    }
    std::int64_t total = 0;
    _tile_stored(0, sums, 64);
    total += sums[0];
    _tile_stored(3, sums, 64);
    total += sums[0];
    _tile_release();
    return total;
}

#pragma GCC pop_options

bool has_avx2() {
    return __builtin_cpu_supports("avx2");
}

bool has_avx512() {
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni");
}

// The kernel saves tiles only for processes that have asked; threads inherit the permission.
bool has_amx() {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    constexpr unsigned tile_and_int8 = 3U << 24;
    constexpr long request_permission = 0x1023; // ARCH_REQ_XCOMP_PERM
    constexpr long tile_data = 18;              // XFEATURE_XTILEDATA
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & tile_and_int8) == tile_and_int8 &&
           syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

constexpr Loop kLoops[] = {
    {"avx2", has_avx2, run_avx2, kSums256 * 32.0},
    {"avx512", has_avx512, run_avx512, kSums512 * 64.0},
    {"amx", has_amx, run_amx, kTileProducts * 16.0 * 16.0 * 64.0},
};

double measure(const Loop& loop, int threads, double seconds) {
    std::atomic<std::int64_t> rounds{0};
    std::atomic<std::int64_t> sink{0}; // so that no result is unused
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [start] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    std::vector<std::thread> team;
    for (int thread = 0; thread < threads; ++thread) {
        team.emplace_back([&, thread] {
            while (elapsed() < seconds) {
                sink += loop.run(thread + 1);
                rounds += kRounds;
            }
        });
    }
    for (std::thread& thread : team) {
        thread.join();
    }
    return static_cast<double>(rounds) * loop.multiply_adds / elapsed();
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 4) {
        for (const Loop& loop : kLoops) {
            if (std::strcmp(argv[1], loop.name) == 0) {
                if (!loop.available()) {
                    return 3;
                }
                std::printf("%.6g\n", measure(loop, std::atoi(argv[2]), std::atof(argv[3])));
                return 0;
            }
        }
    }
    std::fprintf(stderr, "usage: hardware_limit avx2|avx512|amx THREADS SECONDS\n");
    return 2;
}
