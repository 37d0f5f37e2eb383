// Directed roundings to float32, and its order as integers.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace annlib {

inline float round_down(double x) noexcept {
    const auto rounded = static_cast<float>(x);
    return static_cast<double>(rounded) > x ? std::nextafter(rounded, -std::numeric_limits<float>::infinity())
                                            : rounded;
}

inline float round_up(double x) noexcept {
    const auto rounded = static_cast<float>(x);
    return static_cast<double>(rounded) < x ? std::nextafter(rounded, std::numeric_limits<float>::infinity()) : rounded;
}

// Integers in the order of the floats; both zeros are one.
inline std::int32_t ordered_key(float value) noexcept {
    const auto bits = std::bit_cast<std::int32_t>(value + 0.0F);
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

inline float float_of_key(std::int32_t key) noexcept {
    return std::bit_cast<float>(key ^ ((key >> 31) & 0x7fffffff));
}

} // namespace annlib
