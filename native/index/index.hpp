// An index as the search sees it: an image with its sections resolved.
#pragma once

#include "index/bound.hpp"
#include "index/calibration.hpp"
#include "index/coded.hpp"
#include "index/ids.hpp"
#include "index/metric.hpp"
#include "storage/image.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>

namespace annlib {

class Index {
  public:
    // Constant time. Throws FormatError where the header or the sizes of the sections are wrong.
    explicit Index(Image image);

    static std::shared_ptr<Index> open(const std::string& path);

    // The sections point into the image: an index stays where it is.
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;

    Metric metric() const noexcept { return metric_; }
    std::size_t dim() const noexcept { return image_.header().dim; }
    std::size_t count() const noexcept { return image_.header().count; }
    std::span<const float> vectors() const noexcept { return vectors_; }
    const float* vector(std::size_t row) const noexcept { return vectors_.data() + row * dim(); }
    // |x| of each vector (euclidean: |x - center|); empty for metrics without norms.
    std::span<const double> norms() const noexcept { return norms_; }
    const ScanFrame& frame() const noexcept { return frame_; }
    // The same as the codes see it.
    Frame coded_frame() const noexcept {
        return {.metric = metric_,
                .dim = dim(),
                .scale = frame_.scale,
                .center = center_.empty() ? nullptr : center_.data()};
    }
    // The mean that euclidean distances are taken from in the frame; empty for other metrics.
    std::span<const float> center() const noexcept { return center_; }
    const std::optional<CodeSections>& codes() const noexcept { return codes_; }
    std::span<const CalibrationTable> calibration() const noexcept { return calibration_; }
    const Ids& ids() const noexcept { return ids_; }
    const std::optional<StringSection>& names() const noexcept { return names_; }
    const Image& image() const noexcept { return image_; }

    // Reads everything: throws FormatError at the first damage.
    void verify() const;

  private:
    Image image_;
    Metric metric_;
    std::span<const float> vectors_;
    std::span<const double> norms_;
    ScanFrame frame_;
    std::span<const float> center_;
    std::optional<CodeSections> codes_;
    std::span<const CalibrationTable> calibration_; // none where every search is exact
    Ids ids_;
    std::optional<StringSection> names_;
};

} // namespace annlib
