// The scan of 8-bit codes, compiled once for each instruction set.
//
// Included by isa_*.cpp after these have been defined there:
//   Codes               a vector of int32 sums: type, width (divides kCodeLanes), zero(), load(items),
//                       add_products(sum, items, four codes of a query), the mask at_least(sums, floor), and
//                       count(mask)
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

// Where some vectors of a block lie: `place` counts its vectors, panel after panel.
struct CodeVector {
    const std::uint8_t* items;
    std::size_t first_item;
};

ANNLIB_INLINE CodeVector code_vector(const CodeProducts& codes, std::size_t block, int place) {
    const std::size_t panel = block * kBlockPanels + static_cast<std::size_t>(place / kCodeVectors);
    const std::size_t lane = static_cast<std::size_t>(place % kCodeVectors) * Codes::width;
    return {.items = codes.panels + panel * codes.shape.panel_bytes() + lane * 4,
            .first_item = panel * kCodeLanes + lane};
}

// The products of the queries of a tile with some vectors of items.
template <int Vectors>
ANNLIB_INLINE void multiply_code_tile(const CodeProducts& codes, std::size_t first_query, const CodeVector* vectors,
                                      Codes::type (*sums)[Vectors]) {
    const std::size_t dim = codes.shape.dim();
#pragma GCC unroll 8
    for (int q = 0; q < kCodeTileQueries; ++q) {
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) {
            sums[q][v] = Codes::zero();
        }
    }
    const std::int8_t* query = codes.queries + first_query * dim;
    for (std::size_t i = 0; i < dim; i += 4) {
        Codes::type item[Vectors];
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) {
            item[v] = Codes::load(vectors[v].items + i * kCodeLanes);
        }
#pragma GCC unroll 8
        for (int q = 0; q < kCodeTileQueries; ++q) {
            const std::int32_t four = four_codes(query + static_cast<std::size_t>(q) * dim + i);
#pragma GCC unroll 8
            for (int v = 0; v < Vectors; ++v) {
                sums[q][v] = Codes::add_products(sums[q][v], item[v], four);
            }
        }
    }
}

template <int Vectors>
ANNLIB_INLINE std::size_t scan_code_tile(const CodeProducts& codes, const std::int32_t* floors, std::size_t first_query,
                                         const CodeVector* vectors, CodeHit* hits) {
    Codes::type sums[kCodeTileQueries][Vectors];
    multiply_code_tile<Vectors>(codes, first_query, vectors, sums);
    std::size_t count = 0;
#pragma GCC unroll 8
    for (int q = 0; q < kCodeTileQueries; ++q) {
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) {
            std::uint32_t passed = Codes::at_least(sums[q][v], floors[first_query + static_cast<std::size_t>(q)]);
            if (__builtin_expect(passed != 0, 0)) {
                std::int32_t dots[Codes::width];
                __builtin_memcpy(dots, &sums[q][v], sizeof dots);
                for (; passed != 0; passed &= passed - 1) {
                    const int lane = __builtin_ctz(passed);
                    hits[count++] = {static_cast<std::uint32_t>(first_query + static_cast<std::size_t>(q)),
                                     static_cast<std::uint32_t>(vectors[v].first_item) +
                                         static_cast<std::uint32_t>(lane),
                                     dots[lane]};
                }
            }
        }
    }
    return count;
}

constexpr int kBlockVectors = static_cast<int>(kBlockPanels) * kCodeVectors;

std::size_t scan_codes(const CodeProducts& codes, const std::int32_t* floors, CodeHit* hits) noexcept {
    std::size_t count = 0;
    for (std::size_t block = 0; block < codes.blocks; ++block) {
        const std::int32_t* of_block = floors + block * codes.groups * kCodeQueries;
        for (std::size_t query = 0; query < codes.groups * kCodeQueries; query += kCodeTileQueries) {
            if (all_closed<kCodeTileQueries>(of_block + query)) {
                continue;
            }
            for (int v = 0; v < kBlockVectors; v += 2) {
                const CodeVector vectors[2] = {code_vector(codes, block, v), code_vector(codes, block, v + 1)};
                count += scan_code_tile<2>(codes, of_block, query, vectors, hits + count);
            }
        }
    }
    return count;
}

