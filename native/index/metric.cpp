#include "index/metric.hpp"

#include <array>
#include <cmath>

namespace annlib {
namespace {

struct Named {
    Metric metric;
    std::string_view name;
};

constexpr std::array<Named, 5> metrics{{
    {Metric::inner_product, "inner_product"},
    {Metric::cosine, "cosine"},
    {Metric::euclidean, "euclidean"},
    {Metric::manhattan, "manhattan"},
    {Metric::hamming, "hamming"},
}};

} // namespace

std::string_view metric_name(Metric metric) noexcept {
    for (const Named& named : metrics) {
        if (named.metric == metric) {
            return named.name;
        }
    }
    return "unknown";
}

std::optional<Metric> metric_of_number(std::uint32_t number) noexcept {
    for (const Named& named : metrics) {
        if (static_cast<std::uint32_t>(named.metric) == number) {
            return named.metric;
        }
    }
    return std::nullopt;
}

std::optional<Metric> metric_of_name(std::string_view name) noexcept {
    for (const Named& named : metrics) {
        if (named.name == name) {
            return named.metric;
        }
    }
    return std::nullopt;
}

ScanOp scan_op(Metric metric) noexcept {
    switch (metric) {
    case Metric::manhattan:
        return ScanOp::manhattan;
    case Metric::hamming:
        return ScanOp::hamming;
    default:
        return ScanOp::dot;
    }
}

float defined_score(Metric metric, const KernelTable& kernels, const float* query, double query_norm, const float* item,
                    double item_norm, std::size_t dim) noexcept {
    switch (metric) {
    case Metric::inner_product:
        return static_cast<float>(kernels.dot(query, item, dim));
    case Metric::cosine:
        return static_cast<float>(kernels.dot(query, item, dim) / (query_norm * item_norm));
    case Metric::euclidean:
        return static_cast<float>(std::sqrt(kernels.squared_distance(query, item, dim)));
    case Metric::manhattan:
        return static_cast<float>(kernels.manhattan(query, item, dim));
    case Metric::hamming:
        return static_cast<float>(kernels.hamming(query, item, dim));
    }
    return std::nanf("");
}

double defined_norm(const KernelTable& kernels, const float* vector, std::size_t dim) noexcept {
    return std::sqrt(kernels.dot(vector, vector, dim));
}

} // namespace annlib
