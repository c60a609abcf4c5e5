// SPDX-License-Identifier: BSD-3-Clause
// The one table from core exceptions to the classes of immunodose.errors.
#include <pybind11/pybind11.h>

#include "immunodose/core/error.hpp"

namespace immunodose::bindings {
namespace py = pybind11;

namespace {

void raise_as(const char* class_name, const char* message) {
  const py::object type = py::module_::import("immunodose.errors").attr(class_name);
  PyErr_SetString(type.ptr(), message);
}

}  // namespace

void register_exceptions(py::module_& /*core*/) {
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const InputError& error) {
      raise_as("InputError", error.what());
    } catch (const GeometryError& error) {
      raise_as("GeometryError", error.what());
    } catch (const ConvergenceError& error) {
      raise_as("ConvergenceError", error.what());
    } catch (const Interrupted&) {
      // PyErr_CheckSignals already set KeyboardInterrupt on this thread.
      if (PyErr_Occurred() == nullptr) PyErr_SetNone(PyExc_KeyboardInterrupt);
    }
  });
}

}  // namespace immunodose::bindings
