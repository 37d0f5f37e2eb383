// The scan of 8-bit codes, compiled once for each instruction set.
//
// Included by isa_*.cpp after these have been defined there:
//   Codes               a vector of int32 sums: type, width (divides kCodeLanes), zero(), load(items), and
//                       add_products(sum, items, four codes of a query), less_than mask
//   kCodeTileQueries    queries held in registers together; divides kCodeQueries

ANNLIB_INLINE std::int32_t four_codes(const std::int8_t* codes) {
    std::int32_t four;
    __builtin_memcpy(&four, codes, sizeof four);
    return four;
}

template <int Count>
ANNLIB_INLINE bool all_closed(const std::int32_t* floors) {
    std::int32_t lowest = kClosedFloor;
#pragma GCC unroll 16
    for (int q = 0; q < Count; ++q) {
        lowest = floors[q] < lowest ? floors[q] : lowest;
    }
    return lowest == kClosedFloor;
}

// Vectors of one panel, times the panels that share the loads of a query's codes.
constexpr int kCodeVectors = static_cast<int>(kCodeLanes) / Codes::width;

template <int Vectors>
ANNLIB_INLINE std::size_t scan_code_tile(const CodeScan& scan, std::size_t block, int first_vector,
                                         std::size_t first_query, CodeHit* hits) {
    const std::size_t dim = scan.shape.dim();
    Codes::type sums[kCodeTileQueries][Vectors];
#pragma GCC unroll 8
    for (int q = 0; q < kCodeTileQueries; ++q) {
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) {
            sums[q][v] = Codes::zero();
        }
    }
    const std::uint8_t* items[Vectors];
    std::uint32_t first_item[Vectors];
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
        const int place = first_vector + v;
        const std::size_t panel = block * kBlockPanels + static_cast<std::size_t>(place / kCodeVectors);
        const std::size_t lane = static_cast<std::size_t>(place % kCodeVectors) * Codes::width;
        items[v] = scan.panels + panel * scan.shape.panel_bytes() + lane * 4;
        first_item[v] = static_cast<std::uint32_t>(panel * kCodeLanes + lane);
    }
    const std::int8_t* query = scan.queries + first_query * dim;
    for (std::size_t i = 0; i < dim; i += 4) {
        Codes::type item[Vectors];
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) {
            item[v] = Codes::load(items[v] + i * kCodeLanes);
        }
#pragma GCC unroll 8
        for (int q = 0; q < kCodeTileQueries; ++q) {
            const std::int32_t codes = four_codes(query + static_cast<std::size_t>(q) * dim + i);
#pragma GCC unroll 8
            for (int v = 0; v < Vectors; ++v) {
                sums[q][v] = Codes::add_products(sums[q][v], item[v], codes);
            }
        }
    }
    const std::int32_t* floors = scan.floors + block * scan.groups * kCodeQueries + first_query;
    std::size_t count = 0;
#pragma GCC unroll 8
    for (int q = 0; q < kCodeTileQueries; ++q) {
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) {
            std::uint32_t passed = Codes::at_least(sums[q][v], floors[q]);
            if (__builtin_expect(passed != 0, 0)) {
                std::int32_t dots[Codes::width];
                __builtin_memcpy(dots, &sums[q][v], sizeof dots);
                for (; passed != 0; passed &= passed - 1) {
                    const int lane = __builtin_ctz(passed);
                    hits[count++] = {static_cast<std::uint32_t>(first_query + static_cast<std::size_t>(q)),
                                     first_item[v] + static_cast<std::uint32_t>(lane), dots[lane]};
                }
            }
        }
    }
    return count;
}

std::size_t scan_codes(const CodeScan& scan, CodeHit* hits) noexcept {
    constexpr int block_vectors = static_cast<int>(kBlockPanels) * kCodeVectors;
    std::size_t count = 0;
    for (std::size_t block = 0; block < scan.blocks; ++block) {
        const std::int32_t* floors = scan.floors + block * scan.groups * kCodeQueries;
        for (std::size_t query = 0; query < scan.groups * kCodeQueries; query += kCodeTileQueries) {
            if (all_closed<kCodeTileQueries>(floors + query)) {
                continue;
            }
            for (int v = 0; v < block_vectors; v += 2) {
                count += scan_code_tile<2>(scan, block, v, query, hits + count);
            }
        }
    }
    return count;
}

// ---------------------------------------------------------------------------------------------------------------------
// Bounds and floors. Plain loops, which the compiler vectorizes; every rounding is on the safe side.

// The largest of P p + R o (quadratic: less (p^2 + o^2) / 2, which is separable) over a box, and room for roundings: no
// item is longer than 1, and the error of P moves the bound by no more than |p| of it.
template <bool Quadratic>
ANNLIB_INLINE float bound_in_box(float product, float residual, float norm, float product_error, const Box& box) {
    float bound;
    if constexpr (Quadratic) {
        const float p_low = product < box.p_min ? box.p_min : product;
        const float p = p_low > box.p_max ? box.p_max : p_low;
        const float o_low = residual < box.o_min ? box.o_min : residual;
        const float o = o_low > box.o_max ? box.o_max : o_low;
        bound = p * (product - 0.5F * p) + o * (residual - 0.5F * o);
    } else {
        const float at_min = product * box.p_min;
        const float at_max = product * box.p_max;
        bound = (at_min > at_max ? at_min : at_max) + residual * box.o_max;
    }
    return bound + product_error + (norm + 1.0F) * 0x1p-19F;
}

