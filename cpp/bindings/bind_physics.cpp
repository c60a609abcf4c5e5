// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"

namespace immunodose::bindings {

void register_decay_chain(py::module_& physics);

void register_physics(py::module_& physics) { register_decay_chain(physics); }

}  // namespace immunodose::bindings
