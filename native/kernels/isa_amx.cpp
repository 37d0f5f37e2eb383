// AMX: the code scan on 16 x 16 x 64 tiles (1,024 multiply-adds a cycle); everything else is AVX-512's.
//
// A tile holds 16 queries or 16 items, 64 dimensions of each; four products of two by two tiles share their loads.
#include "kernels/table.hpp"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>

#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC push_options
#pragma GCC target("amx-tile,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,sse4.2")

namespace annlib {
namespace {

// What LDTILECFG loads.
struct alignas(64) TileConfig {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
};

constexpr std::size_t kTileSums = kCodeQueries * kCodeLanes;

// Tiles 0 to 3 hold sums, 4 and 5 queries, 6 and 7 items.
TileConfig tile_config(std::size_t chunk) noexcept {
    TileConfig config;
    for (int tile = 0; tile < 8; ++tile) {
        config.row_bytes[tile] = 64;
        config.rows[tile] = 16;
    }
    for (const int tile : {4, 5}) {
        config.row_bytes[tile] = static_cast<std::uint16_t>(chunk);
    }
    for (const int tile : {6, 7}) {
        config.rows[tile] = static_cast<std::uint8_t>(chunk / 4);
    }
    return config;
}

// Multiplies one or two groups of queries with the two panels of a block. Each tile of sums is stored to `done` as the
// step before left it, just ahead of its own next products: stores and products overlap only if they take turns.
template <int Groups>
inline __attribute__((always_inline)) void multiply(const std::int8_t* first, const std::int8_t* second,
                                                    const std::uint8_t* items, const CodeShape& shape,
                                                    std::int32_t (*done)[kTileSums]) {
    const std::size_t dim = shape.dim();
    _tile_loadd(4, first, dim);
    _tile_loadd(6, items, 64);
    _tile_stored(0, done[0], 64);
    _tile_zero(0);
    _tile_dpbsud(0, 4, 6);
    _tile_loadd(7, items + shape.panel_bytes(), 64);
    _tile_stored(1, done[1], 64);
    _tile_zero(1);
    _tile_dpbsud(1, 4, 7);
    if constexpr (Groups > 1) {
        _tile_loadd(5, second, dim);
        _tile_stored(2, done[2], 64);
        _tile_zero(2);
        _tile_dpbsud(2, 5, 6);
        _tile_stored(3, done[3], 64);
        _tile_zero(3);
        _tile_dpbsud(3, 5, 7);
    }
    for (std::size_t chunk = 1; chunk < shape.chunks; ++chunk) {
        const std::size_t query = chunk * shape.chunk;
        const std::uint8_t* item = items + chunk * shape.chunk * kCodeLanes;
        _tile_loadd(4, first + query, dim);
        _tile_loadd(6, item, 64);
        _tile_dpbsud(0, 4, 6);
        _tile_loadd(7, item + shape.panel_bytes(), 64);
        _tile_dpbsud(1, 4, 7);
        if constexpr (Groups > 1) {
            _tile_loadd(5, second + query, dim);
            _tile_dpbsud(2, 5, 6);
            _tile_dpbsud(3, 5, 7);
        }
    }
}

// Whether any sum of a block's two tiles reaches the floor of its row.
inline __attribute__((always_inline)) bool any_passes(const std::int32_t (*sums)[kTileSums],
                                                      const std::int32_t* floors) {
    __mmask16 passed = 0;
#pragma GCC unroll 16
    for (std::size_t q = 0; q < kCodeQueries; ++q) {
        const __m512i larger =
            _mm512_max_epi32(_mm512_load_si512(sums[0] + q * kCodeLanes), _mm512_load_si512(sums[1] + q * kCodeLanes));
        passed |= _mm512_cmpge_epi32_mask(larger, _mm512_set1_epi32(floors[q]));
    }
    return passed != 0;
}

// Appends the sums of a tile that reach the floor of their row.
std::size_t collect(const std::int32_t* sums, const std::int32_t* floors, std::size_t first_query,
                    std::size_t first_item, CodeHit* hits) noexcept {
    std::size_t count = 0;
    for (std::size_t q = 0; q < kCodeQueries; ++q) {
        std::uint32_t passed =
            _mm512_cmpge_epi32_mask(_mm512_load_si512(sums + q * kCodeLanes), _mm512_set1_epi32(floors[q]));
        for (; passed != 0; passed &= passed - 1) {
            const auto lane = static_cast<std::size_t>(__builtin_ctz(passed));
            hits[count++] = {static_cast<std::uint32_t>(first_query + q), static_cast<std::uint32_t>(first_item + lane),
                             sums[q * kCodeLanes + lane]};
        }
    }
    return count;
}

// One or two groups of queries, and a block.
struct Step {
    const std::int32_t* floors; // of the block
    std::size_t first_item;
    std::size_t groups[2];
    int group_count;
};

std::size_t look(const Step& step, const std::int32_t (*sums)[kTileSums], CodeHit* hits) noexcept {
    std::size_t count = 0;
    for (int g = 0; g < step.group_count; ++g) {
        const std::size_t query = step.groups[g] * kCodeQueries;
        if (__builtin_expect(any_passes(sums + g * 2, step.floors + query), 0)) {
            for (std::size_t p = 0; p < kBlockPanels; ++p) {
                count += collect(sums[static_cast<std::size_t>(g) * 2 + p], step.floors + query, query,
                                 step.first_item + p * kCodeLanes, hits + count);
            }
        }
    }
    return count;
}

bool all_closed(const std::int32_t* floors) noexcept {
    return _mm512_cmpneq_epi32_mask(_mm512_loadu_si512(floors), _mm512_set1_epi32(kClosedFloor)) == 0;
}

// Three steps are under way at a time: the products of one are made while those of the one before leave their tiles and
// those of the one before that are looked at.
class Scan {
  public:
    Scan(const CodeProducts& codes, CodeHit* hits) noexcept : codes_(codes), hits_(hits) {}

