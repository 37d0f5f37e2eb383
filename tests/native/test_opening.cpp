// Where a search begins: what the items of a cluster are said to reach, k of them do, on every instruction set.
#include "check.hpp"

#include "index/coded_query.hpp"
#include "index/opening.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace {

using annlib::CodedQuery;
using annlib::kCodeQueries;
using annlib::KernelTable;
using annlib::Metric;

// Items of several lengths about the origin, in clusters.
struct Coded {
    Coded(Metric searched, std::size_t dimensions, std::size_t items)
        : metric(searched), dim(dimensions), count(items), vectors(check::random_floats(items * dimensions, 5)),
          center(dimensions, 0.125F), norms(items) {
        for (std::size_t i = 0; i < count * dim; ++i) {
            vectors[i] *= std::ldexp(1.0F, static_cast<int>(i / dim % 12) - 9); // lengths from 2^-9 to 4
        }
        for (std::size_t row = 0; row < count; ++row) {
            const float* vector = vectors.data() + row * dim;
            norms[row] = metric == Metric::euclidean
                             ? std::sqrt(annlib::scalar_kernels().squared_distance(vector, center.data(), dim))
                             : annlib::defined_norm(annlib::scalar_kernels(), vector, dim);
        }
        annlib::Cancellation never;
        tables = annlib::make_codes(frame(), vectors.data(), norms.data(), count, 1, never);
        sections.shape = annlib::CodeShape::of(dim);
        sections.rows = tables.rows;
        sections.blocks = tables.blocks;
        sections.codes = tables.codes;
        sections.clusters = tables.clusters;
    }

    annlib::Frame frame() const {
        return {.metric = metric,
                .dim = dim,
                .scale = std::ldexp(1.0, -8),
                .center = metric == Metric::euclidean ? center.data() : nullptr};
    }

    // The goodness of the allowed items of a cluster, best first.
    std::vector<float> ranked(const annlib::CodeRange& cluster, const float* query,
                              const annlib::RowMask* allowed) const {
        const KernelTable& scalar = annlib::scalar_kernels();
        const double norm = annlib::defined_norm(scalar, query, dim);
        std::vector<float> result;
        for (std::size_t i = cluster.first * annlib::kBlockItems;
             i < (cluster.first + cluster.count) * annlib::kBlockItems; ++i) {
            const std::uint32_t row = tables.rows[i];
            if (row < count && (allowed == nullptr || allowed->contains(row))) {
                result.push_back(annlib::goodness_of_score(
                    metric,
                    annlib::defined_score(metric, scalar, query, norm, vectors.data() + row * dim, norms[row], dim)));
            }
        }
        std::sort(result.begin(), result.end(), std::greater<>());
        return result;
    }

    Metric metric;
    std::size_t dim;
    std::size_t count;
    std::vector<float> vectors;
    std::vector<float> center;
    std::vector<double> norms;
    annlib::CodeTables tables;
    annlib::CodeSections sections;
};

// One group of queries, coded.
struct Queries {
    explicit Queries(const Coded& items)
        : values(check::random_floats(kCodeQueries * items.dim, 6)), coded(kCodeQueries),
          set(kCodeQueries, items.dim, items.sections.shape, annlib::QuerySet::Holds::all) {
        const annlib::Rotation rotation(items.dim);
        std::vector<double> scratch(items.dim);
        set.reset(kCodeQueries);
        for (std::size_t q = 0; q < kCodeQueries; ++q) {
            const float* query = values.data() + q * items.dim;
            CHECK(coded[q].load(items.frame(), query, annlib::defined_norm(annlib::scalar_kernels(), query, items.dim),
                                {.rotation = &rotation, .largest_code = annlib::kernels().largest_query_code},
                                {.codes = set.codes.data() + q * items.sections.shape.dim(), .placed = set.place(q)},
                                scratch));
            set.inverse_scale[q] = static_cast<float>(1.0 / coded[q].scale());
            set.length[q] = coded[q].length();
            set.error[q] = coded[q].error();
            set.offset[q] = coded[q].offset();
        }
    }

    std::vector<float> values;
    std::vector<CodedQuery> coded;
    annlib::QuerySet set;
};

void check_every_cluster(const Coded& items, const annlib::RowMask* allowed) {
    Queries queries(items);
    annlib::Opening opening(items.sections, items.frame(), items.norms, allowed);
    double lost = 0.0;
    double spread = 0.0;
    for (const annlib::CodeRange& cluster : items.tables.clusters) {
        const std::size_t found = opening.enter(cluster);
        opening.multiply(queries.set, 0);
        for (std::size_t q = 0; q < kCodeQueries; ++q) {
            const std::vector<float> ranked = items.ranked(cluster, queries.values.data() + q * items.dim, allowed);
            CHECK_EQUAL(found, ranked.size());
            for (std::size_t k = 1; k <= found; k = k * 2 + 1) {
                const float goodness = queries.coded[q].goodness(opening.reached(queries.coded[q], q, k));
                CHECK(goodness <= ranked[k - 1]);
                lost += static_cast<double>(ranked[k - 1] - goodness);
                spread += static_cast<double>(ranked.front() - ranked.back());
            }
        }
    }
    CHECK(lost < 0.1 * spread); // and it says something
}

} // namespace

TEST(what_a_cluster_is_said_to_reach_is_reached) {
    for (const KernelTable* table : annlib::available_kernels()) {
        annlib::use_kernels(table->name);
        for (const Metric metric : {Metric::inner_product, Metric::cosine, Metric::euclidean}) {
            for (const std::size_t dim : {5, 64, 130}) {
                check_every_cluster(Coded(metric, dim, 900), nullptr);
            }
        }
    }
}

TEST(items_that_are_not_allowed_prove_nothing) {
    std::vector<std::int64_t> rows;
    for (std::int64_t row = 0; row < 900; row += 3) {
        rows.push_back(row);
    }
    const annlib::RowMask allowed(rows, 900);
    check_every_cluster(Coded(Metric::inner_product, 16, 900), &allowed);
}

TEST(of_a_large_cluster_the_first_items_are_looked_at) {
    Coded items(Metric::cosine, 8, 900);
    // All of it as one cluster, as where all items have one direction, and long beyond what is looked at.
    std::vector<annlib::BlockTerms> blocks;
    std::vector<std::uint32_t> rows;
    std::vector<std::uint8_t> codes;
    for (int copy = 0; copy < 3; ++copy) {
        blocks.insert(blocks.end(), items.tables.blocks.begin(), items.tables.blocks.end());
        rows.insert(rows.end(), items.tables.rows.begin(), items.tables.rows.end());
        codes.insert(codes.end(), items.tables.codes.begin(), items.tables.codes.end());
    }
    items.sections.blocks = blocks;
    items.sections.rows = rows;
    items.sections.codes = codes;
    annlib::Opening opening(items.sections, items.frame(), items.norms, nullptr);
    const std::size_t found = opening.enter({.first = 0, .count = static_cast<std::uint32_t>(blocks.size())});
    CHECK(found > 0 && found < 3 * items.count);
    Queries queries(items);
    opening.multiply(queries.set, 0);
    CHECK(std::isfinite(opening.reached(queries.coded[0], 0, found)));
}
