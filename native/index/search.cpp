#include "index/search.hpp"

#include "index/coded_search.hpp"
#include "index/collector.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

namespace annlib {
namespace {

// Up to this many queries, rows are read where they lie; packing them would cost more than it saves.
constexpr std::size_t kStreamedQueries = 3;
// Queries that share a packed panel. More would amortize packing better but fall out of the second-level cache.
constexpr std::size_t kLargestTile = 512;
constexpr std::size_t kTileQueryBytes = std::size_t{1} << 20;
constexpr std::size_t kTileCandidateBytes = std::size_t{16} << 20;
// Smaller jobs stay on the calling thread: starting another takes longer than they do.
constexpr std::size_t kParallelWork = std::size_t{1} << 21;
// Items in a range of their own: enough to make a second cold start of the thresholds cheap.
constexpr std::size_t kSmallestRange = 4096;
constexpr std::size_t kTasksPerThread = 4;
// Long lists of long vectors: the intervals of codes overlap so much that most items would be looked at again.
constexpr std::size_t kLargestCodedList = std::size_t{1} << 18;
// Of lists of allowed rows, those that are at least this part of all (one in ...).
constexpr std::size_t kCodedAllowedPart = 8;
// Panels between two looks at the cancellation.
constexpr std::size_t kPanelsPerLook = 32;

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
    return (a + b - 1) / b;
}
constexpr std::size_t round_up(std::size_t a, std::size_t multiple) {
    return ceil_div(a, multiple) * multiple;
}

// The rows to search: all of them, or a list.
class Items {
  public:
    Items(const Index& index, const SearchRequest& request)
        : listed_(request.allowed), count_(listed_ ? listed_->size() : index.count()) {}
    std::size_t count() const noexcept { return count_; }
    std::int64_t row(std::size_t position) const noexcept {
        return listed_ ? (*listed_)[position] : static_cast<std::int64_t>(position);
    }

  private:
    std::optional<std::span<const std::int64_t>> listed_;
    std::size_t count_;
};

// How the work is cut: tiles of queries, and ranges of items where the tiles alone would not keep every thread busy.
struct Plan {
    std::size_t threads;
    bool streamed;
    std::size_t tile; // queries
    std::size_t tiles;
    std::size_t range; // items
    std::size_t ranges;
    std::size_t k; // results to collect for each query and range

    static Plan make(std::size_t queries, std::size_t items, std::size_t dim, std::size_t k, std::size_t threads);
};

Plan Plan::make(std::size_t queries, std::size_t items, std::size_t dim, std::size_t k, std::size_t threads) {
    Plan plan{};
    plan.k = std::min(k, items);
    plan.threads = queries * items * dim < kParallelWork ? 1 : resolve_threads(threads);
    plan.streamed = queries <= kStreamedQueries;
    const std::size_t candidate_bytes = Collector::capacity(plan.k) * sizeof(Candidate);
    const std::size_t fitting =
        std::min({kLargestTile, kTileQueryBytes / (dim * sizeof(float)), kTileCandidateBytes / candidate_bytes});
    const std::size_t largest = std::max(kGroupSize, fitting / kGroupSize * kGroupSize);
    plan.tile = round_up(ceil_div(queries, ceil_div(queries, largest)), kGroupSize);
    plan.tiles = ceil_div(queries, plan.tile);
    plan.ranges = 1;
    if (plan.threads > 1 && plan.tiles < kTasksPerThread * plan.threads) {
        plan.ranges = std::min(ceil_div(kTasksPerThread * plan.threads, plan.tiles), ceil_div(items, kSmallestRange));
    }
    plan.range = round_up(ceil_div(items, plan.ranges), kPanelWidth);
    plan.ranges = ceil_div(items, plan.range);
    return plan;
}

// One thread's workspace: searches a tile of queries in a range of items.
class TileSearch {
  public:
    TileSearch(const Index& index, const SearchRequest& request, const Plan& plan, const Items& items);

    // False if cancelled.
    bool run(std::size_t first_query, std::size_t first_item, Cancellation& cancellation, bool calling_thread);

