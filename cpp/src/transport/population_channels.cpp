// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "immunodose/transport/mesh_kernel.hpp"
#include "immunodose/transport/population_cross.hpp"
#include "immunodose/transport/population_images.hpp"

namespace immunodose {
namespace {

// Below, tables over squared distance cost more than the pairs that they speed up.
constexpr std::size_t most_direct_cells = 500;
// Kernels of shorter reach fall too steeply for a mesh: those of alphas above all.
constexpr double least_reach_per_cut = 10.0;
constexpr double equal_reach = 0.02;  // relative: such kernels share a sweep

// Rough costs of one thread, which only choose between methods. Measured with bench/scaling.py.
constexpr double seconds_per_pair = 0.8e-9;
constexpr double pair_margin = 1.45;  // pairs beyond the cut that share a bin with nearer ones
constexpr double seconds_per_mesh_node = 2.5e-8;  // of one convolution
constexpr double seconds_per_point = 8e-7;        // spread and gathered
constexpr double seconds_per_term = 3e-9;         // of the kernel of a periodic box

// Relative root mean square error of the mesh when pairs within `ratio` spacings are summed one by
// one. Measured against direct sums, docs/theory/population.md, section 4.
struct MeshError {
  double ratio;
  double error;
};
constexpr std::array<MeshError, 3> mesh_errors{{{3.0, 4e-4}, {4.0, 6e-5}, {6.0, 1.5e-5}}};

// Mean number of cells within a distance of a cell, all filling the box around them evenly.
double neighbors_within(const PopulationTables& tables, double reach_um) {
  const auto n = static_cast<double>(tables.input().x_um.size());
  const double rim = 2.0 * tables.largest_radius_um();
  const Vec3 box = tables.extent_um() + Vec3{rim, rim, rim};
  const PeriodicBox& period = tables.input().box;
  const auto side = [&](std::size_t axis, double extent) {
    return period.repeats(axis) ? period.edge_um[axis] : extent;
  };
  const double volume = side(0, box.x) * side(1, box.y) * side(2, box.z);
  const double ball = 4.0 / 3.0 * std::numbers::pi * reach_um * reach_um * reach_um;
  const double evenly = n * ball / volume;
  return period.repeats() ? evenly : std::min(n, evenly);
}

RadialKernel merged(const std::vector<RadialKernel>& kernels) {
  RadialKernel all;
  for (const auto& kernel : kernels) {
    all.edge_um.insert(all.edge_um.end(), kernel.edge_um.begin(), kernel.edge_um.end());
  }
  std::sort(all.edge_um.begin(), all.edge_um.end());
  all.edge_um.erase(std::unique(all.edge_um.begin(), all.edge_um.end()), all.edge_um.end());
  all.energy_keV.assign(all.edge_um.empty() ? 0 : all.edge_um.size() - 1, 0.0);
  for (const auto& kernel : kernels) {
    std::size_t bin = 0;
    for (std::size_t i = 0; i + 1 < kernel.edge_um.size(); ++i) {
      const double low = kernel.edge_um[i];
      const double high = kernel.edge_um[i + 1];
      for (; bin < all.energy_keV.size() && all.edge_um[bin] < high; ++bin) {
        // A bin is uniform, so its parts have energy in proportion to their width.
        all.energy_keV[bin] +=
            kernel.energy_keV[i] * (all.edge_um[bin + 1] - all.edge_um[bin]) / (high - low);
      }
    }
  }
  return all;
}

bool is_small(const PopulationTables& tables, double reach_um) {
  const std::size_t n = tables.input().x_um.size();
  if (n > most_direct_cells) return false;
  // With their images even few cells can have many neighbors.
  const double reach = reach_um + 2.0 * tables.largest_radius_um();
  return !tables.input().box.repeats() ||
         static_cast<double>(n) * neighbors_within(tables, reach) <=
             static_cast<double>(most_direct_cells * most_direct_cells);
}

Summation method_for(const PopulationTables& tables, double reach_um) {
  const PopulationModel& model = tables.model();
  const std::size_t n = tables.input().x_um.size();
  const bool automatic = model.summation == Summation::automatic;
  if (automatic && is_small(tables, reach_um)) return Summation::direct;
  if (!automatic && model.summation != Summation::particle_mesh) return model.summation;
  if (model.convolver == nullptr) return Summation::cell_list;
  const MeshPlan plan = plan_mesh(tables, reach_um, 1);
  const double pairs = static_cast<double>(n) *
                       neighbors_within(tables, reach_um + 2.0 * tables.largest_radius_um());
  const bool pays = !automatic || plan.cost_s < seconds_per_pair * pairs;
  return plan.spacing_um > 0.0 && pays ? Summation::particle_mesh : Summation::cell_list;
}

double cost_s(const PopulationTables& tables, const Channels& channels) {
  const auto n = static_cast<double>(tables.input().x_um.size());
  if (channels.summation == Summation::particle_mesh) {
    const MeshPlan plan = plan_mesh(tables, channels.reach_um, channels.kernels.size());
    if (plan.spacing_um > 0.0) return plan.cost_s;
  }
  const double reach = channels.reach_um + 2.0 * tables.largest_radius_um();
  return n * (seconds_per_point + neighbors_within(tables, reach) * seconds_per_pair);
}

}  // namespace

MeshPlan plan_mesh(const PopulationTables& tables, double reach_um, std::size_t n_kernels,
                   std::size_t attempt) {
  const auto& in = tables.input();
  const auto n = static_cast<double>(in.x_um.size());
  MeshPlan best;
  best.cost_s = std::numeric_limits<double>::infinity();
  auto found = std::find_if(mesh_errors.begin(), mesh_errors.end(),
                            [&](const MeshError& e) { return e.error <= tables.model().rtol; });
  if (static_cast<std::size_t>(mesh_errors.end() - found) <= attempt) return {};
  if (in.x_um.size() < 2 && !in.box.repeats()) return {};
  found += static_cast<std::ptrdiff_t>(attempt);
  // Fewer nodes than this per cell, so that memory stays that of the cells.
  const double most_nodes = 64.0 * n + 1e6;
  for (double spacing = 0.25 * tables.smallest_radius_um();
       spacing < std::max(reach_um, tables.smallest_radius_um()); spacing *= 1.1) {
    const double cut = found->ratio * spacing;
    if (cut < 2.0 * tables.largest_radius_um() || least_reach_per_cut * cut > reach_um) continue;
    // Cells far apart: more nodes than an integer counts, or than any memory holds.
    const Vec3 extent = tables.extent_um();
    const auto side = [&](std::size_t axis, double own) {
      return 1.0 + (in.box.repeats(axis) ? in.box.edge_um[axis] : own) / spacing;
    };
    const Vec3 sides{side(0, extent.x), side(1, extent.y), side(2, extent.z)};
    if (sides.x * sides.y * sides.z > most_nodes) continue;
    const double reach = reach_um + 2.0 * tables.largest_radius_um();
    const MeshShape shape = ParticleMesh::shape_of(extent, spacing, reach, in.box);
    const double nodes = shape.transform_size();
    if (nodes > most_nodes) continue;
    const double terms = mesh_kernel_terms(shape, in.box, spacing, cut, reach);
    const double cost = n * neighbors_within(tables, pair_margin * cut) * seconds_per_pair +
                        nodes * seconds_per_mesh_node * static_cast<double>(1 + n_kernels) +
                        n * seconds_per_point +
                        static_cast<double>(n_kernels) * terms * seconds_per_term;
    if (cost < best.cost_s) best = {spacing, cut, found->error, cost};
  }
  return best;
}

std::vector<Channels> make_channels(const PopulationTables& tables) {
  const PopulationModel& model = tables.model();
  const double diameter = tables.diameter_um();
  std::vector<Channels> all;
  const auto channels_of = [&](double reach, Summation summation) -> Channels& {
    for (auto& channels : all) {
      const bool far = reach >= diameter && channels.reach_um >= diameter;
      const bool mesh = summation == Summation::particle_mesh;
      // Summed emissions have one column: the table of the longest reach holds them all.
      const bool merged = summation == Summation::cell_list && !model.split_emission;
      if (channels.summation == summation &&
          (mesh || far || merged || std::abs(channels.reach_um - reach) <= equal_reach * reach)) {
        channels.reach_um = std::max(channels.reach_um, reach);
        return channels;
      }
    }
    all.push_back({});
    all.back().reach_um = reach;
    all.back().summation = summation;
    return all.back();
  };
  for (std::size_t k = 0; k < model.kernel.size(); ++k) {
    const double reach = model.kernel[k].reach_um();
    Channels& channels = channels_of(reach, method_for(tables, reach));
    channels.numbers.push_back(static_cast<std::int64_t>(k));
    channels.kernels.push_back(model.kernel[k]);
    channels.output.push_back(model.split_emission ? k : 0);
  }
  if (model.alpha_chain != nullptr) {
    const bool small = is_small(tables, tables.alpha_reach_um());
    const bool direct =
        model.summation == Summation::direct || (model.summation == Summation::automatic && small);
    channels_of(tables.alpha_reach_um(), direct ? Summation::direct : Summation::cell_list)
        .has_hits = true;
  }
  for (Channels& channels : all) {
    const bool exact = channels.summation == Summation::direct;
    if (!model.split_emission && !exact && channels.kernels.size() > 1) {
      channels.kernels = {merged(channels.kernels)};
      channels.output = {0};
    }
    channels.n_doses = channels.kernels.size() * model.target.size();
    channels.cost_s = cost_s(tables, channels);
    if (channels.summation != Summation::particle_mesh) {
      require_images(tables, channels.reach_um + 2.0 * tables.largest_radius_um(),
                     channels.has_hits);
    }
  }
  return all;
}

}  // namespace immunodose
