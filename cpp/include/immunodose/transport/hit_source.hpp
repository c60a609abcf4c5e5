// SPDX-License-Identifier: BSD-3-Clause
// Where decays are, seen from the center of a nucleus.
#pragma once
#include <vector>

#include "immunodose/core/streams.hpp"
#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/region_overlap.hpp"

namespace immunodose {

// Decays uniform in `region`, centered at distance_um from the nucleus center, without a ball of
// hole_um around the nucleus center, which must lie inside the region.
struct HitSource {
  Region region;
  double distance_um = 0.0;
  double hole_um = 0.0;

  // All decays lie at one distance from the nucleus center.
  bool is_shell() const { return region.is_surface() && distance_um == 0.0; }
  // Smallest distance of a decay from the nucleus center.
  double low_um() const;
  // Density (um-1) of that distance rho. Eq. 16, docs/theory/hits.md.
  double density(double rho_um) const;
  // Ends of the intervals up to `reach_um` within which the density is smooth, ascending.
  std::vector<double> panels(double reach_um) const;
  // A decay, relative to the nucleus center; the region of an off-center source starts at 0.
  Vec3 sample(Stream& stream) const;
};

// Isotropic unit vector.
Vec3 random_direction(Stream& stream);

}  // namespace immunodose
