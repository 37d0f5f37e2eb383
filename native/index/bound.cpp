#include "index/bound.hpp"

#include "index/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace annlib {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kFloatUnit = 0x1p-24;   // half an ulp of 1
constexpr double kFloatRange = 0x1p+128; // where float32 would continue after its largest number
// Above anything that underflow can take from a sum of 65535 terms, none above 1.
constexpr double kUnderflow = 0x1p-120;
// Scaled queries may be this much larger than the items before float32 sums could overflow.
constexpr double kLargestScaledQuery = 0x1p+45;

// The exponent that brings a magnitude to [1/2, 1); limited to what a float32 scale can express.
int exponent_of(double magnitude) noexcept {
    constexpr int smallest = -100;
    constexpr int largest = 140;
    if (!std::isfinite(magnitude) || magnitude <= 0.0) {
        return 0;
    }
    int exponent = 0;
    std::frexp(magnitude, &exponent);
    return std::clamp(exponent, smallest, largest);
}

// Roundings on the way to a value: d products and additions, and fewer than 30 in the vectors' own scaling, in the
// terms of the gate and in the float64 definition itself. The factor covers n u / (1 - n u) up to 65535 dimensions.
double error_of(std::size_t dim) noexcept {
    return 1.02 * static_cast<double>(dim + 32) * kFloatUnit;
}

Interval everything() noexcept {
    return {-kInfinity, kInfinity};
}

Interval ordered(double low, double high) noexcept {
    return low <= high ? Interval{static_cast<float>(low), static_cast<float>(high)} : everything(); // NaN too
}

} // namespace

ScanFrame ScanFrame::make(Metric metric, std::size_t dim, double magnitude, std::span<const float> center) {
    ScanFrame frame{.metric = metric, .dim = dim, .unit = 1.0, .scale = 1.0, .center = {}};
    if (metric != Metric::hamming) { // components are compared as they are
        const int exponent = exponent_of(magnitude);
        frame.unit = std::ldexp(1.0, exponent);
        frame.scale = std::ldexp(1.0, -exponent);
    }
    for (const float component : center) {
        frame.center.push_back(static_cast<float>(component * frame.scale));
    }
    return frame;
}

void ScanFrame::set_terms(ItemTerms& terms, const double* item_norms, std::size_t count) const noexcept {
    constexpr double up = 1.0 + 0x1p-22; // more than rounding to float32 can take away
    switch (metric) {
    case Metric::inner_product:
        for (std::size_t lane = 0; lane < count; ++lane) {
            terms.bias[lane] = 0.0F;
            terms.weight[lane] = static_cast<float>(item_norms[lane] * scale * up);
        }
        break;
    case Metric::cosine:
        for (std::size_t lane = 0; lane < count; ++lane) {
            terms.bias[lane] = item_norms[lane] == 0.0 ? -kInfinity : 0.0F;
            terms.weight[lane] = static_cast<float>(item_norms[lane] * scale);
        }
        break;
    case Metric::euclidean:
        for (std::size_t lane = 0; lane < count; ++lane) {
            const double norm = item_norms[lane] * scale;
            terms.bias[lane] = static_cast<float>(-0.5 * norm * norm);
            terms.weight[lane] = static_cast<float>(norm * norm * up);
        }
        break;
    case Metric::manhattan:
    case Metric::hamming:
        std::fill_n(terms.bias, count, 0.0F);
        std::fill_n(terms.weight, count, 0.0F);
        break;
    }
    std::fill(terms.bias + count, terms.bias + kPanelWidth, -kInfinity);
    std::fill(terms.weight + count, terms.weight + kPanelWidth, 0.0F);
}

double rounding_boundary_above(float goodness) noexcept {
    if (goodness == kInfinity) {
        return std::numeric_limits<double>::infinity();
    }
    const float next = std::nextafter(goodness, kInfinity);
    const double below = goodness == -kInfinity ? -kFloatRange : static_cast<double>(goodness);
    const double above = next == kInfinity ? kFloatRange : static_cast<double>(next);
    return (below + above) / 2.0; // exact
}

