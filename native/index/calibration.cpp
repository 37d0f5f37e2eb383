#include "index/calibration.hpp"

#include "index/search.hpp"
#include "index/seeding.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace annlib {
namespace {

// Queries of a sample, and as many more as a larger index pays for: a closer estimate leaves less to caution.
constexpr std::size_t kSmallestSample = 512;
constexpr std::size_t kLargestSample = 2048;
constexpr std::size_t kItemsPerSampleQuery = 256;
constexpr std::size_t kQueriesPerTask = 32;
// Where some of the queries have more items than this to score, there is nothing to gain, and much to lose.
constexpr std::size_t kProbeQueries = 16;
constexpr std::size_t kMostScored = 4096;
// To be above a recall with some certainty.
constexpr double kStandardErrors = 2.5;
// Queries that begin in the wrong place, or have what is there excluded, are to find the rest all the same.
constexpr float kSmallestBeta = 0.25F;
// Below 1, which would be no trial.
constexpr float kLargestTrial = 0.999F;
// Recalls are tried out at this of the calibrated k, for those up to the last.
constexpr std::size_t kTrialIndex = 1;
constexpr std::size_t kLastTried = 2;

// Where each row of an index was put.
struct Places {
    std::vector<std::uint32_t> block_of_row;
    std::vector<std::uint32_t> cluster_of_block;
    std::vector<std::uint32_t> group_of_cluster;

    explicit Places(const Index& index)
        : block_of_row(index.count()), cluster_of_block(index.codes()->block_count()),
          group_of_cluster(index.codes()->clusters.size()) {
        const CodeSections& coded = *index.codes();
        for (std::size_t i = 0; i < coded.rows.size(); ++i) {
            if (coded.rows[i] < block_of_row.size()) {
                block_of_row[coded.rows[i]] = static_cast<std::uint32_t>(i / kBlockItems);
            }
        }
        fill(coded.clusters, cluster_of_block);
        fill(coded.groups, group_of_cluster);
    }

  private:
    static void fill(std::span<const CodeRange> ranges, std::vector<std::uint32_t>& range_of) {
        for (std::size_t r = 0; r < ranges.size(); ++r) {
            std::fill_n(range_of.begin() + ranges[r].first, ranges[r].count, static_cast<std::uint32_t>(r));
        }
    }
};

// The smallest beta for which `box`, about a direction with P = product and O = residual, is not ruled out.
double needed_beta(bool quadratic, double product, double residual, const Box& box, double reach) noexcept {
    const double p_min = box.p_min;
    const double p_max = box.p_max;
    const double o_min = box.o_min;
    const double o_max = box.o_max;
    double wanted = 0.0; // of beta * residual
    if (quadratic) {
        const double p = std::clamp(product, p_min, p_max);
        const double rest = reach - p * (product - 0.5 * p); // what o y - o^2 / 2 has to reach, y = wanted
        if (rest > 0.5 * o_max * o_max) {
            wanted = rest / o_max + 0.5 * o_max;
        } else if (rest > 0.5 * o_min * o_min) {
            wanted = std::sqrt(2.0 * rest);
        } else {
            wanted = o_min > 0.0 ? rest / o_min + 0.5 * o_min : 0.0;
        }
    } else {
        const double rest = reach - std::max(product * p_min, product * p_max);
        wanted = rest > 0.0 ? rest / o_max : 0.0;
    }
    return wanted > 0.0 ? std::min(1.0, wanted / residual) : 0.0; // where the residual is 0, 1
}

// The smallest betas that keep the neighbours of some queries, k of each, in steps of 1 / kSteps.
class Needed {
  public:
    static constexpr std::size_t kSteps = 4096;

    // Rounded up; no less than needed against the float32 roundings of the search's own bounds.
    static std::uint16_t step_of(double beta) noexcept {
        return static_cast<std::uint16_t>(
            std::min(static_cast<double>(kSteps), std::ceil(beta * static_cast<double>(kSteps)) + 1.0));
    }

    Needed(std::span<const std::uint16_t> steps, std::size_t k) : steps_(steps), k_(k) {
        for (const std::uint16_t step : steps) {
            ++up_to_[step];
        }
        std::partial_sum(up_to_.begin(), up_to_.end(), up_to_.begin());
    }

    // The step that keeps this share of the neighbours; the last above all of them.
    std::size_t quantile(double share) const {
        const double kept = std::ceil(share * static_cast<double>(steps_.size()));
        const auto found = std::find_if(up_to_.begin(), up_to_.end(),
                                        [&](std::size_t count) { return static_cast<double>(count) >= kept; });
        return std::min(kSteps, static_cast<std::size_t>(found - up_to_.begin()));
    }
    // The share of the neighbours that a step keeps: more than was asked for where many need the same.
    double kept(std::size_t step) const {
        return static_cast<double>(up_to_[step]) / static_cast<double>(steps_.size());
    }
    static float beta(std::size_t step) noexcept { return static_cast<float>(step) / static_cast<float>(kSteps); }

