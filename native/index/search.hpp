// Exact search: the k best rows of each query, by the definition of a score.
//
// Where the index has codes, they are pruned and scanned (coded_search.hpp). Otherwise, and among listed rows, items
// are scanned in float32 (kernels), what the bound cannot rule out becomes a candidate (Collector), and the finalists
// are scored in float64. The result depends on nothing but the index and the query: not on the number of threads, the
// instruction set, or the other queries of the call.
#pragma once

#include "index/index.hpp"
#include "parallel/parallel.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

namespace annlib {

// For each query, rows that it must not return: those of query i lie in rows[offsets[i]] to rows[offsets[i + 1]],
// ascending.
struct Exclusions {
    std::span<const std::int64_t> offsets;
    std::span<const std::int64_t> rows;

    std::span<const std::int64_t> of(std::size_t query) const noexcept {
        return rows.subspan(static_cast<std::size_t>(offsets[query]),
                            static_cast<std::size_t>(offsets[query + 1] - offsets[query]));
    }
    bool contains(std::size_t query, std::int64_t row) const noexcept {
        const std::span<const std::int64_t> listed = of(query);
        return std::binary_search(listed.begin(), listed.end(), row);
    }
};

struct SearchRequest {
    const float* queries; // [query_count][dim], finite
    std::size_t query_count;
    std::size_t k;
    std::span<const std::int64_t> own_rows;               // empty, or for each query a row to leave out
    std::optional<Exclusions> excluded;                   // checked only for candidates
    std::optional<std::span<const std::int64_t>> allowed; // rows to search, ascending; all where absent
    std::size_t threads;                                  // 0: all cores
    float beta = 1.0F;                                    // 1: exact; less: see BoundTerms
};

// What a search did, for those who measure it: pairs of a query and an item ...
struct SearchStats {
    std::uint64_t scanned = 0;    // whose product was approximated
    std::uint64_t contenders = 0; // that this did not rule out
    std::uint64_t scored = 0;     // that were scored by the definition

    void add(const SearchStats& other) noexcept {
        scanned += other.scanned;
        contenders += other.contenders;
        scored += other.scored;
    }
};

// Writes [query_count][k] rows and scores, best first, padded with -1 and NaN. Incomplete once cancelled.
SearchStats search(const Index& index, const SearchRequest& request, Cancellation& cancellation, std::int64_t* rows,
                   float* scores);

} // namespace annlib
