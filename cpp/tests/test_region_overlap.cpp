// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <utility>

#include "doctest.h"
#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/quadrature.hpp"
#include "immunodose/geometry/region_overlap.hpp"
#include "immunodose/transport/s_value.hpp"

using namespace immunodose;

namespace {

using constants::pi;

const std::array<std::pair<Region, Region>, 7> pairs{{{{0.0, 5.0}, {0.0, 3.0}},
                                                      {{0.0, 4.0}, {0.0, 4.0}},
                                                      {{3.0, 5.0}, {0.0, 3.0}},
                                                      {{3.0, 5.0}, {2.0, 6.0}},
                                                      {{5.0, 5.0}, {0.0, 3.0}},
                                                      {{5.0, 5.0}, {3.0, 4.99}},
                                                      {{4.99, 5.0}, {4.99, 5.0}}}};

// Share of region a, moved by w, that lies in region b: slices of a by spheres around its center.
double sliced_overlap(Region a, Region b, double w) {
  const auto in_ball = [&](double rho,
                           double radius) {  // share of a sphere surface, no cap formula
    if (w == 0.0) return rho <= radius ? 1.0 : 0.0;
    const double cosine = (radius * radius - rho * rho - w * w) / (2.0 * rho * w);
    return 0.5 * (1.0 + std::clamp(cosine, -1.0, 1.0));
  };
  const auto share = [&](double rho) {
    return in_ball(rho, b.outer_um) - (b.inner_um > 0.0 ? in_ball(rho, b.inner_um) : 0.0);
  };
  if (a.is_surface()) return 4.0 * pi * a.outer_um * a.outer_um * share(a.outer_um);
  constexpr int n = 40000;
  const double width = (a.outer_um - a.inner_um) / n;
  double sum = 0.0;
  for (int i = 0; i < n; ++i) {
    const double rho = a.inner_um + (i + 0.5) * width;
    sum += width * 4.0 * pi * rho * rho * share(rho);
  }
  return sum;
}

}  // namespace

TEST_CASE("overlap of concentric shapes equals slicing by spheres") {
  for (const auto& [a, b] : pairs) {
    const RegionOverlap overlap(a, b);
    const double largest = std::min(a.measure(), b.is_surface() ? a.measure() : b.measure());
    for (const double w : {0.003, 0.02, 0.7, 1.99, 2.5, 6.0, 7.9, 9.5, 11.5}) {
      CHECK(overlap.concentric(w) ==
            doctest::Approx(sliced_overlap(a, b, w)).epsilon(1e-4).scale(1e-4 * largest));
    }
  }
}

TEST_CASE("averaged overlap is the mean over directions") {
  const QuadratureRule rule = gauss_legendre(2);
  for (const auto& [a, b] : pairs) {
    const RegionOverlap overlap(a, b);
    for (const double d : {0.3, 4.0, 12.0, 60.0}) {
      for (const double r : {0.01, 1.0, 3.9, 8.0, 12.0, 57.0}) {
        constexpr int n = 20000;
        double sum = 0.0;
        for (int i = 0; i < n; ++i) {
          for (std::size_t k = 0; k < rule.node.size(); ++k) {
            const double mu = -1.0 + 2.0 * (i + rule.node[k]) / n;
            const double w = std::sqrt(d * d + r * r - 2.0 * d * r * mu);
            sum += rule.weight[k] * overlap.concentric(w) / n;
          }
        }
        const double floor = 5e-5 * (a.is_surface() ? a.measure() : b.measure());
        CHECK(overlap.averaged(r, d) == doctest::Approx(sum).epsilon(5e-3).scale(floor));
      }
    }
  }
}

TEST_CASE("the overlap integrates to the product of the measures") {
  const QuadratureRule rule = gauss_legendre(4);
  for (const auto& [a, b] : pairs) {
    const RegionOverlap overlap(a, b);
    for (const double d : {0.0, 2.0, 15.0}) {
      auto points = overlap.breakpoints(d);
      points.insert(points.begin(), 0.0);
      double sum = 0.0;
      for (std::size_t i = 0; i + 1 < points.size(); ++i) {
        const double width = points[i + 1] - points[i];
        for (std::size_t k = 0; k < rule.node.size(); ++k) {
          const double r = points[i] + width * rule.node[k];
          const double gamma = d == 0.0 ? overlap.concentric(r) : overlap.averaged(r, d);
          sum += width * rule.weight[k] * 4.0 * pi * r * r * gamma;
        }
      }
      CHECK(sum == doctest::Approx(a.measure() * b.measure()).epsilon(1e-9));
    }
  }
}

