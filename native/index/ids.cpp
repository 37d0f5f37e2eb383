#include "index/ids.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace annlib {
namespace {

std::string quoted(std::int64_t id) {
    return std::to_string(id);
}
std::string quoted(std::string_view id) {
    return "'" + std::string(id) + "'";
}

template <class IdAt>
std::vector<std::int64_t> sorted_rows(std::size_t count, const IdAt& id_at) {
    std::vector<std::int64_t> order(count);
    std::iota(order.begin(), order.end(), std::int64_t{0});
    std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        const auto id_a = id_at(a);
        const auto id_b = id_at(b);
        return id_a < id_b || (id_a == id_b && a < b);
    });
    const auto twice = std::adjacent_find(order.begin(), order.end(),
                                          [&](std::int64_t a, std::int64_t b) { return id_at(a) == id_at(b); });
    if (twice != order.end()) {
        throw std::invalid_argument("ids: expected each id once, got " + quoted(id_at(*twice)) + " in rows " +
                                    std::to_string(*twice) + " and " + std::to_string(*(twice + 1)));
    }
    return order;
}

} // namespace

std::vector<std::int64_t> order_of_ids(std::span<const std::int64_t> ids) {
    return sorted_rows(ids.size(), [&](std::int64_t row) { return ids[static_cast<std::size_t>(row)]; });
}

std::vector<std::int64_t> order_of_ids(const Strings& ids) {
    return sorted_rows(ids.size(), [&](std::int64_t row) { return ids[static_cast<std::size_t>(row)]; });
}

StringSection::StringSection(const Image& image, SectionKind offsets, SectionKind bytes)
    : image_(&image), offsets_kind_(offsets),
      offsets_(image.section<std::uint64_t>(offsets, image.header().count + 1)) {
    const std::span<const std::byte> raw = image.section(bytes);
    bytes_ = {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

std::string_view StringSection::at(std::int64_t row) const {
    const auto i = static_cast<std::size_t>(row);
    const std::uint64_t begin = offsets_[i];
    const std::uint64_t end = offsets_[i + 1];
    if (begin > end || end > bytes_.size()) {
        image_->fail(offsets_kind_, i * sizeof(std::uint64_t),
                     "damaged: row " + std::to_string(row) + " spans bytes " + std::to_string(begin) + " to " +
                         std::to_string(end) + " of " + std::to_string(bytes_.size()));
    }
    return bytes_.substr(begin, end - begin);
}

void StringSection::verify() const {
    for (std::size_t row = 0; row + 1 < offsets_.size(); ++row) {
        at(static_cast<std::int64_t>(row));
    }
    if (offsets_.front() != 0 || offsets_.back() != bytes_.size()) {
        image_->fail(offsets_kind_, 0, "damaged: the offsets do not cover the strings");
    }
}

Ids::Ids(const Image& image)
    : image_(&image), type_(image.header().id_type), count_(static_cast<std::int64_t>(image.header().count)) {
    const std::uint64_t count = image.header().count;
    if (type_ == IdType::integers) {
        integers_ = image.section<std::int64_t>(SectionKind::id_integers, count);
    } else if (type_ == IdType::strings) {
        strings_ = StringSection(image, SectionKind::id_offsets, SectionKind::id_bytes);
    }
    if (type_ != IdType::rows) {
        order_ = image.section<std::int64_t>(SectionKind::id_order, count);
    }
}

std::int64_t Ids::ordered_row(std::uint64_t position) const {
    const std::int64_t row = order_[position];
    if (row < 0 || row >= count_) {
        image_->fail(SectionKind::id_order, position * sizeof(std::int64_t),
                     "damaged: row " + std::to_string(row) + " of " + std::to_string(count_));
    }
    return row;
}

template <class Id, class IdAt>
std::int64_t Ids::find(const Id& id, const IdAt& id_at) const {
    std::uint64_t low = 0;
    std::uint64_t high = order_.size();
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        if (id_at(ordered_row(middle)) < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == order_.size()) {
        return kNoRow;
    }
    const std::int64_t row = ordered_row(low);
    return id_at(row) == id ? row : kNoRow;
}

std::int64_t Ids::row_of(std::int64_t id) const {
    switch (type_) {
    case IdType::rows:
        return id >= 0 && id < count_ ? id : kNoRow;
    case IdType::integers:
        return find(id, [this](std::int64_t row) { return integers_[static_cast<std::size_t>(row)]; });
    case IdType::strings:
        break;
    }
    return kNoRow;
}

std::int64_t Ids::row_of(std::string_view id) const {
    if (type_ != IdType::strings) {
        return kNoRow;
    }
    return find(id, [this](std::int64_t row) { return strings_.at(row); });
}

void Ids::verify() const {
    if (type_ == IdType::strings) {
        strings_.verify();
    }
    const auto ascending = [this](std::int64_t a, std::int64_t b) {
        return type_ == IdType::strings
                   ? strings_.at(a) < strings_.at(b)
                   : integers_[static_cast<std::size_t>(a)] < integers_[static_cast<std::size_t>(b)];
    };
    for (std::uint64_t i = 0; i < order_.size(); ++i) {
        if (i == 0) {
            ordered_row(0);
        } else if (!ascending(order_[i - 1], ordered_row(i))) {
            image_->fail(SectionKind::id_order, i * sizeof(std::int64_t),
                         "damaged: the ids are not in ascending order");
        }
    }
}

} // namespace annlib
