// One body for each kernel, compiled once for each instruction set.
//
// Included by isa_*.cpp inside an unnamed namespace and a target region, after these have been defined there:
//   Floats               a vector of float32 and its operations
//   kTileQueries         queries held in registers together; divides kGroupSize
//   kTileVectors         vectors of items held in registers together; kTileVectors * Floats::width divides kPanelWidth
// Nothing here may call an inline function of the standard library: its wide copy could be the one that the linker
// keeps for the whole module.

// ---------------------------------------------------------------------------------------------------------------------
// The definition of a score: eight float64 lanes, folded 8 -> 4 -> 2 -> 1. Vector extensions, not intrinsics: the
// compiler lowers them to whatever the target region allows, and the order of additions is in the source.

typedef double Lanes4 __attribute__((vector_size(32)));
typedef float Floats4 __attribute__((vector_size(16)));
typedef long long Mask4 __attribute__((vector_size(32)));

#define ANNLIB_INLINE inline __attribute__((always_inline))

struct DotTerm {
    static ANNLIB_INLINE Lanes4 term(Lanes4 a, Lanes4 b) { return a * b; }
};

struct SquaredDifferenceTerm {
    static ANNLIB_INLINE Lanes4 term(Lanes4 a, Lanes4 b) { return (a - b) * (a - b); }
};

struct AbsoluteDifferenceTerm {
    static ANNLIB_INLINE Lanes4 term(Lanes4 a, Lanes4 b) {
        const Lanes4 difference = a - b;
        return difference < 0.0 ? -difference : difference;
    }
};

struct DiffersTerm {
    static ANNLIB_INLINE Lanes4 term(Lanes4 a, Lanes4 b) {
        const Mask4 differs = a != b;
        return differs ? Lanes4{1.0, 1.0, 1.0, 1.0} : Lanes4{0.0, 0.0, 0.0, 0.0};
    }
};

ANNLIB_INLINE Lanes4 load_lanes(const float* values) {
    Floats4 loaded;
    __builtin_memcpy(&loaded, values, sizeof loaded);
    return __builtin_convertvector(loaded, Lanes4);
}

template <class Term>
double sum_of_terms(const float* a, const float* b, std::size_t dim) noexcept {
    Lanes4 low = {0.0, 0.0, 0.0, 0.0};
    Lanes4 high = {0.0, 0.0, 0.0, 0.0};
    std::size_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        low += Term::term(load_lanes(a + i), load_lanes(b + i));
        high += Term::term(load_lanes(a + i + 4), load_lanes(b + i + 4));
    }
    if (i < dim) {
        float last_a[8] = {0.0F}; // zero terms leave a lane as it is
        float last_b[8] = {0.0F};
        __builtin_memcpy(last_a, a + i, (dim - i) * sizeof(float));
        __builtin_memcpy(last_b, b + i, (dim - i) * sizeof(float));
        low += Term::term(load_lanes(last_a), load_lanes(last_b));
        high += Term::term(load_lanes(last_a + 4), load_lanes(last_b + 4));
    }
    const Lanes4 four = low + high;
    return (four[0] + four[2]) + (four[1] + four[3]);
}

// ---------------------------------------------------------------------------------------------------------------------
// Packing: rows to panel values, in blocks of four by four.

