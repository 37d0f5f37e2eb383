// The best k rows of one query, offered in any order with bounds on their goodness.
#pragma once

#include "index/collector.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace annlib {

// A row whose goodness, rounded to float32, lies in [low, high]; the two are equal once it is known.
struct Contender {
    float low;
    float high;
    std::uint32_t row;
};

// One query, for the finer looks at its contenders.
struct RefinedQuery {
    const Scorer* scorer;
    const ScanFrame* frame;
    const float* query;
    double norm;
    const float* scanned; // the query in the frame, float32 [dim]
    QueryBound bound;
};

// A buffer that is cut, whenever it is full, to the rows that can still be among the best k. The bounds that rows come
// with are narrowed by a product in float32 when they are first cut; only those that even these cannot tell apart are
// scored by the definition.
class TopK {
  public:
    // `keys`, as long as the buffer, is scratch that the queries of one thread share.
    TopK(const RefinedQuery& query, std::size_t k, std::span<Contender> buffer, std::span<std::int32_t> keys) noexcept
        : query_(&query), k_(k), buffer_(buffer), keys_(keys) {}

    static std::size_t capacity(std::size_t k) noexcept {
        return (k + k / 2 + 32 + kKeyPadding - 1) / kKeyPadding * kKeyPadding;
    }

    // Whether there is a threshold: what k of the rows are known to reach, of those added and those still to be.
    bool has_threshold() const noexcept { return threshold_ > -std::numeric_limits<float>::infinity(); }
    float threshold() const noexcept { return threshold_; }
    // For those who know that k of the rows which are still to be added reach it.
    void raise(float threshold) noexcept { threshold_ = std::max(threshold_, threshold); }
    // A goodness equal to the threshold can still win by a lower row. False for NaN.
    bool wants(float high) const noexcept { return high >= threshold_; }

    // True if the threshold has risen.
    bool add(const Contender& contender) noexcept {
        buffer_[size_++] = contender;
        return (size_ == buffer_.size() || (size_ == k_ && !has_threshold())) && cut();
    }

    // Raises the threshold to what has been added; true if that is higher.
    bool tighten() noexcept { return size_ > k_ && size_ > cut_size_ && cut(); }

    // The best k, scored by the definition, best first. Nothing may be added afterwards.
    std::span<const Contender> finish() noexcept;
    std::size_t scored() const noexcept { return scored_; }

  private:
    bool cut() noexcept;
    void narrow() noexcept;
    void keep_contenders() noexcept;
    void keep_best() noexcept;

    const RefinedQuery* query_;
    std::size_t k_;
    std::span<Contender> buffer_;
    std::span<std::int32_t> keys_;
    std::size_t size_ = 0;
    std::size_t cut_size_ = 0; // what the last cut left
    std::size_t narrowed_ = 0; // contenders at the start of the buffer whose bounds are narrow
    std::size_t scored_ = 0;
    float threshold_ = -std::numeric_limits<float>::infinity();
};

} // namespace annlib
