// The index file, version 1. All numbers are little-endian; sections start at multiples of 64 bytes, in the order of
// the table, with zero bytes between them; the file ends where its last section does.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace annlib {

inline constexpr std::array<unsigned char, 8> kMagic{0x89, 'A', 'N', 'N', '\r', '\n', 0x1a, '\n'};
inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kHeaderBytes = 4096;
inline constexpr std::size_t kAlignment = 64;
inline constexpr std::uint64_t kMaxDim = 65535;
inline constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 40;

enum class IdType : std::uint32_t { rows = 0, integers = 1, strings = 2 };

enum class SectionKind : std::uint32_t {
    vectors = 1,      // float32 [count][dim]
    norms = 2,        // float64 [count]: |x|, for euclidean |x - center|
    center = 3,       // float32 [dim]: the mean of the vectors, for euclidean
    id_integers = 4,  // int64 [count]
    id_offsets = 5,   // uint64 [count + 1] into id_bytes
    id_bytes = 6,     // UTF-8
    id_order = 7,     // int64 [count]: rows by ascending id (strings by their bytes)
    name_offsets = 8, // uint64 [count + 1] into name_bytes
    name_bytes = 9,   // UTF-8
    calibration = 10, // index/calibration.hpp
    metadata = 11,    // JSON

    // What a coded search uses (index/coded.hpp); derived from the vectors, so that a reader may do without.
    code_rows = 12,
    code_blocks = 13,
    // 14: codes of vectors that were not rotated; never in a release
    code_clusters = 15,
    code_groups = 16,
    cluster_directions = 17,
    cluster_boxes = 18,
    group_directions = 19,
    group_boxes = 20,
    codes = 21,
};
std::string section_name(SectionKind kind);

// A reader may skip a section it does not know unless this flag is set.
inline constexpr std::uint32_t kRequired = 1;

struct Section {
    SectionKind kind;
    std::uint32_t flags;
    std::uint64_t offset;
    std::uint64_t length;
    std::uint32_t checksum; // CRC-32C of its bytes
};

struct Header {
    std::uint32_t metric;
    std::uint32_t dim;
    std::uint64_t count;
    IdType id_type;
    std::uint64_t file_bytes;
    double magnitude; // the largest norm (manhattan: the largest |component|)
    std::vector<Section> sections;
};

// Damage to a file, or a file that is not ours. `section` is empty and `offset` -1 where they do not apply.
class FormatError : public std::runtime_error {
  public:
    FormatError(std::string file, std::string section, std::int64_t offset, const std::string& what)
        : std::runtime_error(what), file_(std::move(file)), section_(std::move(section)), offset_(offset) {}
    const std::string& file() const noexcept { return file_; }
    const std::string& section() const noexcept { return section_; }
    std::int64_t offset() const noexcept { return offset_; }

  private:
    std::string file_;
    std::string section_;
    std::int64_t offset_;
};

constexpr std::uint64_t aligned(std::uint64_t offset) {
    return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

std::array<unsigned char, kHeaderBytes> encode_header(const Header& header);

// Checks everything that the header says of itself: magic, version, checksum, and the extents of the sections.
// `file` is the name that errors carry.
Header decode_header(std::span<const std::byte> bytes, const std::string& file);

} // namespace annlib
