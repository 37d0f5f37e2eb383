// Where an index image is written: memory, or a temporary file that takes its final name when it is complete.
#pragma once

#include "storage/mapped_file.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace annlib {

class Sink {
  public:
    virtual ~Sink() = default;

    virtual void append(std::span<const std::byte> bytes) = 0;
    virtual void overwrite_start(std::span<const std::byte> bytes) = 0;
    virtual std::uint64_t size() const noexcept = 0;

    // A view of what has been appended so far; it ends at the next append.
    virtual Bytes written() = 0;

    // Makes the image permanent and returns it. A sink destroyed before leaves nothing behind.
    virtual Bytes commit() = 0;
};

// `expected` bytes are reserved at once.
std::unique_ptr<Sink> memory_sink(std::uint64_t expected);

// Throws std::filesystem::filesystem_error here and from every call that fails.
std::unique_ptr<Sink> file_sink(const std::string& path);

// Writes a complete image as a file: temporary name in the same folder, synced, renamed.
void write_file(const std::string& path, std::span<const std::byte> image);

} // namespace annlib