TEST_CASE("overlap at a distance agrees with random points") {
  std::mt19937_64 engine(12);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  const double d = 9.0;
  const double r = 7.0;
  int both = 0;
  constexpr int n = 2000000;
  const double box = 5.0;
  for (int i = 0; i < n; ++i) {  // a point in a's box, then a step r in a random direction
    const double x = box * uniform(engine);
    const double y = box * uniform(engine);
    const double z = box * uniform(engine);
    const double mu = uniform(engine);
    const double phi = pi * uniform(engine);
    const double across = r * std::sqrt(1.0 - mu * mu);
    const double to_x = x + across * std::cos(phi);
    const double to_y = y + across * std::sin(phi);
    const double to_z = z + r * mu - d;
    const double from = std::sqrt(x * x + y * y + z * z);
    const double to = std::sqrt(to_x * to_x + to_y * to_y + to_z * to_z);
    both += from > 3.0 && from < 5.0 && to < 4.0 ? 1 : 0;
  }
  const double expected = RegionOverlap({3.0, 5.0}, {0.0, 4.0}).averaged(r, d) / 1000.0;
  // 6 standard deviations: fails once in 1e9 with a fresh stream; this one is fixed.
  CHECK(std::abs(both - n * expected) < 6.0 * std::sqrt(n * expected));
  CHECK(6.0 * std::sqrt(n * expected) < 0.05 * n * expected);
}

TEST_CASE("a nanometer shell keeps its digits") {
  const double thickness = 1e-3;
  const Region shell{5.0 - thickness, 5.0};
  CHECK(shell.measure() ==
        doctest::Approx(4.0 * pi * thickness * (25.0 - 5.0 * thickness + thickness * thickness / 3))
            .epsilon(1e-12));
  // A thin shell acts as a surface spread over its thickness.
  const RegionOverlap thick(shell, {0.0, 3.0});
  const RegionOverlap thin({5.0, 5.0}, {0.0, 3.0});
  for (const double r : {2.5, 4.0, 7.0}) {
    CHECK(thick.concentric(r) / shell.measure() ==
          doctest::Approx(thin.concentric(r) / Region{5.0, 5.0}.measure()).epsilon(2e-3));
  }
  CHECK_THROWS_AS(RegionOverlap({5.0, 5.0}, {4.0, 4.0}), InputError);
}

TEST_CASE("a cap is the part of a sphere surface within a ball") {
  CHECK(sphere_cap_area(1.0, 3.0, 1.0) == doctest::Approx(4.0 * pi));
  CHECK(sphere_cap_area(3.0, 1.0, 0.5) == 0.0);
  CHECK(sphere_cap_area(3.0, 1.0, 4.0) == 0.0);
  CHECK(sphere_cap_area(2.0, 2.0, 2.0) == doctest::Approx(2.0 * pi * 2.0 * 1.0));  // h = R/2
}

TEST_CASE("a deposit at one radius in a ball leaves by the mean chord") {
  // Share kept at distance r inside a ball: 1 - 3r/(4R) + r^3/(16 R^3); its slope is S/(4V).
  const double radius = 4.0;
  for (const double r : {0.01, 1.0, 5.0}) {
    const RadialKernel kernel{{0.0, r - 1e-7, r + 1e-7}, {0.0, 1.0}};
    const std::array<double, 1> here{0.0};
    const double mass = Region{0.0, radius}.measure() * constants::ng_per_um3_at_unit_density;
    const double kept = s_values(kernel, {0.0, radius}, {0.0, radius}, here, 1.0)[0] * mass /
                        constants::gray_ng_per_keV;
    const double x = r / radius;
    CHECK(kept == doctest::Approx(1.0 - 0.75 * x + x * x * x / 16.0).epsilon(1e-8));
  }
}
