// AVX2 and FMA.
#include "kernels/table.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx2,fma,sse4.2")

namespace annlib {
namespace {

struct Floats {
    using type = __m256;
    static constexpr int width = 8;

    static type load(const float* p) { return _mm256_loadu_ps(p); }
    static type load_first(const float* p, std::size_t count) {
        float padded[width] = {0.0F};
        __builtin_memcpy(padded, p, count * sizeof(float));
        return load(padded);
    }
    static void store(float* p, type v) { _mm256_storeu_ps(p, v); }
    static type broadcast(float x) { return _mm256_set1_ps(x); }
    static type add(type a, type b) { return _mm256_add_ps(a, b); }
    static type subtract(type a, type b) { return _mm256_sub_ps(a, b); }
    static type multiply(type a, type b) { return _mm256_mul_ps(a, b); }
    static type multiply_add(type a, type b, type c) { return _mm256_fmadd_ps(a, b, c); }
    static type absolute_difference(type a, type b) {
        return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), _mm256_sub_ps(a, b));
    }
    static type subtract_one_where_different(type sum, type a, type b) {
        return _mm256_sub_ps(sum, _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_NEQ_UQ), _mm256_set1_ps(1.0F)));
    }
    static std::uint32_t not_less(type a, type b) {
        return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ)));
    }
    static float sum(type v) {
        const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
        const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
    }
};
constexpr int kTileQueries = 4;
constexpr int kTileVectors = 2;

struct Codes {
    using type = __m256i;
    static constexpr int width = 8;

    static type zero() { return _mm256_setzero_si256(); }
    static type load(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static type add_products(type sum, type items, std::int32_t query) {
        const __m256i pairs = _mm256_maddubs_epi16(items, _mm256_set1_epi32(query));
        return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
    static std::uint32_t at_least(type sum, std::int32_t floor) {
        const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(floor), sum);
        return static_cast<std::uint32_t>(~_mm256_movemask_ps(_mm256_castsi256_ps(below)) & 0xFF);
    }
    static int count(std::uint32_t mask) { return __builtin_popcount(mask); }
};
constexpr int kCodeTileQueries = 4;
constexpr int kLargestQueryCode = 63; // two products of 255 * 63 fit 16 bits: VPMADDUBSW saturates

#include "kernels/bodies.inl"
#include "kernels/crc32c_sse42.inl"

constexpr KernelTable table = make_table("avx2", crc32c);

} // namespace
} // namespace annlib

#pragma GCC pop_options

namespace annlib {

const KernelTable* avx2_kernels() noexcept {
    const bool supported =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("sse4.2");
    return supported ? &table : nullptr;
}

} // namespace annlib

#else

const annlib::KernelTable* annlib::avx2_kernels() noexcept {
    return nullptr;
}

#endif
