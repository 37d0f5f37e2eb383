// An index is built and searched by several threads at once; mostly for ThreadSanitizer to watch.
#include "check.hpp"

#include "index/search.hpp"
#include "index/writer.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <thread>

namespace {

using annlib::Metric;

constexpr std::size_t kDim = 6;
constexpr std::size_t kQueries = 150;
constexpr std::size_t kNeighbors = 10;

// Large enough that every metric with clusters has several.
constexpr std::size_t kItems = 2000;
// Large enough that inner product has groups of clusters.
constexpr std::size_t kGroupedItems = 14000;

struct Result {
    std::vector<std::int64_t> rows;
    std::vector<std::uint32_t> scores; // as bits: NaN equals NaN

    bool operator==(const Result&) const = default;
};

std::vector<float> vectors_of(std::size_t count, std::uint32_t seed) {
    std::vector<float> vectors = check::random_floats(count * kDim, seed);
    for (std::size_t row = 0; row < count; row += 9) { // zero vectors
        std::fill_n(vectors.begin() + static_cast<std::ptrdiff_t>(row * kDim), kDim, 0.0F);
    }
    return vectors;
}

std::shared_ptr<annlib::Index> build(const std::vector<float>& vectors, Metric metric, std::size_t threads) {
    annlib::IndexWriter writer(annlib::memory_sink(0), "<test>", metric, kDim);
    writer.append(vectors.data(), vectors.size() / kDim);
    annlib::Cancellation cancellation;
    return writer.finish("{}", threads, cancellation);
}

annlib::SearchRequest request_of(const std::vector<float>& queries, std::size_t threads) {
    return {.queries = queries.data(),
            .query_count = queries.size() / kDim,
            .k = kNeighbors,
            .own_rows = {},
            .excluded = {},
            .allowed = {},
            .threads = threads};
}

Result run(const annlib::Index& index, const annlib::SearchRequest& request) {
    std::vector<std::int64_t> rows(request.query_count * request.k);
    std::vector<float> scores(request.query_count * request.k);
    annlib::Cancellation cancellation;
    annlib::search(index, request, cancellation, rows.data(), scores.data());
    Result result{std::move(rows), {}};
    for (const float score : scores) {
        result.scores.push_back(std::bit_cast<std::uint32_t>(score));
    }
    return result;
}

// What `body` returns on each of several threads that run at the same time.
template <class T>
std::vector<T> at_once(std::size_t threads, const std::function<T()>& body) {
    std::vector<T> results(threads);
    std::vector<std::jthread> running;
    for (T& result : results) {
        running.emplace_back([&] { result = body(); });
    }
    running.clear();
    return results;
}

} // namespace

TEST(threads_build_the_same_index) {
    for (const Metric metric : {Metric::inner_product, Metric::cosine, Metric::euclidean}) {
        const std::vector<float> vectors = vectors_of(kItems, 1);
        const auto alone = build(vectors, metric, 1);
        const auto together = build(vectors, metric, 3);
        const std::span<const std::byte> expected = alone->image().bytes();
        const std::span<const std::byte> found = together->image().bytes();
        CHECK(std::equal(found.begin(), found.end(), expected.begin(), expected.end()));
    }
}

TEST(searches_of_several_threads_share_an_index) {
    for (const Metric metric : {Metric::inner_product, Metric::cosine, Metric::euclidean, Metric::manhattan}) {
        const auto index = build(vectors_of(kItems, 2), metric, 2);
        const std::vector<float> queries = vectors_of(kQueries, 3);
        const Result expected = run(*index, request_of(queries, 1));
        const auto search = [&] { return run(*index, request_of(queries, 3)); };
        for (const Result& result : at_once<Result>(3, search)) {
            CHECK(result == expected);
        }
    }
}

TEST(groups_of_clusters_are_searched_by_several_threads) {
    const auto index = build(vectors_of(kGroupedItems, 4), Metric::inner_product, 3);
    CHECK(index->codes() && index->codes()->groups.size() > 1);
    const std::vector<float> queries = vectors_of(3 * kQueries, 5);
    CHECK(run(*index, request_of(queries, 5)) == run(*index, request_of(queries, 1)));
}

TEST(filters_are_shared_by_several_threads) {
    const auto index = build(vectors_of(kItems, 6), Metric::cosine, 2);
    const std::vector<float> queries = vectors_of(kQueries, 7);
    std::vector<std::int64_t> offsets{0};
    std::vector<std::int64_t> excluded;
    std::vector<std::int64_t> own(kQueries);
    std::iota(own.begin(), own.end(), 0);
    for (std::size_t q = 0; q < kQueries; ++q) {
        for (std::size_t row = q; row < kItems; row += q + 1) {
            excluded.push_back(static_cast<std::int64_t>(row));
        }
        offsets.push_back(static_cast<std::int64_t>(excluded.size()));
    }
    std::vector<std::int64_t> allowed(kItems / 2);
    std::iota(allowed.begin(), allowed.end(), kItems / 4);

    const auto filtered = [&](std::size_t threads) {
        annlib::SearchRequest request = request_of(queries, threads);
        request.excluded = annlib::Exclusions{.offsets = offsets, .rows = excluded};
        request.own_rows = own;
        return request;
    };
    const auto listed = [&](std::size_t threads) {
        annlib::SearchRequest request = filtered(threads);
        request.allowed = allowed;
        return request;
    };
    CHECK(run(*index, filtered(3)) == run(*index, filtered(1)));
    CHECK(run(*index, listed(3)) == run(*index, listed(1)));
}
