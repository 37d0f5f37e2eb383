#include "index/coded_query.hpp"

#include "index/bound.hpp"
#include "index/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace annlib {
namespace {

// Beyond these, products with items could leave float32; such queries are compared with everything.
constexpr double kLargestNorm = 0x1p+40;
constexpr double kSmallestScale = 0x1p-60;

} // namespace

bool CodedQuery::place(const Frame& frame, const float* query, double norm, float* placed,
                       std::span<double> scratch) noexcept {
    metric_ = frame.metric;
    dim_ = frame.dim;
    item_scale_ = frame.scale;
    int exponent = 0;
    if (metric_ == Metric::euclidean) {
        frame.place(query, 1.0, scratch.data());
        score_unit_ = 1.0 / frame.scale;
    } else {
        if (norm > 0.0 && std::isfinite(norm)) {
            std::frexp(norm, &exponent);
        }
        const double factor = metric_ == Metric::cosine && norm > 0.0 ? 1.0 / norm : std::ldexp(1.0, -exponent);
        for (std::size_t i = 0; i < dim_; ++i) {
            scratch[i] = static_cast<double>(query[i]) * factor;
        }
        score_unit_ = metric_ == Metric::cosine ? 1.0 : std::ldexp(1.0, exponent) / frame.scale;
    }
    double square = 0.0;
    for (std::size_t i = 0; i < dim_; ++i) {
        square += scratch[i] * scratch[i];
        placed[i * kPanelWidth] = static_cast<float>(scratch[i]);
    }
    norm_ = std::sqrt(square);
    bounded_ = norm_ <= kLargestNorm; // false for NaN
    return metric_ != Metric::cosine || norm > 0.0;
}

void CodedQuery::code(const Coding& coding, std::int8_t* codes, std::span<double> scratch) noexcept {
    coding.rotation->apply(scratch);
    const KernelTable& kernel = kernels();
    const double largest = kernel.largest_magnitude(scratch.data(), dim_);
    scale_ = std::max(largest / coding.largest_code, kSmallestScale);
    if (!bounded_) {
        std::fill(scratch.begin(), scratch.end(), 0.0); // nothing is claimed of it, whatever its codes are
    }
    const CodeSums sums = kernel.make_code(scratch.data(), scale_, 1.0 / scale_, dim_, codes);
    error_share_ = coding.error_share;
    length_ = norm_ / scale_ * error_share_;
    error_ = static_cast<double>(round_up(std::sqrt(sums.error_square) / scale_ * error_share_ * (1.0 + 0x1p-40)));
    offset_ = kCodeOffset * sums.sum;
}

double CodedQuery::floor(float threshold) const noexcept {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (!bounded_ || !(threshold > -infinity)) {
        return -std::numeric_limits<double>::infinity();
    }
    const double boundary = rounding_boundary_above(std::nextafter(threshold, -infinity)) / score_unit_;
    if (metric_ == Metric::euclidean) {
        const double radius = std::max(0.0, -boundary) * (1.0 + kDefinitionError);
        return 0.5 * (norm_ * norm_ - radius * radius) - (norm_ + 1.0) * (norm_ + 1.0) * kDefinitionError;
    }
    return boundary - norm_ * kDefinitionError - std::numeric_limits<double>::min();
}

float CodedQuery::goodness(double value) const noexcept {
    if (metric_ == Metric::euclidean) {
        const double square = norm_ * norm_ - 2.0 * value + (norm_ + 1.0) * (norm_ + 1.0) * kDefinitionError;
        return static_cast<float>(-std::sqrt(std::max(0.0, square)) * score_unit_);
    }
    return static_cast<float>((value - (norm_ + 1.0) * kDefinitionError) * score_unit_);
}

} // namespace annlib
