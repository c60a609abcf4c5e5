// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"
#include "immunodose/physics/condensed_electron.hpp"
#include "immunodose/physics/electron_elastic.hpp"
#include "immunodose/physics/electron_kernel.hpp"
#include "immunodose/physics/electron_physics.hpp"
#include "immunodose/physics/electron_stopping.hpp"
#include "immunodose/transport/kernel_builder.hpp"

namespace immunodose::bindings {

namespace {

template <class Function>
py::array_t<double> map_energies(const DoubleArray& energy_keV, const Function& function) {
  std::vector<double> output;
  for (const double energy : view(energy_keV)) {
    if (!(energy >= electron_min_energy_keV && energy <= electron_max_energy_keV)) {
      throw InputError("electron energies must lie within 0.03 to 3000 keV");
    }
    output.push_back(function(energy));
  }
  return adopt(std::move(output));
}

ElectronKernelTable make_table(const DoubleArray& energy_keV, const DoubleArray& csda_range_um,
                               const DoubleArray& radiated_fraction,
                               const DoubleArray& fraction_within) {
  return {copied<double>(energy_keV), copied<double>(csda_range_um),
          copied<double>(radiated_fraction), copied<float>(fraction_within)};
}

py::tuple bound_fold(const ElectronKernelTable& table, const DoubleArray& energy_keV,
                     const DoubleArray& yield_per_decay, double density_g_per_cm3) {
  const auto energies = view(energy_keV);
  const auto yields = view(yield_per_decay);
  ElectronKernelTable::Folded folded;
  {
    const py::gil_scoped_release release;
    folded = table.fold({energies, yields}, density_g_per_cm3);
  }
  return py::make_tuple(adopt(std::move(folded.kernel.edge_um)),
                        adopt(std::move(folded.kernel.energy_keV)), folded.radiated_keV,
                        folded.below_table_keV);
}

py::tuple bound_build_kernel(const ElectronPhysics& physics, double energy_keV,
                             std::int64_t n_histories, std::int64_t n_far_histories,
                             double cutoff_keV, std::uint64_t random_root, int n_threads) {
  ScaledKernel kernel;
  {
    const py::gil_scoped_release release;
    kernel = build_kernel(physics, energy_keV,
                          {n_histories, n_far_histories, cutoff_keV, random_root, n_threads},
                          python_stop_poll());
  }
  return py::make_tuple(adopt(std::move(kernel.fraction_within)),
                        adopt(std::move(kernel.stderr_within)), kernel.radiated_fraction,
                        kernel.csda_range_um);
}

template <double (ElectronPhysics::*quantity)(double) const>
py::array_t<double> map_physics(const ElectronPhysics& self, const DoubleArray& energy_keV) {
  return map_energies(energy_keV, [&](double e) { return (self.*quantity)(e); });
}

}  // namespace

void register_electrons(py::module_& physics) {
  py::class_<ElectronPhysics>(physics, "ElectronPhysics")
      .def(py::init<double>(), py::arg("density_g_per_cm3"))
      .def("stopping_keV_per_um", &map_physics<&ElectronPhysics::stopping_keV_per_um>,
           py::arg("energy_keV"))
      .def("slowing_let_keV_per_um", &map_physics<&ElectronPhysics::slowing_let_keV_per_um>,
           py::arg("energy_keV"))
      .def("csda_range_um", &map_physics<&ElectronPhysics::csda_range_um>, py::arg("energy_keV"))
      .def(
          "inelastic_rate_per_um",
          [](const ElectronPhysics& self, const DoubleArray& energy_keV) {
            return map_energies(energy_keV, [&](double e) {
              const ElectronRates rates = self.rates(e);
              return rates.distant + rates.close;
            });
          },
          py::arg("energy_keV"))
      .def(
          "elastic_rate_per_um",
          [](const ElectronPhysics& self, const DoubleArray& energy_keV) {
            return map_energies(energy_keV, [&](double e) { return self.rates(e).elastic; });
          },
          py::arg("energy_keV"))
      .def(
          "elastic_transport_per_um",
          [](const ElectronPhysics& self, const DoubleArray& energy_keV) {
            return map_energies(energy_keV,
                                [&](double e) { return self.elastic(e).transport_below(1.0); });
          },
          py::arg("energy_keV"));
  physics.def(
      "electron_collision_mass_stopping",
      [](const DoubleArray& energy_keV) {
        return map_energies(energy_keV, electron_collision_mass_stopping);
      },
      py::arg("energy_keV"));
  physics.def(
      "electron_radiative_mass_stopping",
      [](const DoubleArray& energy_keV) {
        return map_energies(energy_keV, electron_radiative_mass_stopping);
      },
      py::arg("energy_keV"));
  py::class_<ElectronKernelTable>(physics, "ElectronKernelTable")
      .def(py::init(&make_table), py::arg("energy_keV"), py::arg("csda_range_um"),
           py::arg("radiated_fraction"), py::arg("fraction_within"))
      .def("fold", &bound_fold, py::arg("energy_keV"), py::arg("yield_per_decay"),
           py::arg("density_g_per_cm3"));
  physics.def("kernel_scaled_distances",
              [] { return nodes_of(ElectronKernelTable::scaled_distance); });
  physics.def("build_electron_kernel", &bound_build_kernel, py::arg("physics"),
              py::arg("energy_keV"), py::arg("n_histories"), py::arg("n_far_histories"),
              py::arg("cutoff_keV"), py::arg("random_root"), py::arg("n_threads"));
}

}  // namespace immunodose::bindings
