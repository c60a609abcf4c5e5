// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>

#include "arrays.hpp"
#include "immunodose/physics/alpha_stopping.hpp"
#include "immunodose/physics/alpha_straggling.hpp"
#include "immunodose/physics/electron_cole.hpp"
#include "immunodose/physics/radial_kernel.hpp"
#include "immunodose/physics/recoil.hpp"

namespace immunodose::bindings {

namespace {

py::tuple bound_csda_kernel(const DoubleArray& energy_keV, const DoubleArray& yield_per_decay,
                            bool alpha, double density_g_per_cm3, bool straggling) {
  const auto energies = view(energy_keV);
  const auto yields = view(yield_per_decay);
  RadialKernel kernel;
  {
    const py::gil_scoped_release release;
    const Slowing slowing = !alpha       ? Slowing::electron_cole
                            : straggling ? Slowing::alpha_straggled
                                         : Slowing::alpha;
    kernel = csda_kernel({energies, yields}, slowing, density_g_per_cm3);
  }
  return py::make_tuple(adopt(std::move(kernel.edge_um)), adopt(std::move(kernel.energy_keV)));
}

void register_alpha(py::module_& physics) {
  physics.def(
      "alpha_let_keV_per_um",
      [](const DoubleArray& energy_keV, double density_g_per_cm3) {
        const AlphaSlowing slowing(density_g_per_cm3);
        return map_values(energy_keV, [&](double e) { return slowing.let_keV_per_um(e); });
      },
      py::arg("energy_keV"), py::arg("density_g_per_cm3"));
  physics.def(
      "alpha_range_um",
      [](const DoubleArray& energy_keV, double density_g_per_cm3) {
        const AlphaSlowing slowing(density_g_per_cm3);
        return map_values(energy_keV, [&](double e) { return slowing.range_um(e); });
      },
      py::arg("energy_keV"), py::arg("density_g_per_cm3"));
  physics.def(
      "alpha_loss_variance_keV2",
      [](const DoubleArray& energy_keV, double length_um, double density_g_per_cm3) {
        return map_values(energy_keV, [&](double e) {
          return alpha_loss_variance_keV2(e, length_um, density_g_per_cm3);
        });
      },
      py::arg("energy_keV"), py::arg("length_um"), py::arg("density_g_per_cm3"));
  physics.def(
      "alpha_range_sigma_um",
      [](const DoubleArray& energy_keV, double density_g_per_cm3) {
        const AlphaSlowing slowing(density_g_per_cm3);
        const AlphaStraggling straggling(slowing, density_g_per_cm3);
        return map_values(energy_keV,
                          [&](double e) { return std::sqrt(straggling.range_variance_um2(e)); });
      },
      py::arg("energy_keV"), py::arg("density_g_per_cm3"));
  physics.def(
      "recoil_let_keV_per_um",
      [](const DoubleArray& energy_keV, int mass_number, int atomic_number,
         double density_g_per_cm3) {
        return map_values(energy_keV, [&](double e) {
          return recoil_let_keV_per_um(e, mass_number, atomic_number, density_g_per_cm3);
        });
      },
      py::arg("energy_keV"), py::arg("mass_number"), py::arg("atomic_number"),
      py::arg("density_g_per_cm3"));
  physics.def(
      "recoil_range_um",
      [](const DoubleArray& energy_keV, int mass_number, int atomic_number,
         double density_g_per_cm3) {
        return map_values(energy_keV, [&](double e) {
          return recoil_range_um(e, mass_number, atomic_number, density_g_per_cm3);
        });
      },
      py::arg("energy_keV"), py::arg("mass_number"), py::arg("atomic_number"),
      py::arg("density_g_per_cm3"));
  physics.def(
      "alpha_residual_energy_keV",
      [](const DoubleArray& range_um, double density_g_per_cm3) {
        const AlphaSlowing slowing(density_g_per_cm3);
        return map_values(range_um, [&](double r) { return slowing.energy_keV(r); });
      },
      py::arg("range_um"), py::arg("density_g_per_cm3"));
}

}  // namespace

void register_decay_chain(py::module_& physics);
void register_electrons(py::module_& physics);
void register_photons(py::module_& physics);

void register_physics(py::module_& physics) {
  register_decay_chain(physics);
  register_electrons(physics);
  register_alpha(physics);
  register_photons(physics);
  physics.def(
      "cole_range_um",
      [](const DoubleArray& energy_keV) { return map_values(energy_keV, cole_range_um); },
      py::arg("energy_keV"));
  physics.def(
      "cole_energy_keV",
      [](const DoubleArray& range_um) { return map_values(range_um, cole_energy_keV); },
      py::arg("range_um"));
  physics.def("csda_kernel", &bound_csda_kernel, py::arg("energy_keV"), py::arg("yield_per_decay"),
              py::arg("alpha"), py::arg("density_g_per_cm3"), py::arg("straggling") = false);
}

}  // namespace immunodose::bindings
