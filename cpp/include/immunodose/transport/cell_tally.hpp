// SPDX-License-Identifier: BSD-3-Clause
// Scores energy in the regions of equal cells whose centers lie on one line; cells may overlap,
// because in water without walls a cell only says where energy is counted.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/cell_solid.hpp"

namespace immunodose {

class CellTally {
 public:
  // Centers ascend in x and share y and z. The cells outlive the tally.
  explicit CellTally(const std::vector<CellSolid>& cells);

  // The calls of a Scorer.
  void point(Vec3 position_um, double energy_keV);
  // The energy per length rises by the share `tilt` of its mean from the middle to the end.
  void segment(Vec3 position_um, Vec3 direction, double length_um, double energy_keV,
               double tilt = 0.0);
  double clearance(Vec3 position_um) const;
  // Of the energy given to `point`, what electrons at or below the cut-off left.
  void below_cutoff(double energy_keV) { below_cutoff_keV_ += energy_keV; }

  // Calls visit(cell index, chords) for each cell that a path cuts.
  template <class Visit>
  void visit_chords(Vec3 start_um, Vec3 direction, double length_um, const Visit& visit) const {
    const double end = start_um.x + length_um * direction.x;
    const double low = std::min(start_um.x, end) - reach_;
    const double high = std::max(start_um.x, end) + reach_;
    for (std::size_t i = first_after(low); i < cells_.size() && center_x(i) < high; ++i) {
      const CellChords chords = cells_[i].chords(start_um, direction, length_um);
      if (chords.cell.length_um() > 0.0) visit(i, chords);
    }
  }
  void add(std::size_t cell, SolidRegion region, double energy_keV) {
    energy_[cell * n_solid_regions + static_cast<std::size_t>(region)] += energy_keV;
  }
  // Energy of a track that was split by visit_chords.
  void count(double energy_keV) { total_keV_ += energy_keV; }

  // (cell, region), keV; without the outside.
  const std::vector<double>& energy_keV() const { return energy_; }
  // All energy that was left anywhere, keV.
  double total_keV() const { return total_keV_; }
  double below_cutoff_keV() const { return below_cutoff_keV_; }

 private:
  double center_x(std::size_t i) const { return cells_[i].center_um().x; }
  std::size_t first_after(double x_um) const;

  const std::vector<CellSolid>& cells_;
  double reach_ = 0.0;
  std::vector<double> energy_;
  double total_keV_ = 0.0;
  double below_cutoff_keV_ = 0.0;
};

}  // namespace immunodose
