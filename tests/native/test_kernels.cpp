// Every kernel on every instruction set of this host, ragged lengths included, against float64 written out.
#include "check.hpp"

#include "kernels/table.hpp"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>

namespace {

using annlib::KernelTable;
using annlib::kGroupSize;
using annlib::kPanelWidth;
using annlib::ScanOp;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const std::vector<std::size_t> kDims{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 127, 257};

double term(int which, double a, double b) {
    switch (which) {
    case 0:
        return a * b;
    case 1:
        return (a - b) * (a - b);
    case 2:
        return std::abs(a - b);
    default:
        return a != b ? 1.0 : 0.0;
    }
}

double defined_sum(int which, const float* a, const float* b, std::size_t dim) {
    double lanes[8] = {};
    for (std::size_t i = 0; i < dim; ++i) {
        lanes[i % 8] += term(which, a[i], b[i]);
    }
    double four[4];
    for (int j = 0; j < 4; ++j) {
        four[j] = lanes[j] + lanes[j + 4];
    }
    return (four[0] + four[2]) + (four[1] + four[3]);
}

double scanned_sum(ScanOp op, const float* query, const float* item, std::size_t dim) {
    double sum = 0.0;
    for (std::size_t i = 0; i < dim; ++i) {
        switch (op) {
        case ScanOp::dot:
            sum += static_cast<double>(query[i]) * item[i];
            break;
        case ScanOp::manhattan:
            sum -= std::abs(static_cast<double>(query[i]) - item[i]);
            break;
        case ScanOp::hamming:
            sum -= query[i] != item[i] ? 1.0 : 0.0;
            break;
        }
    }
    return sum;
}

annlib::ItemTerms plain_terms() {
    annlib::ItemTerms terms{};
    for (std::size_t lane = 0; lane < kPanelWidth; ++lane) {
        terms.bias[lane] = 0.25F * static_cast<float>(lane);
        terms.weight[lane] = 1.0F + static_cast<float>(lane);
    }
    return terms;
}

annlib::RowBlock block_of(const std::vector<float>& items, std::size_t dim, const annlib::ItemTerms& terms) {
    annlib::RowBlock block{.rows = {}, .scale = 1.0F, .center = nullptr, .terms = &terms};
    for (std::size_t lane = 0; lane < kPanelWidth; ++lane) {
        block.rows[lane] = items.data() + lane * dim;
    }
    return block;
}

void check_near(double value, double expected, std::size_t dim) {
    CHECK(std::abs(value - expected) <= 1e-6 * static_cast<double>(dim + 4) * (4.0 + std::abs(expected)));
}

} // namespace

TEST(definition_is_the_same_bits_everywhere) {
    for (const KernelTable* table : annlib::available_kernels()) {
        for (const std::size_t dim : kDims) {
            std::vector<float> a = check::random_floats(dim, 1);
            std::vector<float> b = check::random_floats(dim, 2);
            for (std::size_t i = 0; i < dim; ++i) { // many magnitudes, some equal components
                a[i] *= std::ldexp(1.0F, static_cast<int>(i % 60) - 30);
                b[i] = i % 3 == 0 ? a[i] : b[i] * std::ldexp(1.0F, static_cast<int>(i * 7 % 60) - 30);
            }
            CHECK_EQUAL(std::bit_cast<std::uint64_t>(table->dot(a.data(), b.data(), dim)),
                        std::bit_cast<std::uint64_t>(defined_sum(0, a.data(), b.data(), dim)));
            CHECK_EQUAL(std::bit_cast<std::uint64_t>(table->squared_distance(a.data(), b.data(), dim)),
                        std::bit_cast<std::uint64_t>(defined_sum(1, a.data(), b.data(), dim)));
            CHECK_EQUAL(std::bit_cast<std::uint64_t>(table->manhattan(a.data(), b.data(), dim)),
                        std::bit_cast<std::uint64_t>(defined_sum(2, a.data(), b.data(), dim)));
            CHECK_EQUAL(std::bit_cast<std::uint64_t>(table->hamming(a.data(), b.data(), dim)),
                        std::bit_cast<std::uint64_t>(defined_sum(3, a.data(), b.data(), dim)));
        }
    }
}

TEST(definition_keeps_denormals) {
    const std::vector<float> tiny(9, std::numeric_limits<float>::denorm_min());
    const std::vector<float> zero(9, 0.0F);
    const double unit = std::numeric_limits<float>::denorm_min();
    for (const KernelTable* table : annlib::available_kernels()) {
        CHECK_EQUAL(table->manhattan(tiny.data(), zero.data(), 9), 9.0 * unit);
        CHECK_EQUAL(table->dot(tiny.data(), tiny.data(), 9), 9.0 * unit * unit);
        CHECK_EQUAL(table->hamming(tiny.data(), zero.data(), 9), 9.0);
    }
}

