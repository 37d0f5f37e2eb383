// The 8-bit scan: every kernel on every instruction set of this host against plain arithmetic, and the soundness of its
// bounds: nothing that reaches what is wanted is ever ruled out.
#include "check.hpp"

#include "index/coded.hpp"
#include "index/coded_query.hpp"
#include "index/rounding.hpp"
#include "kernels/table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace {

using annlib::Box;
using annlib::CodeHit;
using annlib::CodeShape;
using annlib::kBlockItems;
using annlib::kCodeLanes;
using annlib::kCodeQueries;
using annlib::KernelTable;

const std::vector<std::size_t> kDims{1, 3, 4, 5, 17, 63, 64, 65, 100, 128, 130, 257, 784};

// Panels and queries of random codes, extremes among them.
struct Codes {
    Codes(std::size_t dim, std::size_t blocks, std::size_t groups, int largest_query_code)
        : shape(CodeShape::of(dim)), items(blocks * annlib::kBlockPanels * shape.panel_bytes() + 64),
          queries(groups * kCodeQueries * shape.dim()) {
        std::mt19937 random(static_cast<unsigned>(dim));
        panels = items.data() + (64 - reinterpret_cast<std::uintptr_t>(items.data()) % 64) % 64;
        std::uniform_int_distribution<int> item(0, 255);
        std::uniform_int_distribution<int> query(-largest_query_code, largest_query_code);
        for (auto& code : items) {
            code = static_cast<std::uint8_t>(random() % 8 == 0 ? 255 : item(random));
        }
        for (auto& code : queries) {
            code = static_cast<std::int8_t>(random() % 8 == 0 ? largest_query_code : query(random));
        }
    }
    std::int32_t dot(std::size_t query, std::size_t item) const {
        const std::uint8_t* panel = panels + item / kCodeLanes * shape.panel_bytes();
        std::int32_t sum = 0;
        for (std::size_t i = 0; i < shape.dim(); ++i) {
            sum += queries[query * shape.dim() + i] * panel[i / 4 * 4 * kCodeLanes + item % kCodeLanes * 4 + i % 4];
        }
        return sum;
    }
    annlib::CodeProducts products(std::size_t blocks, std::size_t groups) const {
        return {.panels = panels, .blocks = blocks, .queries = queries.data(), .groups = groups, .shape = shape};
    }

    CodeShape shape;
    std::vector<std::uint8_t> items;
    std::vector<std::int8_t> queries;
    const std::uint8_t* panels;
};

bool before(const CodeHit& a, const CodeHit& b) {
    return a.query != b.query ? a.query < b.query : a.item < b.item;
}

} // namespace

TEST(scan_finds_exactly_what_reaches_its_floor) {
    for (const KernelTable* table : annlib::available_kernels()) {
        for (const std::size_t dim : kDims) {
            for (const std::size_t groups : {1, 2, 3}) {
                constexpr std::size_t blocks = 3;
                const Codes codes(dim, blocks, groups, table->largest_query_code);
                const std::size_t queries = groups * kCodeQueries;
                std::vector<std::int32_t> floors(blocks * queries);
                std::vector<CodeHit> expected;
                for (std::size_t block = 0; block < blocks; ++block) {
                    for (std::size_t q = 0; q < queries; ++q) {
                        // Some floors are closed, some a product itself, some let everything pass.
                        std::int32_t floor = codes.dot(q, block * kBlockItems + q % kBlockItems);
                        floor = q % 5 == 1 ? annlib::kClosedFloor : q % 7 == 2 ? INT32_MIN : floor;
                        floor = block == 1 && q < kCodeQueries ? annlib::kClosedFloor : floor;
                        floors[block * queries + q] = floor;
                        for (std::size_t item = block * kBlockItems; item < (block + 1) * kBlockItems; ++item) {
                            const std::int32_t dot = codes.dot(q, item);
                            if (dot >= floor) {
                                expected.push_back(
                                    {static_cast<std::uint32_t>(q), static_cast<std::uint32_t>(item), dot});
                            }
                        }
                    }
                }
                std::vector<CodeHit> hits(blocks * kBlockItems * queries);
                hits.resize(table->scan_codes(codes.products(blocks, groups), floors.data(), hits.data()));
                std::sort(hits.begin(), hits.end(), before);
                std::sort(expected.begin(), expected.end(), before);
                CHECK_EQUAL(hits.size(), expected.size());
                for (std::size_t i = 0; i < std::min(hits.size(), expected.size()); ++i) {
                    CHECK_EQUAL(hits[i].query, expected[i].query);
                    CHECK_EQUAL(hits[i].item, expected[i].item);
                    CHECK_EQUAL(hits[i].dot, expected[i].dot);
                }
            }
        }
    }
}

