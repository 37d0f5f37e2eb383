#include "storage/format.hpp"

#include "kernels/table.hpp"

#include <bit>
#include <cstring>
#include <type_traits>

namespace annlib {
namespace {

static_assert(std::endian::native == std::endian::little,
              "index files are mapped as they are: little-endian hosts only");

// Byte offsets in the header.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kHeaderBytesAt = 12;
constexpr std::size_t kMetricAt = 16;
constexpr std::size_t kDimAt = 20;
constexpr std::size_t kCountAt = 24;
constexpr std::size_t kFileBytesAt = 32;
constexpr std::size_t kSectionCountAt = 40;
constexpr std::size_t kIdTypeAt = 44;
constexpr std::size_t kMagnitudeAt = 48;
constexpr std::size_t kChecksumAt = 56;
constexpr std::size_t kTableAt = 64;
constexpr std::size_t kTableEntryBytes = 32; // kind, flags, offset, length, checksum, zero
constexpr std::size_t kMaxSections = (kHeaderBytes - kTableAt) / kTableEntryBytes;

template <class T>
void put(std::span<unsigned char> bytes, std::size_t at, T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <class T>
T get(std::span<const std::byte> bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

// The checksum covers the whole header, its own four bytes taken as zero.
std::uint32_t header_checksum(std::span<const std::byte> header) {
    constexpr std::uint32_t zero = 0;
    const auto& crc32c = kernels().crc32c;
    std::uint32_t crc = crc32c(0, header.data(), kChecksumAt);
    crc = crc32c(crc, &zero, sizeof zero);
    const std::size_t rest = kChecksumAt + sizeof zero;
    return crc32c(crc, header.data() + rest, kHeaderBytes - rest);
}

void check_section(const Section& section, std::uint64_t free_from, std::uint64_t file_bytes, std::size_t entry_at,
                   const std::string& file) {
    const auto fail = [&](const std::string& what) {
        throw FormatError(file, section_name(section.kind), static_cast<std::int64_t>(entry_at), what);
    };
    if (section.offset % kAlignment != 0) {
        fail("its offset " + std::to_string(section.offset) + " is not a multiple of " + std::to_string(kAlignment));
    }
    if (section.offset != aligned(free_from)) {
        fail("expected it to start at byte " + std::to_string(aligned(free_from)) + ", the table says " +
             std::to_string(section.offset));
    }
    if (section.offset > file_bytes || section.length > file_bytes - section.offset) {
        fail("its " + std::to_string(section.length) + " bytes at offset " + std::to_string(section.offset) +
             " end outside the file of " + std::to_string(file_bytes) + " bytes");
    }
}

} // namespace

std::string section_name(SectionKind kind) {
    switch (kind) {
    case SectionKind::vectors:
        return "vectors";
    case SectionKind::norms:
        return "norms";
    case SectionKind::center:
        return "center";
    case SectionKind::id_integers:
        return "id_integers";
    case SectionKind::id_offsets:
        return "id_offsets";
    case SectionKind::id_bytes:
        return "id_bytes";
    case SectionKind::id_order:
        return "id_order";
    case SectionKind::name_offsets:
        return "name_offsets";
    case SectionKind::name_bytes:
        return "name_bytes";
    case SectionKind::calibration:
        return "calibration";
    case SectionKind::metadata:
        return "metadata";
    case SectionKind::code_rows:
        return "code_rows";
    case SectionKind::code_blocks:
        return "code_blocks";
    case SectionKind::codes:
        return "codes";
    case SectionKind::code_clusters:
        return "code_clusters";
    case SectionKind::code_groups:
        return "code_groups";
    case SectionKind::cluster_directions:
        return "cluster_directions";
    case SectionKind::cluster_boxes:
        return "cluster_boxes";
    case SectionKind::group_directions:
        return "group_directions";
    case SectionKind::group_boxes:
        return "group_boxes";
    }
    return "unknown kind " + std::to_string(static_cast<std::uint32_t>(kind));
}

std::array<unsigned char, kHeaderBytes> encode_header(const Header& header) {
    if (header.sections.size() > kMaxSections) {
        throw std::logic_error("an index file has at most " + std::to_string(kMaxSections) + " sections");
    }
    std::array<unsigned char, kHeaderBytes> bytes{};
    std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
    put(bytes, kVersionAt, kFormatVersion);
    put(bytes, kHeaderBytesAt, static_cast<std::uint32_t>(kHeaderBytes));
    put(bytes, kMetricAt, header.metric);
    put(bytes, kDimAt, header.dim);
    put(bytes, kCountAt, header.count);
    put(bytes, kFileBytesAt, header.file_bytes);
    put(bytes, kSectionCountAt, static_cast<std::uint32_t>(header.sections.size()));
    put(bytes, kIdTypeAt, static_cast<std::uint32_t>(header.id_type));
    put(bytes, kMagnitudeAt, header.magnitude);
    std::size_t at = kTableAt;
    for (const Section& section : header.sections) {
        put(bytes, at, static_cast<std::uint32_t>(section.kind));
        put(bytes, at + 4, section.flags);
        put(bytes, at + 8, section.offset);
        put(bytes, at + 16, section.length);
        put(bytes, at + 24, section.checksum);
        at += kTableEntryBytes;
    }
    put(bytes, kChecksumAt, header_checksum(std::as_bytes(std::span(bytes))));
    return bytes;
}

Header decode_header(std::span<const std::byte> bytes, const std::string& file) {
    const auto fail = [&](std::size_t at, const std::string& what) {
        throw FormatError(file, "header", static_cast<std::int64_t>(at), what);
    };
    if (bytes.size() < kMagic.size() || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
        fail(0, "not an annlib index: the magic bytes are missing");
    }
    if (bytes.size() < kHeaderBytes) {
        fail(bytes.size(), "truncated: expected a header of " + std::to_string(kHeaderBytes) + " bytes, the file has " +
                               std::to_string(bytes.size()));
    }
    const auto version = get<std::uint32_t>(bytes, kVersionAt);
    if (version != kFormatVersion) {
        fail(kVersionAt, "format version " + std::to_string(version) + ", this annlib reads version " +
                             std::to_string(kFormatVersion));
    }
    if (get<std::uint32_t>(bytes, kChecksumAt) != header_checksum(bytes)) {
        fail(kChecksumAt, "damaged: the header's checksum does not match its bytes");
    }
    Header header;
    header.metric = get<std::uint32_t>(bytes, kMetricAt);
    header.dim = get<std::uint32_t>(bytes, kDimAt);
    header.count = get<std::uint64_t>(bytes, kCountAt);
    header.file_bytes = get<std::uint64_t>(bytes, kFileBytesAt);
    header.id_type = static_cast<IdType>(get<std::uint32_t>(bytes, kIdTypeAt));
    header.magnitude = get<double>(bytes, kMagnitudeAt);
    if (header.dim < 1 || header.dim > kMaxDim) {
        fail(kDimAt, "expected 1 to " + std::to_string(kMaxDim) + " dimensions, got " + std::to_string(header.dim));
    }
    if (header.count > kMaxCount) {
        fail(kCountAt, "expected at most 2^40 vectors, got " + std::to_string(header.count));
    }
    if (header.id_type > IdType::strings) {
        fail(kIdTypeAt, "unknown id type " + std::to_string(static_cast<std::uint32_t>(header.id_type)));
    }
    if (header.file_bytes != bytes.size()) {
        fail(kFileBytesAt, "expected a file of " + std::to_string(header.file_bytes) + " bytes, it has " +
                               std::to_string(bytes.size()));
    }
    const auto section_count = get<std::uint32_t>(bytes, kSectionCountAt);
    if (section_count > kMaxSections) {
        fail(kSectionCountAt,
             "expected at most " + std::to_string(kMaxSections) + " sections, got " + std::to_string(section_count));
    }
    std::uint64_t free_from = kHeaderBytes;
    for (std::size_t i = 0; i < section_count; ++i) {
        const std::size_t at = kTableAt + i * kTableEntryBytes;
        const Section section{
            .kind = static_cast<SectionKind>(get<std::uint32_t>(bytes, at)),
            .flags = get<std::uint32_t>(bytes, at + 4),
            .offset = get<std::uint64_t>(bytes, at + 8),
            .length = get<std::uint64_t>(bytes, at + 16),
            .checksum = get<std::uint32_t>(bytes, at + 24),
        };
        check_section(section, free_from, header.file_bytes, at, file);
        free_from = section.offset + section.length;
        header.sections.push_back(section);
    }
    if (free_from != header.file_bytes) {
        fail(kFileBytesAt, "expected the file to end with its last section at byte " + std::to_string(free_from) +
                               ", it has " + std::to_string(header.file_bytes) + " bytes");
    }
    return header;
}

} // namespace annlib
