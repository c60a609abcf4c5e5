// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/hit_marks.hpp"

#include <string>

#include "immunodose/core/error.hpp"
#include "immunodose/geometry/region_overlap.hpp"

namespace immunodose {
namespace {

// Lines of one member within 10 keV become one: 0.1 um of range at most.
std::vector<AlphaChain::Line> merge_lines(const AlphaChain& chain) {
  constexpr double width_keV = 10.0;
  auto lines = chain.lines;
  std::stable_sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) {
    return a.member != b.member ? a.member < b.member : a.energy_keV < b.energy_keV;
  });
  std::vector<AlphaChain::Line> merged;
  double group_start = 0.0;
  for (const auto& line : lines) {
    if (line.yield <= 0.0) continue;
    if (!merged.empty() && merged.back().member == line.member &&
        line.energy_keV <= group_start + width_keV) {
      auto& group = merged.back();
      const double total = group.yield + line.yield;
      group.energy_keV = (group.energy_keV * group.yield + line.energy_keV * line.yield) / total;
      group.yield = total;
    } else {
      merged.push_back(line);
      group_start = line.energy_keV;
    }
  }
  return merged;
}

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

double gray_per_keV(double radius_um, double density_g_per_cm3) {
  return constants::gray_ng_per_keV / (Region{0.0, radius_um}.measure() * density_g_per_cm3 *
                                       constants::ng_per_um3_at_unit_density);
}

std::vector<RangedLine> ranged_lines(const AlphaChain& chain, const AlphaSlowing& slowing) {
  std::vector<RangedLine> ranged;
  for (const auto& line : merge_lines(chain)) {
    if (line.energy_keV > alpha_max_energy_keV) {
      throw InputError("alpha energy above the stopping-power fit (12000 keV)");
    }
    ranged.push_back(
        {static_cast<std::size_t>(line.member), line.yield, slowing.range_um(line.energy_keV)});
  }
  return ranged;
}

std::vector<double> alpha_yields(const AlphaChain& chain) {
  std::vector<double> yields(chain.decays_per_parent_decay.size(), 0.0);
  for (const auto& line : chain.lines) {
    if (line.yield > 0.0) yields[index(line.member)] += line.yield;
  }
  return yields;
}

ChainBranches::ChainBranches(const AlphaChain& chain, const std::vector<double>& alpha_yield)
    : of(alpha_yield.size()), kept(alpha_yield.size(), 1.0) {
  std::vector<double> fed(kept.size(), 0.0);
  for (const auto& edge : chain.edges) {
    fed[index(edge.daughter)] += chain.decays_per_parent_decay[index(edge.parent)] * edge.fraction;
  }
  for (std::size_t n = 1; n < kept.size(); ++n) {
    kept[n] = fed[n] > 0.0 ? std::min(1.0, chain.decays_per_parent_decay[n] / fed[n]) : 0.0;
  }
  for (std::size_t n = 0; n < of.size(); ++n) {
    double alpha_left = alpha_yield[n];
    double others_left = 1.0 - alpha_yield[n];
    for (const auto& edge : chain.edges) {
      if (index(edge.parent) != n) continue;
      double& left = edge.is_alpha ? alpha_left : others_left;
      const double fraction = std::min(edge.fraction, left);
      left -= fraction;
      if (fraction > 0.0) of[n].push_back({fraction, edge.is_alpha, index(edge.daughter)});
    }
    if (alpha_left > 0.0) of[n].push_back({alpha_left, true, ChainBranch::no_daughter});
    of[n].push_back({others_left, false, ChainBranch::no_daughter});
  }
}

}  // namespace immunodose
