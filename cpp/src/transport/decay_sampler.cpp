// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/decay_sampler.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "immunodose/core/error.hpp"

namespace immunodose {

AliasTable::AliasTable(std::span<const double> weight)
    : keep_(weight.size(), 1.0), alias_(weight.size()) {
  const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
  if (weight.empty() || !(total > 0.0)) throw InputError("no weight to draw from");
  std::iota(alias_.begin(), alias_.end(), std::size_t{0});
  std::vector<double> share(weight.size());
  std::vector<std::size_t> small;
  std::vector<std::size_t> large;
  for (std::size_t i = 0; i < weight.size(); ++i) {
    share[i] = weight[i] / total * static_cast<double>(weight.size());
    (share[i] < 1.0 ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const std::size_t i = small.back();
    const std::size_t j = large.back();
    small.pop_back();
    keep_[i] = share[i];
    alias_[i] = j;
    share[j] -= 1.0 - share[i];
    if (share[j] < 1.0) {
      large.pop_back();
      small.push_back(j);
    }
  }
}

DecaySampler::DecaySampler(const DecayChainData& data) {
  if (data.retention.empty() || data.in_time.size() != data.retention.size()) {
    throw InputError("the chain has no member, or arrays of unequal length");
  }
  for (std::size_t n = 0; n < data.retention.size(); ++n) {
    members_.push_back({data.retention[n], data.in_time[n], {}, {}});
  }
  add_edges(data);
  add_lines(data);
}

void DecaySampler::add_edges(const DecayChainData& data) {
  for (std::size_t e = 0; e < data.edge_parent.size(); ++e) {
    auto& edges = members_.at(static_cast<std::size_t>(data.edge_parent[e])).edges;
    const double before = edges.empty() ? 0.0 : edges.back().up_to;
    if (data.edge_daughter[e] >= 0 && data.edge_daughter[e] <= data.edge_parent[e]) {
      throw InputError("a daughter stands before its parent in the chain");
    }
    edges.push_back(
        {data.edge_daughter[e], before + data.edge_fraction[e], data.edge_is_alpha[e] != 0});
  }
  // Fractions are rounded in the data: a sum within 1e-6 of 1 is 1.
  for (Member& member : members_) {
    if (member.edges.empty()) continue;
    const double sum = member.edges.back().up_to;
    if (std::abs(sum - 1.0) > 1e-6) continue;
    for (Edge& edge : member.edges) edge.up_to /= sum;
    member.edges.back().up_to = 1.0;
  }
}

void DecaySampler::add_lines(const DecayChainData& data) {
  for (std::size_t n = 0; n < members_.size(); ++n) {
    Member& member = members_[n];
    double alpha_share = 0.0;
    double before = 0.0;
    for (const Edge& edge : member.edges) {
      if (edge.is_alpha) alpha_share += edge.up_to - before;
      before = edge.up_to;
    }
    for (std::size_t c = 0; c < n_emission_classes; ++c) {
      std::vector<double> yields;
      Lines& lines = member.lines[c];
      for (std::size_t l = 0; l < data.line_member.size(); ++l) {
        if (data.line_member[l] != static_cast<std::int64_t>(n)) continue;
        if (data.line_emission[l] != static_cast<std::int64_t>(c)) continue;
        if (data.line_yield[l] <= 0.0) continue;
        yields.push_back(data.line_yield[l]);
        lines.energy_keV.push_back(data.line_energy_keV[l]);
      }
      if (yields.empty()) continue;
      lines.choose = AliasTable(yields);
      const double total = std::accumulate(yields.begin(), yields.end(), 0.0);
      lines.mean_number[0] = lines.mean_number[1] = total;
      // Eq. MC-8: alphas and recoils come with alpha branches, betas with the others. Yields and
      // branching agree to the digits of the data, so a number within 1e-3 of 1 is 1.
      const bool with_alpha = c == static_cast<std::size_t>(EmissionClass::alpha) ||
                              c == static_cast<std::size_t>(EmissionClass::recoil);
      const bool with_beta = c == static_cast<std::size_t>(EmissionClass::beta);
      const double share = with_alpha ? alpha_share : with_beta ? 1.0 - alpha_share : 0.0;
      if (!(share > 0.0) || (with_beta && alpha_share == 0.0)) continue;
      const double given = total / share;
      lines.mean_number[with_alpha ? 1 : 0] = std::abs(given - 1.0) < 1e-3 ? 1.0 : given;
      lines.mean_number[with_alpha ? 0 : 1] = 0.0;
    }
  }
}

double DecaySampler::largest_energy_keV(EmissionClass emission) const {
  double largest = 0.0;
  for (const Member& member : members_) {
    const auto& energies = member.lines[static_cast<std::size_t>(emission)].energy_keV;
    for (const double energy : energies) largest = std::max(largest, energy);
  }
  return largest;
}

}  // namespace immunodose
