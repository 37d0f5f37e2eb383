// The contract between the search and its kernels: what each instruction set has to provide.
//
// An instruction set is one translation unit (isa_*.cpp) that names its vector type and includes bodies.inl, where the
// bodies of all kernels are written once. dispatch.cpp picks a table when it is first needed.
#pragma once

#include "kernels/codes.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace annlib {

// Items are scanned in panels of 32, stored dimension by dimension, against groups of 8 queries stored the same way.
inline constexpr std::size_t kPanelWidth = 32;
inline constexpr std::size_t kGroupSize = 8;

// Keys that are selected from are padded to whole vectors.
inline constexpr std::size_t kKeyPadding = 16;
inline constexpr std::int32_t kPaddingKey = INT32_MIN;

// What one dimension contributes to the approximate value of an item; larger values are better throughout.
enum class ScanOp : std::uint8_t {
    dot,       // + q * x
    manhattan, // - |q - x|
    hamming,   // - (q != x)
};
inline constexpr std::size_t kScanOps = 3;

// An item passes a query's gate unless `value + slope * weight < floor`; NaN passes. `bias` is where its value starts.
// index/bound.hpp chooses these numbers such that no item of the true top k is ever stopped.
struct ItemTerms {
    float bias[kPanelWidth];
    float weight[kPanelWidth];
};

struct Panel {
    const float* values; // [dim][kPanelWidth]
    const ItemTerms* terms;
};

struct QueryGroups {
    const float* values; // [groups][dim][kGroupSize]
    const float* slope;  // [groups * kGroupSize]
    const float* floor;  // [groups * kGroupSize]
    std::size_t groups;
};

// Rows as they lie in the index; kernels see `x * scale - center` (center may be null: zero).
struct RowBlock {
    const float* rows[kPanelWidth]; // all readable; lanes that are not in use repeat another row
    float scale;
    const float* center;
    const ItemTerms* terms;
};

struct StreamedQuery {
    const float* values; // [dim]
    float slope;
    float floor;
};

// A survivor of the scan.
struct Hit {
    std::uint32_t query;
    std::uint32_t lane;
    float value; // bias + the sum of the contributions, in float32
};

// What comes of coding a vector: sums over its dimensions.
struct CodeSums {
    double sum;          // of its codes
    double square;       // |x|^2
    double code_square;  // of its codes
    double error_square; // |x - scale * codes|^2
};

struct KernelTable {
    const char* name;

    // The four sums of a score's definition (annlib/exact.py), in float64 and in its one fixed order.
    double (*dot)(const float* a, const float* b, std::size_t dim) noexcept;
    double (*squared_distance)(const float* a, const float* b, std::size_t dim) noexcept;
    double (*manhattan)(const float* a, const float* b, std::size_t dim) noexcept;
    double (*hamming)(const float* a, const float* b, std::size_t dim) noexcept;

    // Writes a block of rows, transformed, as panel values [dim][kPanelWidth].
    void (*pack)(const RowBlock& block, std::size_t dim, float* values) noexcept;

    // Appends what passes to `hits` (room for groups * kGroupSize * kPanelWidth) and returns how many did. By ScanOp.
    std::size_t (*scan_panel[kScanOps])(const Panel& panel, const QueryGroups& queries, std::size_t dim,
                                        Hit* hits) noexcept;

    // The same for one query and rows that are not packed (room for kPanelWidth hits, `query` 0). By ScanOp.
    std::size_t (*scan_rows[kScanOps])(const RowBlock& block, const StreamedQuery& query, std::size_t dim,
                                       Hit* hits) noexcept;

    // Plain dot products of one query with the first `count` rows of a block; room for kPanelWidth sums.
    void (*dot_rows)(const RowBlock& block, std::size_t count, const float* query, std::size_t dim,
                     float* sums) noexcept;

    // Plain dot products of a panel's items with all queries: products[query][kPanelWidth].
    void (*multiply_panel)(const float* panel, const QueryGroups& queries, std::size_t dim, float* products) noexcept;

    // Of a vector about a unit direction c: p = x.c and o^2 = |x - p c|^2.
    void (*place_about)(const double* x, const float* direction, std::size_t dim, double* p, double* o_square) noexcept;
    double (*largest_magnitude)(const double* x, std::size_t dim) noexcept;
    // Rounds x / scale, which has to be within [-127, 127], to codes.
    CodeSums (*make_code)(const double* x, double scale, double inverse_scale, std::size_t dim,
                          std::int8_t* codes) noexcept;
    // x *= signs, then the Walsh-Hadamard transform, in place; `width` is a power of two.
    void (*transform_signed)(double* x, const double* signs, std::size_t width) noexcept;

    // Appends to `hits` (room for every pair of a query and an item) the products that reach the floor of their query
    // and block, and returns how many did; floors: [blocks][groups * kCodeQueries].
    std::size_t (*scan_codes)(const CodeProducts& codes, const std::int32_t* floors, CodeHit* hits) noexcept;
    // All products: [groups * kCodeQueries][blocks * kBlockItems].
    void (*multiply_codes)(const CodeProducts& codes, std::int32_t* products) noexcept;
    // The largest code of a query whose products add up without overflow.
    int largest_query_code;

    // For `count` queries (a multiple of 8): upper bounds of q.x (quadratic: of q.x - |x|^2 / 2) over a box, and the
    // residuals beta O about its direction. Reads product, norm and product_error.
    void (*bound_box)(const QueryTerms& queries, const Box& box, float beta, bool quadratic, std::size_t count,
                      float* bounds, float* residuals) noexcept;

    // Writes the numbers of those of `count` queries (a multiple of 16) whose bound is not below what they have to
    // reach, and returns how many they are. Room for all.
    std::size_t (*not_below)(const float* bounds, const float* reaches, std::size_t count,
                             std::uint32_t* queries) noexcept;

    // Floors of `count` queries (a multiple of 8) against one block, closed where its box rules it out; returns how
    // many are not.
    std::size_t (*code_floors)(const QueryTerms& queries, const BlockTerms& block, bool quadratic, std::size_t count,
                               std::int32_t* floors) noexcept;

    // What the products of a query with the items of some blocks prove, as keys: integers in the order of the float32
    // that they are the bits of.
    void (*low_keys)(const std::int32_t* products, const LowTerms& terms, std::int32_t* keys) noexcept;
    // The k-th largest of `count` keys, of which k, at least 1, are above kPaddingKey; that fills their array to whole
    // kKeyPadding.
    std::int32_t (*kth_largest)(const std::int32_t* keys, std::size_t count, std::size_t k) noexcept;

    // CRC-32C (Castagnoli) of `size` bytes, continuing `crc` (0 to start).
    std::uint32_t (*crc32c)(std::uint32_t crc, const void* data, std::size_t size) noexcept;
};

const KernelTable& scalar_kernels() noexcept;
const KernelTable* avx2_kernels() noexcept;   // null where it was not compiled or the host lacks it
const KernelTable* avx512_kernels() noexcept; // likewise
const KernelTable* amx_kernels() noexcept;    // likewise

// The tables this host can run, narrowest first.
std::vector<const KernelTable*> available_kernels();

// The table in use: the widest, or what ANNLIB_ISA names. Throws std::invalid_argument where that is unknown or not
// supported by the host.
const KernelTable& kernels();

// Replaces the table in use, for tests and benchmarks; throws like kernels().
void use_kernels(std::string_view name);

} // namespace annlib
