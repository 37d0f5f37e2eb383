// Conversions between NumPy arrays and what the core takes: views where possible, nothing implicit.
#pragma once

#include "index/ids.hpp"
#include "parallel/parallel.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <span>

namespace annlib::bindings {

namespace py = pybind11;

// C-contiguous arrays of exactly this type: the Python side has converted already.
using FloatArray = py::array_t<float, py::array::c_style>;
using IntArray = py::array_t<std::int64_t, py::array::c_style>;
using OffsetArray = py::array_t<std::uint64_t, py::array::c_style>;

// Throw ValueError, naming the argument, on another shape.
void check_matrix(const FloatArray& array, std::size_t dim, const char* argument);
std::span<const std::int64_t> integers(const IntArray& array, const char* argument);

// Every value in [0, limit); throws ValueError, naming the argument.
void check_rows(std::span<const std::int64_t> rows, std::size_t limit, const char* argument);

// Strings from their joined UTF-8 bytes and offsets; throws ValueError where these do not fit together.
Strings make_strings(const py::bytes& bytes, const OffsetArray& offsets, const char* argument);

// A read-only view of memory that `owner` keeps alive.
template <class T>
py::array view(std::span<const T> values, std::vector<py::ssize_t> shape, const py::object& owner) {
    py::array_t<T> array(std::move(shape), values.data(), owner);
    array.attr("setflags")(py::arg("write") = false);
    return array;
}

// Classes of type `type`, as their stubs say, rather than of pybind11's own metaclass.
inline py::metaclass plain_metaclass() {
    return py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type));
}

// Asks Python for pending signals (Ctrl-C) now and then, from the calling thread, without the GIL held.
Cancellation python_signals();

// Raises what a signal handler raised while the GIL was released.
void raise_pending();

} // namespace annlib::bindings
