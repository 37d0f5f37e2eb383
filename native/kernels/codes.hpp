// 8-bit codes: how they lie in memory, and what a kernel does with them.
//
// A code panel holds 16 items. Four dimensions of an item lie together (what one lane of VPDPBUSD or TDPBSUD takes),
// 16 items make a row of 64 bytes, and the rows of a panel follow each other: one AMX tile is 16 such rows. Items are
// unsigned, offset by 128; queries are signed. A dot product therefore comes out 128 * (sum of the query's codes) too
// large, which is the same for all items: it is added to the query's floor instead.
#pragma once

#include <cstddef>
#include <cstdint>

namespace annlib {

inline constexpr std::size_t kCodeLanes = 16;   // items of a panel
inline constexpr std::size_t kCodeQueries = 16; // queries of a group
inline constexpr int kCodeOffset = 128;
inline constexpr int kLargestCode = 127;

// Dimensions as coded: padded with zeros to `chunks` equal chunks of at most 64, a multiple of 4 each.
struct CodeShape {
    std::size_t chunks;
    std::size_t chunk;

    static constexpr CodeShape of(std::size_t dim) noexcept {
        const std::size_t chunks = (dim + 63) / 64;
        return {.chunks = chunks, .chunk = ((dim + chunks - 1) / chunks + 3) / 4 * 4};
    }
    constexpr std::size_t dim() const noexcept { return chunks * chunk; }
    constexpr std::size_t panel_bytes() const noexcept { return dim() * kCodeLanes; }
};

// Two panels share a scale and the terms of their floors.
inline constexpr std::size_t kBlockPanels = 2;
inline constexpr std::size_t kBlockItems = kBlockPanels * kCodeLanes;

// Items and queries whose codes are multiplied, the dot product being that of signed and unsigned codes.
struct CodeProducts {
    const std::uint8_t* panels; // [blocks * kBlockPanels][shape.panel_bytes()], 64-byte aligned
    std::size_t blocks;
    const std::int8_t* queries; // [groups * kCodeQueries][shape.dim()]
    std::size_t groups;
    CodeShape shape;
};

// A floor that nothing passes.
inline constexpr std::int32_t kClosedFloor = 0x7fffffff;

// Where items lie about a unit direction c: p = x.c, o = |x - p c|.
struct Box {
    float p_min;
    float p_max;
    float o_min;
    float o_max;
};

// Some queries as bounds and floors see them; arrays with an element for each query.
//
// Bounds: with P = q.c and O = |q - P c|, Cauchy-Schwarz in the complement of c gives q.x <= P p + beta O o, beta = 1.
// (A smaller beta guesses: residuals of unrelated vectors are nearly orthogonal.)
//
// Floors: with q = sq Q + eq and x = sx X + ex (Q, X the codes, e the quantization errors), it gives
//     q.x <= sq sx Q.X + |eq| |sx X| + |q| |ex|,
// so an item whose q.x reaches `reach` has Q.X >= (reach - |eq| |sx X| - |q| |ex|) / (sq sx). (Fractions of |eq| and
// |q| guess: rotated, the errors of d dimensions seldom add up to more than a few 1/sqrt(d) of that.)
struct QueryTerms {
    const float* reach;         // what q.x has to reach, rounded down
    const float* product;       // P, as computed; NaN: nothing is known
    const float* residual;      // beta O, rounded up
    const float* norm;          // |q|, rounded up
    const float* product_error; // of P, for a c that is a unit vector but for rounding
    const float* inverse_scale; // 1 / sq
    const float* length;        // |q| / sq
    const float* error;         // |eq| / sq
    const float* offset;        // kCodeOffset * sum of Q: exact
};

struct BlockTerms {
    Box box;             // about the direction of the block's cluster
    float scale;         // sx
    float inverse_scale; // 1 / sx
    float norm;          // largest |sx X| of the block, / sx
    float error;         // largest |ex|, / sx
    float bias;          // what is added to what q.x has to reach: euclidean's smallest |x|^2 / 2
};

// What a product of one query proves: an item of block b reaches (product - shifts[b]) * slopes[b] less its half square
// times inverse_scale.
struct LowTerms {
    std::size_t blocks;
    const float* slopes;
    const float* shifts;
    const float* half_squares; // [blocks * kBlockItems]
    float inverse_scale;
};

struct CodeHit {
    std::uint32_t query;
    std::uint32_t item; // kCodeLanes * panel + lane
    std::int32_t dot;
};

} // namespace annlib
