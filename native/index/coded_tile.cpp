#include "index/coded_tile.hpp"

#include "index/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace annlib {
namespace {

// Blocks scanned between two looks at the thresholds.
constexpr std::size_t kScanBlocks = 8;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

constexpr std::size_t round_up_to(std::size_t a, std::size_t multiple) {
    return (a + multiple - 1) / multiple * multiple;
}

// Into the second-level cache, which the scan of a block waits for longer than it takes to find the floors of the next.
void prefetch(const std::uint8_t* codes, std::size_t bytes) noexcept {
    constexpr std::size_t line = 64;
    for (std::size_t i = 0; i < bytes; i += line) {
        __builtin_prefetch(codes + i, 0, 2);
    }
}

// Where a search may guess: six standard deviations of what the errors of so many dimensions add up to.
double error_share(float beta, std::size_t dim) {
    return beta < 1.0F ? std::min(1.0, 6.0 / std::sqrt(static_cast<double>(dim))) : 1.0;
}

} // namespace

CodedTile::CodedTile(const Index& index, const SearchRequest& request, const RowMask* allowed, std::size_t tile,
                     std::size_t k)
    : index_(index), coded_(*index.codes()), request_(request), allowed_(allowed), kernels_(kernels()),
      frame_(index.coded_frame()), rotation_(index.dim()),
      coding_{.rotation = &rotation_,
              .largest_code = kernels_.largest_query_code,
              .error_share = error_share(request.beta, coded_.shape.dim())},
      scorer_{.metric = index.metric(),
              .dim = index.dim(),
              .kernels = &kernels_,
              .vectors = index.vectors().data(),
              .norms = index.norms().data()},
      k_(k), dim_(index.dim()), quadratic_(index.metric() == Metric::euclidean),
      tile_(tile, dim_, coded_.shape, QuerySet::Holds::all), queries_(tile), seeds_(tile), original_(tile),
      scanned_(tile * dim_), refined_(tile), contenders_(tile * TopK::capacity(k)), keys_(TopK::capacity(k)),
      ordered_(tile, dim_, coded_.shape, QuerySet::Holds::all),
      in_group_(tile, dim_, coded_.shape, QuerySet::Holds::all),
      in_cluster_(tile, dim_, coded_.shape, QuerySet::Holds::codes), wanted_(tile + kPanelWidth),
      products_(tile + kPanelWidth), residuals_(tile + kPanelWidth), bounds_(tile + kPanelWidth),
      floors_((tile + kPanelWidth) * kScanBlocks), hits_((tile + kPanelWidth) * kScanBlocks * kBlockItems),
      opening_(coded_, frame_, index.norms(), allowed), scratch_(dim_) {
    top_.reserve(tile);
}

void CodedTile::load(std::span<const std::uint32_t> queries) {
    top_.clear();
    excluded_.clear();
    tile_.reset(queries.size());
    for (std::size_t q = 0; q < queries.size(); ++q) {
        original_[q] = queries[q];
        if (request_.excluded) {
            excluded_.add(request_.excluded->of(queries[q]));
        }
        const float* query = request_.queries + queries[q] * dim_;
        const double norm = defined_norm(kernels_, query, dim_);
        CodedQuery& coded = queries_[q];
        const bool has_neighbors =
            coded.load(frame_, query, norm, coding_,
                       {.codes = tile_.codes.data() + q * coded_.shape.dim(), .placed = tile_.place(q)}, scratch_);
        float* const scanned = scanned_.data() + q * dim_;
        refined_[q] = {.scorer = &scorer_,
                       .frame = &index_.frame(),
                       .query = query,
                       .norm = norm,
                       .scanned = scanned,
                       .bound = QueryBound(index_.frame(), query, norm, scanned)};
        top_.emplace_back(refined_[q], k_, std::span(contenders_).subspan(q * TopK::capacity(k_), TopK::capacity(k_)),
                          keys_);
        tile_.reach[q] = has_neighbors ? -kInfinity : kInfinity;
        tile_.norm[q] = round_up(coded.norm() * (1.0 + 0x1p-40));
        tile_.product_error[q] = tile_.norm[q] * static_cast<float>(dim_ + 32) * 0x1.1p-24F;
        tile_.inverse_scale[q] = static_cast<float>(1.0 / coded.scale());
        tile_.length[q] = coded.length();
        tile_.error[q] = coded.error();
        tile_.offset[q] = coded.offset();
    }
}

