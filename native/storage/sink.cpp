#include "storage/sink.hpp"

#include "storage/format.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <new>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace annlib {
namespace {

class MemorySink final : public Sink {
  public:
    explicit MemorySink(std::uint64_t expected) { reserve(expected); }

    void append(std::span<const std::byte> bytes) override {
        if (bytes.empty()) {
            return;
        }
        if (bytes.size() > capacity_ - size_) {
            reserve(std::max<std::uint64_t>(size_ + bytes.size(), capacity_ + capacity_ / 2));
        }
        std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
        size_ += bytes.size();
    }
    void overwrite_start(std::span<const std::byte> bytes) override {
        std::memcpy(data_.get(), bytes.data(), bytes.size());
    }
    std::uint64_t size() const noexcept override { return size_; }
    Bytes written() override { return {data_, std::span<const std::byte>(data_.get(), size_)}; }
    Bytes commit() override { return written(); }

  private:
    void reserve(std::uint64_t capacity) {
        // Large images ask for huge pages: rows are scored in any order, each on a page of its own.
        constexpr std::uint64_t huge_page = std::uint64_t{2} << 20;
        const std::uint64_t alignment = capacity >= 2 * huge_page ? huge_page : kAlignment;
        capacity = (std::max<std::uint64_t>(capacity, kHeaderBytes) + alignment - 1) / alignment * alignment;
        auto* grown = static_cast<std::byte*>(std::aligned_alloc(alignment, capacity));
        if (grown == nullptr) {
            throw std::bad_alloc();
        }
        if (alignment == huge_page) {
            ::madvise(grown, capacity, MADV_HUGEPAGE); // advice: where it is not taken, nothing is lost but time
        }
        if (size_ > 0) {
            std::memcpy(grown, data_.get(), size_);
        }
        data_ = std::shared_ptr<std::byte>(grown, [](std::byte* memory) { std::free(memory); });
        capacity_ = capacity;
    }

    std::shared_ptr<std::byte> data_;
    std::uint64_t size_ = 0;
    std::uint64_t capacity_ = 0;
};

std::string temporary_name(const std::filesystem::path& path) {
    static std::atomic<unsigned> serial{0};
    const std::string unique = std::to_string(::getpid()) + "-" + std::to_string(serial++);
    return (path.parent_path() / ("." + path.filename().string() + "." + unique + ".tmp")).string();
}

class FileSink final : public Sink {
  public:
    explicit FileSink(const std::string& path) : path_(path), temporary_(temporary_name(path)) {
        descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (descriptor_ < 0) {
            fail();
        }
    }
    FileSink(const FileSink&) = delete;
    FileSink& operator=(const FileSink&) = delete;
    ~FileSink() override {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
            ::unlink(temporary_.c_str());
        }
    }

    void append(std::span<const std::byte> bytes) override {
        write_at(bytes, size_);
        size_ += bytes.size();
    }
    void overwrite_start(std::span<const std::byte> bytes) override { write_at(bytes, 0); }
    std::uint64_t size() const noexcept override { return size_; }
    Bytes written() override { return map_descriptor(descriptor_, size_, temporary_); }
    Bytes commit() override {
        if (::fsync(descriptor_) != 0) {
            fail();
        }
        Bytes image = written();
        if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
            fail();
        }
        ::close(descriptor_);
        descriptor_ = -1;
        sync_folder();
        return image;
    }

  private:
    [[noreturn]] void fail() const {
        throw std::filesystem::filesystem_error("annlib", path_, std::error_code(errno, std::generic_category()));
    }

    void write_at(std::span<const std::byte> bytes, std::uint64_t offset) {
        while (!bytes.empty()) {
            const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (written < 0) {
                if (errno == EINTR) {
                    continue;
                }
                fail();
            }
            bytes = bytes.subspan(static_cast<std::size_t>(written));
            offset += static_cast<std::uint64_t>(written);
        }
    }

    // The rename itself survives a power cut only once the folder is synced; some file systems cannot, and need not.
    void sync_folder() const {
        const std::string folder = std::filesystem::path(path_).parent_path().string();
        const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (descriptor >= 0) {
            ::fsync(descriptor);
            ::close(descriptor);
        }
    }

    std::string path_;
    std::string temporary_;
    int descriptor_ = -1;
    std::uint64_t size_ = 0;
};

} // namespace

std::unique_ptr<Sink> memory_sink(std::uint64_t expected) {
    return std::make_unique<MemorySink>(expected);
}

std::unique_ptr<Sink> file_sink(const std::string& path) {
    return std::make_unique<FileSink>(path);
}

void write_file(const std::string& path, std::span<const std::byte> image) {
    FileSink sink(path);
    sink.append(image);
    sink.commit();
}

} // namespace annlib