    // Of the mean share that a step keeps.
    double standard_error(std::size_t step) const {
        double sum = 0.0;
        double square = 0.0;
        for (std::size_t first = 0; first < steps_.size(); first += k_) {
            std::uint32_t kept = 0;
            for (const std::uint16_t needed : steps_.subspan(first, k_)) {
                kept += needed <= step ? 1 : 0;
            }
            const double share = kept / static_cast<double>(k_);
            sum += share;
            square += share * share;
        }
        const double queries = static_cast<double>(steps_.size()) / static_cast<double>(k_);
        const double mean = sum / queries;
        return std::sqrt(std::max(0.0, square / queries - mean * mean) / queries);
    }

  private:
    std::span<const std::uint16_t> steps_;
    std::size_t k_;
    std::array<std::size_t, kSteps + 1> up_to_{};
};

// What a sample of queries needs: for each calibrated k, query and true neighbour, the smallest beta that keeps it.
class Needs {
  public:
    Needs(const Index& index, std::span<const float> queries, std::span<const std::int64_t> own_rows,
          std::size_t threads, Cancellation& cancellation)
        : index_(index), quadratic_(index.metric() == Metric::euclidean), queries_(queries), own_rows_(own_rows),
          count_(queries.size() / index.dim()), places_(index),
          most_(std::min<std::size_t>(index.count(), kCalibratedK.back())), rows_(count_ * most_),
          scores_(count_ * most_) {
        for (std::size_t i = 0; i < kCalibratedK.size(); ++i) {
            needs_[i].resize(count_ * kCalibratedK[i]);
        }
        const SearchRequest request{.queries = queries.data(),
                                    .query_count = count_,
                                    .k = most_,
                                    .own_rows = own_rows,
                                    .excluded = {},
                                    .allowed = {},
                                    .threads = threads};
        search(index, request, cancellation, rows_.data(), scores_.data());
        parallel_for((count_ + kQueriesPerTask - 1) / kQueriesPerTask, threads, cancellation,
                     [&](std::size_t task, std::size_t) {
                         const std::size_t first = task * kQueriesPerTask;
                         measure(first, std::min(count_, first + kQueriesPerTask));
                     });
    }

    // For each calibrated k, the betas that give the calibrated recalls by more than some standard errors.
    void find_betas(CalibrationTable& table, std::size_t threads, Cancellation& cancellation) const {
        const Needed trial(needs_[kTrialIndex], kCalibratedK[kTrialIndex]);
        const std::vector<Trial> trials = try_out(trial, threads, cancellation);
        parallel_for(kCalibratedK.size(), threads, cancellation, [&](std::size_t i, std::size_t) {
            const Needed needed(needs_[i], kCalibratedK[i]);
            const auto share = [&](double wanted) { return i <= kLastTried ? share_for(trials, wanted) : wanted; };
            for (std::size_t r = 0; r < kCalibratedRecalls.size(); ++r) {
                const auto recall = static_cast<double>(kCalibratedRecalls[r]);
                // Of what is missed, the error goes with the root.
                const double error = needed.standard_error(needed.quantile(share(recall))) *
                                     std::sqrt((1.0 - recall) / (1.0 - share(recall)));
                table.beta[i][r] =
                    std::max(kSmallestBeta, Needed::beta(needed.quantile(share(recall + kStandardErrors * error))));
            }
        });
    }

  private:
    // A search keeps more than what is needed at its end: its thresholds begin lower. How much more is tried out.
    struct Trial {
        double share;  // of the neighbours whose needed beta was allowed
        double recall; // that this gave
    };

    std::vector<Trial> try_out(const Needed& needed, std::size_t threads, Cancellation& cancellation) const {
        std::vector<Trial> trials{{.share = 0.0, .recall = 0.0}};
        const std::size_t k = kCalibratedK[kTrialIndex];
        for (const double share : {0.6, 0.85, 0.96, 0.985}) {
            if (k > most_) {
                continue;
            }
            const std::size_t step = needed.quantile(share);
            std::vector<std::int64_t> rows(count_ * k);
            std::vector<float> scores(count_ * k);
            search(index_,
                   {.queries = queries_.data(),
                    .query_count = count_,
                    .k = k,
                    .own_rows = own_rows_,
                    .excluded = {},
                    .allowed = {},
                    .threads = threads,
                    .beta = std::min(Needed::beta(step), kLargestTrial)},
                   cancellation, rows.data(), scores.data());
            std::size_t found = 0;
            for (std::size_t q = 0; q < count_; ++q) {
                const std::span<const std::int64_t> truth = std::span(rows_).subspan(q * most_, k);
                found += static_cast<std::size_t>(std::count_if(
                    rows.begin() + static_cast<std::ptrdiff_t>(q * k),
                    rows.begin() + static_cast<std::ptrdiff_t>((q + 1) * k),
                    [&](std::int64_t row) { return std::find(truth.begin(), truth.end(), row) != truth.end(); }));
            }
            const double recall = static_cast<double>(found) / static_cast<double>(count_ * k);
            trials.push_back({.share = needed.kept(step), .recall = std::max(recall, trials.back().recall)});
        }
        trials.push_back({.share = 1.0, .recall = 1.0});
        return trials;
    }

