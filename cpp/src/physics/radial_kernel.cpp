// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/radial_kernel.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "immunodose/core/error.hpp"
#include "immunodose/physics/alpha_stopping.hpp"
#include "immunodose/physics/alpha_straggling.hpp"
#include "immunodose/physics/electron_cole.hpp"

namespace immunodose {
namespace {

using Line = std::pair<double, double>;  // keV, yield per decay

struct Model {
  std::function<double(double)> range_um;
  std::function<double(double)> energy_keV;
};

Model make_model(Slowing slowing, double density_g_per_cm3) {
  if (slowing != Slowing::electron_cole) {
    auto alpha = std::make_shared<const AlphaSlowing>(density_g_per_cm3);
    return {[alpha](double e) { return alpha->range_um(e); },
            [alpha](double r) { return alpha->energy_keV(r); }};
  }
  // Cole's relation is for unit density; ranges scale as its inverse.
  const double rho = density_g_per_cm3;
  return {[rho](double e) { return cole_range_um(e) / rho; },
          [rho](double r) { return cole_energy_keV(r * rho); }};
}

// Bins grow by 2 % up to 20 nm, stay there to 10 um and grow by 0.2 % beyond: errors of a
// uniform bin are second order in the width, and cells are microns wide.
double bin_step_um(double r) {
  constexpr double growth = 0.02;
  constexpr double fine_um = 0.02;
  constexpr double far_growth = 0.002;
  return std::min(growth * r, std::max(fine_um, far_growth * r));
}

// The deposit rises steeply towards the end of a track, so bins narrow down to 10 nm there.
void refine_towards(double range_um, std::vector<double>& edges) {
  constexpr double finest_um = 0.01;
  constexpr double growth = 1.25;
  double before = finest_um;
  while (before * (growth - 1.0) < bin_step_um(range_um) && before < 0.5 * range_um) {
    edges.push_back(range_um - before);
    before *= growth;
  }
  edges.push_back(range_um);
}

std::vector<double> bin_edges(const std::vector<double>& track_ends_um) {
  constexpr double first_um = 1e-5;
  std::vector<double> edges{0.0};
  if (track_ends_um.empty()) return edges;
  const double reach = *std::max_element(track_ends_um.begin(), track_ends_um.end());
  for (double r = first_um; r < reach; r += bin_step_um(r)) edges.push_back(r);
  edges.push_back(reach);
  for (const double range : track_ends_um) {
    if (bin_step_um(range) > 0.01) refine_towards(range, edges);
  }
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

// Lines within 0.1 % in energy become one of the same yield and energy.
std::vector<Line> merge_lines(const SpectrumLines& lines) {
  constexpr double relative_width = 1e-3;
  std::vector<std::size_t> order(lines.energy_keV.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return lines.energy_keV[a] < lines.energy_keV[b];
  });
  std::vector<Line> merged;
  double group_start = -1.0;
  for (const std::size_t i : order) {
    const double energy = lines.energy_keV[i];
    const double yield = lines.yield_per_decay[i];
    if (yield <= 0.0 || energy <= 0.0) continue;
    if (!merged.empty() && energy <= group_start * (1.0 + relative_width)) {
      auto& [mean, total] = merged.back();
      mean = (mean * total + energy * yield) / (total + yield);
      total += yield;
    } else {
      merged.emplace_back(energy, yield);
      group_start = energy;
    }
  }
  return merged;
}

// Each line becomes seven whose ranges are the Gauss-Hermite nodes of a normal distribution; the
// yields keep the energy. Eq. 6d.
std::vector<Line> spread_ranges(const std::vector<Line>& lines, double density_g_per_cm3) {
  constexpr std::array<std::pair<double, double>, 7> rule{{
      // node / sigma, weight: roots of He_7 [Abramowitz & Stegun 1964, Table 25.10, rescaled]
      {-3.750439717725742, 5.482688559722178e-4},
      {-2.366759410734541, 3.075712396758651e-2},
      {-1.154405394739968, 0.2401231786050127},
      {0.0, 0.4571428571428571},
      {1.154405394739968, 0.2401231786050127},
      {2.366759410734541, 3.075712396758651e-2},
      {3.750439717725742, 5.482688559722178e-4},
  }};
  const AlphaSlowing slowing(density_g_per_cm3);
  const AlphaStraggling straggling(slowing, density_g_per_cm3);
  const double longest_um = slowing.range_um(alpha_max_energy_keV);
  std::vector<Line> spread;
  for (const auto& [energy, yield] : lines) {
    // Ranges of 30 nm need no spread, and below the fit there is none to be had.
    if (energy <= alpha_min_energy_keV) {
      spread.emplace_back(energy, yield);
      continue;
    }
    const double range = slowing.range_um(energy);
    const double sigma = std::sqrt(straggling.range_variance_um2(energy));
    if (range + rule.back().first * sigma > longest_um) {
      throw InputError("alpha energy " + std::to_string(energy) +
                       " keV: its longest straggled range lies above the stopping-power fit "
                       "(12000 keV). Energies up to 11800 keV have a kernel with straggling; "
                       "straight tracks (mird) go to 12000 keV");
    }
    for (const auto& [node, weight] : rule) {
      const double shifted = node == 0.0 ? energy : slowing.energy_keV(range + node * sigma);
      spread.emplace_back(shifted, yield * weight * energy / shifted);
    }
  }
  std::sort(spread.begin(), spread.end());
  return spread;
}

void check_lines(const SpectrumLines& lines, Slowing slowing) {
  if (lines.energy_keV.size() != lines.yield_per_decay.size()) {
    throw InputError("energy_keV and yield_per_decay differ in length");
  }
  for (const double energy : lines.energy_keV) {
    if (slowing != Slowing::electron_cole && energy > alpha_max_energy_keV) {
      throw InputError("alpha energy " + std::to_string(energy) +
                       " keV lies above the stopping-power fit (12000 keV)");
    }
  }
}

}  // namespace

double RadialKernel::total_energy_keV() const {
  return std::accumulate(energy_keV.begin(), energy_keV.end(), 0.0);
}

double csda_reach_um(const SpectrumLines& lines, Slowing slowing, double density_g_per_cm3) {
  check_lines(lines, slowing);
  const Model model = make_model(slowing, density_g_per_cm3);
  double highest = 0.0;
  for (std::size_t i = 0; i < lines.energy_keV.size(); ++i) {
    if (lines.yield_per_decay[i] > 0.0) highest = std::max(highest, lines.energy_keV[i]);
  }
  return highest > 0.0 ? model.range_um(highest) : 0.0;
}

RadialKernel csda_kernel(const SpectrumLines& lines, Slowing slowing, double density_g_per_cm3) {
  check_lines(lines, slowing);
  const Model model = make_model(slowing, density_g_per_cm3);
  auto merged = merge_lines(lines);
  if (slowing == Slowing::alpha_straggled) merged = spread_ranges(merged, density_g_per_cm3);
  double total = 0.0;
  for (const auto& [energy, yield] : merged) total += energy * yield;
  // Ends of lines that carry less than 1e-5 of the energy need no bins of their own.
  constexpr double negligible_share = 1e-5;
  std::vector<double> track_ends;
  for (const auto& [energy, yield] : merged) {
    const bool longest = energy == merged.back().first;
    if (longest || energy * yield > negligible_share * total) {
      track_ends.push_back(model.range_um(energy));
    }
  }
  RadialKernel kernel{bin_edges(track_ends), {}};
  kernel.energy_keV.assign(kernel.edge_um.size() - 1, 0.0);
  for (const auto& [energy, yield] : merged) {
    const double range = model.range_um(energy);
    double left = energy;
    for (std::size_t bin = 0; bin + 1 < kernel.edge_um.size() && left > 0.0; ++bin) {
      // The stopping power is that of the residual range, R - r.
      const double residual = range - kernel.edge_um[bin + 1];
      const double next = residual > 0.0 ? std::min(left, model.energy_keV(residual)) : 0.0;
      kernel.energy_keV[bin] += yield * (left - next);
      left = next;
    }
  }
  return kernel;
}

}  // namespace immunodose
