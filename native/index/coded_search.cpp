#include "index/coded_search.hpp"

#include "index/coded.hpp"
#include "index/coded_query.hpp"
#include "index/rounding.hpp"
#include "index/top_k.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

namespace annlib {
namespace {

// Queries of a tile: they share what is loaded of a cluster.
constexpr std::size_t kLargestTile = 512;
// Memory for the contenders of a tile.
constexpr std::size_t kTileContenderBytes = std::size_t{8} << 20;
// Blocks scanned between two looks at the thresholds.
constexpr std::size_t kScanBlocks = 8;
// Smaller jobs stay on the calling thread.
constexpr std::size_t kParallelQueries = 4;
// Clusters that a query begins in: those where its direction alone promises most. (Bounds would favour the clusters of
// which little is known.) After three, the threshold is within a few items of where it ends.
constexpr std::size_t kSeeds = 3;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
    return (a + b - 1) / b;
}
constexpr std::size_t round_up_to(std::size_t a, std::size_t multiple) {
    return ceil_div(a, multiple) * multiple;
}

Frame frame_of(const Index& index) {
    return {.metric = index.metric(),
            .dim = index.dim(),
            .scale = index.frame().scale,
            .center = index.center().empty() ? nullptr : index.center().data()};
}

// The clusters that a query begins in, the most promising first; kNoCluster where there are fewer.
constexpr std::uint32_t kNoCluster = 0xffffffff;
using Seeds = std::array<std::uint32_t, kSeeds>;

// What the kernels take of some queries.
class QueryArrays {
  public:
    QueryArrays(std::size_t most, const CodeShape& shape)
        : codes(most * shape.dim()), reach(most), product(most), residual(most), norm(most), product_error(most),
          inverse_scale(most), error(most), offset(most), bytes_(shape.dim()) {}

    QueryTerms terms() const noexcept { return terms(product.data(), residual.data()); }
    // The same queries about another direction.
    QueryTerms terms(const float* products, const float* residuals) const noexcept {
        return {.reach = reach.data(),
                .product = products,
                .residual = residuals,
                .norm = norm.data(),
                .product_error = product_error.data(),
                .inverse_scale = inverse_scale.data(),
                .error = error.data(),
                .offset = offset.data()};
    }

    void copy(std::size_t place, const QueryArrays& from, std::size_t query) noexcept {
        std::copy_n(from.codes.data() + query * bytes_, bytes_, codes.data() + place * bytes_);
        reach[place] = from.reach[query];
        norm[place] = from.norm[query];
        product_error[place] = from.product_error[query];
        inverse_scale[place] = from.inverse_scale[query];
        error[place] = from.error[query];
        offset[place] = from.offset[query];
    }
    // Nothing passes.
    void close(std::size_t place) noexcept {
        reach[place] = kInfinity;
        product[place] = residual[place] = norm[place] = product_error[place] = 0.0F;
        inverse_scale[place] = error[place] = offset[place] = 0.0F;
    }

    std::vector<std::int8_t> codes;
    std::vector<float> reach;
    std::vector<float> product;
    std::vector<float> residual;
    std::vector<float> norm;
    std::vector<float> product_error;
    std::vector<float> inverse_scale;
    std::vector<float> error;
    std::vector<float> offset;

  private:
    std::size_t bytes_;
};

// The products, residuals and bounds of a tile's queries about some directions: [direction][query].
struct Bounds {
    void resize(std::size_t directions, std::size_t tile) {
        stride = tile;
        if (bounds.size() < directions * tile) {
            products.resize(directions * tile);
            residuals.resize(directions * tile);
            bounds.resize(directions * tile);
        }
    }