QueryBound::QueryBound(const ScanFrame& frame, const float* query, double query_norm, float* scanned) noexcept
    : metric_(frame.metric), error_(error_of(frame.dim)), item_scale_(frame.scale) {
    // Products allow the query a scale of its own; differences need that of the items.
    const bool own_scale = metric_ == Metric::inner_product || metric_ == Metric::cosine;
    const int exponent = own_scale ? exponent_of(query_norm) : 0;
    const double scale = own_scale ? std::ldexp(1.0, -exponent) : frame.scale;
    double squares = 0.0;
    double sum = 0.0;
    for (std::size_t i = 0; i < frame.dim; ++i) {
        auto component = static_cast<float>(query[i] * scale);
        if (!frame.center.empty()) {
            component -= frame.center[i];
        }
        scanned[i] = component;
        squares += static_cast<double>(component) * component;
        sum += std::abs(static_cast<double>(component));
    }
    norm_ = std::sqrt(squares);
    score_unit_ = frame.unit * std::ldexp(1.0, exponent);
    bounded_ = metric_ == Metric::hamming || (std::isfinite(query_norm) && sum <= kLargestScaledQuery);
}

Gate QueryBound::open_gate() noexcept {
    return {.slope = 0.0F, .floor = -kInfinity};
}

Gate QueryBound::gate(float threshold) const noexcept {
    if (!bounded_ || std::isnan(threshold)) {
        return open_gate();
    }
    const double boundary = rounding_boundary_above(threshold);
    switch (metric_) {
    case Metric::inner_product:
        if (norm_ == 0.0) { // every score is zero, exactly
            return {.slope = 0.0F, .floor = boundary > 0.0 ? kInfinity : -kInfinity};
        }
        return {.slope = round_up(error_ * norm_), .floor = round_down(boundary / score_unit_ - kUnderflow)};
    case Metric::cosine: // value / (|q| |x|) + error >= boundary, multiplied out
        if (boundary > 2.0) {
            return {.slope = 0.0F, .floor = kInfinity};
        }
        return {.slope = round_up(norm_ * (error_ - std::max(boundary, -2.0))), .floor = round_down(-kUnderflow)};
    case Metric::euclidean: { // |q|^2 - 2 value - 2 error (|q|^2 + |x|^2) <= radius^2
        if (boundary > 0.0) {
            return {.slope = 0.0F, .floor = kInfinity};
        }
        const double radius = boundary / score_unit_;
        const double reach = radius * radius * (1.0 + 0x1p-50);
        return {.slope = round_up(error_),
                .floor = round_down(0.5 * (norm_ * norm_ - reach) - error_ * norm_ * norm_ - kUnderflow)};
    }
    case Metric::manhattan: // all terms have one sign: the error is relative to the sum itself
        if (boundary > 0.0) {
            return {.slope = 0.0F, .floor = kInfinity};
        }
        return {.slope = 0.0F, .floor = round_down((boundary / score_unit_ - kUnderflow) * (1.0 + 2.0 * error_))};
    case Metric::hamming: // exact integers
        return {.slope = 0.0F, .floor = threshold + 0.5F};
    }
    return open_gate();
}

Interval QueryBound::interval(float value, double item_norm) const noexcept {
    if (!bounded_) {
        return everything();
    }
    const auto sum = static_cast<double>(value);
    const double norm = item_norm * item_scale_;
    switch (metric_) {
    case Metric::inner_product: {
        const double error = norm_ == 0.0 ? 0.0 : error_ * norm_ * norm + kUnderflow;
        return ordered((sum - error) * score_unit_, (sum + error) * score_unit_);
    }
    case Metric::cosine: {
        const double product = norm_ * norm;
        const double error = error_ * product + kUnderflow;
        return ordered((sum - error) / product, (sum + error) / product);
    }
    case Metric::euclidean: {
        const double square = norm_ * norm_ - 2.0 * sum;
        const double error = 2.0 * (error_ * (norm_ * norm_ + norm * norm) + kUnderflow);
        const double far = std::sqrt(std::max(0.0, square + error));
        const double near = std::sqrt(std::max(0.0, square - error));
        return ordered(-far * score_unit_, -near * score_unit_);
    }
    case Metric::manhattan: {
        const double far = -sum * (1.0 + error_) + kUnderflow;
        const double near = std::max(0.0, -sum * (1.0 - error_) - kUnderflow);
        return ordered(-far * score_unit_, -near * score_unit_);
    }
    case Metric::hamming:
        return ordered(sum, sum);
    }
    return everything();
}

} // namespace annlib
