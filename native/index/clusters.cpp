#include "index/clusters.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace annlib {
namespace {

// Items of a cluster, about: fewer cost more centroids for each query, more blur the bounds. Measured on factors of
// 41 thousand and of a million items.
constexpr std::size_t cluster_items(Metric metric) noexcept {
    return metric == Metric::inner_product ? 192 : 256;
}
// Where the clusters are few, groups of them would save nothing.
constexpr std::size_t kGroupClusters = 64;
constexpr int kIterations = 4;
// Items that centroids are fitted on, for each centroid: k-means needs no more.
constexpr std::size_t kSampleItems = 64;
constexpr std::size_t kBlockItems = 512;

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
    return (a + b - 1) / b;
}

// Centroids as the kernels take them.
class Centroids {
  public:
    Centroids(std::size_t count, std::size_t dim, bool by_place)
        : count_(count), dim_(dim), by_place_(by_place), panels_(ceil_div(count, kPanelWidth) * dim * kPanelWidth),
          bias_(ceil_div(count, kPanelWidth) * kPanelWidth) {}

    std::size_t count() const noexcept { return count_; }

    void set(std::size_t centroid, std::span<const double> values) {
        double square = 0.0;
        for (const double value : values) {
            square += value * value;
        }
        // By direction, the length of a centroid says how close its items are; only its direction counts.
        const double factor = by_place_ || square == 0.0 ? 1.0 : 1.0 / std::sqrt(square);
        for (std::size_t i = 0; i < dim_; ++i) {
            at(centroid, i) = static_cast<float>(values[i] * factor);
        }
        bias_[centroid] = by_place_ ? static_cast<float>(-0.5 * square) : 0.0F;
    }

    std::vector<float> direction(std::size_t centroid) const {
        std::vector<float> values(dim_);
        double square = 0.0;
        for (std::size_t i = 0; i < dim_; ++i) {
            values[i] = at(centroid, i);
            square += static_cast<double>(values[i]) * static_cast<double>(values[i]);
        }
        if (square > 0.0) {
            for (float& value : values) {
                value = static_cast<float>(static_cast<double>(value) / std::sqrt(square));
            }
        } else {
            values.front() = 1.0F; // any unit vector does
        }
        return values;
    }

    // The nearest centroid of each item of a block, the lowest among equals.
    void nearest(const QueryGroups& items, std::size_t item_count, std::vector<float>& products,
                 std::uint32_t* result) const {
        products.resize(items.groups * kGroupSize * kPanelWidth);
        std::vector<float> best(item_count, -std::numeric_limits<float>::infinity());
        std::fill(result, result + item_count, 0U);
        for (std::size_t panel = 0; panel * kPanelWidth < count_; ++panel) {
            kernels().multiply_panel(panels_.data() + panel * dim_ * kPanelWidth, items, dim_, products.data());
            const std::size_t lanes = std::min(kPanelWidth, count_ - panel * kPanelWidth);
            for (std::size_t item = 0; item < item_count; ++item) {
                for (std::size_t lane = 0; lane < lanes; ++lane) {
                    const float value = products[item * kPanelWidth + lane] + bias_[panel * kPanelWidth + lane];
                    if (value > best[item]) {
                        best[item] = value;
                        result[item] = static_cast<std::uint32_t>(panel * kPanelWidth + lane);
                    }
                }
            }
        }
    }

  private:
    float& at(std::size_t centroid, std::size_t i) {
        return panels_[(centroid / kPanelWidth * dim_ + i) * kPanelWidth + centroid % kPanelWidth];
    }
    float at(std::size_t centroid, std::size_t i) const {
        return panels_[(centroid / kPanelWidth * dim_ + i) * kPanelWidth + centroid % kPanelWidth];
    }

    std::size_t count_;
    std::size_t dim_;
    bool by_place_;
    std::vector<float> panels_;
    std::vector<float> bias_;
};

// A block of items in groups of queries, as the kernels take them.
class ItemBlock {
  public:
    explicit ItemBlock(const FramedItems& items) : items_(items), placed_(items.frame.dim) {}

    QueryGroups load(std::span<const std::uint32_t> rows) {
        const std::size_t dim = items_.frame.dim;
        const std::size_t groups = ceil_div(rows.size(), kGroupSize);
        values_.assign(groups * kGroupSize * dim, 0.0F);
        for (std::size_t item = 0; item < rows.size(); ++item) {
            items_.frame.place(items_.vectors + rows[item] * dim, items_.norms[rows[item]], placed_.data());
            for (std::size_t i = 0; i < dim; ++i) {
                values_[(item / kGroupSize * dim + i) * kGroupSize + item % kGroupSize] =
                    static_cast<float>(placed_[i]);
            }
        }
        return {.values = values_.data(), .slope = nullptr, .floor = nullptr, .groups = groups};
    }

  private:
    const FramedItems& items_;
    std::vector<double> placed_;
    std::vector<float> values_;
};

class KMeans {
  public:
    KMeans(const FramedItems& items, std::size_t threads, Cancellation& cancellation)
        : items_(items), by_place_(items.frame.metric == Metric::euclidean), threads_(threads),
          cancellation_(cancellation) {}