    std::size_t stride = 0;
    std::vector<float> products;
    std::vector<float> residuals;
    std::vector<float> bounds;
};

// One thread's workspace: searches a tile of queries in all items.
class TileSearch {
  public:
    TileSearch(const Index& index, const SearchRequest& request, std::size_t tile, std::size_t k)
        : index_(index), coded_(*index.codes()), request_(request), kernels_(kernels()), frame_(frame_of(index)),
          scorer_{.metric = index.metric(),
                  .dim = index.dim(),
                  .kernels = &kernels_,
                  .vectors = index.vectors().data(),
                  .norms = index.norms().data()},
          k_(k), dim_(index.dim()), tile_(round_up_to(tile, kPanelWidth)),
          quadratic_(index.metric() == Metric::euclidean), placed_(tile_ * dim_), arrays_(tile_, coded_.shape),
          queries_(tile_), seeds_(tile_), original_(tile_), scanned_(tile_ * dim_), refined_(tile_),
          contenders_(tile_ * TopK::capacity(k)), keys_(TopK::capacity(k)), gathered_(tile_, coded_.shape),
          gathered_query_(tile_), floors_(tile_ * kScanBlocks), hits_(tile_ * kScanBlocks * kBlockItems),
          panel_products_(round_up_to(coded_.groups.size(), kGroupSize) * kPanelWidth), scratch_(dim_) {
        top_.reserve(tile_);
    }

    // The clusters in which each query probably has its best neighbours, the best first.
    void find_seeds(std::size_t first, std::size_t count, Seeds* seeds);

    // Searches for the given queries, which are in the order of their seeds. False if cancelled.
    bool run(std::span<const std::uint32_t> queries, const Seeds* seeds, Cancellation& cancellation,
             bool calling_thread);

    std::span<const Contender> finish(std::size_t query) noexcept {
        const std::span<const Contender> best = top_[query].finish();
        stats_.scored += top_[query].scored();
        return best;
    }
    const SearchStats& stats() const noexcept { return stats_; }

  private:
    void load(std::span<const std::uint32_t> queries);
    void bound(const float* directions, std::span<const Box> boxes, float beta, Bounds& result);
    void best_directions(const Bounds& promises, std::size_t directions, std::vector<Seeds>& found);
    void visit_seeds(std::size_t rank);
    bool visit_groups(Cancellation& cancellation, bool calling_thread);
    void visit_clusters(std::size_t group);
    void visit(std::size_t cluster, float* products, float* residuals, const float* bounds);
    void scan(std::size_t cluster, const QueryArrays& arrays, const QueryTerms& terms, const std::uint32_t* queries,
              std::size_t count, bool filled);
    void take(const CodeHit& hit, std::size_t first_block, const std::uint32_t* queries) noexcept;
    void set_reach(std::size_t query) noexcept;
    bool excluded(std::size_t query, std::uint32_t row) const noexcept;

    const Index& index_;
    const CodeSections& coded_;
    const SearchRequest& request_;
    const KernelTable& kernels_;
    Frame frame_;
    Scorer scorer_;
    std::size_t k_;
    std::size_t dim_;
    std::size_t tile_;
    bool quadratic_;

    // The queries of the tile.
    std::size_t count_ = 0;
    std::vector<float> placed_; // in panels of kPanelWidth
    QueryArrays arrays_;
    std::vector<CodedQuery> queries_;
    std::vector<Seeds> seeds_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> seeded_; // cluster, query
    std::vector<std::uint32_t> original_; // number of the query in the request
    std::vector<float> scanned_;          // [query][dim], in the frame of the index
    std::vector<RefinedQuery> refined_;
    std::vector<TopK> top_;
    std::vector<Contender> contenders_;
    std::vector<std::int32_t> keys_;

    // Those that visit one cluster.
    QueryArrays gathered_;
    std::vector<std::uint32_t> gathered_query_;
    std::vector<std::int32_t> floors_;
    std::vector<CodeHit> hits_;

