// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/packing.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "immunodose/core/error.hpp"
#include "immunodose/core/progress.hpp"
#include "immunodose/geometry/scattered_points.hpp"

namespace immunodose {

namespace {

struct Recipe {
  double dimensions;
  double start;   // packing fraction at which random points are pushed apart and mixed
  double jammed;  // random packing at which nothing moves [Berryman 1983]
  double soft;    // packing fraction at which the soft spheres that push overlap a little
};

Recipe recipe(PackingSpace space) {
  if (space == PackingSpace::planar) return {2.0, 0.50, 0.82, 0.80};
  return {3.0, 0.30, 0.64, 0.62};
}

constexpr double first_step = 0.04;  // of the packing fraction
constexpr double step_share = 0.2;   // of what is left to the jammed packing
constexpr double least_step = 0.001;
constexpr double most_softness = 1.3;  // of the volume
constexpr std::int64_t start_sweeps = 20;
constexpr std::int64_t step_sweeps = 8;  // between two steps of growth
constexpr std::int64_t direct_rounds = 400;
constexpr std::int64_t max_rounds = 150;
constexpr int max_failures = 12;
// Share of the call when spheres were pushed apart at once, and when they have grown.
constexpr double done_at_once = 0.6, done_grown = 0.8;

void check(double outer_radius_um, std::int64_t n_cells, std::int64_t n_sweeps) {
  if (!(outer_radius_um > 0.0) || !std::isfinite(outer_radius_um)) {
    throw InputError("outer_radius_um must be finite and > 0");
  }
  if (n_cells < 1) throw InputError("n_cells must be >= 1");
  if (n_cells > std::numeric_limits<std::int32_t>::max()) throw InputError("too many cells");
  if (n_sweeps < 0) throw InputError("n_sweeps must be >= 0");
}

double fraction_of(const std::vector<double>& radius_um, std::int64_t n_cells, double outer_um,
                   double dimensions) {
  double sum = 0.0;
  for (const double radius : radius_um) sum += std::pow(radius / outer_um, dimensions);
  return radius_um.size() == 1 ? sum * static_cast<double>(n_cells) : sum;
}

// Lets spheres without overlaps grow to the packing fraction `wanted`; returns the one reached.
// A step that leaves overlaps is halved. Eq. 4.
double grow(SpherePacking& spheres, const Recipe& recipe, double wanted) {
  const auto push = [&](double fraction, std::int64_t rounds) {
    spheres.set_scale(std::min(1.0, std::pow(fraction / wanted, 1.0 / recipe.dimensions)));
    const double volume = std::clamp(recipe.soft / fraction, 1.0, most_softness);
    return spheres.push_apart(std::pow(volume, 1.0 / recipe.dimensions), rounds);
  };
  {
    const ProgressSpan at_once(0.0, done_at_once);
    if (push(wanted, direct_rounds)) return wanted;
  }
  double reached = std::min(recipe.start, wanted);
  const double start = reached;
  const auto done = [&](double fraction) {
    const double grown = fraction < wanted ? (fraction - start) / (wanted - start) : 1.0;
    return done_at_once + grown * (done_grown - done_at_once);
  };
  {
    const ProgressSpan at_start(done_at_once, done_at_once);
    if (!push(reached, direct_rounds)) return 0.0;
    spheres.mix(start_sweeps);
  }
  double most_step = first_step;
  for (int n_failures = 0; reached < wanted;) {
    const double step =
        std::min(most_step, std::max(least_step, step_share * (recipe.jammed - reached)));
    const double next = wanted - reached < 1.2 * step ? wanted : reached + step;
    const ProgressSpan growth(done(reached), done(next));
    if (push(next, max_rounds)) {
      reached = next;
      if (reached < wanted) spheres.mix(step_sweeps);
      continue;
    }
    most_step = 0.5 * step;
    if (++n_failures > max_failures || most_step < 0.5 * least_step) break;
  }
  return reached;
}

}  // namespace

Packing pack_random(PackingSpace space, std::vector<double> cell_radius_um, std::int64_t n_cells,
                    double outer_radius_um, std::int64_t n_sweeps, std::uint64_t root,
                    int n_threads, const StopPoll& stop) {
  check(outer_radius_um, n_cells, n_sweeps);
  for (const double radius_um : cell_radius_um) {
    if (!(radius_um > 0.0) || !(radius_um <= outer_radius_um)) {
      throw InputError("a cell radius is not > 0, or larger than outer_radius_um");
    }
  }
  Packing packing;
  packing.fraction =
      fraction_of(cell_radius_um, n_cells, outer_radius_um, recipe(space).dimensions);
  packing.fraction_reached = 0.0;
  const double smallest_um = *std::min_element(cell_radius_um.begin(), cell_radius_um.end());
  SpherePacking spheres(
      {space, scattered_points(space, n_cells, outer_radius_um - smallest_um, root, n_threads),
       std::move(cell_radius_um), outer_radius_um, root, n_threads},
      stop);
  packing.fraction_reached = grow(spheres, recipe(space), packing.fraction);
  if (packing.fraction_reached < packing.fraction) return packing;
  const ProgressSpan last(done_grown, 1.0);
  spheres.mix(n_sweeps);
  packing.centers = spheres.release_centers();
  packing.radius_um = spheres.release_radii();
  return packing;
}

Centers pack_close(PackingSpace space, double cell_radius_um, std::int64_t n_cells,
                   double outer_radius_um, std::int64_t n_sweeps, std::uint64_t root, int n_threads,
                   const StopPoll& stop) {
  check(outer_radius_um, n_cells, n_sweeps);
  const double smallest_um = smallest_outer_radius_um(space, cell_radius_um, n_cells);
  if (outer_radius_um < smallest_um * (1.0 - 1e-12)) {
    throw GeometryError(std::to_string(n_cells) + " cells need an outer radius of at least " +
                        std::to_string(smallest_um) + " um");
  }
  SpherePacking spheres(
      {space,
       close_packed_positions(space, n_cells, outer_radius_um - cell_radius_um, root),
       {cell_radius_um},
       outer_radius_um,
       root,
       n_threads},
      stop);
  spheres.mix(n_sweeps);
  return spheres.release_centers();
}

}  // namespace immunodose