TEST(multiplication_finds_all_products) {
    for (const KernelTable* table : annlib::available_kernels()) {
        for (const std::size_t dim : kDims) {
            constexpr std::size_t blocks = 3;
            constexpr std::size_t groups = 2;
            const Codes codes(dim, blocks, groups, table->largest_query_code);
            std::vector<std::int32_t> products(groups * kCodeQueries * blocks * kBlockItems);
            table->multiply_codes(codes.products(blocks, groups), products.data());
            for (std::size_t i = 0; i < products.size(); ++i) {
                CHECK_EQUAL(products[i], codes.dot(i / (blocks * kBlockItems), i % (blocks * kBlockItems)));
            }
        }
    }
}

TEST(low_keys_are_in_the_order_of_the_values) {
    const std::vector<std::int32_t> products = [] {
        std::vector<std::int32_t> result(2 * kBlockItems);
        for (std::size_t i = 0; i < result.size(); ++i) {
            result[i] = (static_cast<std::int32_t>(i) - 30) * (i % 3 == 0 ? 100000 : 7);
        }
        return result;
    }();
    const float slopes[] = {0.5F, 2.0F};
    const float shifts[] = {10.0F, -300.0F};
    std::vector<float> half_squares(products.size());
    for (std::size_t i = 0; i < half_squares.size(); ++i) {
        half_squares[i] = static_cast<float>(i % 5) * 200.0F;
    }
    for (const KernelTable* table : annlib::available_kernels()) {
        std::vector<std::int32_t> keys(products.size());
        table->low_keys(products.data(),
                        {.blocks = 2,
                         .slopes = slopes,
                         .shifts = shifts,
                         .half_squares = half_squares.data(),
                         .inverse_scale = 0.5F},
                        keys.data());
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const std::size_t block = i / kBlockItems;
            const float value =
                (static_cast<float>(products[i]) - shifts[block]) * slopes[block] - half_squares[i] * 0.5F;
            CHECK_EQUAL(annlib::float_of_key(keys[i]), value);
            for (std::size_t j = 0; j < i; ++j) {
                CHECK_EQUAL(keys[j] < keys[i], annlib::float_of_key(keys[j]) < value);
            }
        }
    }
}

TEST(sums_of_extreme_codes_do_not_overflow) {
    constexpr std::size_t dim = 2048;
    for (const KernelTable* table : annlib::available_kernels()) {
        Codes codes(dim, 1, 1, table->largest_query_code);
        std::fill(codes.items.begin(), codes.items.end(), std::uint8_t{255});
        std::fill(codes.queries.begin(), codes.queries.end(), static_cast<std::int8_t>(table->largest_query_code));
        const std::vector<std::int32_t> floors(kCodeQueries, INT32_MIN);
        std::vector<CodeHit> hits(kBlockItems * kCodeQueries);
        const std::size_t count = table->scan_codes(codes.products(1, 1), floors.data(), hits.data());
        CHECK_EQUAL(count, hits.size());
        for (const CodeHit& hit : hits) {
            CHECK_EQUAL(hit.dot, static_cast<std::int32_t>(dim) * 255 * table->largest_query_code);
        }
    }
}

TEST(selection_finds_the_kth_largest) {
    std::mt19937 random(3);
    for (const KernelTable* table : annlib::available_kernels()) {
        for (const std::size_t count : {1, 2, 7, 8, 52, 300}) {
            for (std::size_t k = 1; k <= count; k = k * 2 + 1) {
                std::vector<std::int32_t> keys(
                    (count + annlib::kKeyPadding - 1) / annlib::kKeyPadding * annlib::kKeyPadding, annlib::kPaddingKey);
                for (std::size_t i = 0; i < count; ++i) {
                    keys[i] = static_cast<std::int32_t>(random()) >> (random() % 24);
                }
                keys[0] = count > 3 ? annlib::kPaddingKey + 1 : keys[0];
                keys[count - 1] = count > 3 ? INT32_MAX : keys[count - 1];
                if (k + 2 < count) { // some are none
                    keys[count / 2] = annlib::kPaddingKey;
                }
                const std::int32_t found = table->kth_largest(keys.data(), count, k);
                std::sort(keys.begin(), keys.end(), std::greater<>());
                CHECK(found == keys[k - 1]);
            }
        }
    }
}

