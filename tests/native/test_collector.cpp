#include "check.hpp"

#include "index/collector.hpp"

#include <algorithm>
#include <limits>

namespace {

using annlib::Candidate;
using annlib::Collector;

// Offers one-dimensional items under inner product, each with an interval around its score as wide as `slack`.
std::vector<std::int64_t> collect(const std::vector<float>& scores, std::size_t k, float slack) {
    const float query = 1.0F;
    const annlib::Scorer scorer{.metric = annlib::Metric::inner_product,
                                .dim = 1,
                                .kernels = &annlib::kernels(),
                                .vectors = scores.data(),
                                .norms = nullptr};
    std::vector<Candidate> buffer(Collector::capacity(k));
    std::vector<std::int32_t> keys(buffer.size());
    Collector collector(scorer, &query, 1.0, k, buffer, keys);
    for (std::size_t row = 0; row < scores.size(); ++row) {
        const Candidate candidate{
            .low = scores[row] - slack, .high = scores[row] + slack, .row = static_cast<std::int64_t>(row)};
        if (collector.wants(candidate.high)) {
            const float before = collector.threshold();
            const bool was_full = collector.full();
            if (collector.add(candidate)) {
                CHECK(!was_full || collector.threshold() > before);
            }
        }
    }
    std::vector<std::int64_t> rows;
    for (const Candidate& candidate : collector.finish()) {
        CHECK_EQUAL(candidate.low, scores[static_cast<std::size_t>(candidate.row)]);
        rows.push_back(candidate.row);
    }
    return rows;
}

std::vector<std::int64_t> sorted_rows(const std::vector<float>& scores, std::size_t k) {
    std::vector<std::int64_t> rows(scores.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
        rows[row] = static_cast<std::int64_t>(row);
    }
    std::stable_sort(rows.begin(), rows.end(), [&](std::int64_t a, std::int64_t b) {
        return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    rows.resize(std::min(k, rows.size()));
    return rows;
}

} // namespace

TEST(the_best_k_in_order) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
        const std::vector<float> scores = check::random_floats(count, 1);
        for (const std::size_t k : {std::size_t{1}, std::size_t{5}, std::size_t{40}, std::size_t{2000}}) {
            for (const float slack : {0.0F, 1e-3F, 0.5F, std::numeric_limits<float>::infinity()}) {
                CHECK(collect(scores, k, slack) == sorted_rows(scores, k));
            }
        }
    }
}

TEST(ties_go_to_the_lower_row) {
    std::vector<float> scores = check::random_floats(3000, 2);
    for (float& score : scores) {
        score = score > 0.5F ? 1.0F : score < -0.5F ? -1.0F : 0.0F;
    }
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{1500}}) {
        for (const float slack : {0.0F, 0.25F, 1.0F, 5.0F}) {
            CHECK(collect(scores, k, slack) == sorted_rows(scores, k));
        }
    }
}

TEST(infinite_scores_are_scores) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    std::vector<float> scores(200, -infinity);
    CHECK(collect(scores, 3, 0.0F) == sorted_rows(scores, 3));
    scores[150] = 1.0F;
    scores[160] = infinity;
    scores[170] = infinity;
    CHECK(collect(scores, 4, 0.0F) == sorted_rows(scores, 4));
}

TEST(nan_is_never_a_result) {
    std::vector<float> scores = check::random_floats(500, 3);
    scores[17] = std::numeric_limits<float>::quiet_NaN();
    const float query = 1.0F;
    const annlib::Scorer scorer{.metric = annlib::Metric::inner_product,
                                .dim = 1,
                                .kernels = &annlib::kernels(),
                                .vectors = scores.data(),
                                .norms = nullptr};
    std::vector<Candidate> buffer(Collector::capacity(10));
    std::vector<std::int32_t> keys(buffer.size());
    Collector collector(scorer, &query, 1.0, 10, buffer, keys);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (std::int64_t row = 0; row < 500; ++row) {
        collector.add({.low = -infinity, .high = infinity, .row = row});
    }
    for (const Candidate& candidate : collector.finish()) {
        CHECK(candidate.row != 17);
    }
}
