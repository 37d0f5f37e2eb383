#include "index/coded_search.hpp"

#include "index/coded_tile.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

namespace annlib {
namespace {

// Queries of a tile: they share what is loaded of a cluster.
constexpr std::size_t kLargestTile = 512;
constexpr std::size_t kTileQueryBytes = std::size_t{1} << 20;
// Memory for the contenders of a tile.
constexpr std::size_t kTileContenderBytes = std::size_t{8} << 20;
// Tiles, at least, of a search at a recall below 1, where there are queries for them.
constexpr std::size_t kGuessedTiles = 8;
// Smaller jobs stay on the calling thread.
constexpr std::size_t kParallelQueries = 4;

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
    return (a + b - 1) / b;
}

std::size_t tile_size(const SearchRequest& request, std::size_t dim, std::size_t k, std::size_t threads) {
    const std::size_t queries = request.query_count;
    // What a guess leaves out depends on the tile's other queries: it is not to depend on the threads.
    const std::size_t least = request.beta < 1.0F ? kGuessedTiles : threads;
    const std::size_t contender_bytes = TopK::capacity(k) * sizeof(Contender);
    const std::size_t fitting = std::clamp<std::size_t>(
        std::min(kTileContenderBytes / contender_bytes, kTileQueryBytes / (dim * sizeof(float))), kCodeQueries,
        kLargestTile);
    const std::size_t tiles = std::max(ceil_div(queries, fitting), std::min(least, ceil_div(queries, kCodeQueries)));
    return ceil_div(queries, tiles);
}

std::vector<Seeds> find_seeds(const Index& index, const SearchRequest& request, std::size_t tile, std::size_t threads,
                              Cancellation& cancellation) {
    const Seed anywhere{.cluster = 0, .product = std::numeric_limits<float>::quiet_NaN()};
    std::vector<Seeds> seeds(request.query_count, Seeds{anywhere});
    if (index.codes()->clusters.size() == 1) {
        return seeds;
    }
    std::vector<std::unique_ptr<Seeding>> workspaces(threads);
    parallel_for(ceil_div(seeds.size(), tile), threads, cancellation, [&](std::size_t task, std::size_t worker) {
        if (!workspaces[worker]) {
            workspaces[worker] = std::make_unique<Seeding>(index, tile);
        }
        const std::size_t first = task * tile;
        workspaces[worker]->find(request.queries + first * index.dim(), std::min(tile, seeds.size() - first),
                                 seeds.data() + first);
    });
    return seeds;
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
    const std::size_t tile = tile_size(request, index.dim(), k, threads);
    const std::size_t tiles = ceil_div(queries, tile);
    const std::vector<Seeds> seeds = find_seeds(index, request, tile, threads, cancellation);
    if (cancellation.requested(true)) {
        return stats;
    }
    // Queries that begin in the same cluster go on to visit much the same ones: they share a tile.
    std::vector<std::uint32_t> order(queries);
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return seeds[a][0].cluster < seeds[b][0].cluster; });
    const RowMask allowed = request.allowed ? RowMask(*request.allowed, index.count()) : RowMask();
    std::vector<std::unique_ptr<CodedTile>> workspaces(threads);
    parallel_for(tiles, threads, cancellation, [&](std::size_t task, std::size_t worker) {
        const std::size_t first = task * tile;
        const std::span<const std::uint32_t> members = std::span(order).subspan(first, std::min(tile, queries - first));
        if (!workspaces[worker]) {
            workspaces[worker] =
                std::make_unique<CodedTile>(index, request, request.allowed ? &allowed : nullptr, tile, k);
        }
        CodedTile& search = *workspaces[worker];
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