// Items in a frame, coded, and queries against them: whatever reaches a threshold by its exact product passes the box,
// the floor, and lies in its interval.
TEST(nothing_that_reaches_a_threshold_is_ruled_out) {
    for (const annlib::Metric metric :
         {annlib::Metric::inner_product, annlib::Metric::cosine, annlib::Metric::euclidean}) {
        for (const std::size_t dim : {1, 5, 64, 130}) {
            constexpr std::size_t count = 300;
            constexpr std::size_t queries = 16;
            std::vector<float> items = check::random_floats(count * dim, 5);
            for (std::size_t i = 0; i < count * dim; ++i) {
                items[i] *= std::ldexp(1.0F, static_cast<int>(i / dim % 12) - 9); // lengths from 2^-9 to 4
            }
            const std::vector<float> asked = check::random_floats(queries * dim, 6);
            const std::vector<float> center(dim, 0.125F);
            const float* moved = metric == annlib::Metric::euclidean ? center.data() : nullptr;
            const KernelTable& scalar = annlib::scalar_kernels();
            std::vector<double> norms(count);
            for (std::size_t row = 0; row < count; ++row) {
                norms[row] = moved == nullptr
                                 ? annlib::defined_norm(scalar, items.data() + row * dim, dim)
                                 : std::sqrt(scalar.squared_distance(items.data() + row * dim, moved, dim));
            }
            const annlib::Frame frame{.metric = metric, .dim = dim, .scale = std::ldexp(1.0, -8), .center = moved};
            annlib::Cancellation never;
            const annlib::CodeTables tables = annlib::make_codes(frame, items.data(), norms.data(), count, 1, never);
            const CodeShape shape = CodeShape::of(dim);
            const annlib::Rotation rotation(dim);
            for (const KernelTable* table : annlib::available_kernels()) {
                for (std::size_t q = 0; q < queries; ++q) {
                    const float* query = asked.data() + q * dim;
                    std::vector<std::int8_t> codes(shape.dim());
                    std::vector<float> placed(dim * annlib::kPanelWidth);
                    std::vector<double> scratch(dim);
                    annlib::CodedQuery coded;
                    const double norm = annlib::defined_norm(scalar, query, dim);
                    CHECK(coded.load(frame, query, norm,
                                     {.rotation = &rotation, .largest_code = table->largest_query_code},
                                     {.codes = codes.data(), .placed = placed.data()}, scratch));
                    for (std::size_t target = 0; target < count; target += 17) {
                        const float threshold = annlib::goodness_of_score(
                            metric, annlib::defined_score(metric, scalar, query, norm, items.data() + target * dim,
                                                          norms[target], dim));
                        const float reach = std::nextafter(static_cast<float>(coded.floor(threshold)),
                                                           -std::numeric_limits<float>::infinity());
                        for (std::size_t block = 0; block < tables.blocks.size(); ++block) {
                            const float query_norm = std::nextafter(static_cast<float>(coded.norm()), 1e30F);
                            const float unknown = std::numeric_limits<float>::quiet_NaN();
                            const float zero = 0.0F;
                            const float inverse = static_cast<float>(1.0 / coded.scale());
                            const float length = coded.length();
                            const float error = coded.error();
                            const float offset = coded.offset();
                            const std::vector<float> reaches(8, reach);
                            const std::vector<float> unknowns(8, unknown);
                            const std::vector<float> zeros(8, zero);
                            const std::vector<float> lengths(8, query_norm);
                            const std::vector<float> inverses(8, inverse);
                            const std::vector<float> code_lengths(8, length);
                            const std::vector<float> errors(8, error);
                            const std::vector<float> offsets(8, offset);
                            std::int32_t floors[8];
                            table->code_floors({.reach = reaches.data(),
                                                .product = unknowns.data(),
                                                .residual = zeros.data(),
                                                .norm = lengths.data(),
                                                .product_error = zeros.data(),
                                                .inverse_scale = inverses.data(),
                                                .length = code_lengths.data(),
                                                .error = errors.data(),
                                                .offset = offsets.data()},
                                               tables.blocks[block], metric == annlib::Metric::euclidean, 8, floors);
                            for (std::size_t lane = 0; lane < kBlockItems; ++lane) {
                                const std::uint32_t row = tables.rows[block * kBlockItems + lane];
                                if (row == annlib::kNoItem) {
                                    continue;
                                }
                                const std::uint8_t* panel =
                                    tables.codes.data() +
                                    (block * annlib::kBlockPanels + lane / kCodeLanes) * shape.panel_bytes();
                                std::int32_t dot = 0;
                                for (std::size_t i = 0; i < shape.dim(); ++i) {
                                    dot += codes[i] * panel[i / 4 * 4 * kCodeLanes + lane % kCodeLanes * 4 + i % 4];
                                }
                                const float goodness = annlib::goodness_of_score(
                                    metric, annlib::defined_score(metric, scalar, query, norm, items.data() + row * dim,
                                                                  norms[row], dim));
                                CHECK(goodness < threshold || dot >= floors[0]);
                                const annlib::Interval interval = coded.interval(dot, tables.blocks[block], norms[row]);
                                CHECK(interval.low <= goodness && goodness <= interval.high);
                            }
                        }
                    }
                }
            }
        }
    }
}

