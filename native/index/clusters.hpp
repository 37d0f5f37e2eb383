// Clusters of items by direction, in two levels: groups of clusters, for the search to leave out whole groups.
#pragma once

#include "index/frame.hpp"
#include "parallel/parallel.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace annlib {

// The items to cluster: rows of an index, in its frame.
struct FramedItems {
    Frame frame;
    const float* vectors;
    const double* norms;
    std::span<const std::uint32_t> rows;
};

struct Clustering {
    // Unit vectors, float32 [clusters][dim] and [groups][dim].
    std::vector<float> directions;
    std::vector<float> group_directions;
    // Clusters of group g: those from group_ends[g - 1] (0 for the first) to group_ends[g].
    std::vector<std::uint32_t> group_ends;
    // Rows of cluster c: members[cluster_ends[c - 1]] to members[cluster_ends[c]], ascending.
    std::vector<std::uint32_t> cluster_ends;
    std::vector<std::uint32_t> members;
};

// k-means by direction (euclidean: by place), seeded by rows evenly spread. Depends on the items alone.
Clustering make_clusters(const FramedItems& items, std::size_t threads, Cancellation& cancellation);

} // namespace annlib
