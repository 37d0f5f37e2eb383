// Vectors as the coded search sees them: scaled such that no item is longer than 1, moved or normalized as the metric
// asks, so that for all three metrics an item's goodness is a dot product (euclidean: less half the item's square).
#pragma once

#include "index/metric.hpp"

#include <cstddef>

namespace annlib {

struct Frame {
    Metric metric;
    std::size_t dim;
    double scale;        // a power of two
    const float* center; // as stored, unscaled; null where the metric does not centre

    // Writes `x` in the frame, in float64; `norm` is its stored norm, not zero for cosine.
    void place(const float* x, double norm, double* placed) const noexcept {
        const double factor = metric == Metric::cosine ? 1.0 / norm : scale;
        for (std::size_t i = 0; i < dim; ++i) {
            const double moved = static_cast<double>(x[i]) - (center == nullptr ? 0.0 : static_cast<double>(center[i]));
            placed[i] = moved * factor;
        }
    }
};

} // namespace annlib