bool CodedTile::run(std::span<const std::uint32_t> queries, const Seeds* seeds, Cancellation& cancellation,
                    bool calling_thread) {
    load(queries);
    for (std::size_t q = 0; q < queries.size(); ++q) {
        seeds_[q] = seeds[queries[q]];
    }
    for (std::size_t rank = 0; rank < kSeeds; ++rank) {
        visit_seeds(rank);
    }
    if (coded_.clusters.size() == 1) {
        return true;
    }
    order_by_difficulty();
    return visit_groups(cancellation, calling_thread);
}

// Queries whose threshold is low want most of what there is, others hardly anything: those of a kind side by side, for
// the kernels to pass over whole groups of them.
void CodedTile::order_by_difficulty() {
    std::vector<float> ease(tile_.size());
    for (std::size_t q = 0; q < ease.size(); ++q) {
        const float norm = tile_.norm[q];
        ease[q] = quadratic_ ? tile_.reach[q] - 0.5F * norm * norm : tile_.reach[q] / norm;
        if (std::isnan(ease[q])) {
            ease[q] = -kInfinity; // a zero query: everything is equal to it
        }
    }
    std::iota(wanted_.begin(), wanted_.begin() + static_cast<std::ptrdiff_t>(ease.size()), 0U);
    std::sort(wanted_.begin(), wanted_.begin() + static_cast<std::ptrdiff_t>(ease.size()),
              [&](std::uint32_t a, std::uint32_t b) { return ease[a] < ease[b] || (ease[a] == ease[b] && a < b); });
    ordered_.take(tile_, std::span(wanted_).first(ease.size()));
}

// Where each query begins: it raises the thresholds to where they almost stay.
void CodedTile::visit_seeds(std::size_t rank) {
    seeded_.clear();
    for (std::size_t q = 0; q < tile_.size(); ++q) {
        if (tile_.reach[q] < kInfinity && seeds_[q][rank].cluster != kNoCluster) {
            seeded_.push_back({seeds_[q][rank].cluster, static_cast<std::uint32_t>(q)});
        }
    }
    std::sort(seeded_.begin(), seeded_.end());
    for (std::size_t begin = 0; begin < seeded_.size();) {
        const std::uint32_t cluster = seeded_[begin].cluster;
        std::size_t count = 0;
        for (; begin + count < seeded_.size() && seeded_[begin + count].cluster == cluster; ++count) {
            wanted_[count] = seeded_[begin + count].query;
            products_[count] = seeds_[wanted_[count]][rank].product;
        }
        in_cluster_.take(tile_, std::span(wanted_).first(count));
        std::fill_n(products_.begin() + static_cast<std::ptrdiff_t>(count), in_cluster_.padded() - count, 0.0F);
        if (rank == 0) {
            open(cluster, in_cluster_);
        }
        // Nobody's neighbours are left out where they begin, whatever the recall: beta is 1.
        kernels_.bound_box(in_cluster_.terms(products_.data(), nullptr), coded_.cluster_boxes[cluster], 1.0F,
                           quadratic_, in_cluster_.padded(), bounds_.data(), residuals_.data());
        scan(cluster, in_cluster_, products_.data(), residuals_.data(), {});
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t q = wanted_[i];
            if (top_[q].tighten()) {
                tile_.reach[q] = reach_of(q);
            }
        }
        begin += count;
    }
}

bool CodedTile::visit_groups(Cancellation& cancellation, bool calling_thread) {
    group_bounds_.compute(ordered_, coded_.group_directions.data(), coded_.group_boxes, dim_, request_.beta,
                          quadratic_);
    for (const std::uint32_t group : groups_by_promise()) {
        if (cancellation.requested(calling_thread)) {
            return false;
        }
        const std::size_t count = find_wanted(group_bounds_.bounds(group), ordered_, {});
        if (count == 0) {
            continue;
        }
        if (2 * count >= ordered_.size()) {
            visit_clusters(group, ordered_);
        } else {
            in_group_.take(ordered_, std::span(wanted_).first(count));
            visit_clusters(group, in_group_);
        }
    }
    return true;
}

