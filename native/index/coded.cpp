#include "index/coded.hpp"

#include "index/clusters.hpp"
#include "index/rotation.hpp"
#include "index/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace annlib {
namespace {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
    return (a + b - 1) / b;
}

// Scales below this would leave float32 when inverted; the codes of such items are zeros, their error themselves.
constexpr double kSmallestScale = 0x1p-100;

// The place of an item about a direction.
struct Place {
    double p;
    double o;
};

Place place_about(std::span<const double> item, const float* direction) noexcept {
    Place place{};
    kernels().place_about(item.data(), direction, item.size(), &place.p, &place.o);
    place.o = std::sqrt(place.o);
    return place;
}

// The box of places seen so far.
class BoxOfPlaces {
  public:
    void add(const Place& place) noexcept {
        p_min_ = std::min(p_min_, place.p);
        p_max_ = std::max(p_max_, place.p);
        o_min_ = std::min(o_min_, place.o);
        o_max_ = std::max(o_max_, place.o);
    }
    void add(const BoxOfPlaces& other) noexcept {
        p_min_ = std::min(p_min_, other.p_min_);
        p_max_ = std::max(p_max_, other.p_max_);
        o_min_ = std::min(o_min_, other.o_min_);
        o_max_ = std::max(o_max_, other.o_max_);
    }
    // Rounded outwards, by more than the float64 sums above can have gone wrong.
    Box box() const noexcept {
        constexpr double slack = 0x1p-40;
        return {.p_min = round_down(p_min_ - slack),
                .p_max = round_up(p_max_ + slack),
                .o_min = round_down(std::max(0.0, o_min_ - slack)),
                .o_max = round_up(o_max_ + slack)};
    }

  private:
    double p_min_ = std::numeric_limits<double>::infinity();
    double p_max_ = -std::numeric_limits<double>::infinity();
    double o_min_ = std::numeric_limits<double>::infinity();
    double o_max_ = 0.0;
};

void append_directions(std::vector<float>& groups, const float* directions, std::size_t count, std::size_t dim) {
    const std::size_t first = groups.size();
    groups.resize(first + ceil_div(count, kGroupSize) * dim * kGroupSize);
    for (std::size_t c = 0; c < count; ++c) {
        for (std::size_t i = 0; i < dim; ++i) {
            groups[first + (c / kGroupSize * dim + i) * kGroupSize + c % kGroupSize] = directions[c * dim + i];
        }
    }
}

// Orders and codes the items of one cluster.
class ClusterCoder {
  public:
    ClusterCoder(const Frame& frame, const float* vectors, const double* norms)
        : frame_(frame), vectors_(vectors), norms_(norms), rotation_(frame.dim), shape_(CodeShape::of(frame.dim)),
          item_codes_(frame.dim) {}

    void load(std::span<const std::uint32_t> rows, const float* direction) {
        const std::size_t dim = frame_.dim;
        items_.clear();
        std::vector<double> placed(dim);
        for (const std::uint32_t row : rows) {
            frame_.place(vectors_ + row * dim, norms_[row], placed.data());
            items_.push_back({row, place_about(placed, direction)});
        }
        // Blocks get narrow boxes: most queries see a cluster from its side, where o decides, and lengths that differ
        // (all but cosine's) add a little of p.
        const double p_share = frame_.metric == Metric::inner_product ? 0.25 : 0.0;
        const double sign = frame_.metric == Metric::inner_product ? -1.0 : 1.0;
        std::stable_sort(items_.begin(), items_.end(), [=](const Item& a, const Item& b) {
            return sign * (a.place.o + p_share * a.place.p) < sign * (b.place.o + p_share * b.place.p);
        });
        placed_.resize(items_.size() * dim);
        for (std::size_t i = 0; i < items_.size(); ++i) {
            const std::uint32_t row = items_[i].row;
            frame_.place(vectors_ + row * dim, norms_[row], placed_.data() + i * dim);
        }
    }

    void write_rows(std::uint32_t* rows) const {
        for (const Item& item : items_) {
            *rows++ = item.row;
        }
    }

    Box box() const { return box_of(0, items_.size()); }

    BoxOfPlaces about(const float* direction) const {
        BoxOfPlaces result;
        for (std::size_t i = 0; i < items_.size(); ++i) {
            result.add(place_about(std::span(placed_).subspan(i * frame_.dim, frame_.dim), direction));
        }
        return result;
    }

