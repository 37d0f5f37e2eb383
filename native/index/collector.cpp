#include "index/collector.hpp"

#include "index/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace annlib {
namespace {

std::size_t count_above(std::span<const std::int32_t> keys, std::int32_t pivot) noexcept {
    std::int32_t count = 0; // as wide as a key: the compiler vectorizes it with baseline instructions
    for (const std::int32_t key : keys) {
        count += key > pivot ? 1 : 0;
    }
    return static_cast<std::size_t>(count);
}

// The k-th largest key, by bisection of its value: passes without a branch to guess, which beats a quickselect several
// times over.
std::int32_t kth_largest(std::span<const std::int32_t> keys, std::size_t k) noexcept {
    const auto [least, most] = std::minmax_element(keys.begin(), keys.end());
    std::int64_t low = std::int64_t{*least} - 1; // at least k keys are above it
    std::int64_t high = *most;                   // fewer than k are above it
    while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        const std::size_t above = count_above(keys, static_cast<std::int32_t>(middle));
        if (above >= k) {
            low = middle;
        } else {
            high = middle;
        }
        if (above == k) { // what lies between no longer matters
            std::int32_t smallest = *most;
            for (const std::int32_t key : keys) {
                smallest = key > middle ? std::min(smallest, key) : smallest;
            }
            return smallest;
        }
    }
    return static_cast<std::int32_t>(high);
}

} // namespace

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

// Keeps the k candidates with the best lower bounds, and others that could still beat one of them. One pass in the
// order of rows, so that of equal lower bounds the lowest rows are the ones kept.
void Collector::compact() noexcept {
    if (size_ < k_) {
        return;
    }
    const std::span<std::int32_t> keys = keys_.first(size_);
    for (std::size_t i = 0; i < size_; ++i) {
        keys[i] = ordered_key(buffer_[i].low);
    }
    const std::int32_t kth = kth_largest(keys, k_);
    std::size_t above = 0;
    for (const std::int32_t key : keys) {
        above += key > kth ? 1 : 0;
    }
    const float threshold = float_of_key(kth);
    std::size_t ties = k_ - above;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
        const Candidate candidate = buffer_[i];
        const bool tie = keys[i] == kth && ties > 0;
        ties -= tie ? 1 : 0;
        // At high == threshold a row is known to lose its tie only if its own value is certain: otherwise it might
        // equal that of a higher row among those kept.
        const bool open = candidate.high > threshold || (candidate.high == threshold && candidate.low < threshold);
        buffer_[kept] = candidate;
        kept += keys[i] > kth || tie || open ? 1 : 0;
    }
    size_ = kept;
    threshold_ = threshold;
    full_ = true;
}

// Replaces every interval by the score itself. NaN (from a damaged file) is nobody's neighbour.
void Collector::score_all() noexcept {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
        const std::int64_t row = buffer_[i].row;
        if (i + 1 < size_) {
            scorer_->prefetch(buffer_[i + 1].row);
        }
        const float goodness = scorer_->goodness(query_, query_norm_, row);
        if (!std::isnan(goodness)) {
            buffer_[kept++] = {.low = goodness, .high = goodness, .row = row};
        }
    }
    size_ = kept;
}

} // namespace annlib
