#include "index/writer.hpp"

#include "parallel/float_environment.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace annlib {
namespace {

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
    return std::as_bytes(std::span(values));
}

// The largest magnitude, as bits of a float: their order is that of the magnitudes, infinity and NaN above all.
std::int32_t largest_bits(const float* values, std::size_t count) noexcept {
    std::int32_t largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::int32_t bits = 0;
        std::memcpy(&bits, values + i, sizeof bits);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    return largest;
}
constexpr std::int32_t kInfinityBits = 0x7f800000;

} // namespace

IndexWriter::IndexWriter(std::unique_ptr<Sink> sink, std::string name, Metric metric, std::size_t dim)
    : sink_(std::move(sink)), name_(std::move(name)), metric_(metric), dim_(dim), sums_(dim) {
    const std::vector<std::byte> header(kHeaderBytes); // zeros until the image is complete
    sink_->append(header);
    begin_section(SectionKind::vectors, kRequired);
}

void IndexWriter::set_ids(std::vector<std::int64_t> ids) {
    id_order_ = order_of_ids(ids);
    integer_ids_ = std::move(ids);
    id_type_ = IdType::integers;
}

void IndexWriter::set_ids(Strings ids) {
    id_order_ = order_of_ids(ids);
    string_ids_ = std::move(ids);
    id_type_ = IdType::strings;
}

void IndexWriter::set_names(Strings names) {
    names_ = std::move(names);
}

std::size_t IndexWriter::append(const float* vectors, std::size_t count) {
    const DefaultFloatEnvironment environment;
    std::size_t finite = 0;
    for (; finite < count; ++finite) {
        const float* vector = vectors + finite * dim_;
        const std::int32_t largest = largest_bits(vector, dim_);
        if (largest >= kInfinityBits) {
            break;
        }
        largest_component_ = std::max(largest_component_, std::bit_cast<float>(largest));
        if (metric_ == Metric::euclidean) {
            for (std::size_t i = 0; i < dim_; ++i) {
                sums_[i] += static_cast<double>(vector[i]);
            }
        }
    }
    write(std::as_bytes(std::span(vectors, finite * dim_)));
    count_ += finite;
    if (count_ > kMaxCount) {
        throw std::invalid_argument("vectors: expected at most 2^40 of them");
    }
    return finite;
}

std::shared_ptr<Index> IndexWriter::finish(const std::string& metadata, std::size_t threads,
                                           Cancellation& cancellation) {
    const DefaultFloatEnvironment environment;
    end_section();
    check_lengths();
    double magnitude = metric_ == Metric::manhattan ? static_cast<double>(largest_component_) : 0.0;
    if (has_norms(metric_)) {
        const std::vector<float> mean = metric_ == Metric::euclidean ? center() : std::vector<float>{};
        const Bytes image = sink_->written();
        const auto* vectors = reinterpret_cast<const float*>(image.view.data() + sections_.front().offset);
        const std::vector<double> lengths = norms(vectors, mean, threads, cancellation);
        if (cancellation.requested(true)) {
            return nullptr;
        }
        for (const double length : lengths) {
            magnitude = std::max(magnitude, length);
        }
        write_section(SectionKind::norms, kRequired, bytes_of(lengths));
        if (metric_ == Metric::euclidean) {
            write_section(SectionKind::center, kRequired, bytes_of(mean));
        }
        if (has_codes(metric_) && count_ > 0 && count_ < kNoItem) {
            write_codes(magnitude, mean, lengths, threads, cancellation);
        }
        if (cancellation.requested(true)) {
            return nullptr;
        }
    }
    if (id_type_ == IdType::integers) {
        write_section(SectionKind::id_integers, kRequired, bytes_of(integer_ids_));
    } else if (id_type_ == IdType::strings) {
        write_section(SectionKind::id_offsets, kRequired, bytes_of(string_ids_.offsets));
        write_section(SectionKind::id_bytes, kRequired, bytes_of(string_ids_.bytes));
    }
    if (id_type_ != IdType::rows) {
        write_section(SectionKind::id_order, kRequired, bytes_of(id_order_));
    }
    if (names_) {
        write_section(SectionKind::name_offsets, 0, bytes_of(names_->offsets));
        write_section(SectionKind::name_bytes, 0, bytes_of(names_->bytes));
    }
    write_section(SectionKind::metadata, 0, std::as_bytes(std::span(metadata)));
    write_header(magnitude);
    if (std::any_of(sections_.begin(), sections_.end(),
                    [](const Section& section) { return section.kind == SectionKind::codes; })) {
        write_calibration(magnitude, threads, cancellation);
        if (cancellation.requested(true)) {
            return nullptr;
        }
    }
    return std::make_shared<Index>(Image(sink_->commit(), name_));
}

