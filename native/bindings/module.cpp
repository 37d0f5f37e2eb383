// annlib._native: convert, check, release the GIL, call. annlib/_native.pyi is its reference.
#include "bindings/module.hpp"

#include "kernels/table.hpp"
#include "storage/format.hpp"

#include <pybind11/stl.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

namespace py = pybind11;

namespace {

void translate(std::exception_ptr pending) {
    try {
        std::rethrow_exception(pending);
    } catch (const annlib::FormatError& error) {
        const py::object type = py::module_::import("annlib.errors").attr("IndexFileError");
        const py::object file = py::reinterpret_steal<py::object>(
            PyUnicode_DecodeFSDefaultAndSize(error.file().data(), static_cast<py::ssize_t>(error.file().size())));
        const py::object offset = error.offset() < 0 ? py::object(py::none()) : py::object(py::int_(error.offset()));
        py::set_error(type, type(error.what(), py::arg("file") = file, py::arg("section") = error.section(),
                                 py::arg("offset") = offset));
    } catch (const std::filesystem::filesystem_error& error) {
        errno = error.code().value();
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, error.path1().c_str());
    }
}

} // namespace

PYBIND11_MODULE(_native, module) {
    py::register_local_exception_translator(translate);
    module.def("isa", [] { return std::string(annlib::kernels().name); });
    module.def("available_isas", [] {
        std::vector<std::string> names;
        for (const annlib::KernelTable* table : annlib::available_kernels()) {
            names.emplace_back(table->name);
        }
        return names;
    });
    module.def("use_isa", [](const std::string& name) { annlib::use_kernels(name); }, py::arg("name"));
    annlib::bindings::bind_files(module);
    annlib::bindings::bind_index(module);
    annlib::bindings::bind_writer(module);
}
