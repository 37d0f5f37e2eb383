// Where a search begins: what the items of its first cluster prove, together, about the k-th best.
//
// Offered one after another, most of them would be taken for contenders until the threshold has risen. Their products
// are made all at once instead, and the k-th best of what these prove to be reached is where the threshold starts.
#pragma once

#include "index/coded.hpp"
#include "index/coded_query.hpp"
#include "index/filters.hpp"
#include "index/query_set.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace annlib {

// One thread's workspace.
class Opening {
  public:
    // `norms`: of the rows, about the frame's centre; `allowed`: null where all rows are.
    Opening(const CodeSections& coded, const Frame& frame, std::span<const double> norms, const RowMask* allowed);

    // Items of the cluster that can be anybody's neighbours, or of its first blocks where it is large.
    std::size_t enter(const CodeRange& cluster);

    // Multiplies those items with the queries of one group.
    void multiply(const QuerySet& queries, std::size_t group) noexcept;

    // What at least `k` of them reach against a query, which has that number in the group: a value in the frame, q.x
    // (euclidean: q.x - |x|^2 / 2). k is at most what there are.
    double reached(const CodedQuery& query, std::size_t number, std::size_t k) noexcept;

  private:
    const CodeSections& coded_;
    const KernelTable& kernels_;
    Frame frame_;
    std::span<const double> norms_;
    const RowMask* allowed_;
    double largest_product_;

    CodeRange blocks_{};
    std::vector<std::uint32_t> left_out_; // padding, and what is not allowed
    std::vector<float> half_squares_;     // of the items, where the metric has them; else zeros
    std::vector<std::int32_t> products_;  // [kCodeQueries][items]
    std::vector<float> slopes_;
    std::vector<float> shifts_;
    std::vector<std::int32_t> keys_;
};

} // namespace annlib
