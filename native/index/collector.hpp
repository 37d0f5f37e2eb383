// The candidates of one query: a bounded buffer that is compacted when full, raising the query's threshold.
#pragma once

#include "index/bound.hpp"

#include <cstdint>
#include <span>

namespace annlib {

// A row whose goodness, rounded to float32, lies in [low, high]; the two are equal once it is known.
struct Candidate {
    float low;
    float high;
    std::int64_t row;
};

// Scores rows of one index by the definition.
struct Scorer {
    Metric metric;
    std::size_t dim;
    const KernelTable* kernels;
    const float* vectors;
    const double* norms; // null for metrics without

    double norm(std::int64_t row) const noexcept { return norms == nullptr ? 0.0 : norms[row]; }
    // Rows are scored in no order that the hardware could foresee; after their start, it does.
    void prefetch(std::int64_t row) const noexcept {
        constexpr std::size_t line = 64 / sizeof(float);
        constexpr std::size_t start = 1024 / sizeof(float);
        const float* item = vectors + static_cast<std::size_t>(row) * dim;
        for (std::size_t i = 0; i < dim && i < start; i += line) {
            __builtin_prefetch(item + i);
        }
    }
    float goodness(const float* query, double query_norm, std::int64_t row) const noexcept {
        const float* item = vectors + static_cast<std::size_t>(row) * dim;
        return goodness_of_score(metric, defined_score(metric, *kernels, query, query_norm, item, norm(row), dim));
    }
};

// Collects the best k of rows offered in ascending order; ties go to the lower row.
class Collector {
  public:
    // `buffer` has room for `k` results and the candidates among which they are (see Collector::capacity); `keys`, as
    // long, is scratch that collectors of one thread share.
    Collector(const Scorer& scorer, const float* query, double query_norm, std::size_t k, std::span<Candidate> buffer,
              std::span<std::int32_t> keys) noexcept
        : scorer_(&scorer), query_(query), query_norm_(query_norm), k_(k), buffer_(buffer), keys_(keys) {}

    static std::size_t capacity(std::size_t k) noexcept { return 2 * k + 32; }

    // Whether a goodness known to be at most `high` can still matter.
    bool wants(float high) const noexcept { return !full_ || high > threshold_; }

    // True if the threshold has risen.
    bool add(Candidate candidate) noexcept {
        buffer_[size_++] = candidate;
        return size_ == buffer_.size() && make_room();
    }

    bool full() const noexcept { return full_; }
    float threshold() const noexcept { return threshold_; }

    // The best k, scored by the definition, best first. The collector is spent.
    std::span<const Candidate> finish() noexcept;

  private:
    bool make_room() noexcept;
    void compact() noexcept;
    void score_all() noexcept;

    const Scorer* scorer_;
    const float* query_;
    double query_norm_;
    std::size_t k_;
    std::span<Candidate> buffer_; // in ascending order of rows
    std::span<std::int32_t> keys_;
    std::size_t size_ = 0;
    float threshold_ = 0.0F; // the k-th best lower bound, once full
    bool full_ = false;
};

// Best first, ties to the lower row.
bool ranks_before(const Candidate& a, const Candidate& b) noexcept;

} // namespace annlib
