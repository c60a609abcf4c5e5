// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"
#include "immunodose/physics/photon_kernel.hpp"
#include "immunodose/physics/secondary_electrons.hpp"
#include "immunodose/transport/photon_kernel_builder.hpp"

namespace immunodose::bindings {

namespace {

py::tuple bound_photon_kernel(const DoubleArray& energy_keV, const DoubleArray& yield_per_decay,
                              double density_g_per_cm3, double reach_um,
                              const SecondaryElectronTable* electrons) {
  const auto energies = view(energy_keV);
  const auto yields = view(yield_per_decay);
  PhotonKernel result;
  {
    const py::gil_scoped_release release;
    result = photon_kernel({energies, yields}, density_g_per_cm3, reach_um, electrons);
  }
  return py::make_tuple(adopt(std::move(result.kernel.edge_um)),
                        adopt(std::move(result.kernel.energy_keV)), result.escaped_keV);
}

// Compton, photoelectric, pair, triplet: one array each.
py::tuple bound_photon_attenuation(const DoubleArray& energy_keV, double density_g_per_cm3) {
  const PhotonPhysics physics(density_g_per_cm3);
  const auto part = [&](double PhotonAttenuation::* process) {
    return map_values(energy_keV, [&](double e) { return physics.attenuation_per_um(e).*process; });
  };
  return py::make_tuple(part(&PhotonAttenuation::compton), part(&PhotonAttenuation::photoelectric),
                        part(&PhotonAttenuation::pair), part(&PhotonAttenuation::triplet));
}

SecondaryElectronTable make_secondary_table(const DoubleArray& electron_energy_keV,
                                            const DoubleArray& csda_range_um,
                                            const DoubleArray& equivalent_share) {
  return {copied<double>(electron_energy_keV), copied<double>(csda_range_um),
          copied<float>(equivalent_share)};
}

// Numbers in the order of PhotonProcess.
PhotonProcess process_of(int number) {
  if (number < 0 || number >= static_cast<int>(n_photon_processes)) {
    throw InputError("process is " + std::to_string(number) +
                     "; 0 is Compton, 1 photoelectric, 2 pair");
  }
  return static_cast<PhotonProcess>(number);
}

py::tuple bound_build_photon_kernel(const ElectronPhysics& physics, int process,
                                    double electron_keV, std::int64_t n_histories,
                                    double cutoff_keV, std::uint64_t random_root, int n_threads) {
  SecondaryElectronKernel kernel;
  {
    const py::gil_scoped_release release;
    kernel =
        build_photon_kernel(physics, process_of(process), electron_keV,
                            {n_histories, cutoff_keV, random_root, n_threads}, python_stop_poll());
  }
  return py::make_tuple(adopt(std::move(kernel.equivalent_share)),
                        adopt(std::move(kernel.stderr_share)), kernel.csda_range_um);
}

void register_kernels(py::module_& physics) {
  py::class_<SecondaryElectronTable>(physics, "SecondaryElectronTable")
      .def(py::init(&make_secondary_table), py::arg("electron_energy_keV"),
           py::arg("csda_range_um"), py::arg("equivalent_share"))
      .def(
          "equivalent_distance_um",
          [](const SecondaryElectronTable& self, double photon_keV, const DoubleArray& distance_um,
             double density_g_per_cm3) {
            return adopt(self.equivalent_distance_um(photon_keV, PhotonPhysics(density_g_per_cm3),
                                                     view(distance_um)));
          },
          py::arg("photon_keV"), py::arg("distance_um"), py::arg("density_g_per_cm3"));
  physics.def("photon_kernel_scaled_distances",
              [] { return nodes_of(SecondaryElectronTable::scaled_distance); });
  physics.def(
      "photon_of_fastest_electron_keV",
      [](int process, const DoubleArray& electron_keV) {
        const PhotonProcess which = process_of(process);
        return map_values(electron_keV,
                          [&](double e) { return photon_of_fastest_electron_keV(which, e); });
      },
      py::arg("process"), py::arg("electron_keV"));
  physics.def("build_photon_kernel", &bound_build_photon_kernel, py::arg("physics"),
              py::arg("process"), py::arg("electron_keV"), py::arg("n_histories"),
              py::arg("cutoff_keV"), py::arg("random_root"), py::arg("n_threads"));
}

}  // namespace

void register_photons(py::module_& physics) {
  physics.def("photon_kernel", &bound_photon_kernel, py::arg("energy_keV"),
              py::arg("yield_per_decay"), py::arg("density_g_per_cm3"), py::arg("reach_um"),
              py::arg("electrons") = nullptr);
  physics.def("photon_attenuation_per_um", &bound_photon_attenuation, py::arg("energy_keV"),
              py::arg("density_g_per_cm3"));
  physics.def(
      "photon_energy_transfer_per_um",
      [](const DoubleArray& energy_keV, double density_g_per_cm3) {
        const PhotonPhysics photons(density_g_per_cm3);
        return map_values(energy_keV, [&](double e) { return photons.energy_transfer_per_um(e); });
      },
      py::arg("energy_keV"), py::arg("density_g_per_cm3"));
  physics.def(
      "photon_energy_absorption_per_um",
      [](const DoubleArray& energy_keV, double density_g_per_cm3) {
        const PhotonPhysics photons(density_g_per_cm3);
        return map_values(energy_keV,
                          [&](double e) { return photons.energy_absorption_per_um(e); });
      },
      py::arg("energy_keV"), py::arg("density_g_per_cm3"));
  register_kernels(physics);
}

}  // namespace immunodose::bindings