    std::vector<float> panel_products_;
    Bounds group_bounds_;
    Bounds cluster_bounds_;
    std::vector<double> scratch_;
    SearchStats stats_;
};

void TileSearch::load(std::span<const std::uint32_t> queries) {
    count_ = queries.size();
    top_.clear();
    std::fill(placed_.begin(), placed_.end(), 0.0F);
    for (std::size_t q = 0; q < tile_; ++q) {
        arrays_.close(q);
    }
    for (std::size_t q = 0; q < count_; ++q) {
        original_[q] = queries[q];
        const float* query = request_.queries + queries[q] * dim_;
        const double norm = defined_norm(kernels_, query, dim_);
        const CodedQuery::Target target{.codes = arrays_.codes.data() + q * coded_.shape.dim(),
                                        .placed =
                                            placed_.data() + q / kPanelWidth * kPanelWidth * dim_ + q % kPanelWidth};
        CodedQuery& coded = queries_[q];
        const bool has_neighbors = coded.load(frame_, query, norm, kernels_.largest_query_code, target, scratch_);
        float* const scanned = scanned_.data() + q * dim_;
        refined_[q] = {.scorer = &scorer_,
                       .frame = &index_.frame(),
                       .query = query,
                       .norm = norm,
                       .scanned = scanned,
                       .bound = QueryBound(index_.frame(), query, norm, scanned)};
        top_.emplace_back(refined_[q], k_, std::span(contenders_).subspan(q * TopK::capacity(k_), TopK::capacity(k_)),
                          keys_);
        arrays_.reach[q] = has_neighbors ? -kInfinity : kInfinity;
        arrays_.norm[q] = round_up(coded.norm() * (1.0 + 0x1p-40));
        arrays_.product_error[q] = arrays_.norm[q] * static_cast<float>(dim_ + 32) * 0x1.1p-24F;
        arrays_.inverse_scale[q] = static_cast<float>(1.0 / coded.scale());
        arrays_.error[q] = coded.error();
        arrays_.offset[q] = coded.offset();
    }
}

// Bounds of all queries of the tile over boxes, each about its direction.
void TileSearch::bound(const float* directions, std::span<const Box> boxes, float beta, Bounds& result) {
    const std::size_t groups = ceil_div(boxes.size(), kGroupSize);
    const std::size_t queries = round_up_to(count_, kPanelWidth);
    result.resize(boxes.size(), tile_);
    panel_products_.resize(std::max(panel_products_.size(), groups * kGroupSize * kPanelWidth));
    for (std::size_t first = 0; first < queries; first += kPanelWidth) {
        kernels_.multiply_panel(placed_.data() + first * dim_,
                                {.values = directions, .slope = nullptr, .floor = nullptr, .groups = groups}, dim_,
                                panel_products_.data());
        for (std::size_t direction = 0; direction < boxes.size(); ++direction) {
            std::copy_n(panel_products_.data() + direction * kPanelWidth, kPanelWidth,
                        result.products.data() + direction * tile_ + first);
        }
    }
    for (std::size_t direction = 0; direction < boxes.size(); ++direction) {
        const std::size_t at = direction * tile_;
        kernels_.bound_box(arrays_.terms(result.products.data() + at, nullptr), boxes[direction], beta,
                           quadratic_, queries, result.bounds.data() + at, result.residuals.data() + at);
    }
}

// The directions of most promise for each query, the first of equals first.
void TileSearch::best_directions(const Bounds& promises, std::size_t directions, std::vector<Seeds>& found) {
    std::vector<std::array<float, kSeeds>> best(count_);
    for (std::size_t q = 0; q < count_; ++q) {
        best[q].fill(-kInfinity);
        found[q].fill(kNoCluster);
    }
    for (std::size_t d = 0; d < directions; ++d) {
        const float* const promise = promises.bounds.data() + d * promises.stride;
        for (std::size_t q = 0; q < count_; ++q) {
            if (promise[q] > best[q].back()) {
                std::size_t rank = kSeeds - 1;
                for (; rank > 0 && promise[q] > best[q][rank - 1]; --rank) {
                    best[q][rank] = best[q][rank - 1];
                    found[q][rank] = found[q][rank - 1];
                }
                best[q][rank] = promise[q];
                found[q][rank] = static_cast<std::uint32_t>(d);
            }
        }
    }
}

void TileSearch::find_seeds(std::size_t first, std::size_t count, Seeds* seeds) {
    std::vector<std::uint32_t> queries(count);
    std::iota(queries.begin(), queries.end(), static_cast<std::uint32_t>(first));
    load(queries);
    std::vector<Seeds> found(count);
    bound(coded_.group_directions.data(), coded_.group_boxes, 0.0F, group_bounds_);
    best_directions(group_bounds_, coded_.groups.size(), found);
    std::vector<std::uint32_t> group(count);
    for (std::size_t q = 0; q < count; ++q) {
        group[q] = found[q][0] == kNoCluster ? 0 : found[q][0];
    }
    // Queries of the same group together: they share its directions.
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return group[a] < group[b]; });
    for (std::size_t begin = 0; begin < count;) {
        std::size_t end = begin;
        while (end < count && group[order[end]] == group[order[begin]]) {
            ++end;
        }
        const CodeRange& range = coded_.groups[group[order[begin]]];
        std::vector<std::uint32_t> members(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                           order.begin() + static_cast<std::ptrdiff_t>(end));
        for (std::uint32_t& member : members) {
            member += static_cast<std::uint32_t>(first);
        }
        load(members);
        bound(coded_.directions(group[order[begin]], dim_), coded_.cluster_boxes.subspan(range.first, range.count),
              0.0F, cluster_bounds_);
        best_directions(cluster_bounds_, range.count, found);
        for (std::size_t q = 0; q < members.size(); ++q) {
            for (std::uint32_t& seed : found[q]) {
                seed += seed == kNoCluster ? 0 : range.first;
            }
            if (found[q][0] == kNoCluster) {
                found[q][0] = range.first; // nothing is known of it: anywhere
            }
            seeds[members[q] - first] = found[q];
        }
        begin = end;
    }
}

