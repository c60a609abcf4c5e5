// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"
#include "immunodose/physics/alpha_stopping.hpp"
#include "immunodose/physics/electron_cole.hpp"
#include "immunodose/physics/radial_kernel.hpp"

namespace immunodose::bindings {

void register_decay_chain(py::module_& physics);

void register_physics(py::module_& physics) {
  register_decay_chain(physics);
  physics.def(
      "alpha_let_keV_per_um",
      [](const DoubleArray& energy_keV, double density_g_per_cm3) {
        const AlphaSlowing slowing(density_g_per_cm3);
        std::vector<double> let;
        for (const double energy : view(energy_keV)) let.push_back(slowing.let_keV_per_um(energy));
        return adopt(std::move(let));
      },
      py::arg("energy_keV"), py::arg("density_g_per_cm3"));
  physics.def(
      "alpha_range_um",
      [](const DoubleArray& energy_keV, double density_g_per_cm3) {
        const AlphaSlowing slowing(density_g_per_cm3);
        std::vector<double> range;
        for (const double energy : view(energy_keV)) range.push_back(slowing.range_um(energy));
        return adopt(std::move(range));
      },
      py::arg("energy_keV"), py::arg("density_g_per_cm3"));
  physics.def(
      "alpha_residual_energy_keV",
      [](const DoubleArray& range_um, double density_g_per_cm3) {
        const AlphaSlowing slowing(density_g_per_cm3);
        std::vector<double> energy;
        for (const double range : view(range_um)) energy.push_back(slowing.energy_keV(range));
        return adopt(std::move(energy));
      },
      py::arg("range_um"), py::arg("density_g_per_cm3"));
  physics.def(
      "cole_range_um",
      [](const DoubleArray& energy_keV) {
        std::vector<double> range;
        for (const double energy : view(energy_keV)) range.push_back(cole_range_um(energy));
        return adopt(std::move(range));
      },
      py::arg("energy_keV"));
  physics.def(
      "cole_energy_keV",
      [](const DoubleArray& range_um) {
        std::vector<double> energy;
        for (const double range : view(range_um)) energy.push_back(cole_energy_keV(range));
        return adopt(std::move(energy));
      },
      py::arg("range_um"));
  physics.def(
      "csda_kernel",
      [](const DoubleArray& energy_keV, const DoubleArray& yield_per_decay, bool alpha,
         double density_g_per_cm3) {
        const auto energies = view(energy_keV);
        const auto yields = view(yield_per_decay);
        RadialKernel kernel;
        {
          const py::gil_scoped_release release;
          kernel = csda_kernel({energies, yields}, alpha ? Slowing::alpha : Slowing::electron_cole,
                               density_g_per_cm3);
        }
        return py::make_tuple(adopt(std::move(kernel.edge_um)),
                              adopt(std::move(kernel.energy_keV)));
      },
      py::arg("energy_keV"), py::arg("yield_per_decay"), py::arg("alpha"),
      py::arg("density_g_per_cm3"));
}

}  // namespace immunodose::bindings
