// What a float32 value of the scan proves about a score.
//
// The scan sees vectors moved and scaled by a power of two (no overflow, whatever the norms) and adds d products in
// float32 in whatever order suits the hardware. By the standard analysis (Higham, Accuracy and Stability of Numerical
// Algorithms, 2002, section 3.1) its sum is within gamma * sum |q_i x_i| of the exact one, gamma = n u / (1 - n u) with
// u = 2^-24 and n roundings, and sum |q_i x_i| <= |q| |x|. So each value gives an interval that holds the score; an
// item is dropped only where the whole interval, rounded as scores are, is no better than what the query already has.
#pragma once

#include "index/metric.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace annlib {

// How an index's vectors are seen by the scan: (x - center) * 2^-exponent, such that no norm is far above 1.
struct ScanFrame {
    Metric metric;
    std::size_t dim;
    double unit;               // 2^exponent
    double scale;              // 2^-exponent, which float32 can hold
    std::vector<float> center; // scaled; empty where the metric does not centre

    static ScanFrame make(Metric metric, std::size_t dim, double magnitude, std::span<const float> center);
    const float* center_or_null() const noexcept { return center.empty() ? nullptr : center.data(); }

    // Fills the first `count` lanes for items with these norms (as stored; ignored for metrics without). The other
    // lanes hold no item: none of their values passes but NaN, or where everything passes.
    void set_terms(ItemTerms& terms, const double* item_norms, std::size_t count) const noexcept;
};

// The gate of the scan kernels: an item passes unless `value + slope * weight < floor`.
struct Gate {
    float slope;
    float floor;
};

// Bounds of a goodness, as rounded to float32.
struct Interval {
    float low;
    float high;
};

// The smallest float64 goodness that may round to a float32 above `goodness`.
double rounding_boundary_above(float goodness) noexcept;

class QueryBound {
  public:
    QueryBound() = default;

    // Writes the query as the scan sees it to `scanned` (dim floats). `query_norm` is its norm by the definition.
    QueryBound(const ScanFrame& frame, const float* query, double query_norm, float* scanned) noexcept;

    // The gate that stops only items whose goodness is at most `threshold`.
    Gate gate(float threshold) const noexcept;
    // The gate that stops nothing.
    static Gate open_gate() noexcept;

    // What a value of the scan proves of the goodness of an item with this norm.
    Interval interval(float value, double item_norm) const noexcept;

  private:
    Metric metric_ = Metric::inner_product;
    bool bounded_ = false; // false: extreme magnitudes, nothing is claimed and everything is scored by definition
    double error_ = 0.0;   // gamma, with room for the roundings around the sum
    double norm_ = 0.0;    // of the query as the scan sees it
    double item_scale_ = 1.0;
    double score_unit_ = 1.0; // a power of two: goodness = value * score_unit
};

} // namespace annlib
