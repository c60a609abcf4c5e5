// SPDX-License-Identifier: BSD-3-Clause
// How far from the source the electrons of a photon carry its energy: tables made by Monte Carlo,
// interpolated in the energy of the fastest electron. Eqs. Ph-12 to Ph-15, docs/theory/photons.md.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "immunodose/core/octave_grid.hpp"
#include "immunodose/physics/photon_physics.hpp"

namespace immunodose {

class SecondaryElectronTable {
 public:
  // Scaled distances of the columns: r over the CSDA range of the fastest electron.
  static constexpr OctaveGrid<4> scaled_distance{-14, 1};

  // Energies of the fastest electron ascend, and their ranges at 1 g/cm3. `equivalent_share` is
  // (process, energy, scaled_distance.n_nodes()): equivalent distance over distance, within 0 to 1.
  // Throws InputError otherwise.
  SecondaryElectronTable(std::vector<double> electron_energy_keV, std::vector<double> csda_range_um,
                         std::vector<float> equivalent_share);

  // Distance within which a photon line would leave the energy that it leaves within each given
  // distance, if its electrons stayed where they are made. Ascending as the distances are.
  std::vector<double> equivalent_distance_um(double photon_keV, const PhotonPhysics& physics,
                                             std::span<const double> distance_um) const;

 private:
  // One process at one energy: shares at the nodes, and the range at 1 g/cm3.
  struct Row {
    std::vector<double> share;
    double range_um;
  };
  Row row_of(std::size_t process, double electron_keV) const;

  std::vector<double> energy_;
  std::vector<double> range_;
  std::vector<float> share_;
};

}  // namespace immunodose
