// Some queries as the kernels take them, array by array.
#pragma once

#include "kernels/table.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace annlib {

// The queries of a tile, or those among them that visit one group of clusters or one cluster: subsets are copied, for
// the kernels to read them in a row. Arrays are padded with queries that nothing passes.
class QuerySet {
  public:
    // Whether subsets have the queries themselves, for bounds, or only their codes.
    enum class Holds { codes, all };

    // Room for `most` queries.
    QuerySet(std::size_t most, std::size_t dim, const CodeShape& shape, Holds holds);

    std::size_t size() const noexcept { return size_; }
    std::size_t padded() const noexcept { return (size_ + kPanelWidth - 1) / kPanelWidth * kPanelWidth; }

    // Makes it a set of its own, of so many queries that are to be filled in.
    void reset(std::size_t size) noexcept {
        parent_ = nullptr;
        size_ = size;
        close_padding();
    }

    // Makes it the given queries of another set.
    void take(QuerySet& from, std::span<const std::uint32_t> queries) noexcept;

    // Number of a query in the set that all this was taken from.
    std::size_t root(std::size_t query) const noexcept { return parent_ == nullptr ? query : roots[query]; }

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
    std::vector<std::uint32_t> origin; // numbers in the set these were taken from ...
    std::vector<std::uint32_t> roots;  // ... and in the one that all began with

  private:
    void take_placed(const QuerySet& from, std::span<const std::uint32_t> queries) noexcept;
    void close_padding() noexcept;

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
                 float beta, bool quadratic);

    const float* products(std::size_t direction) const noexcept { return products_.data() + direction * stride_; }
    const float* residuals(std::size_t direction) const noexcept { return residuals_.data() + direction * stride_; }
    const float* bounds(std::size_t direction) const noexcept { return bounds_.data() + direction * stride_; }
    float* bounds(std::size_t direction) noexcept { return bounds_.data() + direction * stride_; }

  private:
    std::size_t stride_ = 0;
    std::vector<float> products_;
    std::vector<float> residuals_;
    std::vector<float> bounds_;
    std::vector<float> panel_;
};

} // namespace annlib
