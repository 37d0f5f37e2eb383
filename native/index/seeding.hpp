// Where a query begins: the clusters that probably hold its best neighbours.
//
// They are those that its direction alone promises most, without the part of the bound that nothing is known of (beta
// 0): that part is largest for wide clusters, not for good ones. After a query has seen two, its threshold is within a
// few items of where it ends, whatever comes later (measured on ALS and spectral factors of 41 thousand to a million
// items).
#pragma once

#include "index/coded_query.hpp"
#include "index/query_set.hpp"
#include "index/search.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace annlib {

inline constexpr std::size_t kSeeds = 2;
inline constexpr std::uint32_t kNoCluster = 0xffffffff;

// A cluster, and the query's product with its direction, which is where it lies.
struct Seed {
    std::uint32_t cluster = kNoCluster;
    float product = 0.0F;
};

// The most promising first; kNoCluster where there are fewer.
using Seeds = std::array<Seed, kSeeds>;

// Places queries ([coded.size()][dim]) in the frame of an index, which is all that bounds are made of.
void place_queries(const Index& index, const float* queries, std::span<CodedQuery> coded, QuerySet& set,
                   std::span<double> scratch);

// One thread's workspace.
class Seeding {
  public:
    // `most` queries at once.
    Seeding(const Index& index, std::size_t most);

    // Seeds of `count` queries, [count][dim].
    void find(const float* queries, std::size_t count, Seeds* seeds);

  private:
    void best_directions(const BoxBounds& promises, std::size_t queries, std::size_t directions);
    void seed_in_group(const QuerySet& queries, std::size_t group);

    const Index& index_;
    QuerySet all_;
    std::vector<CodedQuery> coded_;
    QuerySet in_group_;
    BoxBounds promises_;
    std::vector<Seeds> best_;
    std::vector<std::array<float, kSeeds>> best_promises_;
    std::vector<double> scratch_;
};

} // namespace annlib
