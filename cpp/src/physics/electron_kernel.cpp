// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/electron_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr auto grid = ElectronKernelTable::scaled_distance;

// Above the table the scaled kernel of its end serves for the tails of a few beta spectra: the
// hardest of ICRP-107 ends near 16 MeV.
constexpr double highest_scaled_keV = 20000.0;

// Bins grow by 2 % up to 20 nm, stay there to 4 um and grow by 0.5 % beyond: kernels of electrons
// have no edge, and errors are second order in the width.
std::vector<double> bin_edges(double reach_um) {
  constexpr double first_um = 1e-5;
  constexpr double growth = 0.02;
  constexpr double fine_um = 0.02;
  constexpr double far_growth = 0.005;
  std::vector<double> edges{0.0};
  for (double r = first_um; r < reach_um;
       r += std::min(growth * r, std::max(fine_um, far_growth * r))) {
    edges.push_back(r);
  }
  edges.push_back(reach_um);
  return edges;
}

}  // namespace

ElectronKernelTable::ElectronKernelTable(std::vector<double> energy_keV,
                                         std::vector<double> csda_range_um,
                                         std::vector<double> radiated_fraction,
                                         std::vector<float> fraction_within)
    : energy_(std::move(energy_keV)),
      range_(std::move(csda_range_um)),
      radiated_(std::move(radiated_fraction)),
      fraction_(std::move(fraction_within)) {
  if (energy_.size() < 2 || range_.size() != energy_.size() || radiated_.size() != energy_.size() ||
      fraction_.size() != energy_.size() * grid.n_nodes()) {
    throw InputError("the kernel table has arrays of unequal size");
  }
  for (std::size_t i = 1; i < energy_.size(); ++i) {
    if (!(energy_[i] > energy_[i - 1] && range_[i] > range_[i - 1])) {
      throw InputError("energies and ranges of the kernel table must ascend");
    }
  }
}

// Lines within 2 % become one of the same yield and energy: the scaled kernel hardly changes.
std::vector<ElectronKernelTable::Line> ElectronKernelTable::merged(
    const SpectrumLines& lines) const {
  constexpr double width = 0.02;
  std::vector<Line> sorted;
  for (std::size_t i = 0; i < lines.energy_keV.size(); ++i) {
    const Line line{lines.energy_keV[i], lines.yield_per_decay[i]};
    if (line.yield <= 0.0 || line.energy_keV <= 0.0) continue;
    if (line.energy_keV > highest_scaled_keV) {
      throw InputError("electron energy " + std::to_string(line.energy_keV) +
                       " keV lies above what kernels can be scaled to (20000 keV)");
    }
    sorted.push_back(line);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Line& a, const Line& b) { return a.energy_keV < b.energy_keV; });
  std::vector<Line> groups;
  double start = -1.0;
  for (const Line& line : sorted) {
    if (!groups.empty() && line.energy_keV <= start * (1.0 + width)) {
      Line& group = groups.back();
      const double total = group.yield + line.yield;
      group.energy_keV = (group.energy_keV * group.yield + line.energy_keV * line.yield) / total;
      group.yield = total;
    } else {
      groups.push_back(line);
      start = line.energy_keV;
    }
  }
  return groups;
}

ElectronKernelTable::Scaled ElectronKernelTable::locate(double energy_keV) const {
  if (energy_keV <= energy_.front()) {
    return {0, 0.0, range_.front() * energy_keV / energy_.front()};
  }
  if (energy_keV >= energy_.back()) {
    return {energy_.size() - 2, 1.0, range_.back() * energy_keV / energy_.back()};
  }
  const auto upper = std::upper_bound(energy_.begin() + 1, energy_.end() - 1, energy_keV);
  const auto i = static_cast<std::size_t>(upper - energy_.begin());
  const double t = std::log(energy_keV / energy_[i - 1]) / std::log(energy_[i] / energy_[i - 1]);
  return {i - 1, t, range_[i - 1] * std::pow(range_[i] / range_[i - 1], t)};
}

double ElectronKernelTable::within(const Scaled& place, double scaled) const {
  const auto at = [&](std::size_t row) {
    const float* const values = &fraction_[row * grid.n_nodes()];
    if (scaled >= grid.last()) return static_cast<double>(values[grid.n_cells()]);
    if (scaled < grid.first()) return static_cast<double>(values[0]) * scaled / grid.first();
    const auto cell = grid.find(scaled);
    const double low = static_cast<double>(values[cell.cell]);
    return low + cell.fraction * (static_cast<double>(values[cell.cell + 1]) - low);
  };
  const double lower = at(place.row);
  return place.upper_weight == 0.0 ? lower
                                   : lower + place.upper_weight * (at(place.row + 1) - lower);
}

ElectronKernelTable::Folded ElectronKernelTable::fold(const SpectrumLines& lines,
                                                      double density_g_per_cm3) const {
  if (lines.energy_keV.size() != lines.yield_per_decay.size()) {
    throw InputError("energy_keV and yield_per_decay differ in length");
  }
  Folded folded;
  const auto groups = merged(lines);
  if (groups.empty()) return folded;
  // No energy is found beyond this many ranges. Eq. K2.
  constexpr double reach_ranges = 1.25;
  const double reach = reach_ranges * locate(groups.back().energy_keV).range_um / density_g_per_cm3;
  folded.kernel.edge_um = bin_edges(reach);
  auto& edges = folded.kernel.edge_um;
  auto& energy = folded.kernel.energy_keV;
  energy.assign(edges.size() - 1, 0.0);
  for (const Line& line : groups) {
    const Scaled place = locate(line.energy_keV);
    const double per_um = density_g_per_cm3 / place.range_um;
    const double whole = within(place, grid.last());
    const double radiated =
        radiated_[place.row] +
        place.upper_weight *
            (radiated_[std::min(place.row + 1, radiated_.size() - 1)] - radiated_[place.row]);
    // What the table places beyond the reach (3e-3 at 0.1 keV, 1e-4 at 10 keV, 1e-6
    // above 60 keV) is spread over the kernel.
    const double scale = line.yield * line.energy_keV * (1.0 - radiated) /
                         std::min(whole, within(place, reach_ranges));
    folded.radiated_keV += line.yield * line.energy_keV * radiated;
    if (line.energy_keV < energy_.front()) folded.below_table_keV += line.yield * line.energy_keV;
    double before = 0.0;
    for (std::size_t bin = 0; bin < energy.size(); ++bin) {
      const double x = std::min(edges[bin + 1] * per_um, reach_ranges);
      const double now = scale * within(place, x);
      energy[bin] += now - before;
      before = now;
      if (x >= reach_ranges) break;
    }
  }
  return folded;
}

}  // namespace immunodose
