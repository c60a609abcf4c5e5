// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/region_tally.hpp"

#include "immunodose/core/error.hpp"

namespace immunodose {

RegionTally::RegionTally(std::int64_t n_cells, const std::vector<EmissionClass>& emissions,
                         bool with_hits)
    : n_columns_(emissions.size()),
      with_hits_(with_hits),
      width_(emissions.size() *
             (n_cell_regions * n_origins + (with_hits ? n_cell_regions + n_targets : 0))),
      sums_(row(n_cells) * width_) {
  for (std::size_t c = 0; c < emissions.size(); ++c) {
    column_of_[static_cast<std::size_t>(emissions[c])] = c;
  }
}

std::int64_t RegionTally::add(const Deposit& deposit, EmissionClass emission, std::size_t origin) {
  const std::size_t column = column_of_[static_cast<std::size_t>(emission)];
  std::int64_t total = 0;
  bool any = false;
  for (std::size_t region = 0; region < n_cell_regions; ++region) {
    const double energy = deposit.energy_keV[region];
    if (energy <= 0.0) continue;
    any = true;
    const std::int64_t units = in_units(energy, units_per_keV);
    total += units;
    add_to(sums_[energy_index(deposit.cell, region, column, origin)], units);
    if (!with_hits_) continue;
    add_to(sums_[let_index(deposit.cell, region, column)],
           in_units(deposit.energy_let[region], units_per_keV2_per_um));
    add_to(sums_[hit_index(deposit.cell, region, column)], 1);
  }
  if (any && with_hits_) add_to(sums_[hit_index(deposit.cell, n_cell_regions, column)], 1);
  return total;
}

void RegionTally::clear() {
  for (Sum& sum : sums_) sum.store(0, relaxed);
}

void RegionTally::check_range() const {
  if (overflow_.load(relaxed)) {
    throw InputError(
        "the energy of a cell exceeds 2.7e11 keV, the range of the tally. Divide the activity by "
        "a factor and multiply the doses by it.");
  }
}

}  // namespace immunodose
