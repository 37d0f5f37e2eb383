// The coded view of an index: its items in clusters, each item an 8-bit code, with what proves bounds on their scores.
//
// Items stand cluster after cluster, each cluster padded to whole blocks. All of it is derived from the vectors: an
// index without it is searched exhaustively.
#pragma once

#include "index/frame.hpp"
#include "parallel/parallel.hpp"
#include "storage/image.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace annlib {

// Padding in `rows`.
inline constexpr std::uint32_t kNoItem = 0xffffffff;

// A range of blocks that share a direction and a box, or a range of clusters that do.
struct CodeRange {
    std::uint32_t first;
    std::uint32_t count;
};

// Directions lie in groups of kGroupSize, float32 [dim][kGroupSize] each, as the kernels take queries.
struct CodeSections {
    CodeShape shape;
    std::span<const std::uint32_t> rows;       // [blocks * kBlockItems]
    std::span<const BlockTerms> blocks;        // [blocks]
    std::span<const std::uint8_t> codes;       // [blocks * kBlockPanels][panel_bytes]
    std::span<const CodeRange> clusters;       // [clusters]: blocks; of group g those from g's first
    std::span<const CodeRange> groups;         // [groups]: clusters
    std::span<const float> cluster_directions; // each group of clusters begins a group of directions
    std::span<const Box> cluster_boxes;        // [clusters]
    std::span<const float> group_directions;
    std::span<const Box> group_boxes; // [groups]

    std::size_t block_count() const noexcept { return blocks.size(); }
    const std::uint8_t* block_codes(std::size_t block) const noexcept {
        return codes.data() + block * kBlockPanels * shape.panel_bytes();
    }

    // The directions of a group's clusters.
    const float* directions(std::size_t group, std::size_t dim) const noexcept {
        return cluster_directions.data() + first_directions_[group] * dim * kGroupSize;
    }

    // Resolves the sections of an image, none where it has none. Throws FormatError where they contradict each other.
    static std::optional<CodeSections> of(const Image& image);

  private:
    std::vector<std::uint32_t> first_directions_; // groups of directions before those of each group of clusters
};

// The same, as it is built.
struct CodeTables {
    std::vector<std::uint32_t> rows;
    std::vector<BlockTerms> blocks;
    std::vector<std::uint8_t> codes;
    std::vector<CodeRange> clusters;
    std::vector<CodeRange> groups;
    std::vector<float> cluster_directions;
    std::vector<Box> cluster_boxes;
    std::vector<float> group_directions;
    std::vector<Box> group_boxes;
};

// Clusters and codes the items. The bytes do not depend on the number of threads.
CodeTables make_codes(const Frame& frame, const float* vectors, const double* norms, std::size_t count,
                      std::size_t threads, Cancellation& cancellation);

// Whether vectors of this metric are coded at all.
constexpr bool has_codes(Metric metric) noexcept {
    return metric == Metric::inner_product || metric == Metric::cosine || metric == Metric::euclidean;
}

} // namespace annlib
