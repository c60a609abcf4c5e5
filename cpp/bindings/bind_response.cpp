// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"

namespace immunodose::bindings {

void register_response(py::module_& /*response*/) {}

}  // namespace immunodose::bindings
