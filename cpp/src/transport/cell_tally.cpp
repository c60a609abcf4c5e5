// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/cell_tally.hpp"

#include <limits>

#include "immunodose/core/error.hpp"

namespace immunodose {

CellTally::CellTally(const std::vector<CellSolid>& cells)
    : cells_(cells), energy_(cells.size() * n_solid_regions, 0.0) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    reach_ = std::max(reach_, cells[i].reach_um());
    if (i > 0 && !(center_x(i - 1) < center_x(i))) {
      throw InputError("the cells of a tally must ascend in x");
    }
  }
}

std::size_t CellTally::first_after(double x_um) const {
  constexpr std::size_t few = 4;
  std::size_t i = 0;
  if (cells_.size() <= few) {
    while (i < cells_.size() && center_x(i) <= x_um) ++i;
    return i;
  }
  const auto found =
      std::upper_bound(cells_.begin(), cells_.end(), x_um,
                       [](double x, const CellSolid& cell) { return x < cell.center_um().x; });
  return static_cast<std::size_t>(found - cells_.begin());
}

void CellTally::point(Vec3 position_um, double energy_keV) {
  total_keV_ += energy_keV;
  const double high = position_um.x + reach_;
  // A center at exactly `reach` touches the point; that has no energy to score.
  for (std::size_t i = first_after(position_um.x - reach_); i < cells_.size() && center_x(i) < high;
       ++i) {
    const SolidRegion region = cells_[i].region(position_um);
    if (region != SolidRegion::outside) add(i, region, energy_keV);
  }
}

void CellTally::segment(Vec3 position_um, Vec3 direction, double length_um, double energy_keV,
                        double tilt) {
  if (length_um <= 0.0) return point(position_um, energy_keV);
  total_keV_ += energy_keV;
  const double per_um = energy_keV / length_um;
  const double first = per_um * (1.0 - tilt);
  const double half_rise = per_um * tilt / length_um;
  const auto keV = [&](const PathPart& chord) {
    return chord.length_um() * (first + half_rise * (chord.enter_um + chord.exit_um));
  };
  visit_chords(position_um, direction, length_um, [&](std::size_t i, const CellChords& chords) {
    const double nucleus = keV(chords.nucleus);
    const double inside = keV(chords.inside);
    add(i, SolidRegion::nucleus, nucleus);
    add(i, SolidRegion::cytoplasm, std::max(0.0, inside - nucleus));
    add(i, SolidRegion::membrane, std::max(0.0, keV(chords.cell) - inside));
  });
}

double CellTally::clearance(Vec3 position_um) const {
  double nearest = std::numeric_limits<double>::infinity();
  // Outwards from the nearest center on both sides, until no surface can be nearer.
  const auto may_be_nearer = [&](std::size_t i) {
    return std::abs(center_x(i) - position_um.x) - reach_ < nearest;
  };
  const std::size_t middle = first_after(position_um.x);
  for (std::size_t i = middle; i < cells_.size() && may_be_nearer(i); ++i) {
    nearest = std::min(nearest, cells_[i].clearance_um(position_um));
  }
  for (std::size_t i = middle; i-- > 0 && may_be_nearer(i);) {
    nearest = std::min(nearest, cells_[i].clearance_um(position_um));
  }
  return nearest;
}

}  // namespace immunodose
