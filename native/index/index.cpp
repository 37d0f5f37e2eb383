#include "index/index.hpp"

#include "parallel/float_environment.hpp"

#include <cmath>

namespace annlib {
namespace {

Metric metric_of(const Image& image) {
    const std::optional<Metric> metric = metric_of_number(image.header().metric);
    if (!metric) {
        throw FormatError(image.name(), "header", -1, "unknown metric " + std::to_string(image.header().metric));
    }
    return *metric;
}

ScanFrame frame_of(const Image& image, Metric metric) {
    const DefaultFloatEnvironment environment;
    const Header& header = image.header();
    std::span<const float> center;
    if (metric == Metric::euclidean) {
        center = image.section<float>(SectionKind::center, header.dim);
    }
    return ScanFrame::make(metric, header.dim, header.magnitude, center);
}

} // namespace

Index::Index(Image image)
    : image_(std::move(image)), metric_(metric_of(image_)),
      vectors_(image_.section<float>(SectionKind::vectors, count() * dim())), frame_(frame_of(image_, metric_)),
      ids_(image_) {
    if (metric_ == Metric::euclidean) {
        center_ = image_.section<float>(SectionKind::center, dim());
    }
    if (has_codes(metric_)) {
        codes_ = CodeSections::of(image_);
    }
    if (codes_ && image_.has(SectionKind::calibration)) {
        const std::uint64_t bytes = image_.section(SectionKind::calibration).size();
        calibration_ = image_.section<CalibrationTable>(SectionKind::calibration, bytes / sizeof(CalibrationTable));
    }
    if (has_norms(metric_)) {
        norms_ = image_.section<double>(SectionKind::norms, count());
    }
    if (image_.has(SectionKind::name_offsets)) {
        names_.emplace(image_, SectionKind::name_offsets, SectionKind::name_bytes);
    }
}

std::shared_ptr<Index> Index::open(const std::string& path) {
    return std::make_shared<Index>(Image(map_file(path), path));
}

void Index::verify() const {
    image_.verify_checksums();
    ids_.verify();
    if (names_) {
        names_->verify();
    }
    for (std::size_t i = 0; i < vectors_.size(); ++i) {
        if (!std::isfinite(vectors_[i])) {
            image_.fail(SectionKind::vectors, i * sizeof(float), "damaged: a component is NaN or infinite");
        }
    }
    for (std::size_t i = 0; i < norms_.size(); ++i) {
        if (!(norms_[i] >= 0.0 && norms_[i] <= image_.header().magnitude)) {
            image_.fail(SectionKind::norms, i * sizeof(double), "damaged: a norm is outside [0, the largest norm]");
        }
    }
}

} // namespace annlib