TEST(boxes_hold_their_items_and_bounds_their_products) {
    constexpr std::size_t dim = 24;
    constexpr std::size_t count = 2000;
    const std::vector<float> items = check::random_floats(count * dim, 8);
    std::vector<double> norms(count);
    for (std::size_t row = 0; row < count; ++row) {
        norms[row] = annlib::defined_norm(annlib::scalar_kernels(), items.data() + row * dim, dim);
    }
    for (const bool quadratic : {false, true}) {
        const std::vector<float> center(dim, 0.0F);
        const annlib::Frame frame{.metric = quadratic ? annlib::Metric::euclidean : annlib::Metric::inner_product,
                                  .dim = dim,
                                  .scale = 0.125,
                                  .center = quadratic ? center.data() : nullptr};
        annlib::Cancellation never;
        const annlib::CodeTables tables = annlib::make_codes(frame, items.data(), norms.data(), count, 2, never);
        std::vector<std::uint32_t> seen;
        const std::vector<float> query = check::random_floats(dim, 9);
        double square = 0.0;
        for (const float component : query) {
            square += static_cast<double>(component) * component;
        }
        for (std::size_t g = 0; g < tables.groups.size(); ++g) {
            for (std::size_t c = 0; c < tables.groups[g].count; ++c) {
                const std::size_t cluster = tables.groups[g].first + c;
                const float* directions = tables.cluster_directions.data(); // one group of clusters here
                double product = 0.0;
                for (std::size_t i = 0; i < dim; ++i) {
                    product +=
                        static_cast<double>(query[i]) *
                        directions[(c / annlib::kGroupSize * dim + i) * annlib::kGroupSize + c % annlib::kGroupSize];
                }
                const std::vector<float> products(8, static_cast<float>(product));
                const std::vector<float> lengths(8, static_cast<float>(std::sqrt(square) * 1.000001));
                const std::vector<float> errors(8, static_cast<float>(std::sqrt(square) * 1e-5));
                float bounds[8];
                float residuals[8];
                for (const KernelTable* table : annlib::available_kernels()) {
                    table->bound_box({.reach = nullptr,
                                      .product = products.data(),
                                      .residual = nullptr,
                                      .norm = lengths.data(),
                                      .product_error = errors.data(),
                                      .inverse_scale = nullptr,
                                      .length = nullptr,
                                      .error = nullptr,
                                      .offset = nullptr},
                                     tables.cluster_boxes[cluster], 1.0F, quadratic, 8, bounds, residuals);
                    const annlib::CodeRange& range = tables.clusters[cluster];
                    for (std::size_t at = range.first * kBlockItems; at < (range.first + range.count) * kBlockItems;
                         ++at) {
                        const std::uint32_t row = tables.rows[at];
                        if (row == annlib::kNoItem) {
                            continue;
                        }
                        double value = 0.0;
                        for (std::size_t i = 0; i < dim; ++i) {
                            const double x = items[row * dim + i] * 0.125;
                            value += static_cast<double>(query[i]) * x - (quadratic ? 0.5 * x * x : 0.0);
                        }
                        CHECK(value <= static_cast<double>(bounds[0]));
                        if (table == annlib::available_kernels().front()) {
                            seen.push_back(row);
                        }
                    }
                }
            }
        }
        CHECK_EQUAL(tables.groups.size(), std::size_t{1});
        std::sort(seen.begin(), seen.end());
        CHECK_EQUAL(seen.size(), count);
        for (std::size_t row = 0; row < seen.size(); ++row) {
            CHECK_EQUAL(seen[row], row);
        }
    }
}

TEST(codes_do_not_depend_on_threads) {
    constexpr std::size_t dim = 40;
    constexpr std::size_t count = 30000;
    const std::vector<float> items = check::random_floats(count * dim, 10);
    std::vector<double> norms(count);
    for (std::size_t row = 0; row < count; ++row) {
        norms[row] = annlib::defined_norm(annlib::scalar_kernels(), items.data() + row * dim, dim);
    }
    const annlib::Frame frame{.metric = annlib::Metric::inner_product, .dim = dim, .scale = 0.03125, .center = nullptr};
    annlib::Cancellation never;
    const annlib::CodeTables one = annlib::make_codes(frame, items.data(), norms.data(), count, 1, never);
    const annlib::CodeTables five = annlib::make_codes(frame, items.data(), norms.data(), count, 5, never);
    CHECK(one.groups.size() > 1);
    CHECK(one.rows == five.rows);
    CHECK(one.codes == five.codes);
    CHECK(one.cluster_directions == five.cluster_directions);
}
