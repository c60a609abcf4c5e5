// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"

namespace immunodose::bindings {

void register_immune(py::module_& /*immune*/) {}

}  // namespace immunodose::bindings
