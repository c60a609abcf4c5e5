// SPDX-License-Identifier: BSD-3-Clause
// Tabulated dose-point kernels of electrons, interpolated in energy at equal scaled distance and
// folded with a spectrum. Eqs. K4-K6, docs/theory/kernels.md.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/octave_grid.hpp"
#include "immunodose/physics/radial_kernel.hpp"

namespace immunodose {

class ElectronKernelTable {
 public:
  // Scaled distances of the columns: r over the CSDA range.
  static constexpr OctaveGrid<5> scaled_distance{-20, 1};

  // `fraction_within` is (energy, scaled_distance.n_nodes()), rising to 1 - radiated_fraction;
  // energies ascend. Throws InputError otherwise.
  ElectronKernelTable(std::vector<double> energy_keV, std::vector<double> csda_range_um,
                      std::vector<double> radiated_fraction, std::vector<float> fraction_within);

  double lowest_energy_keV() const { return energy_.front(); }
  double highest_energy_keV() const { return energy_.back(); }

  struct Folded {
    RadialKernel kernel;
    double radiated_keV = 0.0;     // per decay, leaves as bremsstrahlung
    double below_table_keV = 0.0;  // per decay, of electrons slower than the table
  };
  // Kernel of all lines. Electrons outside the table have the scaled kernel of its end and the
  // range of a constant ratio of range to energy. Throws InputError above 20 MeV.
  Folded fold(const SpectrumLines& lines, double density_g_per_cm3) const;

 private:
  struct Line {
    double energy_keV;
    double yield;
  };
  // Kernel of one line: two rows of the table, their weights, and the range.
  struct Scaled {
    std::size_t row;
    double upper_weight;
    double range_um;
  };

  std::vector<Line> merged(const SpectrumLines& lines) const;
  Scaled locate(double energy_keV) const;
  double within(const Scaled& place, double scaled_distance) const;

  std::vector<double> energy_;
  std::vector<double> range_;
  std::vector<double> radiated_;
  std::vector<float> fraction_;
};

}  // namespace immunodose