// The groups that any query wants, by how far their bound is above what a query has to reach.
std::vector<std::uint32_t> CodedTile::groups_by_promise() const {
    std::vector<std::pair<float, std::uint32_t>> promises;
    for (std::size_t g = 0; g < coded_.groups.size(); ++g) {
        const float* bounds = group_bounds_.bounds(g);
        float promise = -kInfinity;
        for (std::size_t q = 0; q < ordered_.size(); ++q) {
            const float above = bounds[q] - ordered_.reach[q];
            promise = std::max(promise, std::isnan(above) ? kInfinity : above); // nothing is known: anything may be
        }
        if (promise >= 0.0F) {
            promises.emplace_back(promise, static_cast<std::uint32_t>(g));
        }
    }
    std::sort(promises.begin(), promises.end(), std::greater<>());
    std::vector<std::uint32_t> groups;
    groups.reserve(promises.size());
    for (const auto& [promise, group] : promises) {
        groups.push_back(group);
    }
    return groups;
}

// Scans the clusters of a group for the queries that their bounds do not rule out.
void CodedTile::visit_clusters(std::size_t group, QuerySet& queries) {
    const CodeRange& range = coded_.groups[group];
    cluster_bounds_.compute(queries, coded_.directions(group, dim_),
                            coded_.cluster_boxes.subspan(range.first, range.count), dim_, request_.beta, quadratic_);
    find_seeded(range, queries);
    std::size_t seeded = 0;
    for (std::uint32_t c = 0; c < range.count; ++c) {
        const std::size_t first_seeded = seeded;
        while (seeded < seeded_.size() && seeded_[seeded].cluster == c) {
            ++seeded;
        }
        const std::span<const Seeded> seen = std::span(seeded_).subspan(first_seeded, seeded - first_seeded);
        const std::size_t count = find_wanted(cluster_bounds_.bounds(c), queries, seen);
        if (count == 0) {
            continue;
        }
        const float* products = cluster_bounds_.products(c);
        const float* residuals = cluster_bounds_.residuals(c);
        if (2 * count >= queries.size()) { // as they are: blocks are closed to those that do not want them
            scan(range.first + c, queries, products, residuals, seen);
            continue;
        }
        in_cluster_.take(queries, std::span(wanted_).first(count));
        for (std::size_t i = 0; i < count; ++i) {
            products_[i] = products[wanted_[i]];
            residuals_[i] = residuals[wanted_[i]];
        }
        // Padding, whose bound is then below what it has to reach: infinity.
        const std::size_t padding = in_cluster_.padded() - count;
        std::fill_n(products_.begin() + static_cast<std::ptrdiff_t>(count), padding, 0.0F);
        std::fill_n(residuals_.begin() + static_cast<std::ptrdiff_t>(count), padding, 0.0F);
        scan(range.first + c, in_cluster_, products_.data(), residuals_.data(), {});
    }
}

// Writes to wanted_ the queries that a cluster's bounds do not rule out, but for those that have seen it.
std::size_t CodedTile::find_wanted(const float* bounds, const QuerySet& queries, std::span<const Seeded> seen) {
    std::size_t count = kernels_.not_below(bounds, queries.reach.data(), queries.padded(), wanted_.data());
    while (count > 0 && wanted_[count - 1] >= queries.size()) {
        --count; // padding, which passes where a bound is NaN
    }
    if (seen.empty()) {
        return count;
    }
    std::size_t kept = 0;
    for (std::size_t i = 0, next = 0; i < count; ++i) { // both ascend
        while (next < seen.size() && seen[next].query < wanted_[i]) {
            ++next;
        }
        wanted_[kept] = wanted_[i];
        kept += next < seen.size() && seen[next].query == wanted_[i] ? 0 : 1;
    }
    return kept;
}

// Which of the queries began in which of the clusters, in their order.
void CodedTile::find_seeded(const CodeRange& clusters, const QuerySet& queries) {
    seeded_.clear();
    for (std::size_t i = 0; i < queries.size(); ++i) {
        for (const Seed& seed : seeds_[queries.root(i)]) {
            if (seed.cluster - clusters.first < clusters.count) { // wraps around below the first, and for none
                seeded_.push_back({seed.cluster - clusters.first, static_cast<std::uint32_t>(i)});
            }
        }
    }
    std::sort(seeded_.begin(), seeded_.end());
}

