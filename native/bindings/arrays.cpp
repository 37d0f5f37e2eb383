#include "bindings/arrays.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace annlib::bindings {

void check_matrix(const FloatArray& array, std::size_t dim, const char* argument) {
    if (array.ndim() != 2 || static_cast<std::size_t>(array.shape(1)) != dim) {
        throw std::invalid_argument(std::string(argument) + ": expected shape (n, " + std::to_string(dim) + ")");
    }
}

std::span<const std::int64_t> integers(const IntArray& array, const char* argument) {
    if (array.ndim() != 1) {
        throw std::invalid_argument(std::string(argument) + ": expected one dimension, got " +
                                    std::to_string(array.ndim()));
    }
    return {array.data(), static_cast<std::size_t>(array.size())};
}

void check_rows(std::span<const std::int64_t> rows, std::size_t limit, const char* argument) {
    const auto outside = std::find_if(rows.begin(), rows.end(), [limit](std::int64_t row) {
        return row < 0 || static_cast<std::uint64_t>(row) >= limit;
    });
    if (outside != rows.end()) {
        throw std::invalid_argument(std::string(argument) + ": expected rows from 0 to " + std::to_string(limit) +
                                    " (exclusive), got " + std::to_string(*outside));
    }
}

Strings make_strings(const py::bytes& bytes, const OffsetArray& offsets, const char* argument) {
    const std::string_view joined = bytes;
    const std::span<const std::uint64_t> ends(offsets.data(), static_cast<std::size_t>(offsets.size()));
    if (ends.empty() || ends.front() != 0 || ends.back() != joined.size() ||
        !std::is_sorted(ends.begin(), ends.end())) {
        throw std::invalid_argument(std::string(argument) + ": expected ascending offsets from 0 to the joined length");
    }
    Strings strings;
    strings.bytes.assign(joined.begin(), joined.end());
    strings.offsets.assign(ends.begin(), ends.end());
    return strings;
}

Cancellation python_signals() {
    return Cancellation([] {
        const py::gil_scoped_acquire acquire;
        return PyErr_CheckSignals() != 0;
    });
}

void raise_pending() {
    if (PyErr_Occurred() != nullptr) {
        throw py::error_already_set();
    }
}

} // namespace annlib::bindings
