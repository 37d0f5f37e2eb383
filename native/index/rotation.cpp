#include "index/rotation.hpp"

#include "kernels/table.hpp"

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
    const KernelTable& table = kernels();
    table.transform_signed(x.data(), first_.data(), width_);
    if (!last_.empty()) { // overlaps with the first: every component has been part of one
        table.transform_signed(x.data() + x.size() - width_, last_.data(), width_);
    }
}

} // namespace annlib
