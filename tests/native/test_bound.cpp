// What the scan claims of a score must hold for the score itself, whatever the magnitudes.
#include "check.hpp"

#include "index/bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace {

using annlib::Metric;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();

struct Case {
    Metric metric;
    std::size_t dim;
    float query_scale;
    float item_scale;
    float offset;
};

// One query and a block of items through the scan of one instruction set: every interval must hold the score, and a
// gate set at the score of one item must let every better one pass.
void check_case(const Case& c, const annlib::KernelTable& table, std::uint32_t seed) {
    const std::size_t dim = c.dim;
    std::vector<float> query = check::random_floats(dim, seed);
    std::vector<float> items = check::random_floats(annlib::kPanelWidth * dim, seed + 1);
    for (std::size_t i = 0; i < dim; ++i) {
        query[i] = query[i] * c.query_scale + c.offset;
    }
    for (std::size_t i = 0; i < items.size(); ++i) { // norms of many magnitudes in one block
        const int spread = static_cast<int>(i / dim % 8) * 6 - 24;
        items[i] = items[i] * std::ldexp(c.item_scale, spread) + c.offset;
    }
    std::copy(query.begin(), query.end(), items.begin()); // a duplicate of the query
    std::fill(items.begin() + static_cast<std::ptrdiff_t>(dim), items.begin() + static_cast<std::ptrdiff_t>(2 * dim),
              0.0F);

    std::vector<float> center;
    if (c.metric == Metric::euclidean) {
        center.assign(dim, c.offset);
    }
    std::vector<double> norms(annlib::kPanelWidth);
    double magnitude = 0.0;
    for (std::size_t lane = 0; lane < annlib::kPanelWidth; ++lane) {
        const float* item = items.data() + lane * dim;
        norms[lane] = center.empty() ? annlib::defined_norm(table, item, dim)
                                     : std::sqrt(table.squared_distance(item, center.data(), dim));
        magnitude = std::max(magnitude, norms[lane]);
    }
    const annlib::ScanFrame frame = annlib::ScanFrame::make(c.metric, dim, magnitude, center);
    const double query_norm = annlib::defined_norm(table, query.data(), dim);
    std::vector<float> scanned(dim);
    const annlib::QueryBound bound(frame, query.data(), query_norm, scanned.data());

    annlib::ItemTerms terms{};
    annlib::RowBlock block{
        .rows = {}, .scale = static_cast<float>(frame.scale), .center = frame.center_or_null(), .terms = &terms};
    frame.set_terms(terms, norms.data(), annlib::kPanelWidth);
    std::vector<float> goodness(annlib::kPanelWidth);
    for (std::size_t lane = 0; lane < annlib::kPanelWidth; ++lane) {
        block.rows[lane] = items.data() + lane * dim;
        goodness[lane] =
            annlib::goodness_of_score(c.metric, annlib::defined_score(c.metric, table, query.data(), query_norm,
                                                                      block.rows[lane], norms[lane], dim));
    }
    const auto scan = [&](annlib::Gate gate) {
        std::vector<annlib::Hit> hits(annlib::kPanelWidth);
        const std::size_t op = static_cast<std::size_t>(annlib::scan_op(c.metric));
        hits.resize(table.scan_rows[op](block, {.values = scanned.data(), .slope = gate.slope, .floor = gate.floor},
                                        dim, hits.data()));
        return hits;
    };
    for (const annlib::Hit& hit : scan(annlib::QueryBound::open_gate())) {
        if (c.metric == Metric::cosine && norms[hit.lane] == 0.0) {
            continue;
        }
        const annlib::Interval interval = bound.interval(hit.value, norms[hit.lane]);
        CHECK(interval.low <= goodness[hit.lane]);
        CHECK(goodness[hit.lane] <= interval.high);
    }
    for (std::size_t at = 0; at < annlib::kPanelWidth; ++at) {
        if (std::isnan(goodness[at])) {
            continue;
        }
        std::vector<bool> passed(annlib::kPanelWidth);
        for (const annlib::Hit& hit : scan(bound.gate(goodness[at]))) {
            passed[hit.lane] = true;
        }
        for (std::size_t lane = 0; lane < annlib::kPanelWidth; ++lane) {
            CHECK(passed[lane] || !(goodness[lane] > goodness[at]));
        }
    }
}

} // namespace

TEST(intervals_hold_the_score_and_gates_pass_what_is_better) {
    for (const annlib::KernelTable* table : annlib::available_kernels()) {
        for (const Metric metric :
             {Metric::inner_product, Metric::cosine, Metric::euclidean, Metric::manhattan, Metric::hamming}) {
            for (const std::size_t dim : {std::size_t{1}, std::size_t{3}, std::size_t{16}, std::size_t{65}}) {
                for (const float query_scale : {1e-44F, 1e-30F, 1e-6F, 1.0F, 1e6F, 1e30F, 1e37F}) {
                    for (const float item_scale : {1e-40F, 1e-20F, 1.0F, 1e20F, 1e29F}) {
                        for (const float offset : {0.0F, 1000.0F}) {
                            check_case({.metric = metric,
                                        .dim = dim,
                                        .query_scale = query_scale,
                                        .item_scale = item_scale,
                                        .offset = offset},
                                       *table, static_cast<std::uint32_t>(dim));
                        }
                    }
                }
            }
        }
    }
}

TEST(boundary_is_where_rounding_turns_up) {
    for (const float goodness : {0.0F, -0.0F, 1.0F, -1.0F, 3.5e-42F, -1e-45F, 1e38F, -kLargest, kLargest, -kInfinity}) {
        const double boundary = annlib::rounding_boundary_above(goodness);
        CHECK(!(static_cast<float>(std::nextafter(boundary, -std::numeric_limits<double>::infinity())) > goodness));
        CHECK(static_cast<float>(std::nextafter(boundary, std::numeric_limits<double>::infinity())) > goodness);
    }
    CHECK_EQUAL(annlib::rounding_boundary_above(kInfinity), std::numeric_limits<double>::infinity());
}

TEST(ordinary_intervals_are_narrow) {
    // A bound that claims nothing would pass every test above: this one makes it useful.
    const annlib::KernelTable& table = annlib::kernels();
    constexpr std::size_t dim = 64;
    const std::vector<float> query = check::random_floats(dim, 1);
    const std::vector<float> item = check::random_floats(dim, 2);
    const double norm = annlib::defined_norm(table, item.data(), dim);
    const annlib::ScanFrame frame = annlib::ScanFrame::make(Metric::inner_product, dim, norm, {});
    std::vector<float> scanned(dim);
    const annlib::QueryBound bound(frame, query.data(), annlib::defined_norm(table, query.data(), dim), scanned.data());
    const annlib::Interval interval = bound.interval(0.01F, norm);
    CHECK(interval.high - interval.low < 1e-3F);
    CHECK(interval.high > interval.low);
}
