// What share of the bound's uncertain part a search may leave out for a recall below 1.
//
// An item lies within P p + beta O o for beta = 1, with certainty (codes.hpp). But residuals of unrelated vectors are
// nearly orthogonal: most items lie within far less. For a sample of queries whose true neighbours are known, the
// smallest beta that would have kept each neighbour is computed; a recall is then a quantile of those, for each k.
#pragma once

#include "parallel/parallel.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace annlib {

class Index;

inline constexpr std::array<std::uint32_t, 5> kCalibratedK{1, 10, 20, 50, 100};
inline constexpr std::array<float, 10> kCalibratedRecalls{0.5F,  0.6F,  0.7F,  0.8F,   0.9F,
                                                          0.95F, 0.98F, 0.99F, 0.995F, 0.999F};

enum class QuerySource : std::uint32_t {
    items = 0,   // rows of the index, themselves left out
    queries = 1, // given when the index was built
};

// As it is stored.
struct CalibrationTable {
    QuerySource source;
    std::uint32_t queries; // that it was measured on
    float beta[kCalibratedK.size()][kCalibratedRecalls.size()];
};

// Measures an index that has codes, on 512 to 2,048 evenly spread rows of its own or of `queries` ([count][dim]). The
// same on any number of threads. Of no use once cancelled.
CalibrationTable calibrate_on_items(const Index& index, std::size_t threads, Cancellation& cancellation);
CalibrationTable calibrate_on_queries(const Index& index, std::span<const float> queries, std::size_t threads,
                                      Cancellation& cancellation);

// The beta for a recall up to 1 and k: that of the next calibrated values above. 1, which is exact, where there are
// none.
float beta_for(std::span<const CalibrationTable> tables, QuerySource source, double recall, std::size_t k) noexcept;

} // namespace annlib
