// The five metrics, and what a score is.
#pragma once

#include "kernels/table.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace annlib {

// The numbers are those of the index file.
enum class Metric : std::uint32_t { inner_product = 1, cosine = 2, euclidean = 3, manhattan = 4, hamming = 5 };

std::string_view metric_name(Metric metric) noexcept;
std::optional<Metric> metric_of_number(std::uint32_t number) noexcept;
std::optional<Metric> metric_of_name(std::string_view name) noexcept;

ScanOp scan_op(Metric metric) noexcept;

constexpr bool is_distance(Metric metric) noexcept {
    return metric == Metric::euclidean || metric == Metric::manhattan || metric == Metric::hamming;
}

// Whether the index stores a norm for each vector.
constexpr bool has_norms(Metric metric) noexcept {
    return metric == Metric::inner_product || metric == Metric::cosine || metric == Metric::euclidean;
}

// Inside the search everything is a goodness: the score where higher is better, the distance negated where lower is.
// Both conversions are exact, and give a distance of zero its positive sign.
constexpr float goodness_of_score(Metric metric, float score) noexcept {
    return is_distance(metric) ? -score : score;
}
constexpr float score_of_goodness(Metric metric, float goodness) noexcept {
    return is_distance(metric) ? 0.0F - goodness : goodness;
}

// A score by its definition (annlib/exact.py): float64 sums in one fixed order, rounded once to float32.
// The norms matter for cosine alone; they must not be zero.
float defined_score(Metric metric, const KernelTable& kernels, const float* query, double query_norm, const float* item,
                    double item_norm, std::size_t dim) noexcept;

// sqrt(x . x) by the same sum.
double defined_norm(const KernelTable& kernels, const float* vector, std::size_t dim) noexcept;

} // namespace annlib