// Raises the thresholds of queries that begin in a cluster to what its items prove.
void CodedTile::open(std::size_t cluster, QuerySet& queries) {
    const std::size_t items = opening_.enter(coded_.clusters[cluster]);
    for (std::size_t i = 0; i < queries.size(); ++i) {
        if (i % kCodeQueries == 0) {
            opening_.multiply(queries, i / kCodeQueries);
        }
        const std::size_t q = queries.root(i);
        // As many of the best may be left out.
        const std::size_t k = k_ + (request_.own_rows.empty() ? 0 : 1) + (request_.excluded ? excluded_.count(q) : 0);
        if (k <= items && queries_[q].bounded()) {
            top_[q].raise(queries_[q].goodness(opening_.reached(queries_[q], i % kCodeQueries, k)));
            queries.raise(i, reach_of(q));
        }
    }
}

// Scans a cluster, block after block, with a look at the thresholds every few; `closed`: queries that have seen it.
void CodedTile::scan(std::size_t cluster, QuerySet& queries, const float* products, const float* residuals,
                     std::span<const Seeded> closed) {
    const CodeRange& range = coded_.clusters[cluster];
    for (std::size_t block = 0; block < range.count; block += kScanBlocks) {
        scan_blocks(range.first + block, std::min<std::size_t>(kScanBlocks, range.count - block), queries, products,
                    residuals, closed);
    }
}

void CodedTile::scan_blocks(std::size_t first_block, std::size_t blocks, QuerySet& queries, const float* products,
                            const float* residuals, std::span<const Seeded> closed) {
    const QueryTerms terms = queries.terms(products, residuals);
    const std::size_t padded = round_up_to(queries.size(), kCodeQueries);
    for (std::size_t b = 0; b < blocks; ++b) {
        std::int32_t* floors = floors_.data() + b * padded;
        std::size_t open = kernels_.code_floors(terms, coded_.blocks[first_block + b], quadratic_, padded, floors);
        for (const Seeded& seeded : closed) {
            open -= floors[seeded.query] != kClosedFloor ? 1 : 0;
            floors[seeded.query] = kClosedFloor;
        }
        stats_.scanned += open * kBlockItems;
        if (open > 0) {
            prefetch(coded_.block_codes(first_block + b), kBlockPanels * coded_.shape.panel_bytes());
        }
    }
    const CodeProducts codes{.panels = coded_.block_codes(first_block),
                             .blocks = blocks,
                             .queries = queries.codes.data(),
                             .groups = padded / kCodeQueries,
                             .shape = coded_.shape};
    const std::size_t hits = kernels_.scan_codes(codes, floors_.data(), hits_.data());
    stats_.contenders += hits;
    for (std::size_t i = 0; i < hits; ++i) {
        take(hits_[i], first_block, queries);
    }
}

void CodedTile::take(const CodeHit& hit, std::size_t first_block, QuerySet& queries) noexcept {
    const std::uint32_t row = coded_.rows[first_block * kBlockItems + hit.item];
    if (row >= index_.count() || hit.query >= queries.size()) {
        return; // padding, or a damaged file
    }
    const std::size_t q = queries.root(hit.query);
    if (excluded(q, row)) { // first: what a query has seen scores high
        return;
    }
    const double item_norm = quadratic_ ? index_.norms()[row] : 0.0;
    const Interval interval =
        queries_[q].interval(hit.dot, coded_.blocks[first_block + hit.item / kBlockItems], item_norm);
    TopK& top = top_[q];
    if (!top.wants(interval.high)) {
        return;
    }
    if (top.add({.low = interval.low, .high = interval.high, .row = row})) {
        queries.raise(hit.query, reach_of(q));
    }
}

float CodedTile::reach_of(std::size_t query) const noexcept {
    return round_down(queries_[query].floor(top_[query].threshold()));
}

bool CodedTile::excluded(std::size_t query, std::uint32_t row) const noexcept {
    return (allowed_ != nullptr && !allowed_->contains(row)) ||
           (!request_.own_rows.empty() && request_.own_rows[original_[query]] == row) ||
           (request_.excluded && excluded_.contains(query, row));
}

} // namespace annlib