    std::size_t queries() const noexcept { return query_count_; }
    // The best of one query of the tile; once.
    std::span<const Candidate> finish(std::size_t query) noexcept { return collectors_[query].finish(); }

  private:
    void load_queries(std::size_t first_query);
    void load_items(std::size_t first_item, std::size_t count) noexcept;
    void scan_block() noexcept;
    void take(std::size_t query, const Hit& hit) noexcept;
    void set_gate(std::size_t query, Gate gate) noexcept;
    bool excluded(std::size_t query, std::int64_t row) const noexcept;

    const SearchRequest& request_;
    const Plan& plan_;
    const Items& items_;
    const ScanFrame& frame_;
    const KernelTable& kernels_;
    Scorer scorer_;
    std::size_t op_;

    // The queries of the tile.
    std::size_t first_query_ = 0;
    std::size_t query_count_ = 0;
    std::vector<float> scanned_; // as the scan sees them: one after another if streamed, else in groups
    std::vector<float> slope_;
    std::vector<float> floor_;
    std::vector<QueryBound> bounds_;
    std::vector<Collector> collectors_;
    std::vector<Candidate> candidates_;
    std::vector<std::int32_t> keys_;

    // The items of the block under the scan.
    std::size_t lanes_ = 0;
    std::int64_t block_rows_[kPanelWidth] = {};
    RowBlock block_{};
    ItemTerms terms_{};
    std::vector<float> panel_;
    std::vector<Hit> hits_;
};

TileSearch::TileSearch(const Index& index, const SearchRequest& request, const Plan& plan, const Items& items)
    : request_(request), plan_(plan), items_(items), frame_(index.frame()), kernels_(kernels()),
      scorer_{.metric = index.metric(),
              .dim = index.dim(),
              .kernels = &kernels_,
              .vectors = index.vectors().data(),
              .norms = index.norms().empty() ? nullptr : index.norms().data()},
      op_(static_cast<std::size_t>(scan_op(index.metric()))), scanned_(plan.tile * index.dim()), slope_(plan.tile),
      floor_(plan.tile), bounds_(plan.tile),
      candidates_(plan.tile * std::min(Collector::capacity(plan.k), plan.range + 1)),
      keys_(candidates_.size() / plan.tile), panel_(plan.streamed ? 0 : index.dim() * kPanelWidth),
      hits_(plan.tile * kPanelWidth) {
    block_.scale = static_cast<float>(frame_.scale);
    block_.center = frame_.center_or_null();
    block_.terms = &terms_;
}

bool TileSearch::run(std::size_t first_query, std::size_t first_item, Cancellation& cancellation, bool calling_thread) {
    load_queries(first_query);
    const std::size_t end = std::min(items_.count(), first_item + plan_.range);
    std::size_t panels = 0;
    for (std::size_t item = first_item; item < end; item += kPanelWidth) {
        if (panels++ % kPanelsPerLook == 0 && cancellation.requested(calling_thread)) {
            return false;
        }
        load_items(item, std::min(kPanelWidth, end - item));
        scan_block();
    }
    return true;
}

void TileSearch::load_queries(std::size_t first_query) {
    const std::size_t dim = scorer_.dim;
    const std::size_t capacity = candidates_.size() / plan_.tile;
    first_query_ = first_query;
    query_count_ = std::min(plan_.tile, request_.query_count - first_query);
    collectors_.clear();
    std::vector<float> scanned(dim);
    for (std::size_t q = 0; q < plan_.tile; ++q) {
        if (q >= query_count_) {
            set_gate(q, {.slope = 0.0F, .floor = std::numeric_limits<float>::infinity()});
            continue; // fills its group: whatever it holds is finite, and its gate closed
        }
        const float* query = request_.queries + (first_query + q) * dim;
        const double norm = has_norms(scorer_.metric) ? defined_norm(kernels_, query, dim) : 0.0;
        bounds_[q] = QueryBound(frame_, query, norm, scanned.data());
        for (std::size_t i = 0; i < dim; ++i) {
            const std::size_t grouped = (q / kGroupSize * dim + i) * kGroupSize + q % kGroupSize;
            scanned_[plan_.streamed ? q * dim + i : grouped] = scanned[i];
        }
        collectors_.emplace_back(scorer_, query, norm, plan_.k, std::span(candidates_).subspan(q * capacity, capacity),
                                 keys_);
        const bool has_neighbors = scorer_.metric != Metric::cosine || norm > 0.0;
        set_gate(q, has_neighbors ? QueryBound::open_gate()
                                  : Gate{.slope = 0.0F, .floor = std::numeric_limits<float>::infinity()});
    }
}

void TileSearch::load_items(std::size_t first_item, std::size_t count) noexcept {
    lanes_ = count;
    double norms[kPanelWidth];
    for (std::size_t lane = 0; lane < kPanelWidth; ++lane) {
        const std::int64_t row = items_.row(first_item + std::min(lane, count - 1));
        block_rows_[lane] = row;
        block_.rows[lane] = scorer_.vectors + static_cast<std::size_t>(row) * scorer_.dim;
        norms[lane] = scorer_.norm(row);
    }
    frame_.set_terms(terms_, norms, count);
}

void TileSearch::scan_block() noexcept {
    if (plan_.streamed) {
        for (std::size_t q = 0; q < query_count_; ++q) {
            const StreamedQuery query{
                .values = scanned_.data() + q * scorer_.dim, .slope = slope_[q], .floor = floor_[q]};
            const std::size_t count = kernels_.scan_rows[op_](block_, query, scorer_.dim, hits_.data());
            for (std::size_t i = 0; i < count; ++i) {
                take(q, hits_[i]);
            }
        }
        return;
    }
    kernels_.pack(block_, scorer_.dim, panel_.data());
    const Panel panel{.values = panel_.data(), .terms = &terms_};
    const QueryGroups groups{.values = scanned_.data(),
                             .slope = slope_.data(),
                             .floor = floor_.data(),
                             .groups = ceil_div(query_count_, kGroupSize)};
    const std::size_t count = kernels_.scan_panel[op_](panel, groups, scorer_.dim, hits_.data());
    for (std::size_t i = 0; i < count; ++i) {
        take(hits_[i].query, hits_[i]);
    }
}

void TileSearch::take(std::size_t query, const Hit& hit) noexcept {
    if (query >= query_count_ || hit.lane >= lanes_) {
        return; // padding passes while a gate is open, or where a damaged file holds NaN
    }
    const std::int64_t row = block_rows_[hit.lane];
    const double norm = scorer_.norm(row);
    if (scorer_.metric == Metric::cosine && (norm == 0.0 || floor_[query] == std::numeric_limits<float>::infinity())) {
        return; // a zero vector has no neighbours and is nobody's
    }
    const Interval interval = bounds_[query].interval(hit.value, norm);
    Collector& collector = collectors_[query];
    if (!collector.wants(interval.high) || excluded(query, row)) {
        return;
    }
    if (collector.add({.low = interval.low, .high = interval.high, .row = row})) {
        set_gate(query, bounds_[query].gate(collector.threshold()));
    }
}

void TileSearch::set_gate(std::size_t query, Gate gate) noexcept {
    slope_[query] = gate.slope;
    floor_[query] = gate.floor;
}

bool TileSearch::excluded(std::size_t query, std::int64_t row) const noexcept {
    const std::size_t i = first_query_ + query;
    return (!request_.own_rows.empty() && request_.own_rows[i] == row) ||
           (request_.excluded && request_.excluded->contains(i, row));
}

// Results as they leave: scores, padded.
void write_results(Metric metric, std::span<const Candidate> best, std::size_t k, std::int64_t* rows, float* scores) {
    const std::size_t found = std::min(best.size(), k);
    for (std::size_t i = 0; i < found; ++i) {
        rows[i] = best[i].row;
        scores[i] = score_of_goodness(metric, best[i].low);
    }
    std::fill(rows + found, rows + k, kNoRow);
    std::fill(scores + found, scores + k, std::numeric_limits<float>::quiet_NaN());
}

// What the ranges of items found for each query, until all have been searched.
class PartialResults {
  public:
    PartialResults(std::size_t queries, std::size_t ranges, std::size_t k)
        : ranges_(ranges), k_(k), found_(queries * ranges), candidates_(queries * ranges * k) {}

