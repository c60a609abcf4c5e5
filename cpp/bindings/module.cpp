// SPDX-License-Identifier: BSD-3-Clause
// Submodules only; each layer registers its own functions.
#include <pybind11/pybind11.h>

namespace immunodose::bindings {
void register_exceptions(pybind11::module_& core);
void register_physics(pybind11::module_& physics);
void register_geometry(pybind11::module_& geometry);
void register_transport(pybind11::module_& transport);
void register_monte_carlo(pybind11::module_& transport);
void register_response(pybind11::module_& response);
void register_immune(pybind11::module_& immune);
void register_signals(pybind11::module_& immune);
void register_killing(pybind11::module_& immune);
}  // namespace immunodose::bindings

PYBIND11_MODULE(_core, core) {
  using namespace immunodose::bindings;
  core.doc() = "Compiled kernels of immunodose; use the public functions of the package.";
  register_exceptions(core);
  auto physics = core.def_submodule("physics");
  register_physics(physics);
  auto geometry = core.def_submodule("geometry");
  register_geometry(geometry);
  auto transport = core.def_submodule("transport");
  register_transport(transport);
  register_monte_carlo(transport);
  auto response = core.def_submodule("response");
  register_response(response);
  auto immune = core.def_submodule("immune");
  register_immune(immune);
  register_signals(immune);
  register_killing(immune);
}
