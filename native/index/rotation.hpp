// A fixed rotation that spreads what a vector holds over all its dimensions.
//
// Codes have one step for all dimensions of a vector: a single large component would make it coarse for the others.
// Random signs and a fast Walsh-Hadamard transform (Ailon & Chazelle, The fast Johnson-Lindenstrauss transform, 2009)
// leave dot products as they are and make components of like size, whatever they were.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace annlib {

class Rotation {
  public:
    explicit Rotation(std::size_t dim);

    // Rotates x, of `dim` components, in place; to within 2^-45 of |x|.
    void apply(std::span<double> x) const noexcept;

  private:
    std::size_t width_;         // the largest power of two that is at most dim
    std::vector<double> first_; // +-1 / sqrt(width)
    std::vector<double> last_;  // the same for the last components, where dim is no power of two
};

} // namespace annlib