void multiply_codes(const CodeProducts& codes, std::int32_t* products) noexcept {
    const std::size_t items = codes.blocks * kBlockItems;
    for (std::size_t query = 0; query < codes.groups * kCodeQueries; query += kCodeTileQueries) {
        for (std::size_t block = 0; block < codes.blocks; ++block) {
            for (int v = 0; v < kBlockVectors; v += 2) {
                const CodeVector vectors[2] = {code_vector(codes, block, v), code_vector(codes, block, v + 1)};
                Codes::type sums[kCodeTileQueries][2];
                multiply_code_tile<2>(codes, query, vectors, sums);
                for (std::size_t q = 0; q < kCodeTileQueries; ++q) {
                    for (std::size_t i = 0; i < 2; ++i) {
                        __builtin_memcpy(products + (query + q) * items + vectors[i].first_item, &sums[q][i],
                                         sizeof sums[q][i]);
                    }
                }
            }
        }
    }
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
ANNLIB_INLINE std::size_t code_floors_loop(const QueryTerms& queries, const BlockTerms& block, std::size_t count,
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
    std::int32_t open = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const float bound = bound_in_box<Quadratic>(products[i], residuals[i], norms[i], product_errors[i], block.box);
        const float wanted = reaches[i] * inverse_scales[i] * block.inverse_scale;
        const float errors = code_errors[i] * block.norm + lengths[i] * block.error;
        float sum = wanted - errors;
        float magnitude = (wanted < 0.0F ? -wanted : wanted) + errors + (offsets[i] < 0.0F ? -offsets[i] : offsets[i]);
        if constexpr (Quadratic) {
            const float bias = inverse_scales[i] * block.bias;
            sum += bias;
            magnitude += bias < 0.0F ? -bias : bias;
        }
        float floor = sum + offsets[i] - magnitude * slack - 2.0F;
        floor = floor > smallest ? floor : smallest; // also NaN: nothing is known, everything passes
        floor = floor < largest ? floor : largest;
        const bool closed = bound < reaches[i];
        floors[i] = closed ? kClosedFloor : static_cast<std::int32_t>(floor);
        open += closed ? 0 : 1;
    }
    return static_cast<std::size_t>(open);
}

std::size_t code_floors(const QueryTerms& queries, const BlockTerms& block, bool quadratic, std::size_t count,
                        std::int32_t* floors) noexcept {
    return quadratic ? code_floors_loop<true>(queries, block, count, floors)
                     : code_floors_loop<false>(queries, block, count, floors);
}

// ---------------------------------------------------------------------------------------------------------------------
// Selection.

void low_keys(const std::int32_t* __restrict products, const LowTerms& terms, std::int32_t* __restrict keys) noexcept {
    const float* __restrict half_squares = terms.half_squares;
    for (std::size_t block = 0; block < terms.blocks; ++block) {
        const float slope = terms.slopes[block];
        const float shift = terms.shifts[block];
        for (std::size_t i = block * kBlockItems; i < (block + 1) * kBlockItems; ++i) {
            const float low = (static_cast<float>(products[i]) - shift) * slope - half_squares[i] * terms.inverse_scale;
            std::int32_t bits;
            __builtin_memcpy(&bits, &low, sizeof bits);
            keys[i] = bits ^ ((bits >> 31) & 0x7fffffff);
        }
    }
}

// By bisection of the value: passes without a branch to guess, which beats a quickselect several times over.

ANNLIB_INLINE std::size_t count_at_least(const std::int32_t* keys, std::size_t padded, std::int32_t pivot) {
    int above = 0;
    for (std::size_t i = 0; i < padded; i += Codes::width) {
        above += Codes::count(Codes::at_least(Codes::load(reinterpret_cast<const std::uint8_t*>(keys + i)), pivot));
    }
    return static_cast<std::size_t>(above);
}

std::int32_t kth_largest(const std::int32_t* keys, std::size_t count, std::size_t k) noexcept {
    const std::size_t padded = (count + kKeyPadding - 1) / kKeyPadding * kKeyPadding;
    std::int32_t least = INT32_MAX; // less 1: padding wraps around to the top
    std::int32_t most = INT32_MIN;
    for (std::size_t i = 0; i < padded; ++i) {
        const auto below = static_cast<std::int32_t>(static_cast<std::uint32_t>(keys[i]) - 1U);
        least = below < least ? below : least;
        most = keys[i] > most ? keys[i] : most;
    }
    long long low = static_cast<long long>(least) + 1; // at least k keys are no less than this, fewer than ...
    long long high = static_cast<long long>(most) + 1;
    for (std::size_t not_less = count; not_less != k && high - low > 1;) {
        const long long middle = low + (high - low) / 2;
        const std::size_t above = count_at_least(keys, padded, static_cast<std::int32_t>(middle));
        if (above >= k) {
            low = middle;
            not_less = above;
        } else {
            high = middle; // ... are no less than this
        }
    }
    const auto bound = static_cast<std::uint32_t>(low);
    std::uint32_t nearest = UINT32_MAX; // above the bound: what is below wraps around to more than any of these
    for (std::size_t i = 0; i < padded; ++i) {
        const std::uint32_t above = static_cast<std::uint32_t>(keys[i]) - bound;
        nearest = above < nearest ? above : nearest;
    }
    return static_cast<std::int32_t>(bound + nearest);
}