void IndexWriter::write_header(double magnitude) {
    const auto header = encode_header({
        .metric = static_cast<std::uint32_t>(metric_),
        .dim = static_cast<std::uint32_t>(dim_),
        .count = count_,
        .id_type = id_type_,
        .file_bytes = sink_->size(),
        .magnitude = magnitude,
        .sections = sections_,
    });
    sink_->overwrite_start(std::as_bytes(std::span(header)));
}

// Searches what has been written so far: it is a complete image but for the calibration.
void IndexWriter::write_calibration(double magnitude, std::size_t threads, Cancellation& cancellation) {
    std::vector<CalibrationTable> tables;
    {
        const Index index(Image(sink_->written(), name_));
        if (index.codes()->clusters.empty()) {
            return; // only zero vectors, under cosine
        }
        tables.push_back(calibrate_on_items(index, threads, cancellation));
        if (!calibration_queries_.empty()) {
            tables.push_back(calibrate_on_queries(index, calibration_queries_, threads, cancellation));
        }
    }
    write_section(SectionKind::calibration, 0, bytes_of(tables));
    write_header(magnitude);
}

void IndexWriter::begin_section(SectionKind kind, std::uint32_t flags) {
    constexpr std::array<std::byte, kAlignment> zeros{};
    const std::uint64_t offset = aligned(sink_->size());
    sink_->append(std::span(zeros).first(offset - sink_->size()));
    sections_.push_back({.kind = kind, .flags = flags, .offset = offset, .length = 0, .checksum = 0});
}

void IndexWriter::write(std::span<const std::byte> bytes) {
    sink_->append(bytes);
    Section& section = sections_.back();
    section.checksum = kernels().crc32c(section.checksum, bytes.data(), bytes.size());
}

void IndexWriter::end_section() {
    sections_.back().length = sink_->size() - sections_.back().offset;
}

void IndexWriter::write_section(SectionKind kind, std::uint32_t flags, std::span<const std::byte> bytes) {
    begin_section(kind, flags);
    write(bytes);
    end_section();
}

void IndexWriter::write_codes(double magnitude, std::span<const float> mean, std::span<const double> lengths,
                              std::size_t threads, Cancellation& cancellation) {
    const Frame frame{.metric = metric_,
                      .dim = dim_,
                      .scale = ScanFrame::make(metric_, dim_, magnitude, {}).scale,
                      .center = mean.empty() ? nullptr : mean.data()};
    CodeTables tables;
    {
        const Bytes image = sink_->written();
        const auto* vectors = reinterpret_cast<const float*>(image.view.data() + sections_.front().offset);
        tables = make_codes(frame, vectors, lengths.data(), count_, threads, cancellation);
    }
    write_section(SectionKind::code_rows, 0, bytes_of(tables.rows));
    write_section(SectionKind::code_blocks, 0, bytes_of(tables.blocks));
    write_section(SectionKind::codes, 0, bytes_of(tables.codes));
    write_section(SectionKind::code_clusters, 0, bytes_of(tables.clusters));
    write_section(SectionKind::code_groups, 0, bytes_of(tables.groups));
    write_section(SectionKind::cluster_directions, 0, bytes_of(tables.cluster_directions));
    write_section(SectionKind::cluster_boxes, 0, bytes_of(tables.cluster_boxes));
    write_section(SectionKind::group_directions, 0, bytes_of(tables.group_directions));
    write_section(SectionKind::group_boxes, 0, bytes_of(tables.group_boxes));
}

void IndexWriter::check_lengths() const {
    const auto check = [this](const char* argument, std::size_t length) {
        if (length != count_) {
            throw std::invalid_argument(std::string(argument) + ": expected one for each of the " +
                                        std::to_string(count_) + " vectors, got " + std::to_string(length));
        }
    };
    if (id_type_ != IdType::rows) {
        check("ids", id_order_.size());
    }
    if (names_) {
        check("names", names_->size());
    }
}

// Distances are taken from the mean: it keeps the scan's bounds tight where the data lies far from the origin.
std::vector<float> IndexWriter::center() const {
    std::vector<float> mean(dim_);
    for (std::size_t i = 0; i < dim_ && count_ > 0; ++i) {
        mean[i] = static_cast<float>(sums_[i] / static_cast<double>(count_));
    }
    return mean;
}

std::vector<double> IndexWriter::norms(const float* vectors, std::span<const float> center, std::size_t threads,
                                       Cancellation& cancellation) const {
    constexpr std::size_t block = 4096;
    std::vector<double> result(count_);
    const KernelTable& table = kernels();
    parallel_for((count_ + block - 1) / block, threads, cancellation, [&](std::size_t task, std::size_t) {
        const std::size_t end = std::min(count_, (task + 1) * block);
        for (std::size_t row = task * block; row < end; ++row) {
            const float* vector = vectors + row * dim_;
            result[row] = center.empty() ? defined_norm(table, vector, dim_)
                                         : std::sqrt(table.squared_distance(vector, center.data(), dim_));
        }
    });
    return result;
}

} // namespace annlib
