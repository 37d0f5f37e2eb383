// A query as the coded search sees it: placed in the index's frame, coded, and the floor it holds items against.
#pragma once

#include "index/bound.hpp"
#include "index/frame.hpp"
#include "index/rotation.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

namespace annlib {

class CodedQuery {
  public:
    // How queries are coded.
    struct Coding {
        const Rotation* rotation;
        int largest_code;
        double error_share = 1.0; // of the errors of codes to allow for: all of them, or a guess (codes.hpp)
    };

    // Where the parts of a query go: `codes` takes the coded dimensions, `placed` those of the index (as float32, in
    // panels of queries: component i at placed[i * kPanelWidth]).
    struct Target {
        std::int8_t* codes;
        float* placed;
    };

    CodedQuery() = default;
    // `norm` is the query's, by the definition. False where the query has no neighbours at all.
    bool load(const Frame& frame, const float* query, double norm, const Coding& coding, const Target& target,
              std::span<double> scratch) noexcept {
        const bool has_neighbors = place(frame, query, norm, target.placed, scratch);
        code(coding, target.codes, scratch);
        return has_neighbors;
    }

    // The two halves of it: first the place, which stays in `scratch`, then the codes of what is there.
    bool place(const Frame& frame, const float* query, double norm, float* placed, std::span<double> scratch) noexcept;
    void code(const Coding& coding, std::int8_t* codes, std::span<double> scratch) noexcept;

    // What q.x (euclidean: q.x - |x|^2 / 2), in the frame, has to reach for a goodness that rounds to `threshold` or
    // above. Minus infinity where nothing can be said.
    double floor(float threshold) const noexcept;

    // What the dot product of codes with an item of a block proves: an interval that holds its goodness as rounded.
    // Where only a share of the errors is allowed for, its upper end is a guess; its lower end never is.
    Interval interval(std::int32_t dot, const BlockTerms& block, double item_norm) const noexcept;

    // The goodness, as rounded, of whatever reaches a value in the frame: of q.x (euclidean: q.x - |x|^2 / 2).
    float goodness(double value) const noexcept;

    // Whether its products with items stay far inside float32; otherwise nothing is claimed of it.
    bool bounded() const noexcept { return bounded_; }

    // |q| in the frame, and what the kernels take of the codes (QueryTerms).
    double norm() const noexcept { return norm_; }
    double scale() const noexcept { return scale_; }
    float length() const noexcept { return static_cast<float>(length_ * (1.0 + 0x1p-23)); }
    float error() const noexcept { return static_cast<float>(error_); }
    float offset() const noexcept { return static_cast<float>(offset_); }

    // What the errors of codes can take from, or add to, a product with an item of a block, in units of both scales.
    double code_errors(const BlockTerms& block) const noexcept { return guessed_errors(block) / error_share_; }

  private:
    // Of them, the share that is allowed for.
    double guessed_errors(const BlockTerms& block) const noexcept {
        return error_ * static_cast<double>(block.norm) + length_ * static_cast<double>(block.error);
    }

    // Roundings of the definition's own float64 sums, relative to |q| |x|, for up to 65535 dimensions.
    static constexpr double kDefinitionError = 0x1p-35;

    Metric metric_ = Metric::inner_product;
    bool bounded_ = false;
    std::size_t dim_ = 0;
    double norm_ = 0.0;
    double item_scale_ = 1.0; // norm in the frame = stored norm * item_scale
    double score_unit_ = 1.0; // goodness = value in the frame * score_unit
    double scale_ = 1.0;
    double error_share_ = 1.0;
    double length_ = 0.0; // of QueryTerms, by this share; likewise ...
    double error_ = 0.0;
    double offset_ = 0.0;
};

inline Interval CodedQuery::interval(std::int32_t dot, const BlockTerms& block, double item_norm) const noexcept {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (!bounded_) {
        return {-infinity, infinity};
    }
    const double unit = scale_ * static_cast<double>(block.scale);
    const double value = (static_cast<double>(dot) - offset_) * unit;
    const double error = code_errors(block) * unit + (norm_ + 1.0) * kDefinitionError;
    const double guess = guessed_errors(block) * unit + (norm_ + 1.0) * kDefinitionError;
    double low = (value - error) * score_unit_;
    double high = (value + guess) * score_unit_;
    if (metric_ == Metric::euclidean) {
        const double norm = item_norm * item_scale_;
        const double square = norm_ * norm_ + norm * norm - 2.0 * value;
        const double slack = (norm_ + 1.0) * (norm_ + 1.0) * kDefinitionError;
        low = -std::sqrt(std::max(0.0, square + 2.0 * error + slack)) * score_unit_;
        high = -std::sqrt(std::max(0.0, square - 2.0 * guess - slack)) * score_unit_;
    }
    return {static_cast<float>(low), static_cast<float>(high)};
}

} // namespace annlib
