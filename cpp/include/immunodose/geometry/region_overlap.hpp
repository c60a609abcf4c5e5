// SPDX-License-Identifier: BSD-3-Clause
// How much of two spherical regions lies a given distance apart (set covariance), in closed form.
#pragma once
#include <array>
#include <vector>

namespace immunodose {

// Concentric part of a cell: a ball (inner = 0), a thick shell, or a surface (inner = outer).
struct Region {
  double inner_um = 0.0;
  double outer_um = 0.0;

  bool is_surface() const { return inner_um == outer_um; }
  // um3; for a surface its area in um2.
  double measure() const;
};

// Area (um2) of a sphere surface inside a ball whose center lies distance_um away. Eq. 11.
double sphere_cap_area(double sphere_radius_um, double ball_radius_um, double distance_um);

// Overlap of regions a and b, averaged over directions, for points a distance r apart when the
// region centers are d apart: gamma(r; d) in Eq. 8, docs/theory/transport.md. Two surfaces have
// no finite overlap and are refused.
class RegionOverlap {
 public:
  RegionOverlap(Region a, Region b);

  double concentric(double r_um) const;                    // d = 0
  double averaged(double r_um, double distance_um) const;  // d > 0
  // Radii at which the overlap is not smooth, for a distance d >= 0, ascending.
  std::vector<double> breakpoints(double distance_um) const;
  // Integral of w' times the overlap at center distance w', from w on: 2 d r times the average for
  // regions that lie apart, w = |d - r|; smooth between these w, which begin with 0.
  double tail(double w_um) const;
  std::vector<double> tail_breakpoints() const;
  double reach_um() const { return reach_um_; }  // overlap vanishes for |r - d| > reach

 private:
  struct Term {
    double coefficient;
    double a_um;  // radius of the ball or surface of region a
    double b_um;
  };
  double term_overlap(const Term& term, double w_um) const;
  double term_tail(const Term& term, double w_um) const;

  bool has_surface_;
  std::vector<Term> terms_;
  double reach_um_;
};

}  // namespace immunodose
