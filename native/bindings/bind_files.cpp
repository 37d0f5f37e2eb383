#include "bindings/arrays.hpp"
#include "bindings/module.hpp"
#include "storage/word_records.hpp"

#include <algorithm>
#include <memory>

namespace annlib::bindings {
namespace {

// Words joined, vectors, bytes used, and whether all components are finite.
py::tuple take_records(const py::buffer& buffer, std::size_t dim, std::size_t most) {
    const py::buffer_info bytes = buffer.request();
    if (bytes.ndim != 1 || bytes.itemsize != 1 || bytes.strides[0] != 1 || dim == 0) {
        throw py::value_error("buffer: expected bytes in a row, and a dim of at least 1");
    }
    const auto size = static_cast<std::size_t>(bytes.size);
    const std::size_t room = std::min(most, size / (dim * sizeof(float) + 1));
    FloatArray vectors({static_cast<py::ssize_t>(room), static_cast<py::ssize_t>(dim)});
    const auto words = std::make_unique_for_overwrite<char[]>(size);
    float* const components = vectors.mutable_data();
    WordRecords taken;
    {
        const py::gil_scoped_release release;
        taken = take_word_records({static_cast<const char*>(bytes.ptr), size}, dim, room, words.get(), components);
    }
    const py::object whole = vectors[py::slice(0, static_cast<py::ssize_t>(taken.count), 1)];
    return py::make_tuple(py::bytes(words.get(), taken.word_bytes), whole, taken.used, taken.finite);
}

} // namespace

void bind_files(py::module_& module) {
    module.def("take_word_records", take_records, py::arg("buffer"), py::arg("dim"), py::arg("most"));
}

} // namespace annlib::bindings
