#include "index/rotation.hpp"

#include <bit>
#include <cmath>
#include <cstdint>

namespace annlib {
namespace {

// SplitMix64 (Steele, Lea & Flood, 2014).
std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

} // namespace

Rotation::Rotation(std::size_t dim) : width_(std::bit_floor(dim)), first_(width_), last_(width_ < dim ? width_ : 0) {
    const double unit = 1.0 / std::sqrt(static_cast<double>(width_));
    std::uint64_t number = 0;
    for (std::vector<double>* signs : {&first_, &last_}) {
        for (double& sign : *signs) {
            sign = (mix(number++) & 1) == 0 ? unit : -unit;
        }
    }
}

void Rotation::apply(std::span<double> x) const noexcept {
    transform(x.first(width_), first_);
    if (!last_.empty()) { // overlaps with the first: every component has been part of one
        transform(x.last(width_), last_);
    }
}

void Rotation::transform(std::span<double> x, std::span<const double> signs) const noexcept {
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] *= signs[i];
    }
    for (std::size_t half = 1; half < x.size(); half *= 2) {
        for (std::size_t begin = 0; begin < x.size(); begin += 2 * half) {
            double* const low = x.data() + begin;
            double* const high = low + half;
            for (std::size_t i = 0; i < half; ++i) {
                const double sum = low[i] + high[i];
                high[i] = low[i] - high[i];
                low[i] = sum;
            }
        }
    }
}

} // namespace annlib
