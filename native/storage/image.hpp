// A complete index image, in memory or mapped from a file: its header, checked, and its sections.
#pragma once

#include "storage/format.hpp"
#include "storage/mapped_file.hpp"

#include <string>

namespace annlib {

class Image {
  public:
    // Reads and checks the header in constant time. `name` is the file that errors name.
    Image(Bytes bytes, std::string name);

    const Header& header() const noexcept { return header_; }
    const std::string& name() const noexcept { return name_; }
    std::span<const std::byte> bytes() const noexcept { return bytes_.view; }
    const std::shared_ptr<const void>& owner() const noexcept { return bytes_.owner; }

    bool has(SectionKind kind) const noexcept;

    // The elements of a section, which has to hold exactly `count` of them.
    template <class T>
    std::span<const T> section(SectionKind kind, std::uint64_t count) const {
        const std::span<const std::byte> raw = checked_section(kind, count, sizeof(T));
        return {reinterpret_cast<const T*>(raw.data()), raw.size() / sizeof(T)};
    }
    std::span<const std::byte> section(SectionKind kind) const;

    // Reads everything: throws FormatError at the first checksum or padding byte that is wrong.
    void verify_checksums() const;

    [[noreturn]] void fail(SectionKind kind, std::uint64_t at, const std::string& what) const;

  private:
    const Section* find(SectionKind kind) const noexcept;
    std::span<const std::byte> checked_section(SectionKind kind, std::uint64_t count, std::size_t element) const;

    Bytes bytes_;
    std::string name_;
    Header header_;
};

} // namespace annlib
