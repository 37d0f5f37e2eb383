#include "check.hpp"

#include "index/top_k.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace {

using annlib::Contender;
using annlib::TopK;

// Offers one-dimensional items under inner product in a random order, each with bounds `slack` around its score.
std::vector<std::uint32_t> best_of(const std::vector<float>& scores, std::size_t k, float slack, unsigned seed,
                                   std::size_t* scored = nullptr) {
    const float query = 1.0F;
    std::vector<double> norms;
    double magnitude = 0.0;
    for (const float score : scores) {
        norms.push_back(std::abs(static_cast<double>(score)));
        magnitude = std::max(magnitude, norms.back());
    }
    const annlib::Scorer scorer{.metric = annlib::Metric::inner_product,
                                .dim = 1,
                                .kernels = &annlib::kernels(),
                                .vectors = scores.data(),
                                .norms = norms.data()};
    const auto frame = annlib::ScanFrame::make(annlib::Metric::inner_product, 1, magnitude, {});
    float scanned = 0.0F;
    const annlib::RefinedQuery refined{.scorer = &scorer,
                                       .frame = &frame,
                                       .query = &query,
                                       .norm = 1.0,
                                       .scanned = &scanned,
                                       .bound = annlib::QueryBound(frame, &query, 1.0, &scanned)};
    std::vector<Contender> buffer(TopK::capacity(k));
    std::vector<std::int32_t> keys(buffer.size());
    TopK top(refined, k, buffer, keys);
    std::vector<std::uint32_t> order(scores.size());
    for (std::size_t row = 0; row < order.size(); ++row) {
        order[row] = static_cast<std::uint32_t>(row);
    }
    std::shuffle(order.begin(), order.end(), std::mt19937(seed));
    for (const std::uint32_t row : order) {
        const Contender contender{.low = scores[row] - slack, .high = scores[row] + slack, .row = row};
        if (top.wants(contender.high)) {
            const float before = top.threshold();
            if (top.add(contender)) {
                CHECK(top.threshold() > before);
            }
        }
        if (row % 97 == 0) {
            top.tighten();
        }
    }
    std::vector<std::uint32_t> rows;
    for (const Contender& contender : top.finish()) {
        CHECK_EQUAL(contender.low, scores[contender.row]);
        rows.push_back(contender.row);
    }
    if (scored != nullptr) {
        *scored = top.scored();
    }
    return rows;
}

std::vector<std::uint32_t> sorted_rows(const std::vector<float>& scores, std::size_t k) {
    std::vector<std::uint32_t> rows(scores.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
        rows[row] = static_cast<std::uint32_t>(row);
    }
    std::stable_sort(rows.begin(), rows.end(), [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
    rows.resize(std::min(k, rows.size()));
    return rows;
}

} // namespace

TEST(the_best_k_in_order_whatever_the_order_they_come_in) {
    for (const std::size_t count : {0, 1, 7, 1000}) {
        const std::vector<float> scores = check::random_floats(count, 1);
        for (const std::size_t k : {1, 5, 40, 2000}) {
            for (const float slack : {0.0F, 0.01F, 10.0F}) {
                CHECK(best_of(scores, k, slack, 7) == sorted_rows(scores, k));
            }
        }
    }
}

TEST(ties_go_to_the_lower_row_even_where_it_comes_later) {
    std::vector<float> scores(3000, 1.0F);
    for (std::size_t row = 0; row < scores.size(); row += 300) {
        scores[row] = 2.0F;
    }
    for (const std::size_t k : {1, 3, 10, 25, 100}) {
        for (const float slack : {0.0F, 0.5F}) {
            for (unsigned seed = 0; seed < 5; ++seed) {
                CHECK(best_of(scores, k, slack, seed) == sorted_rows(scores, k));
            }
        }
    }
}

TEST(few_are_scored_where_bounds_tell_them_apart) {
    const std::vector<float> scores = check::random_floats(5000, 4);
    std::size_t scored = 0;
    CHECK(best_of(scores, 10, 0.05F, 3, &scored) == sorted_rows(scores, 10));
    CHECK(scored <= 20);
}

TEST(extreme_scores_are_scores) {
    std::vector<float> scores = check::random_floats(300, 5);
    scores[100] = std::numeric_limits<float>::max();
    scores[200] = std::numeric_limits<float>::denorm_min();
    scores[201] = -std::numeric_limits<float>::max();
    for (const std::size_t k : {1, 4, 200, 300}) {
        CHECK(best_of(scores, k, 0.0F, 1) == sorted_rows(scores, k));
    }
}
