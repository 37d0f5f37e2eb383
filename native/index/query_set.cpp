#include "index/query_set.hpp"

#include <algorithm>
#include <limits>

namespace annlib {
namespace {

void grow(std::vector<float>& values, std::size_t size) {
    if (values.size() < size) {
        values.resize(size);
    }
}

} // namespace

QuerySet::QuerySet(std::size_t most, std::size_t dim, const CodeShape& shape, Holds holds)
    : codes((most + kPanelWidth) * shape.dim()),
      placed(holds == Holds::all ? (most + 2 * kPanelWidth) / kPanelWidth * kPanelWidth * dim : 0),
      reach(most + kPanelWidth), norm(most + kPanelWidth), product_error(most + kPanelWidth),
      inverse_scale(most + kPanelWidth), length(most + kPanelWidth), error(most + kPanelWidth),
      offset(most + kPanelWidth), origin(most), roots(most), dim_(dim), code_bytes_(shape.dim()) {}

void QuerySet::take(QuerySet& from, std::span<const std::uint32_t> queries) noexcept {
    parent_ = &from;
    size_ = queries.size();
    std::copy(queries.begin(), queries.end(), origin.begin());
    for (std::size_t i = 0; i < size_; ++i) {
        const std::size_t query = queries[i];
        roots[i] = static_cast<std::uint32_t>(from.root(query));
        std::copy_n(from.codes.data() + query * code_bytes_, code_bytes_, codes.data() + i * code_bytes_);
        reach[i] = from.reach[query];
        norm[i] = from.norm[query];
        product_error[i] = from.product_error[query];
        inverse_scale[i] = from.inverse_scale[query];
        length[i] = from.length[query];
        error[i] = from.error[query];
        offset[i] = from.offset[query];
    }
    if (!placed.empty()) {
        take_placed(from, queries);
    }
    close_padding();
}

void QuerySet::take_placed(const QuerySet& from, std::span<const std::uint32_t> queries) noexcept {
    for (std::size_t i = 0; i < queries.size(); ++i) {
        const float* source =
            from.placed.data() + queries[i] / kPanelWidth * kPanelWidth * dim_ + queries[i] % kPanelWidth;
        float* target = place(i);
        for (std::size_t d = 0; d < dim_; ++d) {
            target[d * kPanelWidth] = source[d * kPanelWidth];
        }
    }
}

void QuerySet::close_padding() noexcept {
    for (std::size_t i = size_; i < padded(); ++i) {
        reach[i] = std::numeric_limits<float>::infinity();
        norm[i] = product_error[i] = inverse_scale[i] = length[i] = error[i] = offset[i] = 0.0F;
    }
}

void BoxBounds::compute(const QuerySet& queries, const float* directions, std::span<const Box> boxes, std::size_t dim,
                        float beta, bool quadratic) {
    const KernelTable& kernel = kernels();
    const std::size_t groups = (boxes.size() + kGroupSize - 1) / kGroupSize;
    stride_ = queries.padded();
    grow(products_, boxes.size() * stride_);
    grow(residuals_, boxes.size() * stride_);
    grow(bounds_, boxes.size() * stride_);
    grow(panel_, groups * kGroupSize * kPanelWidth);
    for (std::size_t first = 0; first < stride_; first += kPanelWidth) {
        kernel.multiply_panel(queries.placed.data() + first * dim,
                              {.values = directions, .slope = nullptr, .floor = nullptr, .groups = groups}, dim,
                              panel_.data());
        for (std::size_t direction = 0; direction < boxes.size(); ++direction) {
            std::copy_n(panel_.data() + direction * kPanelWidth, kPanelWidth,
                        products_.data() + direction * stride_ + first);
        }
    }
    for (std::size_t direction = 0; direction < boxes.size(); ++direction) {
        kernel.bound_box(queries.terms(products(direction), nullptr), boxes[direction], beta, quadratic, stride_,
                         bounds(direction), residuals_.data() + direction * stride_);
    }
}

} // namespace annlib
