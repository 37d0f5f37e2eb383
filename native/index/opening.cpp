#include "index/opening.hpp"

#include "index/rounding.hpp"

#include <algorithm>
#include <cmath>

namespace annlib {
namespace {

// Blocks of a cluster, at most: the first hold the best for most queries.
constexpr std::size_t kOpeningBlocks = 32;
// Of sums and products in float32, for the few roundings of low_keys.
constexpr double kSlack = 0x1p-20;

} // namespace

Opening::Opening(const CodeSections& coded, const Frame& frame, std::span<const double> norms, const RowMask* allowed)
    : coded_(coded), kernels_(kernels()), frame_(frame), norms_(norms), allowed_(allowed),
      largest_product_(static_cast<double>(coded.shape.dim()) * (kLargestCode + kCodeOffset) * kLargestCode),
      half_squares_(kOpeningBlocks * kBlockItems), products_(kCodeQueries * kOpeningBlocks * kBlockItems),
      slopes_(kOpeningBlocks), shifts_(kOpeningBlocks), keys_(kOpeningBlocks * kBlockItems) {}

std::size_t Opening::enter(const CodeRange& cluster) {
    blocks_ = {.first = cluster.first, .count = std::min<std::uint32_t>(cluster.count, kOpeningBlocks)};
    const std::size_t items = blocks_.count * kBlockItems;
    const std::uint32_t* const rows = coded_.rows.data() + blocks_.first * kBlockItems;
    left_out_.clear();
    for (std::uint32_t item = 0; item < items; ++item) {
        if (rows[item] >= norms_.size() || (allowed_ != nullptr && !allowed_->contains(rows[item]))) {
            left_out_.push_back(item);
        } else if (frame_.metric == Metric::euclidean) {
            const double norm = norms_[rows[item]] * frame_.scale;
            half_squares_[item] = round_up(0.5 * norm * norm * (1.0 + kSlack));
        }
    }
    return items - left_out_.size();
}

void Opening::multiply(const QuerySet& queries, std::size_t group) noexcept {
    kernels_.multiply_codes({.panels = coded_.block_codes(blocks_.first),
                             .blocks = blocks_.count,
                             .queries = queries.codes.data() + group * kCodeQueries * coded_.shape.dim(),
                             .groups = 1,
                             .shape = coded_.shape},
                            products_.data());
}

// An item's q.x is at least sq sx (Q.X - |eq| |X| / sq - |q| |ex| / (sq sx)): see QueryTerms.
double Opening::reached(const CodedQuery& query, std::size_t number, std::size_t k) noexcept {
    for (std::size_t b = 0; b < blocks_.count; ++b) {
        const BlockTerms& block = coded_.blocks[blocks_.first + b];
        const double errors = query.code_errors(block);
        const auto offset = static_cast<double>(query.offset());
        const double slack = (largest_product_ + std::abs(offset) + errors) * kSlack;
        slopes_[b] = block.scale;
        shifts_[b] = round_up(offset + errors + slack);
    }
    const std::size_t items = blocks_.count * kBlockItems;
    kernels_.low_keys(products_.data() + number * items,
                      {.blocks = blocks_.count,
                       .slopes = slopes_.data(),
                       .shifts = shifts_.data(),
                       .half_squares = half_squares_.data(),
                       .inverse_scale = static_cast<float>(1.0 / query.scale())},
                      keys_.data());
    for (const std::uint32_t item : left_out_) {
        keys_[item] = kPaddingKey;
    }
    return static_cast<double>(float_of_key(kernels_.kth_largest(keys_.data(), items, k))) * query.scale();
}

} // namespace annlib
