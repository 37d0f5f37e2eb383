#include "storage/word_records.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

namespace annlib {
namespace {

static_assert(std::endian::native == std::endian::little);

// Copies a vector that lies at any address; returns the largest of its magnitudes' bits, which order as they do.
std::uint32_t copy_vector(const char* from, std::size_t dim, float* to) noexcept {
    std::memcpy(to, from, dim * sizeof(float));
    std::uint32_t largest = 0;
    for (std::size_t i = 0; i < dim; ++i) {
        const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(to[i]) & 0x7fffffff;
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

} // namespace

WordRecords take_word_records(std::span<const char> bytes, std::size_t dim, std::size_t most, char* words,
                              float* vectors) noexcept {
    constexpr std::uint32_t infinity = 0x7f800000;
    const std::size_t vector_bytes = dim * sizeof(float);
    WordRecords taken;
    while (taken.count < most && taken.used < bytes.size()) {
        const char* const word = bytes.data() + taken.used;
        const std::size_t left = bytes.size() - taken.used;
        const auto* const space = static_cast<const char*>(std::memchr(word, ' ', left));
        if (space == nullptr) {
            break;
        }
        const std::size_t length = static_cast<std::size_t>(space - word) + 1;
        if (left - length < vector_bytes) {
            break;
        }
        std::memcpy(words + taken.word_bytes, word, length);
        taken.finite &= copy_vector(space + 1, dim, vectors + taken.count * dim) < infinity;
        taken.word_bytes += length;
        taken.used += length + vector_bytes;
        ++taken.count;
    }
    return taken;
}

} // namespace annlib
