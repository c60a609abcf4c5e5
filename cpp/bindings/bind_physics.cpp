// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"

namespace immunodose::bindings {

void register_physics(py::module_& /*physics*/) {}

}  // namespace immunodose::bindings
