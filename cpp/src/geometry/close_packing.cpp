// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/close_packing.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/geometry/random_turn.hpp"

namespace immunodose {

namespace {

// Lattice sites in sixths of a unit, so that every trial center of the ball below is a whole
// number and squared distances are exact integers.
struct Site {
  std::int64_t a;
  std::int64_t b;
  std::int64_t c;
};

// Trial centers of the ball relative to a site; which one holds most spheres depends on its size.
// fcc: site, octahedral hole, tetrahedral hole, middle of a bond, middle of a triangle.
constexpr std::array<Site, 5> fcc_centers{{{0, 0, 0}, {6, 0, 0}, {3, 3, 3}, {3, 3, 0}, {4, 2, 2}}};
// Triangular: site, middle of a bond, middle of a triangle.
constexpr std::array<Site, 3> triangular_centers{{{0, 0, 0}, {3, 0, 0}, {2, 2, 0}}};

std::span<const Site> trial_centers(PackingSpace space) {
  if (space == PackingSpace::planar) return triangular_centers;
  return fcc_centers;
}

// Squared distance from the trial center. fcc sites are the whole numbers of even sum; the axes
// of the triangular lattice stand at 60 degrees.
std::int64_t squared_norm(PackingSpace space, Site s) {
  if (space == PackingSpace::planar) return s.a * s.a + s.a * s.b + s.b * s.b;
  return s.a * s.a + s.b * s.b + s.c * s.c;
}

// Squared distance of nearest neighbors in the same unit: sqrt(2) resp. 1 times 6, squared.
double squared_spacing(PackingSpace space) { return space == PackingSpace::planar ? 36.0 : 72.0; }

Vec3 position(PackingSpace space, Site s) {
  const auto a = static_cast<double>(s.a);
  const auto b = static_cast<double>(s.b);
  if (space == PackingSpace::planar) return {a + 0.5 * b, 0.5 * std::sqrt(3.0) * b, 0.0};
  return {a, b, static_cast<double>(s.c)};
}

template <class Visitor>
void for_each_site(PackingSpace space, Site center, double reach, Visitor&& visitor) {
  const bool planar = space == PackingSpace::planar;
  const double limit = reach * reach;
  // An oblique coordinate reaches 2/sqrt(3) times as far as the distance.
  const auto half =
      static_cast<std::int64_t>(reach * (planar ? 1.1547005383792517 : 1.0) / 6.0) + 2;
  const std::int64_t half_c = planar ? 0 : half;
  for (std::int64_t k = -half_c; k <= half_c; ++k) {
    for (std::int64_t j = -half; j <= half; ++j) {
      for (std::int64_t i = -half; i <= half; ++i) {
        if (!planar && ((i + j + k) & 1) != 0) continue;
        const Site site{6 * i - center.a, 6 * j - center.b, 6 * k - center.c};
        const std::int64_t squared = squared_norm(space, site);
        if (static_cast<double>(squared) <= limit) visitor(site, squared);
      }
    }
  }
}

// Squared distance of the n-th nearest site to this center.
std::int64_t nth_squared(PackingSpace space, Site center, std::int64_t n) {
  const auto count = static_cast<double>(n);
  const bool planar = space == PackingSpace::planar;
  // A site takes sqrt(3)/2 (triangular) or 2 (fcc) units of area or volume.
  double reach = planar ? std::sqrt(std::sqrt(0.75) * count / constants::pi)
                        : std::cbrt(1.5 * count / constants::pi);
  for (;; reach += 1.0) {
    std::vector<std::int64_t> squared;
    for_each_site(space, center, 6.0 * (reach + 1.0),
                  [&](Site, std::int64_t value) { squared.push_back(value); });
    if (static_cast<std::int64_t>(squared.size()) < n) continue;
    const auto nth = squared.begin() + static_cast<std::ptrdiff_t>(n - 1);
    std::nth_element(squared.begin(), nth, squared.end());
    return *nth;
  }
}

struct Cluster {
  Site center{};
  std::int64_t squared = std::numeric_limits<std::int64_t>::max();  // of its outermost site
};

Cluster tightest_cluster(PackingSpace space, std::int64_t n) {
  Cluster best;
  for (const Site center : trial_centers(space)) {
    const std::int64_t squared = nth_squared(space, center, n);
    if (squared < best.squared) best = {center, squared};
  }
  return best;
}

void require_positive(double value, const char* name) {
  if (!(value > 0.0) || !std::isfinite(value)) {
    throw InputError(std::string(name) + " must be finite and > 0");
  }
}

}  // namespace

double smallest_outer_radius_um(PackingSpace space, double cell_radius_um, std::int64_t n_cells) {
  require_positive(cell_radius_um, "cell_radius_um");
  if (n_cells < 1) throw InputError("n_cells must be >= 1");
  const auto squared = static_cast<double>(tightest_cluster(space, n_cells).squared);
  return cell_radius_um * (1.0 + 2.0 * std::sqrt(squared / squared_spacing(space)));
}

std::int64_t max_cells(PackingSpace space, double cell_radius_um, double outer_radius_um) {
  require_positive(cell_radius_um, "cell_radius_um");
  require_positive(outer_radius_um, "outer_radius_um");
  if (outer_radius_um < cell_radius_um) return 0;
  const double spacings = 0.5 * (outer_radius_um - cell_radius_um) / cell_radius_um;
  const double reach = (1.0 + 1e-12) * spacings * std::sqrt(squared_spacing(space));
  std::int64_t most = 0;
  for (const Site center : trial_centers(space)) {
    std::int64_t n = 0;
    for_each_site(space, center, reach, [&](Site, std::int64_t) { ++n; });
    most = std::max(most, n);
  }
  return most;
}

std::vector<Vec3> close_packed_positions(PackingSpace space, std::int64_t n, double reach_um,
                                         std::uint64_t root) {
  const Cluster cluster = tightest_cluster(space, n);
  std::vector<Site> inner;
  std::vector<Site> outer;
  const double outermost = std::sqrt(static_cast<double>(cluster.squared));
  for_each_site(space, cluster.center, outermost + 1.0, [&](Site site, std::int64_t squared) {
    if (squared < cluster.squared) inner.push_back(site);
    if (squared == cluster.squared) outer.push_back(site);
  });
  Stream stream(root, Stage::packing_start, 0);
  const RandomTurn turn(space, stream);
  const auto n_outer = static_cast<std::size_t>(n) - inner.size();
  for (std::size_t i = 0; i < n_outer; ++i) {
    const double left = static_cast<double>(outer.size() - i);
    const std::size_t pick =
        std::min(outer.size() - 1, i + static_cast<std::size_t>(left * stream.uniform()));
    std::swap(outer[i], outer[pick]);
    inner.push_back(outer[i]);
  }
  // Ends 1e-13 short of the wall, so that the rounding of the turn cannot cross it.
  const double unit_um = cluster.squared == 0 ? 0.0 : (1.0 - 1e-13) * reach_um / outermost;
  std::vector<Vec3> points;
  points.reserve(inner.size());
  for (const Site site : inner) points.push_back(turn(unit_um * position(space, site)));
  return points;
}

}  // namespace immunodose
