// AVX-512 F, BW, DQ, VL and VNNI: server processors since Cascade Lake (2019) and Zen 4 (2022).
#include "kernels/table.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,sse4.2")

namespace annlib {
namespace {

struct Floats {
    using type = __m512;
    static constexpr int width = 16;

    static type load(const float* p) { return _mm512_loadu_ps(p); }
    static type load_first(const float* p, std::size_t count) {
        return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1), p);
    }
    static void store(float* p, type v) { _mm512_storeu_ps(p, v); }
    static type broadcast(float x) { return _mm512_set1_ps(x); }
    static type add(type a, type b) { return _mm512_add_ps(a, b); }
    static type subtract(type a, type b) { return _mm512_sub_ps(a, b); }
    static type multiply(type a, type b) { return _mm512_mul_ps(a, b); }
    static type multiply_add(type a, type b, type c) { return _mm512_fmadd_ps(a, b, c); }
    static type absolute_difference(type a, type b) { return _mm512_abs_ps(_mm512_sub_ps(a, b)); }
    static type subtract_one_where_different(type sum, type a, type b) {
        return _mm512_mask_sub_ps(sum, _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ), sum, _mm512_set1_ps(1.0F));
    }
    static std::uint32_t not_less(type a, type b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ); }
    static float sum(type v) { return _mm512_reduce_add_ps(v); }
};
constexpr int kTileQueries = 8;
constexpr int kTileVectors = 2;

struct Codes {
    using type = __m512i;
    static constexpr int width = 16;

    static type zero() { return _mm512_setzero_si512(); }
    static type load(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
    static type add_products(type sum, type items, std::int32_t query) {
        return _mm512_dpbusd_epi32(sum, items, _mm512_set1_epi32(query));
    }
    static std::uint32_t at_least(type sum, std::int32_t floor) {
        return _mm512_cmpge_epi32_mask(sum, _mm512_set1_epi32(floor));
    }
    static int count(std::uint32_t mask) { return __builtin_popcount(mask); }
};
constexpr int kCodeTileQueries = 8;
constexpr int kLargestQueryCode = kLargestCode;

#include "kernels/bodies.inl"
#include "kernels/crc32c_sse42.inl"

constexpr KernelTable table = make_table("avx512", crc32c);

} // namespace
} // namespace annlib

#pragma GCC pop_options

namespace annlib {

const KernelTable* avx512_kernels() noexcept {
    const bool supported = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx2") &&
                           __builtin_cpu_supports("fma") && __builtin_cpu_supports("sse4.2");
    return supported ? &table : nullptr;
}

} // namespace annlib

#else

const annlib::KernelTable* annlib::avx512_kernels() noexcept {
    return nullptr;
}

#endif