template <bool Quadratic>
ANNLIB_INLINE void bound_box_loop(const QueryTerms& queries, const Box& box, float beta, std::size_t count,
                                  float* __restrict bounds, float* __restrict residuals) {
    const float* __restrict products = queries.product;
    const float* __restrict norms = queries.norm;
    const float* __restrict errors = queries.product_error;
    for (std::size_t i = 0; i < count; ++i) {
        const float norm_squared = norms[i] * norms[i];
        const float magnitude = products[i] < 0.0F ? -products[i] : products[i];
        const float surely = magnitude > errors[i] ? magnitude - errors[i] : 0.0F;
        const float rest = norm_squared - surely * surely;
        residuals[i] = beta * __builtin_sqrtf((rest > 0.0F ? rest : 0.0F) + norm_squared * 0x1p-21F);
        bounds[i] = bound_in_box<Quadratic>(products[i], residuals[i], norms[i], errors[i], box);
    }
}

void bound_box(const QueryTerms& queries, const Box& box, float beta, bool quadratic, std::size_t count, float* bounds,
               float* residuals) noexcept {
    if (quadratic) {
        bound_box_loop<true>(queries, box, beta, count, bounds, residuals);
    } else {
        bound_box_loop<false>(queries, box, beta, count, bounds, residuals);
    }
}

std::size_t not_below(const float* bounds, const float* reaches, std::size_t count, std::uint32_t* queries) noexcept {
    std::size_t found = 0;
    for (std::size_t first = 0; first < count; first += Floats::width) {
        std::uint32_t wanted = Floats::not_less(Floats::load(bounds + first), Floats::load(reaches + first));
        for (; wanted != 0; wanted &= wanted - 1) {
            queries[found++] = static_cast<std::uint32_t>(first) + static_cast<std::uint32_t>(__builtin_ctz(wanted));
        }
    }
    return found;
}

template <bool Quadratic>
ANNLIB_INLINE void code_floors_loop(const QueryTerms& queries, const BlockTerms& block, std::size_t count,
                                    std::int32_t* __restrict floors) {
    // A floor may be lowered, never raised: all sums of codes are above the smallest.
    constexpr float largest = 0x1p+30F;
    constexpr float smallest = -0x1p+31F;
    constexpr float slack = 0x1p-20F; // for the roundings of the few operations here
    const float* __restrict reaches = queries.reach;
    const float* __restrict products = queries.product;
    const float* __restrict residuals = queries.residual;
    const float* __restrict norms = queries.norm;
    const float* __restrict product_errors = queries.product_error;
    const float* __restrict inverse_scales = queries.inverse_scale;
    const float* __restrict lengths = queries.length;
    const float* __restrict code_errors = queries.error;
    const float* __restrict offsets = queries.offset;
    for (std::size_t i = 0; i < count; ++i) {
        const float bound = bound_in_box<Quadratic>(products[i], residuals[i], norms[i], product_errors[i], block.box);
        const float wanted = reaches[i] * inverse_scales[i] * block.inverse_scale;
        const float bias = inverse_scales[i] * block.bias;
        const float errors = code_errors[i] * block.norm + lengths[i] * block.error;
        const float sum = wanted + bias - errors;
        const float magnitude = (wanted < 0.0F ? -wanted : wanted) + (bias < 0.0F ? -bias : bias) + errors +
                                (offsets[i] < 0.0F ? -offsets[i] : offsets[i]);
        float floor = sum + offsets[i] - magnitude * slack - 2.0F;
        floor = floor < largest ? floor : largest; // also NaN: nothing is known, and ...
        floor = sum == sum ? floor : smallest;     // ... everything passes
        floor = floor > smallest ? floor : smallest;
        floors[i] = bound < reaches[i] ? kClosedFloor : static_cast<std::int32_t>(floor);
    }
}

void code_floors(const QueryTerms& queries, const BlockTerms& block, bool quadratic, std::size_t count,
                 std::int32_t* floors) noexcept {
    if (quadratic) {
        code_floors_loop<true>(queries, block, count, floors);
    } else {
        code_floors_loop<false>(queries, block, count, floors);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Selection by bisection of the value: passes without a branch to guess, which beats a quickselect several times over.

std::int32_t kth_largest(const std::int32_t* keys, std::size_t count, std::size_t k) noexcept {
    std::int32_t least = keys[0];
    std::int32_t most = keys[0];
    for (std::size_t i = 1; i < count; ++i) {
        least = keys[i] < least ? keys[i] : least;
        most = keys[i] > most ? keys[i] : most;
    }
    long long low = least; // at least k keys are no less than this, fewer than ...
    long long high = static_cast<long long>(most) + 1;
    for (auto not_less = static_cast<std::int32_t>(count); static_cast<std::size_t>(not_less) != k && high - low > 1;) {
        const long long middle = low + (high - low) / 2;
        const auto pivot = static_cast<std::int32_t>(middle);
        std::int32_t above = 0;
        for (std::size_t i = 0; i < count; ++i) {
            above += keys[i] >= pivot ? 1 : 0;
        }
        if (static_cast<std::size_t>(above) >= k) {
            low = middle;
            not_less = above;
        } else {
            high = middle; // ... are no less than this
        }
    }
    const auto bound = static_cast<std::int32_t>(low);
    std::int32_t kth = most;
    for (std::size_t i = 0; i < count; ++i) {
        kth = keys[i] >= bound && keys[i] < kth ? keys[i] : kth;
    }
    return kth;
}