    void store(std::size_t query, std::size_t range, std::span<const Candidate> best) {
        const std::size_t slot = query * ranges_ + range;
        found_[slot] = best.size();
        std::copy(best.begin(), best.end(), candidates_.begin() + static_cast<std::ptrdiff_t>(slot * k_));
    }

    // The best of all ranges, best first.
    std::span<const Candidate> merge(std::size_t query) {
        const auto begin = candidates_.begin() + static_cast<std::ptrdiff_t>(query * ranges_ * k_);
        auto end = begin;
        for (std::size_t range = 0; range < ranges_; ++range) {
            const auto from = begin + static_cast<std::ptrdiff_t>(range * k_);
            end = std::move(from, from + static_cast<std::ptrdiff_t>(found_[query * ranges_ + range]), end);
        }
        std::sort(begin, end, ranks_before);
        return {begin, end};
    }

  private:
    std::size_t ranges_;
    std::size_t k_;
    std::vector<std::size_t> found_;
    std::vector<Candidate> candidates_;
};

// Whether codes are the cheaper way. Where few rows are allowed, codes rule out little: what they let pass is not
// allowed.
bool codes_pay(const Index& index, const SearchRequest& request) noexcept {
    return request.k * index.dim() <= kLargestCodedList &&
           (!request.allowed || request.allowed->size() * kCodedAllowedPart >= index.count());
}

} // namespace

