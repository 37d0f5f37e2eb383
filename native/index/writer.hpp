// The one writer of index images: blocks of vectors are appended, then everything else is derived from them.
#pragma once

#include "index/ids.hpp"
#include "index/index.hpp"
#include "parallel/parallel.hpp"
#include "storage/sink.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace annlib {

class IndexWriter {
  public:
    // `name` is what errors of the finished index call it.
    IndexWriter(std::unique_ptr<Sink> sink, std::string name, Metric metric, std::size_t dim);

    // Ids and names, one for each vector in the end; before finish, at any time. Throw std::invalid_argument where an
    // id appears twice.
    void set_ids(std::vector<std::int64_t> ids);
    void set_ids(Strings ids);
    void set_names(Strings names);

    // Appends `count` vectors. Returns how many were finite before the first that is not; the rest is not appended.
    std::size_t append(const float* vectors, std::size_t count);
    std::size_t count() const noexcept { return count_; }

    // Queries like those to come ([count][dim], finite), to calibrate on beside the items.
    void set_calibration_queries(std::vector<float> queries) { calibration_queries_ = std::move(queries); }

    // Completes the image. The bytes do not depend on the number of threads, nor on how the vectors came in blocks.
    std::shared_ptr<Index> finish(const std::string& metadata, std::size_t threads, Cancellation& cancellation);

  private:
    void begin_section(SectionKind kind, std::uint32_t flags);
    void write(std::span<const std::byte> bytes);
    void end_section();
    void write_section(SectionKind kind, std::uint32_t flags, std::span<const std::byte> bytes);
    void write_codes(double magnitude, std::span<const float> mean, std::span<const double> lengths,
                     std::size_t threads, Cancellation& cancellation);
    void write_calibration(double magnitude, std::size_t threads, Cancellation& cancellation);
    void write_header(double magnitude);
    void check_lengths() const;
    std::vector<float> center() const;
    std::vector<double> norms(const float* vectors, std::span<const float> center, std::size_t threads,
                              Cancellation& cancellation) const;

    std::unique_ptr<Sink> sink_;
    std::string name_;
    Metric metric_;
    std::size_t dim_;
    std::size_t count_ = 0;
    std::vector<Section> sections_;
    std::vector<double> sums_;       // of each component, for the center
    float largest_component_ = 0.0F; // by absolute value
    IdType id_type_ = IdType::rows;
    std::vector<std::int64_t> integer_ids_;
    Strings string_ids_;
    std::vector<std::int64_t> id_order_;
    std::optional<Strings> names_;
    std::vector<float> calibration_queries_;
};

} // namespace annlib
