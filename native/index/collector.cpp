#include "index/collector.hpp"

#include <algorithm>
#include <cmath>

namespace annlib {

bool ranks_before(const Candidate& a, const Candidate& b) noexcept {
    return a.low > b.low || (a.low == b.low && a.row < b.row);
}

std::span<const Candidate> Collector::finish() noexcept {
    compact();
    score_all();
    std::sort(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size_), ranks_before);
    return buffer_.first(std::min(size_, k_));
}

bool Collector::make_room() noexcept {
    const bool was_full = full_;
    const float before = threshold_;
    compact();
    // Intervals that overlap too much to tell apart (near duplicates) are resolved by scoring.
    if (size_ > k_ + (buffer_.size() - k_) / 2) {
        score_all();
        compact();
    }
    return full_ && (!was_full || threshold_ > before);
}

// Keeps the k candidates with the best lower bounds, and others that could still beat one of them.
void Collector::compact() noexcept {
    if (size_ < k_) {
        return;
    }
    const auto begin = buffer_.begin();
    const auto end = begin + static_cast<std::ptrdiff_t>(size_);
    const auto kth = begin + static_cast<std::ptrdiff_t>(k_) - 1;
    std::nth_element(begin, kth, end, ranks_before);
    const float threshold = kth->low;
    // At high == threshold a row is known to lose its tie only if its own value is certain: the k kept were chosen by
    // row among equal lower bounds, and a row whose goodness might be higher than its lower bound may precede them.
    const auto kept = std::partition(kth + 1, end, [threshold](const Candidate& candidate) {
        return candidate.high > threshold || (candidate.high == threshold && candidate.low < threshold);
    });
    size_ = static_cast<std::size_t>(kept - begin);
    threshold_ = threshold;
    full_ = true;
}

// Replaces every interval by the score itself. NaN (from a damaged file) is nobody's neighbour.
void Collector::score_all() noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
        const std::int64_t row = buffer_[i].row;
        const float goodness = scorer_->goodness(query_, query_norm_, row);
        if (!std::isnan(goodness)) {
            buffer_[kept++] = {.low = goodness, .high = goodness, .row = row};
        }
    }
    size_ = kept;
}

} // namespace annlib