bool TileSearch::run(std::span<const std::uint32_t> queries, const Seeds* seeds, Cancellation& cancellation,
                     bool calling_thread) {
    load(queries);
    for (std::size_t q = 0; q < count_; ++q) {
        seeds_[q] = seeds[queries[q]];
    }
    for (std::size_t rank = 0; rank < kSeeds; ++rank) {
        visit_seeds(rank);
    }
    return coded_.clusters.size() == 1 || visit_groups(cancellation, calling_thread);
}

// Where each query begins: it raises the thresholds to where they almost stay.
void TileSearch::visit_seeds(std::size_t rank) {
    seeded_.clear();
    for (std::size_t q = 0; q < count_; ++q) {
        if (arrays_.reach[q] < kInfinity && seeds_[q][rank] != kNoCluster) {
            seeded_.emplace_back(seeds_[q][rank], static_cast<std::uint32_t>(q));
        }
    }
    std::sort(seeded_.begin(), seeded_.end());
    for (std::size_t begin = 0, count = 0; begin < seeded_.size(); begin += count) {
        bool filled = true;
        for (count = 0; begin + count < seeded_.size() && seeded_[begin + count].first == seeded_[begin].first; ++count) {
            const std::uint32_t q = seeded_[begin + count].second;
            filled &= top_[q].full();
            gathered_.copy(count, arrays_, q);
            gathered_.product[count] = std::numeric_limits<float>::quiet_NaN(); // no block is ruled out by its box
            gathered_.residual[count] = 0.0F;
            gathered_query_[count] = q;
        }
        scan(seeded_[begin].first, gathered_, gathered_.terms(), gathered_query_.data(), count, filled);
        for (std::size_t i = 0; i < count; ++i) {
            if (top_[gathered_query_[i]].tighten()) {
                set_reach(gathered_query_[i]);
            }
        }
    }
}

