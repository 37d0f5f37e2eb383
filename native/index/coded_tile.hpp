// A tile of queries, searched in all items of an index by their codes.
#pragma once

#include "index/coded_query.hpp"
#include "index/filters.hpp"
#include "index/opening.hpp"
#include "index/query_set.hpp"
#include "index/search.hpp"
#include "index/seeding.hpp"
#include "index/top_k.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace annlib {

// One thread's workspace.
class CodedTile {
  public:
    // `tile`: the most queries at once; `k`: how many of the items to find; `allowed`: null where all rows are.
    CodedTile(const Index& index, const SearchRequest& request, const RowMask* allowed, std::size_t tile,
              std::size_t k);

    // Searches for the given queries of the request. False if cancelled.
    bool run(std::span<const std::uint32_t> queries, const Seeds* seeds, Cancellation& cancellation,
             bool calling_thread);

    std::span<const Contender> finish(std::size_t query) noexcept {
        const std::span<const Contender> best = top_[query].finish();
        stats_.scored += top_[query].scored();
        return best;
    }
    const SearchStats& stats() const noexcept { return stats_; }

  private:
    // A cluster and a query that begins in it.
    struct Seeded {
        std::uint32_t cluster;
        std::uint32_t query;
        bool operator<(const Seeded& other) const noexcept {
            return cluster != other.cluster ? cluster < other.cluster : query < other.query;
        }
    };

    void load(std::span<const std::uint32_t> queries);
    void visit_seeds(std::size_t rank);
    void order_by_difficulty();
    bool visit_groups(Cancellation& cancellation, bool calling_thread);
    std::vector<std::uint32_t> groups_by_promise() const;
    void visit_clusters(std::size_t group, QuerySet& queries);
    std::size_t find_wanted(const float* bounds, const QuerySet& queries, std::span<const Seeded> seen);
    void find_seeded(const CodeRange& clusters, const QuerySet& queries);
    void scan(std::size_t cluster, QuerySet& queries, const float* products, const float* residuals,
              std::span<const Seeded> closed);
    void open(std::size_t cluster, QuerySet& queries);
    void scan_blocks(std::size_t first_block, std::size_t blocks, QuerySet& queries, const float* products,
                     const float* residuals, std::span<const Seeded> closed);
    void take(const CodeHit& hit, std::size_t first_block, QuerySet& queries) noexcept;
    float reach_of(std::size_t query) const noexcept;
    bool excluded(std::size_t query, std::uint32_t row) const noexcept;

    const Index& index_;
    const CodeSections& coded_;
    const SearchRequest& request_;
    const RowMask* allowed_;
    const KernelTable& kernels_;
    Frame frame_;
    Rotation rotation_;
    CodedQuery::Coding coding_;
    Scorer scorer_;
    std::size_t k_;
    std::size_t dim_;
    bool quadratic_;

    // The queries of the tile.
    QuerySet tile_;
    std::vector<CodedQuery> queries_;
    std::vector<Seeds> seeds_;
    std::vector<std::uint32_t> original_; // number of the query in the request
    ExcludedRows excluded_;
    std::vector<float> scanned_; // [query][dim], in the frame of the index
    std::vector<RefinedQuery> refined_;
    std::vector<TopK> top_;
    std::vector<Contender> contenders_;
    std::vector<std::int32_t> keys_;

    // The same by difficulty; those that visit one group of clusters, and one cluster.
    QuerySet ordered_;
    QuerySet in_group_;
    QuerySet in_cluster_;
    std::vector<std::uint32_t> wanted_;
    std::vector<Seeded> seeded_;
    std::vector<float> products_;
    std::vector<float> residuals_;
    std::vector<float> bounds_;
    std::vector<std::int32_t> floors_;
    std::vector<CodeHit> hits_;

    Opening opening_;
    BoxBounds group_bounds_;
    BoxBounds cluster_bounds_;
    std::vector<double> scratch_;
    SearchStats stats_;
};

} // namespace annlib
