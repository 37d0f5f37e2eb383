// The search against the definition applied to every row, for every metric, instruction set, plan and filter.
#include "check.hpp"

#include "index/search.hpp"
#include "index/writer.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace {

using annlib::Metric;

constexpr Metric kMetrics[] = {Metric::inner_product, Metric::cosine, Metric::euclidean, Metric::manhattan,
                               Metric::hamming};

std::shared_ptr<annlib::Index> index_of(const std::vector<float>& vectors, std::size_t dim, Metric metric) {
    annlib::IndexWriter writer(annlib::memory_sink(0), "<test>", metric, dim);
    writer.append(vectors.data(), vectors.size() / dim);
    annlib::Cancellation cancellation;
    return writer.finish("{}", 1, cancellation);
}

struct Result {
    std::vector<std::int64_t> rows;
    std::vector<float> scores;
};

Result run(const annlib::Index& index, const annlib::SearchRequest& request) {
    Result result{std::vector<std::int64_t>(request.query_count * request.k),
                  std::vector<float>(request.query_count * request.k)};
    annlib::Cancellation cancellation;
    annlib::search(index, request, cancellation, result.rows.data(), result.scores.data());
    return result;
}

Result reference(const annlib::Index& index, const annlib::SearchRequest& request) {
    const annlib::KernelTable& table = annlib::scalar_kernels();
    const std::size_t dim = index.dim();
    Result result;
    for (std::size_t q = 0; q < request.query_count; ++q) {
        const float* query = request.queries + q * dim;
        const double query_norm = annlib::defined_norm(table, query, dim);
        std::vector<std::pair<float, std::int64_t>> found;
        for (std::size_t row = 0; row < index.count(); ++row) {
            const auto signed_row = static_cast<std::int64_t>(row);
            const double norm = annlib::defined_norm(table, index.vector(row), dim);
            const bool undefined = index.metric() == Metric::cosine && (norm == 0.0 || query_norm == 0.0);
            const bool own = !request.own_rows.empty() && request.own_rows[q] == signed_row;
            const bool excluded = request.excluded && request.excluded->contains(q, signed_row);
            const bool allowed = !request.allowed || std::find(request.allowed->begin(), request.allowed->end(),
                                                               signed_row) != request.allowed->end();
            if (undefined || own || excluded || !allowed) {
                continue;
            }
            const float score =
                annlib::defined_score(index.metric(), table, query, query_norm, index.vector(row), norm, dim);
            found.emplace_back(annlib::is_distance(index.metric()) ? score : -score, signed_row);
        }
        std::sort(found.begin(), found.end());
        for (std::size_t i = 0; i < request.k; ++i) {
            const bool there = i < found.size();
            result.rows.push_back(there ? found[i].second : -1);
            const float score = there ? found[i].first : std::nanf("");
            result.scores.push_back(there && !annlib::is_distance(index.metric()) ? -score : score);
        }
    }
    return result;
}

bool same(const Result& a, const Result& b) {
    return a.rows == b.rows && std::equal(a.scores.begin(), a.scores.end(), b.scores.begin(),
                                          [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

// Vectors as hostile as data gets: duplicates, zeros, constant components, norms over twelve orders of magnitude.
std::vector<float> hostile(std::size_t count, std::size_t dim, Metric metric, std::uint32_t seed) {
    std::vector<float> vectors = check::random_floats(count * dim, seed);
    for (std::size_t row = 0; row < count; ++row) {
        for (std::size_t i = 0; i < dim; ++i) {
            float& value = vectors[row * dim + i];
            if (metric == Metric::hamming || row % 5 == 0) {
                value = std::round(value);
            }
            if (row % 7 == 3) {
                value = vectors[row / 7 * dim + i];
            }
            if (row % 11 == 5) {
                value = 0.0F;
            }
            if (row % 13 == 6) {
                value *= std::pow(10.0F, static_cast<float>(row % 12) - 6.0F);
            }
        }
    }
    return vectors;
}

annlib::SearchRequest request_of(const std::vector<float>& queries, std::size_t dim, std::size_t k,
                                 std::size_t threads) {
    return {.queries = queries.data(),
            .query_count = queries.size() / dim,
            .k = k,
            .own_rows = {},
            .excluded = {},
            .allowed = {},
            .threads = threads};
}

} // namespace

TEST(results_are_those_of_the_definition) {
    for (const annlib::KernelTable* table : annlib::available_kernels()) {
        annlib::use_kernels(table->name);
        for (const Metric metric : kMetrics) {
            for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{31}, std::size_t{400}}) {
                for (const std::size_t dim : {std::size_t{1}, std::size_t{6}, std::size_t{33}}) {
                    const auto index = index_of(hostile(count, dim, metric, 1), dim, metric);
                    for (const std::size_t queries :
                         {std::size_t{1}, std::size_t{3}, std::size_t{4}, std::size_t{21}}) {
                        const std::vector<float> query = hostile(queries, dim, metric, 2);
                        for (const std::size_t k : {std::size_t{1}, std::size_t{10}, count + 3}) {
                            const annlib::SearchRequest request = request_of(query, dim, k, 1);
                            CHECK(same(run(*index, request), reference(*index, request)));
                        }
                    }
                }
            }
        }
    }
}