    // The last that is done with a block: it is rotated.
    void code(std::size_t block, BlockTerms& terms, std::uint8_t* codes) {
        const std::size_t dim = frame_.dim;
        const std::size_t first = block * kBlockItems;
        const std::size_t end = std::min(items_.size(), first + kBlockItems);
        for (std::size_t item = first; item < end; ++item) {
            rotation_.apply(std::span(placed_).subspan(item * dim, dim));
        }
        const KernelTable& kernel = kernels();
        const double largest = kernel.largest_magnitude(placed_.data() + first * dim, (end - first) * dim);
        terms.scale = round_up(std::max(largest / kLargestCode, kSmallestScale));
        const auto scale = static_cast<double>(terms.scale);
        const double inverse = 1.0 / scale;
        std::fill_n(codes, kBlockPanels * shape_.panel_bytes(), static_cast<std::uint8_t>(kCodeOffset));
        double longest = 0.0;
        double worst = 0.0;
        double smallest_square = std::numeric_limits<double>::infinity();
        for (std::size_t item = first; item < end; ++item) {
            const CodeSums sums =
                kernel.make_code(placed_.data() + item * dim, scale, inverse, dim, item_codes_.data());
            write_codes(item - first, codes);
            longest = std::max(longest, std::sqrt(sums.code_square));
            worst = std::max(worst, std::sqrt(sums.error_square));
            smallest_square = std::min(smallest_square, sums.square);
        }
        constexpr double outwards = 1.0 + 0x1p-40;
        terms.box = box_of(first, end);
        terms.inverse_scale = static_cast<float>(inverse);
        terms.norm = round_up(longest * outwards);
        terms.error = round_up(worst * inverse * outwards);
        terms.bias =
            frame_.metric == Metric::euclidean ? round_down(0.5 * smallest_square * inverse * (2.0 - outwards)) : 0.0F;
    }

  private:
    struct Item {
        std::uint32_t row;
        Place place;
    };

    // The codes of one item, to its lane of a block.
    void write_codes(std::size_t item, std::uint8_t* codes) const {
        std::uint8_t* panel = codes + item / kCodeLanes * shape_.panel_bytes() + item % kCodeLanes * 4;
        for (std::size_t i = 0; i < frame_.dim; ++i) {
            panel[i / 4 * 4 * kCodeLanes + i % 4] = static_cast<std::uint8_t>(item_codes_[i] + kCodeOffset);
        }
    }

    Box box_of(std::size_t first, std::size_t end) const {
        BoxOfPlaces places;
        for (std::size_t i = first; i < end; ++i) {
            places.add(items_[i].place);
        }
        return places.box();
    }

    Frame frame_;
    const float* vectors_;
    const double* norms_;
    Rotation rotation_;
    CodeShape shape_;
    std::vector<Item> items_;
    std::vector<double> placed_; // [items][dim]
    std::vector<std::int8_t> item_codes_;
};

// Rows that can be anybody's neighbour: under cosine, those that have a direction.
std::vector<std::uint32_t> codable_rows(const Frame& frame, const double* norms, std::size_t count) {
    std::vector<std::uint32_t> rows;
    rows.reserve(count);
    for (std::size_t row = 0; row < count; ++row) {
        if (frame.metric != Metric::cosine || norms[row] > 0.0) {
            rows.push_back(static_cast<std::uint32_t>(row));
        }
    }
    return rows;
}

} // namespace

CodeTables make_codes(const Frame& frame, const float* vectors, const double* norms, std::size_t count,
                      std::size_t threads, Cancellation& cancellation) {
    const std::size_t dim = frame.dim;
    const std::vector<std::uint32_t> codable = codable_rows(frame, norms, count);
    CodeTables tables;
    if (codable.empty()) {
        return tables;
    }
    const FramedItems items{.frame = frame, .vectors = vectors, .norms = norms, .rows = codable};
    Clustering clustering = make_clusters(items, threads, cancellation);
    if (cancellation.requested(true)) {
        return tables;
    }
    const std::size_t clusters = clustering.cluster_ends.size();
    const std::size_t groups = clustering.group_ends.size();
    append_directions(tables.group_directions, clustering.group_directions.data(), groups, dim);
    tables.cluster_boxes.resize(clusters);
    std::vector<std::uint32_t> group_of(clusters);
    for (std::size_t g = 0, first = 0; g < groups; ++g) {
        const std::size_t end = clustering.group_ends[g];
        append_directions(tables.cluster_directions, clustering.directions.data() + first * dim, end - first, dim);
        tables.groups.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(end - first)});
        std::fill(group_of.begin() + static_cast<std::ptrdiff_t>(first),
                  group_of.begin() + static_cast<std::ptrdiff_t>(end), static_cast<std::uint32_t>(g));
        first = end;
    }
    for (std::size_t c = 0, first = 0; c < clusters; ++c) {
        const std::size_t end = clustering.cluster_ends[c];
        const auto block = static_cast<std::uint32_t>(tables.rows.size() / kBlockItems);
        tables.clusters.push_back({block, static_cast<std::uint32_t>(ceil_div(end - first, kBlockItems))});
        tables.rows.insert(tables.rows.end(), clustering.members.begin() + static_cast<std::ptrdiff_t>(first),
                           clustering.members.begin() + static_cast<std::ptrdiff_t>(end));
        tables.rows.resize(ceil_div(tables.rows.size(), kBlockItems) * kBlockItems, kNoItem);
        first = end;
    }
    const CodeShape shape = CodeShape::of(dim);
    const std::size_t block_bytes = kBlockPanels * shape.panel_bytes();
    tables.blocks.resize(tables.rows.size() / kBlockItems);
    tables.codes.resize(tables.blocks.size() * block_bytes);
    std::vector<BoxOfPlaces> in_groups(clusters);
    std::vector<ClusterCoder> coders(threads, ClusterCoder(frame, vectors, norms));
    parallel_for(clusters, threads, cancellation, [&](std::size_t c, std::size_t worker) {
        const CodeRange& range = tables.clusters[c];
        std::uint32_t* const first = tables.rows.data() + range.first * kBlockItems;
        const std::uint32_t* const end = std::find(first, first + range.count * kBlockItems, kNoItem);
        ClusterCoder& coder = coders[worker];
        coder.load({first, static_cast<std::size_t>(end - first)}, clustering.directions.data() + c * dim);
        coder.write_rows(first);
        tables.cluster_boxes[c] = coder.box();
        in_groups[c] = coder.about(clustering.group_directions.data() + group_of[c] * dim);
        for (std::size_t block = 0; block < range.count; ++block) {
            coder.code(block, tables.blocks[range.first + block],
                       tables.codes.data() + (range.first + block) * block_bytes);
        }
    });
    for (const CodeRange& group : tables.groups) {
        BoxOfPlaces all;
        for (std::size_t c = group.first; c < group.first + group.count; ++c) {
            all.add(in_groups[c]);
        }
        tables.group_boxes.push_back(all.box());
    }
    return tables;
}

