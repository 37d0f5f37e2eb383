// A file mapped read-only and shared: processes that open the same index share its pages.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace annlib {

// Bytes and what keeps them alive.
struct Bytes {
    std::shared_ptr<const void> owner;
    std::span<const std::byte> view;
};

// Maps a whole file. Throws std::filesystem::filesystem_error where it cannot be opened or mapped.
Bytes map_file(const std::string& path);

// Maps the first `size` bytes of an open file.
Bytes map_descriptor(int descriptor, std::size_t size, const std::string& path);

} // namespace annlib