TEST(threads_and_batches_do_not_change_results) {
    constexpr std::size_t dim = 12;
    constexpr std::size_t count = 20000; // enough work and items that ranges are searched apart and merged
    for (const Metric metric : kMetrics) {
        const auto index = index_of(hostile(count, dim, metric, 3), dim, metric);
        const std::vector<float> queries = hostile(40, dim, metric, 4);
        const Result whole = run(*index, request_of(queries, dim, 15, 1));
        for (const std::size_t threads : {std::size_t{2}, std::size_t{5}}) {
            CHECK(same(run(*index, request_of(queries, dim, 15, threads)), whole));
        }
        for (const std::size_t first : {std::size_t{0}, std::size_t{17}, std::size_t{39}}) {
            const std::vector<float> one(queries.begin() + static_cast<std::ptrdiff_t>(first * dim),
                                         queries.begin() + static_cast<std::ptrdiff_t>((first + 1) * dim));
            const Result alone = run(*index, request_of(one, dim, 15, 3));
            CHECK(std::equal(alone.rows.begin(), alone.rows.end(),
                             whole.rows.begin() + static_cast<std::ptrdiff_t>(first * 15)));
        }
    }
}

TEST(filters_leave_full_lists) {
    constexpr std::size_t dim = 8;
    constexpr std::size_t count = 300;
    constexpr std::size_t queries = 9;
    for (const Metric metric : kMetrics) {
        const auto index = index_of(hostile(count, dim, metric, 5), dim, metric);
        const std::vector<float> query = hostile(queries, dim, metric, 6);
        std::vector<std::int64_t> offsets{0};
        std::vector<std::int64_t> excluded;
        std::vector<std::int64_t> own;
        for (std::size_t q = 0; q < queries; ++q) { // none, then more and more, at last all but one
            const std::size_t keep = q == queries - 1 ? 1 : count - q * 30;
            for (std::size_t row = keep; row < count; ++row) {
                excluded.push_back(static_cast<std::int64_t>(row));
            }
            offsets.push_back(static_cast<std::int64_t>(excluded.size()));
            own.push_back(static_cast<std::int64_t>(q));
        }
        std::vector<std::int64_t> every_third;
        for (std::int64_t row = 0; row < static_cast<std::int64_t>(count); row += 3) {
            every_third.push_back(row);
        }
        const std::vector<std::int64_t> single{299};
        const std::vector<std::int64_t> none;
        annlib::SearchRequest request = request_of(query, dim, 20, 1);
        request.excluded = annlib::Exclusions{.offsets = offsets, .rows = excluded};
        CHECK(same(run(*index, request), reference(*index, request)));
        request.own_rows = own;
        CHECK(same(run(*index, request), reference(*index, request)));
        for (const auto& allowed : {every_third, single, none}) {
            request.allowed = allowed;
            CHECK(same(run(*index, request), reference(*index, request)));
        }
    }
}

TEST(duplicates_everywhere_still_give_the_lowest_rows) {
    constexpr std::size_t dim = 9;
    const std::vector<float> one = check::random_floats(dim, 7);
    std::vector<float> vectors;
    for (int row = 0; row < 2000; ++row) {
        vectors.insert(vectors.end(), one.begin(), one.end());
    }
    for (const Metric metric : kMetrics) {
        const auto index = index_of(vectors, dim, metric);
        const std::vector<float> queries = check::random_floats(5 * dim, 8);
        const annlib::SearchRequest request = request_of(queries, dim, 12, 1);
        CHECK(same(run(*index, request), reference(*index, request)));
    }
}

TEST(a_cancelled_search_returns) {
    constexpr std::size_t dim = 64;
    const auto index = index_of(check::random_floats(20000 * dim, 9), dim, Metric::cosine);
    const std::vector<float> queries = check::random_floats(40000 * dim, 10);
    std::vector<std::int64_t> rows(40000);
    std::vector<float> scores(40000);
    annlib::Cancellation cancellation([] { return true; });
    annlib::search(*index, request_of(queries, dim, 1, 2), cancellation, rows.data(), scores.data());
    CHECK(cancellation.requested(false));
}
