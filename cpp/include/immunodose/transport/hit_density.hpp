// SPDX-License-Identifier: BSD-3-Clause
// Distribution of the specific energy of a nucleus, per traversal and per decay that hits.
#pragma once
#include <array>
#include <span>
#include <vector>

#include "immunodose/transport/hit_source.hpp"
#include "immunodose/transport/hit_table.hpp"

namespace immunodose {

// Largest specific energy (Gy) of a single traversal and of a decay with all that follows it.
std::array<double, 2> largest_specific_energy(const AlphaChain& chain, double nucleus_radius_um,
                                              double density_g_per_cm3);

// Expected traversals per decay in bins of their specific energy; edges ascending, Gy.
std::vector<double> single_traversal_histogram(const AlphaChain& chain, double nucleus_radius_um,
                                               const HitSource& source, double density_g_per_cm3,
                                               std::span<const double> edge_Gy);

// Probability that a decay hits and that the sum of its chain lies in the bin. Eq. 16a,
// docs/theory/hits.md.
std::vector<double> decay_histogram(const AlphaChain& chain, double nucleus_radius_um,
                                    const HitSource& source, double density_g_per_cm3,
                                    std::span<const double> edge_Gy);

}  // namespace immunodose