std::optional<CodeSections> CodeSections::of(const Image& image) {
    if (!image.has(SectionKind::codes)) {
        return std::nullopt;
    }
    const std::size_t dim = image.header().dim;
    const auto elements = [&]<class T>(SectionKind kind, std::span<const T>& target) {
        const std::span<const std::byte> raw = image.section(kind);
        if (raw.size() % sizeof(T) != 0) {
            image.fail(kind, 0, "damaged: its length is no multiple of " + std::to_string(sizeof(T)));
        }
        target = {reinterpret_cast<const T*>(raw.data()), raw.size() / sizeof(T)};
    };
    CodeSections sections;
    sections.shape = CodeShape::of(dim);
    elements(SectionKind::code_rows, sections.rows);
    elements(SectionKind::code_blocks, sections.blocks);
    elements(SectionKind::codes, sections.codes);
    elements(SectionKind::code_clusters, sections.clusters);
    elements(SectionKind::code_groups, sections.groups);
    elements(SectionKind::cluster_directions, sections.cluster_directions);
    elements(SectionKind::cluster_boxes, sections.cluster_boxes);
    elements(SectionKind::group_directions, sections.group_directions);
    elements(SectionKind::group_boxes, sections.group_boxes);
    const auto expect = [&](SectionKind kind, std::size_t expected, std::size_t found) {
        if (expected != found) {
            image.fail(kind, 0,
                       "damaged: expected " + std::to_string(expected) + " elements, found " + std::to_string(found));
        }
    };
    const std::size_t blocks = sections.blocks.size();
    expect(SectionKind::code_rows, blocks * kBlockItems, sections.rows.size());
    expect(SectionKind::codes, blocks * kBlockPanels * sections.shape.panel_bytes(), sections.codes.size());
    expect(SectionKind::group_boxes, sections.groups.size(), sections.group_boxes.size());
    expect(SectionKind::group_directions, ceil_div(sections.groups.size(), kGroupSize) * dim * kGroupSize,
           sections.group_directions.size());
    std::size_t cluster = 0;
    std::size_t directions = 0;
    for (const CodeRange& group : sections.groups) {
        if (group.first != cluster || group.count == 0 || group.count > sections.clusters.size() - cluster) {
            image.fail(SectionKind::code_groups, 0, "damaged: a group has other clusters than its own");
        }
        cluster += group.count;
        sections.first_directions_.push_back(static_cast<std::uint32_t>(directions));
        directions += ceil_div(group.count, kGroupSize);
    }
    expect(SectionKind::code_clusters, cluster, sections.clusters.size());
    expect(SectionKind::cluster_boxes, cluster, sections.cluster_boxes.size());
    expect(SectionKind::cluster_directions, directions * dim * kGroupSize, sections.cluster_directions.size());
    std::size_t block = 0;
    for (const CodeRange& range : sections.clusters) {
        if (range.first != block || range.count > blocks - block) {
            image.fail(SectionKind::code_clusters, 0, "damaged: a cluster has other blocks than its own");
        }
        block += range.count;
    }
    expect(SectionKind::code_blocks, block, blocks);
    return sections;
}

} // namespace annlib