bool TileSearch::visit_groups(Cancellation& cancellation, bool calling_thread) {
    const std::size_t groups = coded_.groups.size();
    bound(coded_.group_directions.data(), coded_.group_boxes, request_.beta, group_bounds_);
    // The most promising groups first, by how far their bound is above what any query has to reach.
    std::vector<std::pair<float, std::uint32_t>> order(groups);
    for (std::size_t g = 0; g < groups; ++g) {
        float promise = -kInfinity;
        for (std::size_t q = 0; q < count_; ++q) {
            const float above = group_bounds_.bounds[g * tile_ + q] - arrays_.reach[q];
            promise = above <= promise ? promise : above; // NaN is a promise
        }
        order[g] = {std::isnan(promise) ? kInfinity : promise, static_cast<std::uint32_t>(g)};
    }
    std::sort(order.begin(), order.end(), std::greater<>());
    for (const auto& [promise, group] : order) {
        if (promise < 0.0F) {
            break; // thresholds only rise: no query wants this group or a later one
        }
        if (cancellation.requested(calling_thread)) {
            return false;
        }
        const float* bounds = group_bounds_.bounds.data() + group * tile_;
        bool wanted = false;
        for (std::size_t q = 0; q < count_; ++q) {
            wanted |= !(bounds[q] < arrays_.reach[q]);
        }
        if (wanted) {
            visit_clusters(group);
        }
    }
    return true;
}

void TileSearch::visit_clusters(std::size_t group) {
    const CodeRange& range = coded_.groups[group];
    bound(coded_.directions(group, dim_), coded_.cluster_boxes.subspan(range.first, range.count), request_.beta, cluster_bounds_);
    for (std::size_t c = 0; c < range.count; ++c) {
        visit(range.first + c, cluster_bounds_.products.data() + c * tile_,
              cluster_bounds_.residuals.data() + c * tile_, cluster_bounds_.bounds.data() + c * tile_);
    }
}

// Scans a cluster for the queries that its bound does not rule out.
void TileSearch::visit(std::size_t cluster, float* products, float* residuals, const float* bounds) {
    std::size_t count = 0;
    bool filled = true;
    for (std::size_t q = 0; q < count_; ++q) {
        // Those that began here have seen it.
        const bool wanted = !(bounds[q] < arrays_.reach[q]) && seeds_[q][0] != cluster && seeds_[q][1] != cluster &&
                            seeds_[q][2] != cluster;
        gathered_query_[count] = static_cast<std::uint32_t>(q);
        count += wanted ? 1 : 0;
    }
    if (count == 0) {
        return;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t q = gathered_query_[i];
        filled &= top_[q].full();
        gathered_.copy(i, arrays_, q);
        gathered_.product[i] = products[q];
        gathered_.residual[i] = residuals[q];
    }
    scan(cluster, gathered_, gathered_.terms(), gathered_query_.data(), count, filled);
}

void TileSearch::scan(std::size_t cluster, const QueryArrays& arrays, const QueryTerms& terms,
                      const std::uint32_t* queries, std::size_t count, bool filled) {
    const std::size_t padded = round_up_to(count, kCodeQueries);
    for (std::size_t place = count; place < padded; ++place) {
        gathered_.close(place);
    }
    const CodeRange& range = coded_.clusters[cluster];
    const std::size_t step = filled ? kScanBlocks : 1;
    for (std::size_t block = 0; block < range.count; block += step) {
        const std::size_t blocks = std::min<std::size_t>(step, range.count - block);
        for (std::size_t b = 0; b < blocks; ++b) {
            std::int32_t* floors = floors_.data() + b * padded;
            kernels_.code_floors(terms, coded_.blocks[range.first + block + b], quadratic_, padded, floors);
            stats_.scanned += static_cast<std::size_t>(std::count_if(
                                  floors, floors + count, [](std::int32_t floor) { return floor != kClosedFloor; })) *
                              kBlockItems;
        }
        const CodeScan code_scan{.panels = coded_.block_codes(range.first + block),
                                 .blocks = blocks,
                                 .queries = arrays.codes.data(),
                                 .floors = floors_.data(),
                                 .groups = padded / kCodeQueries,
                                 .shape = coded_.shape};
        const std::size_t hits = kernels_.scan_codes(code_scan, hits_.data());
        stats_.contenders += hits;
        for (std::size_t i = 0; i < hits; ++i) {
            take(hits_[i], range.first + block, queries);
        }
    }
}