    inline __attribute__((always_inline)) void push(const Step& step, const std::uint8_t* items) noexcept {
        const std::size_t group_bytes = kCodeQueries * codes_.shape.dim();
        const std::int8_t* const first = codes_.queries + step.groups[0] * group_bytes;
        if (step.group_count > 1) {
            multiply<2>(first, codes_.queries + step.groups[1] * group_bytes, items, codes_.shape, sums_[current_]);
        } else {
            if (multiplied_.group_count > 1) {
                _tile_stored(2, sums_[current_][2], 64);
                _tile_stored(3, sums_[current_][3], 64);
            }
            multiply<1>(first, nullptr, items, codes_.shape, sums_[current_]);
        }
        count_ += look(stored_, sums_[current_ ^ 1], hits_ + count_);
        stored_ = multiplied_;
        multiplied_ = step;
        current_ ^= 1;
    }

    std::size_t finish() noexcept {
        count_ += look(stored_, sums_[current_ ^ 1], hits_ + count_);
        _tile_stored(0, sums_[current_][0], 64);
        _tile_stored(1, sums_[current_][1], 64);
        _tile_stored(2, sums_[current_][2], 64);
        _tile_stored(3, sums_[current_][3], 64);
        return count_ + look(multiplied_, sums_[current_], hits_ + count_);
    }

  private:
    const CodeProducts& codes_;
    CodeHit* hits_;
    std::size_t count_ = 0;
    int current_ = 0; // where the sums of the step in the tiles will go
    Step multiplied_{};
    Step stored_{};
    alignas(64) std::int32_t sums_[2][4][kTileSums];
};

std::size_t scan_codes(const CodeProducts& codes, const std::int32_t* floors, CodeHit* hits) noexcept {
    static_assert(kBlockPanels == 2);
    const TileConfig config = tile_config(codes.shape.chunk);
    _tile_loadconfig(&config);
    Scan scan(codes, hits);
    for (std::size_t block = 0; block < codes.blocks; ++block) {
        const std::uint8_t* items = codes.panels + block * kBlockPanels * codes.shape.panel_bytes();
        Step step{.floors = floors + block * codes.groups * kCodeQueries,
                  .first_item = block * kBlockItems,
                  .groups = {},
                  .group_count = 0};
        for (std::size_t group = 0; group < codes.groups; ++group) {
            if (all_closed(step.floors + group * kCodeQueries)) {
                continue;
            }
            // Groups are taken in pairs, whichever are open.
            step.groups[step.group_count++] = group;
            if (step.group_count == 2) {
                scan.push(step, items);
                step.group_count = 0;
            }
        }
        if (step.group_count == 1) {
            scan.push(step, items);
        }
    }
    const std::size_t count = scan.finish();
    _tile_release();
    return count;
}

void multiply_codes(const CodeProducts& codes, std::int32_t* products) noexcept {
    const TileConfig config = tile_config(codes.shape.chunk);
    _tile_loadconfig(&config);
    const std::size_t dim = codes.shape.dim();
    const std::size_t stride = codes.blocks * kBlockItems;
    for (std::size_t group = 0; group < codes.groups; ++group) {
        const std::int8_t* const queries = codes.queries + group * kCodeQueries * dim;
        for (std::size_t panel = 0; panel < codes.blocks * kBlockPanels; panel += 2) {
            const std::uint8_t* items = codes.panels + panel * codes.shape.panel_bytes();
            _tile_zero(0);
            _tile_zero(1);
            for (std::size_t chunk = 0; chunk < codes.shape.chunks; ++chunk) {
                const std::size_t first = chunk * codes.shape.chunk;
                _tile_loadd(4, queries + first, dim);
                _tile_loadd(6, items + first * kCodeLanes, 64);
                _tile_dpbsud(0, 4, 6);
                _tile_loadd(7, items + codes.shape.panel_bytes() + first * kCodeLanes, 64);
                _tile_dpbsud(1, 4, 7);
            }
            std::int32_t* const target = products + group * kCodeQueries * stride + panel * kCodeLanes;
            _tile_stored(0, target, stride * sizeof(std::int32_t));
            _tile_stored(1, target + kCodeLanes, stride * sizeof(std::int32_t));
        }
    }
    _tile_release();
}

// The kernel saves tiles only for processes that have asked; threads and forks inherit the permission.
bool host_has_amx() noexcept {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) {
        return false;
    }
    constexpr unsigned amx_tile = 1U << 24;
    constexpr unsigned amx_int8 = 1U << 25;
    constexpr long request_permission = 0x1023; // ARCH_REQ_XCOMP_PERM
    constexpr long tile_data = 18;              // XFEATURE_XTILEDATA
    return (edx & amx_tile) != 0 && (edx & amx_int8) != 0 &&
           syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

} // namespace
} // namespace annlib

#pragma GCC pop_options

namespace annlib {

const KernelTable* amx_kernels() noexcept {
    static const KernelTable* const table = []() -> const KernelTable* {
        const KernelTable* base = avx512_kernels();
        if (base == nullptr || !host_has_amx()) {
            return nullptr;
        }
        static KernelTable amx = *base;
        amx.name = "amx";
        amx.scan_codes = scan_codes;
        amx.multiply_codes = multiply_codes;
        return &amx;
    }();
    return table;
}

} // namespace annlib

#else

const annlib::KernelTable* annlib::amx_kernels() noexcept {
    return nullptr;
}

#endif