    // The share that gave a recall, between two trials by a straight line; never more than the recall itself.
    static double share_for(std::span<const Trial> trials, double recall) {
        const auto above =
            std::find_if(trials.begin(), trials.end(), [&](const Trial& trial) { return trial.recall >= recall; });
        if (above == trials.end() || above == trials.begin()) {
            return recall;
        }
        const Trial& below = *(above - 1);
        const double part = (recall - below.recall) / (above->recall - below.recall);
        return std::min(recall, below.share + part * (above->share - below.share));
    }

    // The queries of one task about all directions.
    struct About {
        QuerySet queries;
        BoxBounds groups;
        std::vector<BoxBounds> clusters; // of each group
        std::vector<CodedQuery> coded;
        std::array<Seeds, kQueriesPerTask> seeds;
    };

    void measure(std::size_t first, std::size_t end) {
        const CodeSections& sections = *index_.codes();
        const std::size_t dim = index_.dim();
        About about{.queries = QuerySet(kQueriesPerTask, dim, sections.shape, QuerySet::Holds::all),
                    .groups = {},
                    .clusters = std::vector<BoxBounds>(sections.groups.size()),
                    .coded = std::vector<CodedQuery>(end - first),
                    .seeds = {}};
        Seeding(index_, kQueriesPerTask).find(queries_.data() + first * dim, end - first, about.seeds.data());
        std::vector<double> scratch(dim);
        place_queries(index_, queries_.data() + first * dim, about.coded, about.queries, scratch);
        about.groups.compute(about.queries, sections.group_directions.data(), sections.group_boxes, dim, 1.0F,
                             quadratic_);
        for (std::size_t g = 0; g < sections.groups.size(); ++g) {
            const CodeRange& range = sections.groups[g];
            about.clusters[g].compute(about.queries, sections.directions(g, dim),
                                      sections.cluster_boxes.subspan(range.first, range.count), dim, 1.0F, quadratic_);
        }
        for (std::size_t q = first; q < end; ++q) {
            for (std::size_t rank = 0; rank < most_; ++rank) {
                measure_neighbor(q, rank, q - first, about);
            }
        }
    }

    void measure_neighbor(std::size_t query, std::size_t rank, std::size_t in_task, const About& about) {
        const std::int64_t row = rows_[query * most_ + rank];
        if (row < 0) {
            return; // fewer neighbours than k: there is nothing to miss
        }
        const CodeSections& sections = *index_.codes();
        const std::size_t block = places_.block_of_row[static_cast<std::size_t>(row)];
        const std::size_t cluster = places_.cluster_of_block[block];
        const Seeds& seeds = about.seeds[in_task];
        if (std::any_of(seeds.begin(), seeds.end(), [&](const Seed& seed) { return seed.cluster == cluster; })) {
            return; // found at any beta
        }
        const std::size_t group = places_.group_of_cluster[cluster];
        const std::size_t in_group = cluster - sections.groups[group].first;
        const double product = about.clusters[group].products(in_group)[in_task];
        const double residual = about.clusters[group].residuals(in_group)[in_task];
        for (std::size_t i = 0; i < kCalibratedK.size(); ++i) {
            const std::size_t k = kCalibratedK[i];
            if (rank >= k) {
                continue;
            }
            double need = 0.0;
            if (const std::optional<double> reach = reach_of(query, k, about.coded[in_task])) {
                need = std::max(
                    {needed_beta(quadratic_, product, residual, sections.blocks[block].box, *reach),
                     needed_beta(quadratic_, product, residual, sections.cluster_boxes[cluster], *reach),
                     needed_beta(quadratic_, about.groups.products(group)[in_task],
                                 about.groups.residuals(group)[in_task], sections.group_boxes[group], *reach)});
            }
            needs_[i][query * k + rank] = Needed::step_of(need);
        }
    }

    // What an item has to reach to be among the best k of a query, as the search sees it once it has found them.
    std::optional<double> reach_of(std::size_t query, std::size_t k, const CodedQuery& coded) const {
        if (k > most_ || rows_[query * most_ + k - 1] < 0) {
            return std::nullopt;
        }
        return coded.floor(goodness_of_score(index_.metric(), scores_[query * most_ + k - 1]));
    }