TEST(pack_transposes_scales_and_centres) {
    for (const KernelTable* table : annlib::available_kernels()) {
        for (const std::size_t dim : kDims) {
            const std::vector<float> items = check::random_floats(kPanelWidth * dim, 3);
            const std::vector<float> center = check::random_floats(dim, 4);
            const annlib::ItemTerms terms{};
            annlib::RowBlock block = block_of(items, dim, terms);
            block.scale = 0.125F;
            std::vector<float> values(dim * kPanelWidth);
            for (const bool centred : {false, true}) {
                block.center = centred ? center.data() : nullptr;
                table->pack(block, dim, values.data());
                for (std::size_t lane = 0; lane < kPanelWidth; ++lane) {
                    for (std::size_t i = 0; i < dim; ++i) {
                        const float scaled = items[lane * dim + i] * 0.125F;
                        CHECK_EQUAL(values[i * kPanelWidth + lane], centred ? scaled - center[i] : scaled);
                    }
                }
            }
        }
    }
}

TEST(scan_panel_reports_each_pair_once_with_its_value) {
    constexpr std::size_t groups = 3;
    constexpr std::size_t queries = groups * kGroupSize;
    for (const KernelTable* table : annlib::available_kernels()) {
        for (const ScanOp op : {ScanOp::dot, ScanOp::manhattan, ScanOp::hamming}) {
            for (const std::size_t dim : kDims) {
                std::vector<float> items = check::random_floats(kPanelWidth * dim, 5);
                const std::vector<float> query = check::random_floats(queries * dim, 6);
                items[0] = query[0];
                const annlib::ItemTerms terms = plain_terms();
                std::vector<float> panel(dim * kPanelWidth);
                std::vector<float> grouped(queries * dim);
                table->pack(block_of(items, dim, terms), dim, panel.data());
                for (std::size_t q = 0; q < queries; ++q) {
                    for (std::size_t i = 0; i < dim; ++i) {
                        grouped[(q / kGroupSize * dim + i) * kGroupSize + q % kGroupSize] = query[q * dim + i];
                    }
                }
                const std::vector<float> slope(queries, 0.0F);
                const std::vector<float> floor(queries, -kInfinity);
                std::vector<annlib::Hit> hits(queries * kPanelWidth);
                const std::size_t count = table->scan_panel[static_cast<std::size_t>(op)](
                    {.values = panel.data(), .terms = &terms},
                    {.values = grouped.data(), .slope = slope.data(), .floor = floor.data(), .groups = groups}, dim,
                    hits.data());
                CHECK_EQUAL(count, queries * kPanelWidth);
                std::vector<int> seen(queries * kPanelWidth);
                for (const annlib::Hit& hit : hits) {
                    ++seen[hit.query * kPanelWidth + hit.lane];
                    const double sum =
                        scanned_sum(op, query.data() + hit.query * dim, items.data() + hit.lane * dim, dim);
                    check_near(hit.value, sum + terms.bias[hit.lane], dim);
                }
                CHECK(seen == std::vector<int>(queries * kPanelWidth, 1));
            }
        }
    }
}

TEST(scan_rows_reports_each_row_once_with_its_value) {
    for (const KernelTable* table : annlib::available_kernels()) {
        for (const ScanOp op : {ScanOp::dot, ScanOp::manhattan, ScanOp::hamming}) {
            for (const std::size_t dim : kDims) {
                for (const bool centred : {false, true}) {
                    const std::vector<float> items = check::random_floats(kPanelWidth * dim, 7);
                    const std::vector<float> query = check::random_floats(dim, 8);
                    const std::vector<float> center = check::random_floats(dim, 9);
                    const annlib::ItemTerms terms = plain_terms();
                    annlib::RowBlock block = block_of(items, dim, terms);
                    block.center = centred ? center.data() : nullptr;
                    std::vector<annlib::Hit> hits(kPanelWidth);
                    const std::size_t count = table->scan_rows[static_cast<std::size_t>(op)](
                        block, {.values = query.data(), .slope = 0.0F, .floor = -kInfinity}, dim, hits.data());
                    CHECK_EQUAL(count, kPanelWidth);
                    for (std::size_t lane = 0; lane < count; ++lane) {
                        CHECK_EQUAL(hits[lane].lane, lane);
                        std::vector<float> item(items.begin() + static_cast<std::ptrdiff_t>(lane * dim),
                                                items.begin() + static_cast<std::ptrdiff_t>((lane + 1) * dim));
                        for (std::size_t i = 0; i < dim && centred; ++i) {
                            item[i] -= center[i];
                        }
                        const double sum = scanned_sum(op, query.data(), item.data(), dim);
                        check_near(hits[lane].value, sum + terms.bias[lane], dim);
                    }
                }
            }
        }
    }
}

