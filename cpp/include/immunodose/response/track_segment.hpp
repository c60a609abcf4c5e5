// SPDX-License-Identifier: BSD-3-Clause
// Specific energy that one alpha track segment leaves in a small cylinder (domain) or a nucleus.
#pragma once
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// Dose around a straight track in water of 1 g/cm3: a core of constant dose, then a penumbra that
// falls as 1 / r^2 (Eq. 13-16, docs/theory/response.md).
struct AlphaTrackSegment {
  double core_radius_um = 0.0;
  double penumbra_radius_um = 0.0;
  double core_dose_Gy = 0.0;
  double penumbra_Gy_um2 = 0.0;  // penumbra dose times r^2
  double track_Gy_um2 = 0.0;     // dose integrated over the plane across the track: LET / density
};

// Throws InputError unless both are finite and > 0 and the penumbra holds less than the LET.
AlphaTrackSegment alpha_track_segment(double energy_keV, double let_keV_per_um);

// z of a cylinder of this radius whose axis runs parallel to the track at a distance (Eq. 17).
double segment_specific_energy_Gy(const AlphaTrackSegment& track, double radius_um,
                                  double distance_um);

struct RegionSpecificEnergy {
  double dose_mean_Gy = 0.0;            // Eq. 18
  double saturated_dose_mean_Gy = 0.0;  // Eq. 19
};

// Averages over tracks at all distances. Throws InputError unless both arguments are > 0.
RegionSpecificEnergy region_specific_energy(const AlphaTrackSegment& track, double radius_um,
                                            double saturation_Gy);

struct RegionSpecificEnergies {
  std::vector<double> dose_mean_Gy;
  std::vector<double> saturated_dose_mean_Gy;
};

// region_specific_energy of every energy with its LET.
RegionSpecificEnergies region_specific_energies(std::span<const double> energy_keV,
                                                std::span<const double> let_keV_per_um,
                                                double radius_um, double saturation_Gy,
                                                int n_threads, const StopPoll& stop = {});

}  // namespace immunodose