    const Index& index_;
    bool quadratic_;
    std::span<const float> queries_;
    std::span<const std::int64_t> own_rows_;
    std::size_t count_;
    Places places_;
    std::size_t most_;
    std::vector<std::int64_t> rows_;
    std::vector<float> scores_;
    std::array<std::vector<std::uint16_t>, kCalibratedK.size()> needs_; // [query][rank], in steps
};

std::size_t sample_size(const Index& index) {
    return std::clamp(index.count() / kItemsPerSampleQuery, kSmallestSample, kLargestSample);
}

// So many of `count`, evenly spread.
std::vector<std::int64_t> spread(std::size_t count, std::size_t wanted) {
    std::vector<std::int64_t> chosen(std::min(count, wanted));
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        chosen[i] = static_cast<std::int64_t>(i * count / chosen.size());
    }
    return chosen;
}

// Whether bounds tell most items apart: not where thousands are the same vector, or as good as that.
bool bounds_decide(const Index& index, std::span<const float> queries, std::size_t threads,
                   Cancellation& cancellation) {
    const std::size_t count = std::min(kProbeQueries, queries.size() / index.dim());
    const std::size_t k = std::min<std::size_t>(index.count(), kCalibratedK[kTrialIndex]);
    std::vector<std::int64_t> rows(count * k);
    std::vector<float> scores(count * k);
    const SearchRequest request{.queries = queries.data(),
                                .query_count = count,
                                .k = k,
                                .own_rows = {},
                                .excluded = {},
                                .allowed = {},
                                .threads = threads};
    return search(index, request, cancellation, rows.data(), scores.data()).scored <= count * kMostScored;
}

CalibrationTable calibrate(const Index& index, QuerySource source, const float* vectors,
                           std::span<const std::int64_t> chosen, std::size_t threads, Cancellation& cancellation) {
    const std::size_t dim = index.dim();
    std::vector<float> queries;
    queries.reserve(chosen.size() * dim);
    for (const std::int64_t row : chosen) {
        const float* vector = vectors + static_cast<std::size_t>(row) * dim;
        queries.insert(queries.end(), vector, vector + dim);
    }
    CalibrationTable table{.source = source, .queries = static_cast<std::uint32_t>(chosen.size()), .beta = {}};
    if (!bounds_decide(index, queries, threads, cancellation)) {
        for (auto& betas : table.beta) {
            std::fill(std::begin(betas), std::end(betas), 1.0F);
        }
        return table;
    }
    const std::span<const std::int64_t> own_rows = source == QuerySource::items ? chosen : std::span(chosen).first(0);
    const Needs needs(index, queries, own_rows, threads, cancellation);
    if (cancellation.requested(true)) {
        return table;
    }
    needs.find_betas(table, threads, cancellation);
    return table;
}

} // namespace

CalibrationTable calibrate_on_items(const Index& index, std::size_t threads, Cancellation& cancellation) {
    return calibrate(index, QuerySource::items, index.vectors().data(), spread(index.count(), sample_size(index)),
                     threads, cancellation);
}

CalibrationTable calibrate_on_queries(const Index& index, std::span<const float> queries, std::size_t threads,
                                      Cancellation& cancellation) {
    return calibrate(index, QuerySource::queries, queries.data(),
                     spread(queries.size() / index.dim(), sample_size(index)), threads, cancellation);
}

float beta_for(std::span<const CalibrationTable> tables, QuerySource source, double recall, std::size_t k) noexcept {
    const auto matching = std::find_if(tables.begin(), tables.end(),
                                       [&](const CalibrationTable& table) { return table.source == source; });
    if (tables.empty() || !(recall < 1.0)) {
        return 1.0F;
    }
    const CalibrationTable& table = matching == tables.end() ? tables.front() : *matching;
    const auto k_above = std::lower_bound(kCalibratedK.begin(), kCalibratedK.end(), k);
    const auto recall_above =
        std::lower_bound(kCalibratedRecalls.begin(), kCalibratedRecalls.end(), static_cast<float>(recall));
    if (k_above == kCalibratedK.end() || recall_above == kCalibratedRecalls.end()) {
        return 1.0F;
    }
    // Between two values of k: the more cautious of the two.
    const auto column = static_cast<std::size_t>(recall_above - kCalibratedRecalls.begin());
    const auto row = static_cast<std::size_t>(k_above - kCalibratedK.begin());
    const float above = table.beta[row][column];
    const float beta = *k_above == k || row == 0 ? above : std::max(above, table.beta[row - 1][column]);
    return beta >= 0.0F && beta <= 1.0F ? beta : 1.0F; // a damaged file
}

} // namespace annlib
