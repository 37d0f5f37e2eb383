#pragma once

#include <pybind11/pybind11.h>

namespace annlib::bindings {

void bind_files(pybind11::module_& module);
void bind_index(pybind11::module_& module);
void bind_writer(pybind11::module_& module);

} // namespace annlib::bindings
