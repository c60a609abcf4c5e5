// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/hit_source.hpp"

#include <algorithm>
#include <cmath>

#include "immunodose/core/constants.hpp"

namespace immunodose {
namespace {

double shell_radius(double inner_um, double outer_um, double uniform) {
  const double inner3 = inner_um * inner_um * inner_um;
  const double outer3 = outer_um * outer_um * outer_um;
  return std::cbrt(inner3 + uniform * (outer3 - inner3));
}

}  // namespace

Vec3 random_direction(Stream& stream) {
  const double cosine = 2.0 * stream.uniform() - 1.0;
  const double sine = std::sqrt((1.0 - cosine) * (1.0 + cosine));
  const double azimuth = 2.0 * constants::pi * stream.uniform();
  return {sine * std::cos(azimuth), sine * std::sin(azimuth), cosine};
}

double HitSource::low_um() const {
  if (distance_um > region.outer_um) return distance_um - region.outer_um;
  if (region.is_surface()) return region.outer_um - distance_um;
  return distance_um == 0.0 ? std::max(hole_um, region.inner_um) : hole_um;
}

double HitSource::density(double rho_um) const {
  if (region.is_surface()) return rho_um / (2.0 * region.outer_um * distance_um);
  if (rho_um < hole_um) return 0.0;
  double area = sphere_cap_area(rho_um, region.outer_um, distance_um);
  if (region.inner_um > 0.0) area -= sphere_cap_area(rho_um, region.inner_um, distance_um);
  // Without a region of its own the volume of a shell around the hole keeps its digits.
  const bool shell = hole_um > 0.0 && distance_um == 0.0 && region.inner_um == 0.0;
  const double volume = shell ? Region{hole_um, region.outer_um}.measure()
                              : region.measure() - Region{0.0, hole_um}.measure();
  return area / volume;
}

std::vector<double> HitSource::panels(double reach_um) const {
  const double low = low_um();
  const double high = std::min(reach_um, distance_um + region.outer_um);
  if (high <= low) return {};
  std::vector<double> points{low, high};
  for (const double radius : {region.inner_um, region.outer_um}) {
    for (const double point : {std::abs(distance_um - radius), distance_um + radius}) {
      if (point > low && point < high) points.push_back(point);
    }
  }
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

Vec3 HitSource::sample(Stream& stream) const {
  const Vec3 center{distance_um, 0.0, 0.0};
  if (region.is_surface()) return center + region.outer_um * random_direction(stream);
  if (distance_um == 0.0) {
    const double radius = shell_radius(low_um(), region.outer_um, stream.uniform());
    return radius * random_direction(stream);
  }
  // From a shell around the hole that holds the region: at least 1 in 8 points is inside.
  while (true) {
    const double radius = shell_radius(hole_um, region.outer_um + distance_um, stream.uniform());
    const Vec3 place = radius * random_direction(stream);
    if (norm(place - center) < region.outer_um) return place;
  }
}

}  // namespace immunodose
