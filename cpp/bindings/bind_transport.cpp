// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"

namespace immunodose::bindings {

void register_transport(py::module_& /*transport*/) {}

}  // namespace immunodose::bindings
