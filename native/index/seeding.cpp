#include "index/seeding.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace annlib {

void place_queries(const Index& index, const float* queries, std::span<CodedQuery> coded, QuerySet& set,
                   std::span<double> scratch) {
    const std::size_t dim = index.dim();
    const Frame frame = index.coded_frame();
    set.reset(coded.size());
    for (std::size_t q = 0; q < coded.size(); ++q) {
        const float* query = queries + q * dim;
        coded[q].place(frame, query, defined_norm(kernels(), query, dim), set.place(q), scratch);
        set.norm[q] = static_cast<float>(coded[q].norm());
        set.product_error[q] = 0.0F;
    }
}

Seeding::Seeding(const Index& index, std::size_t most)
    : index_(index), all_(most, index.dim(), index.codes()->shape, QuerySet::Holds::all), coded_(most),
      in_group_(most, index.dim(), index.codes()->shape, QuerySet::Holds::all), best_(most), best_promises_(most),
      scratch_(index.dim()) {}

void Seeding::find(const float* queries, std::size_t count, Seeds* seeds) {
    const CodeSections& coded = *index_.codes();
    const bool quadratic = index_.metric() == Metric::euclidean;
    place_queries(index_, queries, std::span(coded_).first(count), all_, scratch_);
    if (coded.groups.size() == 1) {
        seed_in_group(all_, 0);
        std::copy_n(best_.begin(), count, seeds);
        return;
    }
    promises_.compute(all_, coded.group_directions.data(), coded.group_boxes, index_.dim(), 0.0F, quadratic);
    best_directions(promises_, count, coded.groups.size());
    std::vector<std::uint32_t> group(count);
    for (std::size_t q = 0; q < count; ++q) {
        group[q] = best_[q][0].cluster == kNoCluster ? 0 : best_[q][0].cluster;
    }
    // Queries of the same group together: they share its directions.
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return group[a] < group[b]; });
    for (std::size_t begin = 0; begin < count;) {
        std::size_t end = begin;
        while (end < count && group[order[end]] == group[order[begin]]) {
            ++end;
        }
        in_group_.take(all_, std::span(order).subspan(begin, end - begin));
        seed_in_group(in_group_, group[order[begin]]);
        for (std::size_t i = begin; i < end; ++i) {
            seeds[order[i]] = best_[i - begin];
        }
        begin = end;
    }
}

void Seeding::seed_in_group(const QuerySet& queries, std::size_t group) {
    const CodeSections& coded = *index_.codes();
    const CodeRange& range = coded.groups[group];
    promises_.compute(queries, coded.directions(group, index_.dim()),
                      coded.cluster_boxes.subspan(range.first, range.count), index_.dim(), 0.0F,
                      index_.metric() == Metric::euclidean);
    best_directions(promises_, queries.size(), range.count);
    for (std::size_t q = 0; q < queries.size(); ++q) {
        if (best_[q][0].cluster == kNoCluster) { // nothing is known of it: anywhere
            best_[q][0] = {.cluster = 0, .product = std::numeric_limits<float>::quiet_NaN()};
        }
        for (Seed& seed : best_[q]) {
            seed.cluster += seed.cluster == kNoCluster ? 0 : range.first;
        }
    }
}

// The directions of most promise for each query, the first of equals first.
void Seeding::best_directions(const BoxBounds& promises, std::size_t queries, std::size_t directions) {
    for (std::size_t q = 0; q < queries; ++q) {
        best_promises_[q].fill(-std::numeric_limits<float>::infinity());
        best_[q].fill({});
    }
    for (std::size_t d = 0; d < directions; ++d) {
        const float* const promise = promises.bounds(d);
        const float* const product = promises.products(d);
        for (std::size_t q = 0; q < queries; ++q) {
            if (promise[q] > best_promises_[q].back()) {
                std::size_t rank = kSeeds - 1;
                for (; rank > 0 && promise[q] > best_promises_[q][rank - 1]; --rank) {
                    best_promises_[q][rank] = best_promises_[q][rank - 1];
                    best_[q][rank] = best_[q][rank - 1];
                }
                best_promises_[q][rank] = promise[q];
                best_[q][rank] = {.cluster = static_cast<std::uint32_t>(d), .product = product[q]};
            }
        }
    }
}

} // namespace annlib
