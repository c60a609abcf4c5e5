// SPDX-License-Identifier: BSD-3-Clause
// One cell as nested ellipsoids along the axes: nucleus, inside of the membrane, cell.
// docs/theory/single_cell_monte_carlo.md, section 1.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "immunodose/core/streams.hpp"
#include "immunodose/core/vec3.hpp"

namespace immunodose {

enum class SolidRegion : std::uint8_t { nucleus, cytoplasm, membrane, outside };
inline constexpr std::size_t n_solid_regions = 3;  // of a cell, without the outside

// Path lengths at which a ray enters and leaves a shape; equal if it misses.
struct PathPart {
  double enter_um = 0.0;
  double exit_um = 0.0;

  double length_um() const { return exit_um - enter_um; }
};

class Ellipsoid {
 public:
  Ellipsoid(Vec3 center_um, Vec3 semi_axes_um);

  bool contains(Vec3 point_um) const;
  // Part of a path of `length_um` along a unit vector that lies inside. Eq. S1.
  PathPart chord(Vec3 start_um, Vec3 direction, double length_um) const;
  // Lower bound of the distance to the surface, exact for spheres. Eq. S2.
  double clearance_um(Vec3 point_um) const;
  double volume_um3() const;
  bool is_sphere() const;

  Vec3 center_um() const { return center_; }
  Vec3 semi_axes_um() const { return semi_axes_; }
  // A point of the unit ball, stretched to this shape.
  Vec3 from_unit(Vec3 unit) const;
  Vec3 to_unit(Vec3 point_um) const;

 private:
  Vec3 center_;
  Vec3 semi_axes_;
  Vec3 inverse_;
  double smallest_;
};

struct CellShapeAxes {
  Vec3 cell_um;              // semi-axes
  Vec3 nucleus_um;           // semi-axes
  Vec3 nucleus_offset_um;    // center of the nucleus less that of the cell
  double membrane_um = 0.0;  // constant along the axes only: all semi-axes less this thickness
};

struct CellChords {
  PathPart cell;
  PathPart inside;  // of the membrane
  PathPart nucleus;
};

class CellSolid {
 public:
  // Throws GeometryError if the nucleus leaves the inside of the membrane.
  CellSolid(Vec3 center_um, const CellShapeAxes& axes);

  SolidRegion region(Vec3 point_um) const;
  CellChords chords(Vec3 start_um, Vec3 direction, double length_um) const;
  // Lower bound of the distance to the nearest of the three surfaces.
  double clearance_um(Vec3 point_um) const;
  double volume_um3(SolidRegion region) const;
  // Uniform in the region; a spherical shell of no thickness is its surface. Eqs. S4-S5.
  Vec3 sample(SolidRegion region, Stream& random) const;

  Vec3 center_um() const { return cell_.center_um(); }
  double reach_um() const { return reach_; }  // longest semi-axis
  // Shortest semi-axis of the nucleus.
  double nucleus_least_um() const {
    const Vec3 axes = nucleus_.semi_axes_um();
    return std::min({axes.x, axes.y, axes.z});
  }

 private:
  Vec3 sample_cytoplasm(Stream& random) const;
  Vec3 sample_membrane(Stream& random) const;

  Ellipsoid cell_;
  Ellipsoid inside_;
  Ellipsoid nucleus_;
  double membrane_;
  double reach_;
  bool homothetic_;  // whether the nucleus is the inside, shrunk around its center
};

// Largest |(x - center)/semi-axes| of the points x of `inner`, seen from `outer`. Eq. S3.
double largest_reach(const Ellipsoid& inner, const Ellipsoid& outer);

}  // namespace immunodose
