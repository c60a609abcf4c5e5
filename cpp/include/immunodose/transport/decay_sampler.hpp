// SPDX-License-Identifier: BSD-3-Clause
// One decay of a parent followed down its chain, member by member: branch, emissions, what
// becomes of the daughter. Eqs. MC-7 to MC-9, docs/theory/monte_carlo.md.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/sampling.hpp"

namespace immunodose {

enum class EmissionClass : std::uint8_t {
  alpha = 0,
  recoil = 1,
  beta = 2,
  auger_ce = 3,
  photon = 4,
};
inline constexpr std::size_t n_emission_classes = 5;

inline bool is_electron(EmissionClass emission) {
  return emission == EmissionClass::beta || emission == EmissionClass::auger_ce;
}

// Draws an index in proportion to weights from one uniform number [Walker AJ, ACM Trans Math Softw
// 1977;3:253; built as Vose MD, IEEE Trans Softw Eng 1991;17:972].
class AliasTable {
 public:
  AliasTable() = default;
  explicit AliasTable(std::span<const double> weight);

  std::size_t size() const { return keep_.size(); }
  std::size_t operator()(Stream& stream) const {
    const double position = stream.uniform() * static_cast<double>(keep_.size());
    const auto i = static_cast<std::size_t>(position);
    return position - static_cast<double>(i) < keep_[i] ? i : alias_[i];
  }

 private:
  std::vector<double> keep_;
  std::vector<std::size_t> alias_;
};

// Decay chain with all its lines; member 0 is the parent, daughters come after their parents.
struct DecayChainData {
  std::span<const double> retention;  // per member: share of its new atoms that stay
  std::span<const double> in_time;    // per member: share that decays before the horizon
  std::span<const std::int64_t> edge_parent, edge_daughter;  // daughter -1: stable
  std::span<const double> edge_fraction;
  std::span<const std::int64_t> edge_is_alpha;
  std::span<const std::int64_t> line_member, line_emission;
  std::span<const double> line_energy_keV, line_yield;  // per decay of the member
};

class DecaySampler {
 public:
  explicit DecaySampler(const DecayChainData& data);

  // Calls emit(EmissionClass, energy_keV) for each particle of one decay of the parent with all
  // that follows, and lost() where a daughter does not stay; it still decays afterwards.
  template <class Emit, class Lost>
  void operator()(Stream& stream, Emit&& emit, Lost&& lost) const;

  double largest_energy_keV(EmissionClass emission) const;
  // Mean energy per decay of the parent, retention included or not.
  bool emits(EmissionClass emission) const { return largest_energy_keV(emission) > 0.0; }

 private:
  struct Lines {
    double mean_number[2]{};  // if the decay is no alpha decay, if it is one
    AliasTable choose;
    std::vector<double> energy_keV;
  };
  struct Edge {
    std::int64_t daughter;
    double up_to;  // cumulative branching
    bool is_alpha;
  };
  struct Member {
    double retention;
    double in_time;
    std::vector<Edge> edges;
    std::array<Lines, n_emission_classes> lines;
  };

  void add_edges(const DecayChainData& data);
  void add_lines(const DecayChainData& data);
  std::vector<Member> members_;
};

template <class Emit, class Lost>
void DecaySampler::operator()(Stream& stream, Emit&& emit, Lost&& lost) const {
  std::size_t at = 0;
  while (true) {
    const Member& member = members_[at];
    const Edge* way = nullptr;  // none: a branch that the data do not list
    if (!member.edges.empty()) {
      const double u = stream.uniform();
      for (const Edge& edge : member.edges) {
        if (u >= edge.up_to) continue;
        way = &edge;
        break;
      }
    }
    const std::size_t is_alpha = way != nullptr && way->is_alpha ? 1 : 0;
    for (std::size_t c = 0; c < n_emission_classes; ++c) {
      const Lines& lines = member.lines[c];
      const std::int64_t number = rounded_number(stream, lines.mean_number[is_alpha]);
      for (std::int64_t i = 0; i < number; ++i) {
        emit(static_cast<EmissionClass>(c), lines.energy_keV[lines.choose(stream)]);
      }
    }
    if (way == nullptr || way->daughter < 0) return;
    at = static_cast<std::size_t>(way->daughter);
    const Member& daughter = members_[at];
    if (daughter.in_time < 1.0 && stream.uniform() >= daughter.in_time) return;
    if (daughter.retention < 1.0 && stream.uniform() >= daughter.retention) lost();
  }
}

}  // namespace immunodose
