#include "storage/mapped_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace annlib {
namespace {

[[noreturn]] void fail(const std::string& path) {
    throw std::filesystem::filesystem_error("annlib", path, std::error_code(errno, std::generic_category()));
}

class Descriptor {
  public:
    explicit Descriptor(int number) noexcept : number_(number) {}
    ~Descriptor() { ::close(number_); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int number() const noexcept { return number_; }

  private:
    int number_;
};

} // namespace

Bytes map_file(const std::string& path) {
    const int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (number < 0) {
        fail(path);
    }
    const Descriptor descriptor(number);
    struct stat status{};
    if (::fstat(descriptor.number(), &status) != 0) {
        fail(path);
    }
    if (S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        fail(path);
    }
    return map_descriptor(descriptor.number(), static_cast<std::size_t>(status.st_size), path);
}

Bytes map_descriptor(int descriptor, std::size_t size, const std::string& path) {
    if (size == 0) {
        return {}; // mmap refuses empty files; a reader finds the header missing
    }
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (address == MAP_FAILED) {
        fail(path);
    }
    std::shared_ptr<const void> owner(address, [size](void* mapped) { ::munmap(mapped, size); });
    return {std::move(owner), std::span(static_cast<const std::byte*>(address), size)};
}

} // namespace annlib
