#include "storage/image.hpp"

#include "kernels/table.hpp"

#include <algorithm>

namespace annlib {

Image::Image(Bytes bytes, std::string name)
    : bytes_(std::move(bytes)), name_(std::move(name)), header_(decode_header(bytes_.view, name_)) {
    for (auto section = header_.sections.begin(); section != header_.sections.end(); ++section) {
        const bool known = section->kind >= SectionKind::vectors && section->kind <= SectionKind::metadata;
        if (!known && (section->flags & kRequired) != 0) {
            throw FormatError(name_, section_name(section->kind), static_cast<std::int64_t>(section->offset),
                              "a required section that this annlib does not know: a newer one wrote the file");
        }
        if (known && std::any_of(header_.sections.begin(), section,
                                 [&](const Section& earlier) { return earlier.kind == section->kind; })) {
            throw FormatError(name_, section_name(section->kind), static_cast<std::int64_t>(section->offset),
                              "the section appears twice");
        }
    }
}

const Section* Image::find(SectionKind kind) const noexcept {
    for (const Section& section : header_.sections) {
        if (section.kind == kind) {
            return &section;
        }
    }
    return nullptr;
}

bool Image::has(SectionKind kind) const noexcept {
    return find(kind) != nullptr;
}

std::span<const std::byte> Image::section(SectionKind kind) const {
    const Section* section = find(kind);
    if (section == nullptr) {
        throw FormatError(name_, section_name(kind), -1, "the section is missing");
    }
    return bytes_.view.subspan(section->offset, section->length);
}

std::span<const std::byte> Image::checked_section(SectionKind kind, std::uint64_t count, std::size_t element) const {
    const std::span<const std::byte> raw = section(kind);
    if (raw.size() != count * element) {
        fail(kind, 0,
             "expected " + std::to_string(count * element) + " bytes, the table says " + std::to_string(raw.size()));
    }
    return raw;
}

void Image::verify_checksums() const {
    const auto& crc32c = kernels().crc32c;
    std::uint64_t padding_from = kHeaderBytes;
    for (const Section& section : header_.sections) {
        for (std::uint64_t at = padding_from; at < section.offset; ++at) {
            if (bytes_.view[at] != std::byte{0}) {
                throw FormatError(name_, section_name(section.kind), static_cast<std::int64_t>(at),
                                  "damaged: expected zero bytes before the section");
            }
        }
        const std::span<const std::byte> raw = bytes_.view.subspan(section.offset, section.length);
        if (crc32c(0, raw.data(), raw.size()) != section.checksum) {
            fail(section.kind, 0, "damaged: the section's checksum does not match its bytes");
        }
        padding_from = section.offset + section.length;
    }
}

void Image::fail(SectionKind kind, std::uint64_t at, const std::string& what) const {
    const Section* section = find(kind);
    const std::int64_t offset = section == nullptr ? -1 : static_cast<std::int64_t>(section->offset + at);
    throw FormatError(name_, section_name(kind), offset, what);
}

} // namespace annlib
