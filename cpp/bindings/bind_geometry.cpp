// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"

namespace immunodose::bindings {

void register_geometry(py::module_& /*geometry*/) {}

}  // namespace immunodose::bindings