TEST(gates_stop_what_is_below_and_pass_nan) {
    constexpr std::size_t dim = 5;
    std::vector<float> items(kPanelWidth * dim, 0.0F);
    for (std::size_t lane = 0; lane < kPanelWidth; ++lane) {
        items[lane * dim] = static_cast<float>(lane);
    }
    items[7 * dim + 1] = std::numeric_limits<float>::quiet_NaN();
    annlib::ItemTerms terms{};
    terms.weight[3] = 100.0F; // 3 + slope * 100 passes a floor of 20 where 3 alone would not
    const std::vector<float> ones(dim, 1.0F);
    for (const KernelTable* table : annlib::available_kernels()) {
        const std::vector<std::uint32_t> expected{3, 7, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
        const annlib::RowBlock block = block_of(items, dim, terms);
        std::vector<annlib::Hit> hits(kGroupSize * kPanelWidth);

        std::size_t count =
            table->scan_rows[0](block, {.values = ones.data(), .slope = 0.25F, .floor = 20.0F}, dim, hits.data());
        CHECK_EQUAL(count, expected.size());
        for (std::size_t i = 0; i < count; ++i) {
            CHECK_EQUAL(hits[i].lane, expected[i]);
        }

        std::vector<float> panel(dim * kPanelWidth);
        table->pack(block, dim, panel.data());
        const std::vector<float> grouped(kGroupSize * dim, 1.0F);
        std::vector<float> slope(kGroupSize, 0.25F);
        std::vector<float> floor(kGroupSize, kInfinity); // closed, but for query 5
        floor[5] = 20.0F;
        count = table->scan_panel[0](
            {.values = panel.data(), .terms = &terms},
            {.values = grouped.data(), .slope = slope.data(), .floor = floor.data(), .groups = 1}, dim, hits.data());
        std::size_t of_query_5 = 0;
        for (std::size_t i = 0; i < count; ++i) {
            CHECK(hits[i].query == 5 || hits[i].lane == 7);
            of_query_5 += hits[i].query == 5 ? 1 : 0;
        }
        CHECK_EQUAL(of_query_5, expected.size());
    }
}

TEST(crc32c_has_the_known_values) {
    // RFC 3720, appendix B.4, and the check value of the algorithm's catalogue entry.
    const std::vector<unsigned char> zeros(32, 0x00);
    const std::vector<unsigned char> ones(32, 0xff);
    std::vector<unsigned char> ascending(32);
    for (std::size_t i = 0; i < ascending.size(); ++i) {
        ascending[i] = static_cast<unsigned char>(i);
    }
    for (const KernelTable* table : annlib::available_kernels()) {
        CHECK_EQUAL(table->crc32c(0, "123456789", 9), 0xe3069283U);
        CHECK_EQUAL(table->crc32c(0, zeros.data(), 32), 0x8a9136aaU);
        CHECK_EQUAL(table->crc32c(0, ones.data(), 32), 0x62a8ab43U);
        CHECK_EQUAL(table->crc32c(0, ascending.data(), 32), 0x46dd794eU);
        CHECK_EQUAL(table->crc32c(0, "", 0), 0U);
        for (std::size_t cut = 0; cut <= 32; ++cut) { // in two pieces, at any alignment
            const std::uint32_t first = table->crc32c(0, ascending.data(), cut);
            CHECK_EQUAL(table->crc32c(first, ascending.data() + cut, 32 - cut), 0x46dd794eU);
        }
    }
}

TEST(an_unknown_instruction_set_is_refused) {
    const std::string message = THROWN(std::invalid_argument, annlib::use_kernels("sse9"));
    CHECK(message.find("'sse9'") != std::string::npos);
    CHECK(message.find("scalar") != std::string::npos);
    for (const KernelTable* table : annlib::available_kernels()) {
        annlib::use_kernels(table->name);
        CHECK_EQUAL(std::string_view(annlib::kernels().name), std::string_view(table->name));
    }
}