SearchStats search(const Index& index, const SearchRequest& request, Cancellation& cancellation, std::int64_t* rows,
                   float* scores) {
    const Items items(index, request);
    const std::size_t queries = request.query_count;
    const std::size_t k = request.k;
    std::fill(rows, rows + queries * k, kNoRow);
    std::fill(scores, scores + queries * k, std::numeric_limits<float>::quiet_NaN());
    if (queries == 0 || items.count() == 0 || k == 0) {
        return {};
    }
    if (index.codes() && codes_pay(index, request)) {
        return search_coded(index, request, cancellation, rows, scores);
    }
    const Plan plan = Plan::make(queries, items.count(), index.dim(), k, request.threads);
    const bool merged = plan.ranges > 1;
    PartialResults partial(merged ? queries : 0, plan.ranges, plan.k);
    std::vector<std::unique_ptr<TileSearch>> workspaces(plan.threads);

    parallel_for(plan.tiles * plan.ranges, plan.threads, cancellation, [&](std::size_t task, std::size_t worker) {
        const std::size_t first_query = task / plan.ranges * plan.tile;
        const std::size_t range = task % plan.ranges;
        std::unique_ptr<TileSearch>& tile = workspaces[worker];
        if (!tile) {
            tile = std::make_unique<TileSearch>(index, request, plan, items);
        }
        if (!tile->run(first_query, range * plan.range, cancellation, worker == 0)) {
            return;
        }
        for (std::size_t q = 0; q < tile->queries(); ++q) {
            const std::size_t query = first_query + q;
            const std::span<const Candidate> best = tile->finish(q);
            if (merged) {
                partial.store(query, range, best);
            } else {
                write_results(index.metric(), best, k, rows + query * k, scores + query * k);
            }
        }
    });
    if (merged && !cancellation.requested(false)) {
        constexpr std::size_t block = 64;
        parallel_for(ceil_div(queries, block), plan.threads, cancellation, [&](std::size_t task, std::size_t) {
            for (std::size_t query = task * block; query < std::min(queries, (task + 1) * block); ++query) {
                write_results(index.metric(), partial.merge(query), k, rows + query * k, scores + query * k);
            }
        });
    }
    return {.scanned = queries * items.count()};
}

} // namespace annlib
