// Ids and names: strings in a section, ids in order, and the way from an id to its row.
#pragma once

#include "storage/image.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace annlib {

inline constexpr std::int64_t kNoRow = -1;

// Strings one after another, string i from offsets[i] to offsets[i + 1].
struct Strings {
    std::vector<char> bytes;
    std::vector<std::uint64_t> offsets{0};

    std::size_t size() const noexcept { return offsets.size() - 1; }
    std::string_view operator[](std::size_t i) const noexcept {
        return {bytes.data() + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
    }
};

// The rows by ascending id. Throws std::invalid_argument, naming it, where an id appears twice.
std::vector<std::int64_t> order_of_ids(std::span<const std::int64_t> ids);
std::vector<std::int64_t> order_of_ids(const Strings& ids);

// Strings as they lie in an image. The offsets come from a file: they are checked when they are used.
class StringSection {
  public:
    StringSection() = default;
    StringSection(const Image& image, SectionKind offsets, SectionKind bytes);

    // Throws FormatError where the offsets point outside the section.
    std::string_view at(std::int64_t row) const;
    void verify() const;

  private:
    const Image* image_ = nullptr;
    SectionKind offsets_kind_{};
    std::span<const std::uint64_t> offsets_;
    std::string_view bytes_;
};

// The ids of an index: row numbers, integers or strings.
class Ids {
  public:
    explicit Ids(const Image& image);

    IdType type() const noexcept { return type_; }
    std::span<const std::int64_t> integers() const noexcept { return integers_; }
    const StringSection& strings() const noexcept { return strings_; }

    // The row of an id, or kNoRow. O(log n), straight from the file.
    std::int64_t row_of(std::int64_t id) const;
    std::int64_t row_of(std::string_view id) const;

    // Throws FormatError unless the stored order is a strictly ascending permutation of the rows.
    void verify() const;

  private:
    template <class Id, class Less>
    std::int64_t find(const Id& id, const Less& id_at) const;
    std::int64_t ordered_row(std::uint64_t position) const;

    const Image* image_;
    IdType type_;
    std::int64_t count_;
    std::span<const std::int64_t> integers_;
    std::span<const std::int64_t> order_;
    StringSection strings_;
};

} // namespace annlib
