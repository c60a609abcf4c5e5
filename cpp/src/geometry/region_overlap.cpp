// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/region_overlap.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

using constants::pi;

double cube(double x) { return x * x * x; }

// Balls of radii a >= b at center distance w < a + b; u = a + b - w. Eq. 9.
double lens_volume(double a, double b, double w) {
  if (w <= a - b) return 4.0 / 3.0 * pi * cube(b);
  const double u = a + b - w;
  return pi / 12.0 * u * u * (12.0 * a * b - 4.0 * (a + b) * u + u * u) / w;
}

// Integral of w' * lens_volume from w to a + b; written in u so that nothing cancels. Eq. 10.
double lens_tail(double a, double b, double w) {
  const double contained = a - b;
  const double u = a + b - std::max(w, contained);
  double sum = pi / 12.0 * u * u * u * (4.0 * a * b - (a + b) * u + u * u / 5.0);
  if (w < contained) sum += 2.0 / 3.0 * pi * cube(b) * (contained - w) * (contained + w);
  return sum;
}

// Area of a sphere surface of radius a inside a ball of radius b. Eq. 11.
double cap_area(double a, double b, double w) {
  if (w <= b - a) return 4.0 * pi * a * a;
  if (w <= a - b) return 0.0;
  const double u = a + b - w;
  return pi * a * u * (2.0 * b - u) / w;
}

double cap_tail(double a, double b, double w) {
  const double split = std::abs(a - b);
  const double u = a + b - std::max(w, split);
  double sum = pi * a * u * u * (b - u / 3.0);
  if (w < split && b > a) sum += 2.0 * pi * a * a * (split - w) * (split + w);
  return sum;
}

}  // namespace

double sphere_cap_area(double sphere_radius_um, double ball_radius_um, double distance_um) {
  if (distance_um >= sphere_radius_um + ball_radius_um) return 0.0;
  return cap_area(sphere_radius_um, ball_radius_um, distance_um);
}

double Region::measure() const {
  if (is_surface()) return 4.0 * pi * outer_um * outer_um;
  // Factored so that a nanometer shell keeps its digits.
  return 4.0 / 3.0 * pi * (outer_um - inner_um) *
         (outer_um * outer_um + outer_um * inner_um + inner_um * inner_um);
}

RegionOverlap::RegionOverlap(Region a, Region b) {
  if (a.is_surface() && b.is_surface()) {
    throw InputError("the overlap of two surfaces of zero thickness is not finite");
  }
  if (b.is_surface()) std::swap(a, b);  // the overlap is symmetric
  has_surface_ = a.is_surface();
  reach_um_ = a.outer_um + b.outer_um;
  const auto parts = [](Region region) {
    std::vector<std::pair<double, double>> balls{{1.0, region.outer_um}};
    if (!region.is_surface() && region.inner_um > 0.0) balls.emplace_back(-1.0, region.inner_um);
    return balls;
  };
  for (const auto& [sign_a, radius_a] : parts(a)) {
    for (const auto& [sign_b, radius_b] : parts(b)) {
      terms_.push_back({sign_a * sign_b, radius_a, radius_b});
    }
  }
}

double RegionOverlap::term_overlap(const Term& term, double w_um) const {
  if (w_um >= term.a_um + term.b_um) return 0.0;
  if (has_surface_) return cap_area(term.a_um, term.b_um, w_um);
  return lens_volume(std::max(term.a_um, term.b_um), std::min(term.a_um, term.b_um), w_um);
}

double RegionOverlap::term_tail(const Term& term, double w_um) const {
  if (w_um >= term.a_um + term.b_um) return 0.0;
  if (has_surface_) return cap_tail(term.a_um, term.b_um, w_um);
  return lens_tail(std::max(term.a_um, term.b_um), std::min(term.a_um, term.b_um), w_um);
}

double RegionOverlap::concentric(double r_um) const {
  double sum = 0.0;
  for (const Term& term : terms_) sum += term.coefficient * term_overlap(term, r_um);
  return sum;
}

double RegionOverlap::tail(double w_um) const {
  double sum = 0.0;
  for (const Term& term : terms_) sum += term.coefficient * term_tail(term, w_um);
  return sum;
}

double RegionOverlap::averaged(double r_um, double distance_um) const {
  // Tails of nearly equal arguments cancel. w g(w) has degree 4 between two breakpoints, so three
  // Gauss points are exact there, and on so short an interval err by less than 1e-7 across one.
  constexpr double cancels = 1e-7;
  if (distance_um * r_um < cancels * reach_um_ * reach_um_) {
    const double low = std::abs(distance_um - r_um);
    const double half = std::min(distance_um, r_um);
    const double middle = low + half;
    const double out = std::sqrt(0.6) * half;
    const auto weighted = [&](double w) { return w * concentric(w); };
    const double mean =
        (8.0 * weighted(middle) + 5.0 * weighted(middle - out) + 5.0 * weighted(middle + out)) /
        18.0;
    return mean * half / (distance_um * r_um);
  }
  return (tail(std::abs(distance_um - r_um)) - tail(distance_um + r_um)) /
         (2.0 * distance_um * r_um);
}

std::vector<double> RegionOverlap::tail_breakpoints() const {
  std::vector<double> points{0.0};
  for (const Term& term : terms_) {
    points.push_back(term.a_um + term.b_um);
    points.push_back(std::abs(term.a_um - term.b_um));
  }
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

std::vector<double> RegionOverlap::breakpoints(double distance_um) const {
  std::vector<double> points;
  for (const Term& term : terms_) {
    for (const double w : {term.a_um + term.b_um, std::abs(term.a_um - term.b_um)}) {
      for (const double r : {distance_um - w, w - distance_um, distance_um + w}) {
        if (r > 0.0) points.push_back(r);
      }
    }
  }
  if (distance_um > 0.0) points.push_back(distance_um);
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

}  // namespace immunodose