    Centroids fit(std::span<const std::uint32_t> rows, std::size_t count) const {
        const std::size_t dim = items_.frame.dim;
        const std::vector<std::uint32_t> sample = spread(rows, count * kSampleItems);
        Centroids centroids(count, dim, by_place_);
        std::vector<double> placed(dim);
        for (std::size_t c = 0; c < count; ++c) {
            const std::uint32_t row = sample[c * sample.size() / count];
            items_.frame.place(items_.vectors + row * dim, items_.norms[row], placed.data());
            centroids.set(c, placed);
        }
        for (int iteration = 0; iteration < kIterations; ++iteration) {
            update(centroids, sample, assign(centroids, sample));
        }
        return centroids;
    }

    std::vector<std::uint32_t> assign(const Centroids& centroids, std::span<const std::uint32_t> rows) const {
        std::vector<std::uint32_t> nearest(rows.size());
        parallel_for(ceil_div(rows.size(), kBlockItems), threads_, cancellation_, [&](std::size_t task, std::size_t) {
            const std::size_t first = task * kBlockItems;
            const std::size_t count = std::min(kBlockItems, rows.size() - first);
            ItemBlock block(items_);
            std::vector<float> products;
            centroids.nearest(block.load(rows.subspan(first, count)), count, products, nearest.data() + first);
        });
        return nearest;
    }

  private:
    // Some of the rows, evenly spread: the order of an index's rows is its user's, and seldom of a period like ours.
    static std::vector<std::uint32_t> spread(std::span<const std::uint32_t> rows, std::size_t wanted) {
        const std::size_t count = std::min(wanted, rows.size());
        std::vector<std::uint32_t> sample(count);
        for (std::size_t i = 0; i < count; ++i) {
            sample[i] = rows[i * rows.size() / count];
        }
        return sample;
    }

    // One thread: the sums have one order.
    void update(Centroids& centroids, std::span<const std::uint32_t> sample,
                std::span<const std::uint32_t> nearest) const {
        const std::size_t dim = items_.frame.dim;
        std::vector<double> sums(centroids.count() * dim);
        std::vector<std::size_t> counts(centroids.count());
        std::vector<double> placed(dim);
        for (std::size_t item = 0; item < sample.size(); ++item) {
            const std::uint32_t row = sample[item];
            items_.frame.place(items_.vectors + row * dim, items_.norms[row], placed.data());
            double* sum = sums.data() + nearest[item] * dim;
            for (std::size_t i = 0; i < dim; ++i) {
                sum[i] += placed[i];
            }
            ++counts[nearest[item]];
        }
        for (std::size_t c = 0; c < centroids.count(); ++c) {
            if (counts[c] > 0) { // an empty cluster keeps its centroid
                for (std::size_t i = 0; i < dim; ++i) {
                    sums[c * dim + i] /= static_cast<double>(counts[c]);
                }
                centroids.set(c, std::span(sums).subspan(c * dim, dim));
            }
        }
    }

    const FramedItems& items_;
    bool by_place_;
    std::size_t threads_;
    Cancellation& cancellation_;
};

// The rows of each cluster together, in their order.
std::vector<std::vector<std::uint32_t>> members_of(std::span<const std::uint32_t> rows,
                                                   std::span<const std::uint32_t> nearest, std::size_t clusters) {
    std::vector<std::vector<std::uint32_t>> members(clusters);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        members[nearest[i]].push_back(rows[i]);
    }
    return members;
}

} // namespace

Clustering make_clusters(const FramedItems& items, std::size_t threads, Cancellation& cancellation) {
    Clustering result;
    const KMeans means(items, threads, cancellation);
    const std::size_t clusters = std::max<std::size_t>(1, items.rows.size() / cluster_items(items.frame.metric));
    const std::size_t groups =
        clusters <= kGroupClusters ? 1 : static_cast<std::size_t>(std::sqrt(static_cast<double>(clusters)));
    const auto add = [](std::vector<float>& directions, const std::vector<float>& direction) {
        directions.insert(directions.end(), direction.begin(), direction.end());
    };
    const Centroids group_centroids = means.fit(items.rows, groups);
    const auto grouped = members_of(items.rows, means.assign(group_centroids, items.rows), groups);
    for (std::size_t g = 0; g < groups && !cancellation.requested(true); ++g) {
        if (grouped[g].empty()) {
            continue;
        }
        add(result.group_directions, group_centroids.direction(g));
        const std::size_t parts = std::max<std::size_t>(1, grouped[g].size() / cluster_items(items.frame.metric));
        const Centroids centroids = means.fit(grouped[g], parts);
        const auto members = members_of(grouped[g], means.assign(centroids, grouped[g]), parts);
        for (std::size_t c = 0; c < parts; ++c) {
            if (members[c].empty()) {
                continue;
            }
            add(result.directions, centroids.direction(c));
            result.members.insert(result.members.end(), members[c].begin(), members[c].end());
            result.cluster_ends.push_back(static_cast<std::uint32_t>(result.members.size()));
        }
        result.group_ends.push_back(static_cast<std::uint32_t>(result.cluster_ends.size()));
    }
    return result;
}

} // namespace annlib
