// Some queries as the kernels take them, array by array.
#pragma once

#include "kernels/table.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace annlib {

// The queries of a tile, or those among them that visit one group of clusters or one cluster: subsets are copied, for
// the kernels to read them in a row. Arrays are padded with queries that nothing passes.
class QuerySet {
  public:
    // Whether subsets have the queries themselves, for bounds, or only their codes.
    enum class Holds { codes, all };

    QuerySet(std::size_t most, std::size_t dim, const CodeShape& shape, Holds holds)
        : codes((most + kPanelWidth) * shape.dim()),
          placed(holds == Holds::all ? (most + 2 * kPanelWidth) / kPanelWidth * kPanelWidth * dim : 0),
          reach(most + kPanelWidth), norm(most + kPanelWidth), product_error(most + kPanelWidth),
          inverse_scale(most + kPanelWidth), length(most + kPanelWidth), error(most + kPanelWidth), offset(most + kPanelWidth), origin(most),
          dim_(dim), code_bytes_(shape.dim()) {}

    std::size_t size() const noexcept { return size_; }
    std::size_t padded() const noexcept { return (size_ + kPanelWidth - 1) / kPanelWidth * kPanelWidth; }

    // Makes it a set of its own, of so many queries that are to be filled in.
    void reset(std::size_t size) noexcept {
        parent_ = nullptr;
        size_ = size;
        close_padding();
    }

    // Makes it the given queries of another set.
    void take(QuerySet& from, std::span<const std::uint32_t> queries) noexcept {
        parent_ = &from;
        size_ = queries.size();
        std::copy(queries.begin(), queries.end(), origin.begin());
        for (std::size_t i = 0; i < size_; ++i) {
            const std::size_t query = queries[i];
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

    // Number of a query in the set that all this was taken from.
    std::size_t root(std::size_t query) const noexcept {
        const QuerySet* set = this;
        for (; set->parent_ != nullptr; set = set->parent_) {
            query = set->origin[query];
        }
        return query;
    }

    // What a query has to reach has risen: here, and where it was taken from.
    void raise(std::size_t query, float to) noexcept {
        QuerySet* set = this;
        set->reach[query] = to;
        for (; set->parent_ != nullptr; set->reach[query] = to) {
            query = set->origin[query];
            set = set->parent_;
        }
    }

    // Where component 0 of a query is placed; component i follows at i * kPanelWidth.
    float* place(std::size_t query) noexcept {
        return placed.data() + query / kPanelWidth * kPanelWidth * dim_ + query % kPanelWidth;
    }

    QueryTerms terms(const float* products, const float* residuals) const noexcept {
        return {.reach = reach.data(),
                .product = products,
                .residual = residuals,
                .norm = norm.data(),
                .product_error = product_error.data(),
                .inverse_scale = inverse_scale.data(),
                .length = length.data(),
                .error = error.data(),
                .offset = offset.data()};
    }

    std::vector<std::int8_t> codes; // [queries][coded dimensions]
    std::vector<float> placed;      // [panels][dim][kPanelWidth], in the frame
    std::vector<float> reach;       // see QueryTerms
    std::vector<float> norm;
    std::vector<float> product_error;
    std::vector<float> inverse_scale;
    std::vector<float> length;
    std::vector<float> error;
    std::vector<float> offset;
    std::vector<std::uint32_t> origin; // numbers in the set these were taken from

  private:
    void take_placed(const QuerySet& from, std::span<const std::uint32_t> queries) noexcept {
        for (std::size_t i = 0; i < queries.size(); ++i) {
            const float* source =
                from.placed.data() + queries[i] / kPanelWidth * kPanelWidth * dim_ + queries[i] % kPanelWidth;
            float* target = place(i);
            for (std::size_t d = 0; d < dim_; ++d) {
                target[d * kPanelWidth] = source[d * kPanelWidth];
            }
        }
    }

    void close_padding() noexcept {
        for (std::size_t i = size_; i < padded(); ++i) {
            reach[i] = std::numeric_limits<float>::infinity();
            norm[i] = product_error[i] = inverse_scale[i] = length[i] = error[i] = offset[i] = 0.0F;
        }
    }

    std::size_t dim_;
    std::size_t code_bytes_;
    std::size_t size_ = 0;
    QuerySet* parent_ = nullptr;
};

// The products, residuals and bounds of a set's queries about some directions: [direction][query].
class BoxBounds {
  public:
    // Directions lie in groups of kGroupSize, as in CodeSections. beta: see QueryTerms.
    void compute(const QuerySet& queries, const float* directions, std::span<const Box> boxes, std::size_t dim,
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

    const float* products(std::size_t direction) const noexcept { return products_.data() + direction * stride_; }
    const float* residuals(std::size_t direction) const noexcept { return residuals_.data() + direction * stride_; }
    const float* bounds(std::size_t direction) const noexcept { return bounds_.data() + direction * stride_; }
    float* bounds(std::size_t direction) noexcept { return bounds_.data() + direction * stride_; }

  private:
    static void grow(std::vector<float>& values, std::size_t size) {
        if (values.size() < size) {
            values.resize(size);
        }
    }

    std::size_t stride_ = 0;
    std::vector<float> products_;
    std::vector<float> residuals_;
    std::vector<float> bounds_;
    std::vector<float> panel_;
};

} // namespace annlib
