// Baseline instructions of the platform: what every host has.
#include "kernels/table.hpp"

#include <array>

namespace annlib {
namespace {

struct Floats {
    typedef float type __attribute__((vector_size(16)));
    typedef std::int32_t Mask __attribute__((vector_size(16)));
    static constexpr int width = 4;

    static type load(const float* p) {
        type v;
        __builtin_memcpy(&v, p, sizeof v);
        return v;
    }
    static type load_first(const float* p, std::size_t count) {
        float padded[width] = {0.0F};
        __builtin_memcpy(padded, p, count * sizeof(float));
        return load(padded);
    }
    static void store(float* p, type v) { __builtin_memcpy(p, &v, sizeof v); }
    static type broadcast(float x) { return type{x, x, x, x}; }
    static type add(type a, type b) { return a + b; }
    static type subtract(type a, type b) { return a - b; }
    static type multiply(type a, type b) { return a * b; }
    static type multiply_add(type a, type b, type c) { return a * b + c; }
    static type absolute_difference(type a, type b) {
        return reinterpret_cast<type>(reinterpret_cast<Mask>(a - b) & 0x7fffffff);
    }
    static type subtract_one_where_different(type sum, type a, type b) {
        return sum - (a != b ? broadcast(1.0F) : broadcast(0.0F));
    }
    static std::uint32_t not_less(type a, type b) {
        const Mask less = a < b;
        return (less[0] == 0 ? 1U : 0U) | (less[1] == 0 ? 2U : 0U) | (less[2] == 0 ? 4U : 0U) |
               (less[3] == 0 ? 8U : 0U);
    }
    static float sum(type v) { return (v[0] + v[2]) + (v[1] + v[3]); }
};
constexpr int kTileQueries = 2;
constexpr int kTileVectors = 4;

struct Codes {
    typedef std::int32_t type __attribute__((vector_size(16)));
    typedef std::uint32_t Packed __attribute__((vector_size(16)));
    static constexpr int width = 4;

    static type zero() { return type{0, 0, 0, 0}; }
    static type load(const std::uint8_t* p) {
        type v;
        __builtin_memcpy(&v, p, sizeof v);
        return v;
    }
    static type add_products(type sum, type items, std::int32_t query) {
        const auto packed = reinterpret_cast<Packed>(items);
        for (int byte = 0; byte < 4; ++byte) {
            const auto code = static_cast<std::int8_t>(static_cast<std::uint32_t>(query) >> (8 * byte));
            sum += reinterpret_cast<type>((packed >> (8 * byte)) & 0xFF) * static_cast<std::int32_t>(code);
        }
        return sum;
    }
    static std::uint32_t at_least(type sum, std::int32_t floor) {
        return (sum[0] >= floor ? 1U : 0U) | (sum[1] >= floor ? 2U : 0U) | (sum[2] >= floor ? 4U : 0U) |
               (sum[3] >= floor ? 8U : 0U);
    }
    static int count(std::uint32_t mask) { // without an instruction for it
        return static_cast<int>((mask & 1U) + (mask >> 1 & 1U) + (mask >> 2 & 1U) + (mask >> 3));
    }
};
constexpr int kCodeTileQueries = 2;
constexpr int kLargestQueryCode = kLargestCode;

#include "kernels/bodies.inl"

// CRC-32C eight bytes at a time (Kounavis & Berry, 2005).
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_crc_tables() {
    constexpr std::uint32_t reflected_polynomial = 0x82f63b78;
    CrcTables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? reflected_polynomial : 0);
        }
        tables[0][byte] = crc;
    }
    for (std::size_t t = 1; t < 8; ++t) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t previous = tables[t - 1][byte];
            tables[t][byte] = (previous >> 8) ^ tables[0][previous & 0xff];
        }
    }
    return tables;
}

constexpr CrcTables crc_tables = make_crc_tables();

std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept {
    const auto* bytes = static_cast<const unsigned char*>(data);
    crc = ~crc;
    for (; size >= 8; size -= 8, bytes += 8) {
        crc ^= static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8 |
               static_cast<std::uint32_t>(bytes[2]) << 16 | static_cast<std::uint32_t>(bytes[3]) << 24;
        crc = crc_tables[7][crc & 0xff] ^ crc_tables[6][(crc >> 8) & 0xff] ^ crc_tables[5][(crc >> 16) & 0xff] ^
              crc_tables[4][crc >> 24] ^ crc_tables[3][bytes[4]] ^ crc_tables[2][bytes[5]] ^ crc_tables[1][bytes[6]] ^
              crc_tables[0][bytes[7]];
    }
    for (; size > 0; --size, ++bytes) {
        crc = (crc >> 8) ^ crc_tables[0][(crc ^ *bytes) & 0xff];
    }
    return ~crc;
}

constexpr KernelTable table = make_table("scalar", crc32c);

} // namespace

const KernelTable& scalar_kernels() noexcept {
    return table;
}

} // namespace annlib
