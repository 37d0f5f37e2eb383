#include "index/top_k.hpp"

#include "index/rounding.hpp"

#include <algorithm>
#include <cmath>

namespace annlib {
namespace {

// Best first, ties to the lower row; of rows whose goodness is known.
bool precedes(const Contender& a, const Contender& b) noexcept {
    return a.low > b.low || (a.low == b.low && a.row < b.row);
}

} // namespace

std::span<const Contender> TopK::finish() noexcept {
    if (size_ > k_) {
        if (size_ > cut_size_) {
            keep_contenders();
        }
        narrow();
        keep_contenders();
    }
    keep_best();
    return buffer_.first(size_);
}

bool TopK::cut() noexcept {
    const float before = threshold_;
    keep_contenders();
    // Bounds that overlap too much to tell apart are narrowed, and at last resolved by scoring.
    const std::size_t crowded = k_ + (buffer_.size() - k_) / 2;
    if (size_ > crowded) {
        narrow();
        keep_contenders();
    }
    if (size_ > crowded) {
        keep_best();
        narrowed_ = size_;
        if (size_ == k_) {
            threshold_ = std::max(threshold_, buffer_[k_ - 1].low);
        }
    }
    cut_size_ = size_;
    return threshold_ > before;
}

// Raises the threshold to about the k-th best lower bound, and keeps what reaches it.
void TopK::keep_contenders() noexcept {
    if (size_ < k_) {
        return;
    }
    for (std::size_t i = 0; i < size_; ++i) {
        keys_[i] = std::max(ordered_key(buffer_[i].low), kPaddingKey + 1);
    }
    std::fill(keys_.begin() + static_cast<std::ptrdiff_t>(size_), keys_.end(), kPaddingKey);
    const std::int32_t kth = query_->scorer->kernels->kth_largest(keys_.data(), size_, k_);
    threshold_ = std::max(threshold_, float_of_key(kth));
    std::size_t kept = 0;
    std::size_t narrowed = 0;
    for (std::size_t i = 0; i < size_; ++i) {
        const Contender contender = buffer_[i];
        const std::size_t keeps = contender.high >= threshold_ ? 1 : 0;
        buffer_[kept] = contender;
        kept += keeps;
        narrowed += i < narrowed_ ? keeps : 0;
    }
    size_ = kept;
    narrowed_ = narrowed;
}

// Bounds by a product in float32 for those that have none.
void TopK::narrow() noexcept {
    const Scorer& scorer = *query_->scorer;
    for (std::size_t i = narrowed_; i < size_; ++i) {
        scorer.prefetch(buffer_[i].row);
    }
    RowBlock block{.rows = {},
                   .scale = static_cast<float>(query_->frame->scale),
                   .center = query_->frame->center_or_null(),
                   .terms = nullptr};
    ItemTerms terms;
    double norms[kPanelWidth];
    float sums[kPanelWidth];
    for (; narrowed_ < size_;) {
        const std::size_t count = std::min(kPanelWidth, size_ - narrowed_);
        for (std::size_t lane = 0; lane < kPanelWidth; ++lane) {
            const std::uint32_t row = buffer_[narrowed_ + std::min(lane, count - 1)].row;
            block.rows[lane] = scorer.vectors + row * scorer.dim;
            norms[lane] = scorer.norm(row);
        }
        query_->frame->set_terms(terms, norms, kPanelWidth);
        scorer.kernels->dot_rows(block, count, query_->scanned, scorer.dim, sums);
        for (std::size_t lane = 0; lane < count; ++lane) {
            const Interval interval = query_->bound.interval(sums[lane] + terms.bias[lane], norms[lane]);
            Contender& contender = buffer_[narrowed_ + lane];
            contender.low = std::max(contender.low, interval.low);
            contender.high = interval.high; // proven, where the codes' may have been a guess
        }
        narrowed_ += count;
    }
}

// Scores what is not scored yet, and keeps the best k in their order. NaN, from a damaged file, is nobody's neighbour.
void TopK::keep_best() noexcept {
    const Scorer& scorer = *query_->scorer;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
        Contender contender = buffer_[i];
        if (contender.low != contender.high || contender.low == 0.0F) { // equal bounds know all but the sign of zero
            contender.low = contender.high = scorer.goodness(query_->query, query_->norm, contender.row);
            ++scored_;
        }
        if (!std::isnan(contender.low)) {
            buffer_[kept++] = contender;
        }
    }
    std::sort(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(kept), precedes);
    size_ = std::min(kept, k_);
}

} // namespace annlib