void TileSearch::take(const CodeHit& hit, std::size_t first_block, const std::uint32_t* queries) noexcept {
    const std::uint32_t row = coded_.rows[first_block * kBlockItems + hit.item];
    if (row >= index_.count()) {
        return; // padding, or a damaged file
    }
    const std::size_t q = queries[hit.query];
    const double item_norm = quadratic_ ? index_.norms()[row] : 0.0;
    const Interval interval =
        queries_[q].interval(hit.dot, coded_.blocks[first_block + hit.item / kBlockItems], item_norm);
    TopK& top = top_[q];
    if (!top.wants(interval.high) || excluded(q, row)) {
        return;
    }
    if (top.add({.low = interval.low, .high = interval.high, .row = row})) {
        set_reach(q);
        gathered_.reach[hit.query] = arrays_.reach[q];
    }
}

void TileSearch::set_reach(std::size_t query) noexcept {
    arrays_.reach[query] = round_down(queries_[query].floor(top_[query].threshold()));
}

bool TileSearch::excluded(std::size_t query, std::uint32_t row) const noexcept {
    const std::size_t i = original_[query];
    return (!request_.own_rows.empty() && request_.own_rows[i] == row) ||
           (request_.excluded && request_.excluded->contains(i, row));
}

std::size_t tile_size(std::size_t queries, std::size_t k, std::size_t threads) {
    const std::size_t contender_bytes = TopK::capacity(k) * sizeof(Contender);
    const std::size_t fitting = std::clamp<std::size_t>(kTileContenderBytes / contender_bytes, 1, kLargestTile);
    const std::size_t tiles = std::max(ceil_div(queries, fitting), std::min(threads, ceil_div(queries, kCodeQueries)));
    return ceil_div(queries, tiles);
}

} // namespace

SearchStats search_coded(const Index& index, const SearchRequest& request, Cancellation& cancellation,
                         std::int64_t* rows, float* scores) {
    SearchStats stats;
    if (index.codes()->clusters.empty()) {
        return stats; // only zero vectors, under cosine
    }
    const std::size_t queries = request.query_count;
    const std::size_t k = std::min(request.k, index.count());
    const std::size_t threads = queries < kParallelQueries ? 1 : resolve_threads(request.threads);
    const std::size_t tile = tile_size(queries, k, threads);
    const std::size_t tiles = ceil_div(queries, tile);
    std::vector<std::unique_ptr<TileSearch>> workspaces(threads);
    const auto workspace = [&](std::size_t worker) -> TileSearch& {
        if (!workspaces[worker]) {
            workspaces[worker] = std::make_unique<TileSearch>(index, request, tile, k);
        }
        return *workspaces[worker];
    };
    std::vector<Seeds> seeds(queries, Seeds{0, kNoCluster, kNoCluster});
    const bool one_cluster = index.codes()->clusters.size() == 1; // which every query begins and ends in
    parallel_for(one_cluster ? 0 : tiles, threads, cancellation, [&](std::size_t task, std::size_t worker) {
        const std::size_t first = task * tile;
        workspace(worker).find_seeds(first, std::min(tile, queries - first), seeds.data() + first);
    });
    // Queries that begin in the same cluster go on to visit much the same ones: they share a tile.
    std::vector<std::uint32_t> order(queries);
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return seeds[a][0] < seeds[b][0]; });
    parallel_for(tiles, threads, cancellation, [&](std::size_t task, std::size_t worker) {
        const std::size_t first = task * tile;
        const std::span<const std::uint32_t> members = std::span(order).subspan(first, std::min(tile, queries - first));
        TileSearch& search = workspace(worker);
        if (!search.run(members, seeds.data(), cancellation, worker == 0)) {
            return;
        }
        for (std::size_t q = 0; q < members.size(); ++q) {
            const std::span<const Contender> best = search.finish(q);
            for (std::size_t i = 0; i < best.size(); ++i) {
                rows[members[q] * request.k + i] = best[i].row;
                scores[members[q] * request.k + i] = score_of_goodness(index.metric(), best[i].low);
            }
        }
    });
    for (const auto& each : workspaces) {
        if (each) {
            stats.add(each->stats());
        }
    }
    return stats;
}

} // namespace annlib