template <bool Centred>
void pack_rows(const RowBlock& block, std::size_t dim, float* values) noexcept {
    const Floats4 scale = {block.scale, block.scale, block.scale, block.scale};
    const std::size_t whole = dim - dim % 4;
    for (std::size_t lane = 0; lane < kPanelWidth; lane += 4) {
        for (std::size_t i = 0; i < whole; i += 4) {
            Floats4 row[4];
            for (std::size_t r = 0; r < 4; ++r) {
                __builtin_memcpy(&row[r], block.rows[lane + r] + i, sizeof row[r]);
                row[r] *= scale;
                if constexpr (Centred) {
                    Floats4 center;
                    __builtin_memcpy(&center, block.center + i, sizeof center);
                    row[r] -= center;
                }
            }
            const Floats4 low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
            const Floats4 low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
            const Floats4 high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
            const Floats4 high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
            const Floats4 column[4] = {__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
                                       __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
                                       __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
                                       __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
            for (std::size_t c = 0; c < 4; ++c) {
                __builtin_memcpy(values + (i + c) * kPanelWidth + lane, &column[c], sizeof column[c]);
            }
        }
        for (std::size_t i = whole; i < dim; ++i) {
            for (std::size_t r = 0; r < 4; ++r) {
                const float scaled = block.rows[lane + r][i] * block.scale;
                values[i * kPanelWidth + lane + r] = Centred ? scaled - block.center[i] : scaled;
            }
        }
    }
}

void pack(const RowBlock& block, std::size_t dim, float* values) noexcept {
    if (block.center != nullptr) {
        pack_rows<true>(block, dim, values);
    } else {
        pack_rows<false>(block, dim, values);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Scanning. The sums stay in registers, are compared there, and reach memory only where something passed.

template <ScanOp Op>
ANNLIB_INLINE Floats::type accumulate(Floats::type sum, Floats::type query, Floats::type item) {
    if constexpr (Op == ScanOp::dot) {
        return Floats::multiply_add(query, item, sum);
    } else if constexpr (Op == ScanOp::manhattan) {
        return Floats::subtract(sum, Floats::absolute_difference(query, item));
    } else {
        return Floats::subtract_one_where_different(sum, query, item);
    }
}

template <ScanOp Op>
ANNLIB_INLINE std::size_t scan_tile(const Panel& panel, const QueryGroups& queries, const float* group,
                                    std::size_t first_query, std::size_t first_in_group, std::size_t first_lane,
                                    std::size_t dim, Hit* hits) {
    Floats::type sums[kTileQueries][kTileVectors];
    Floats::type weights[kTileVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kTileVectors; ++v) {
        const Floats::type bias = Floats::load(panel.terms->bias + first_lane + v * Floats::width);
        weights[v] = Floats::load(panel.terms->weight + first_lane + v * Floats::width);
#pragma GCC unroll 8
        for (int q = 0; q < kTileQueries; ++q) {
            sums[q][v] = bias;
        }
    }
    const float* items = panel.values + first_lane;
    const float* query = group + first_in_group;
    for (std::size_t i = 0; i < dim; ++i) {
        Floats::type item[kTileVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kTileVectors; ++v) {
            item[v] = Floats::load(items + i * kPanelWidth + v * Floats::width);
        }
#pragma GCC unroll 8
        for (int q = 0; q < kTileQueries; ++q) {
            const Floats::type broadcast = Floats::broadcast(query[i * kGroupSize + q]);
#pragma GCC unroll 8
            for (int v = 0; v < kTileVectors; ++v) {
                sums[q][v] = accumulate<Op>(sums[q][v], broadcast, item[v]);
            }
        }
    }
    std::size_t count = 0;
#pragma GCC unroll 8
    for (int q = 0; q < kTileQueries; ++q) {
        const std::size_t query_index = first_query + first_in_group + q;
        const Floats::type slope = Floats::broadcast(queries.slope[query_index]);
        const Floats::type floor = Floats::broadcast(queries.floor[query_index]);
        std::uint32_t passed = 0;
#pragma GCC unroll 8
        for (int v = 0; v < kTileVectors; ++v) {
            const Floats::type upper = Floats::multiply_add(weights[v], slope, sums[q][v]);
            passed |= Floats::not_less(upper, floor) << (v * Floats::width);
        }
        if (__builtin_expect(passed != 0, 0)) {
            float stored[kTileVectors * Floats::width];
#pragma GCC unroll 8
            for (int v = 0; v < kTileVectors; ++v) {
                Floats::store(stored + v * Floats::width, sums[q][v]);
            }
            for (; passed != 0; passed &= passed - 1) {
                const int lane = __builtin_ctz(passed);
                hits[count++] = {static_cast<std::uint32_t>(query_index), static_cast<std::uint32_t>(first_lane + lane),
                                 stored[lane]};
            }
        }
    }
    return count;
}

template <ScanOp Op>
std::size_t scan_panel(const Panel& panel, const QueryGroups& queries, std::size_t dim, Hit* hits) noexcept {
    std::size_t count = 0;
    for (std::size_t g = 0; g < queries.groups; ++g) {
        const float* group = queries.values + g * dim * kGroupSize;
        for (std::size_t q = 0; q < kGroupSize; q += kTileQueries) {
            for (std::size_t lane = 0; lane < kPanelWidth; lane += kTileVectors * Floats::width) {
                count += scan_tile<Op>(panel, queries, group, g * kGroupSize, q, lane, dim, hits + count);
            }
        }
    }
    return count;
}

// Dot products of a panel with groups of queries, without a gate.
ANNLIB_INLINE void multiply_tile(const float* items, const float* query, std::size_t dim, float* products) {
    Floats::type sums[kTileQueries][kTileVectors];
#pragma GCC unroll 8
    for (int q = 0; q < kTileQueries; ++q) {
#pragma GCC unroll 8
        for (int v = 0; v < kTileVectors; ++v) {
            sums[q][v] = Floats::broadcast(0.0F);
        }
    }
    for (std::size_t i = 0; i < dim; ++i) {
        Floats::type item[kTileVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kTileVectors; ++v) {
            item[v] = Floats::load(items + i * kPanelWidth + v * Floats::width);
        }
#pragma GCC unroll 8
        for (int q = 0; q < kTileQueries; ++q) {
            const Floats::type broadcast = Floats::broadcast(query[i * kGroupSize + q]);
#pragma GCC unroll 8
            for (int v = 0; v < kTileVectors; ++v) {
                sums[q][v] = Floats::multiply_add(broadcast, item[v], sums[q][v]);
            }
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < kTileQueries; ++q) {
#pragma GCC unroll 8
        for (int v = 0; v < kTileVectors; ++v) {
            Floats::store(products + q * kPanelWidth + v * Floats::width, sums[q][v]);
        }
    }
}

void multiply_panel(const float* panel, const QueryGroups& queries, std::size_t dim, float* products) noexcept {
    for (std::size_t g = 0; g < queries.groups; ++g) {
        const float* group = queries.values + g * dim * kGroupSize;
        for (std::size_t q = 0; q < kGroupSize; q += kTileQueries) {
            float* rows = products + (g * kGroupSize + q) * kPanelWidth;
            for (std::size_t lane = 0; lane < kPanelWidth; lane += kTileVectors * Floats::width) {
                multiply_tile(panel + lane, group + q, dim, rows + lane);
            }
        }
    }
}

// Rows in flight at once on the streaming path: enough to hide the latency of one chain of additions.
constexpr int kStreamedRows = 4;

template <ScanOp Op, bool Centred>
ANNLIB_INLINE Floats::type stream_step(Floats::type sum, Floats::type query, Floats::type row, Floats::type scale,
                                       Floats::type center) {
    Floats::type item = Floats::multiply(row, scale);
    if constexpr (Centred) {
        item = Floats::subtract(item, center);
    }
    return accumulate<Op>(sum, query, item);
}

template <ScanOp Op, bool Centred>
void stream_rows(const RowBlock& block, std::size_t lanes, const float* query, std::size_t dim, float* sums) noexcept {
    const Floats::type scale = Floats::broadcast(block.scale);
    const std::size_t whole = dim - dim % Floats::width;
    for (std::size_t lane = 0; lane < lanes; lane += kStreamedRows) {
        Floats::type sum[kStreamedRows];
#pragma GCC unroll 4
        for (int r = 0; r < kStreamedRows; ++r) {
            sum[r] = Floats::broadcast(0.0F);
        }
        for (std::size_t i = 0; i < whole; i += Floats::width) {
            const Floats::type q = Floats::load(query + i);
            const Floats::type center = Centred ? Floats::load(block.center + i) : Floats::broadcast(0.0F);
#pragma GCC unroll 4
            for (int r = 0; r < kStreamedRows; ++r) {
                sum[r] = stream_step<Op, Centred>(sum[r], q, Floats::load(block.rows[lane + r] + i), scale, center);
            }
        }
        if (whole < dim) {
            const std::size_t rest = dim - whole;
            const Floats::type q = Floats::load_first(query + whole, rest);
            const Floats::type center =
                Centred ? Floats::load_first(block.center + whole, rest) : Floats::broadcast(0.0F);
#pragma GCC unroll 4
            for (int r = 0; r < kStreamedRows; ++r) {
                const Floats::type row = Floats::load_first(block.rows[lane + r] + whole, rest);
                sum[r] = stream_step<Op, Centred>(sum[r], q, row, scale, center);
            }
        }
#pragma GCC unroll 4
        for (int r = 0; r < kStreamedRows; ++r) {
            sums[lane + r] = Floats::sum(sum[r]);
        }
    }
}

void dot_rows(const RowBlock& block, std::size_t count, const float* query, std::size_t dim, float* sums) noexcept {
    const std::size_t lanes = (count + kStreamedRows - 1) / kStreamedRows * kStreamedRows;
    if (block.center != nullptr) {
        stream_rows<ScanOp::dot, true>(block, lanes, query, dim, sums);
    } else {
        stream_rows<ScanOp::dot, false>(block, lanes, query, dim, sums);
    }
}

template <ScanOp Op>
std::size_t scan_rows(const RowBlock& block, const StreamedQuery& query, std::size_t dim, Hit* hits) noexcept {
    float sums[kPanelWidth];
    if (block.center != nullptr) {
        stream_rows<Op, true>(block, kPanelWidth, query.values, dim, sums);
    } else {
        stream_rows<Op, false>(block, kPanelWidth, query.values, dim, sums);
    }
    const Floats::type slope = Floats::broadcast(query.slope);
    const Floats::type floor = Floats::broadcast(query.floor);
    std::size_t count = 0;
    for (std::size_t lane = 0; lane < kPanelWidth; lane += Floats::width) {
        const Floats::type value = Floats::add(Floats::load(sums + lane), Floats::load(block.terms->bias + lane));
        const Floats::type upper = Floats::multiply_add(Floats::load(block.terms->weight + lane), slope, value);
        std::uint32_t passed = Floats::not_less(upper, floor);
        if (passed != 0) {
            Floats::store(sums + lane, value);
            for (; passed != 0; passed &= passed - 1) {
                const std::size_t hit = lane + __builtin_ctz(passed);
                hits[count++] = {0, static_cast<std::uint32_t>(hit), sums[hit]};
            }
        }
    }
    return count;
}

// ---------------------------------------------------------------------------------------------------------------------
// 8-bit codes.

#include "kernels/code_bodies.inl"
#include "kernels/coding_bodies.inl"

// ---------------------------------------------------------------------------------------------------------------------

constexpr KernelTable make_table(const char* name,
                                 std::uint32_t (*crc32c)(std::uint32_t, const void*, std::size_t) noexcept) {
    return KernelTable{
        .name = name,
        .dot = sum_of_terms<DotTerm>,
        .squared_distance = sum_of_terms<SquaredDifferenceTerm>,
        .manhattan = sum_of_terms<AbsoluteDifferenceTerm>,
        .hamming = sum_of_terms<DiffersTerm>,
        .pack = pack,
        .scan_panel = {scan_panel<ScanOp::dot>, scan_panel<ScanOp::manhattan>, scan_panel<ScanOp::hamming>},
        .scan_rows = {scan_rows<ScanOp::dot>, scan_rows<ScanOp::manhattan>, scan_rows<ScanOp::hamming>},
        .dot_rows = dot_rows,
        .multiply_panel = multiply_panel,
        .place_about = place_about,
        .largest_magnitude = largest_magnitude,
        .make_code = make_code,
        .transform_signed = transform_signed,
        .scan_codes = scan_codes,
        .multiply_codes = multiply_codes,
        .largest_query_code = kLargestQueryCode,
        .bound_box = bound_box,
        .not_below = not_below,
        .code_floors = code_floors,
        .low_keys = low_keys,
        .kth_largest = kth_largest,
        .crc32c = crc32c,
    };
}
