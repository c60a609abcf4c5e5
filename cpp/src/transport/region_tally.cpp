// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/region_tally.hpp"

#include <algorithm>
#include <thread>

#include "immunodose/core/error.hpp"
#include "immunodose/core/parallel.hpp"

namespace immunodose {

RegionTally::RegionTally(std::int64_t n_cells, const std::vector<EmissionClass>& emissions,
                         bool with_hits, int n_threads)
    : n_cells_(n_cells),
      n_columns_(emissions.size()),
      with_hits_(with_hits),
      width_(with_hits ? hit_place(n_targets) : let_place(0)),
      n_threads_(n_threads),
      sums_(row(n_cells) * n_columns_ * width_),
      locks_(n_threads > 1 ? row(n_cells) : 0) {
  clear();
  for (std::size_t c = 0; c < emissions.size(); ++c) {
    column_of_[static_cast<std::size_t>(emissions[c])] = c;
  }
}

void RegionTally::lock(std::int64_t cell) {
  if (locks_.empty()) return;
  std::atomic<bool>& taken = locks_[row(cell)];
  while (taken.exchange(true, std::memory_order_acquire)) {
    // Held for some ten instructions, unless its thread was put to sleep.
    while (taken.load(relaxed)) std::this_thread::yield();
  }
}

std::int64_t RegionTally::add(const Deposit& deposit, EmissionClass emission, std::size_t origin) {
  std::int64_t* const own = sums(deposit.cell, column_of_[static_cast<std::size_t>(emission)]);
  std::int64_t total = 0;
  std::int64_t largest = 0;
  bool any = false;
  const auto add_to = [&](std::size_t place, std::int64_t units) {
    own[place] += units;
    largest = std::max(largest, own[place]);
  };
  lock(deposit.cell);
  for (std::size_t region = 0; region < n_cell_regions; ++region) {
    const double energy = deposit.energy_keV[region];
    if (energy <= 0.0) continue;
    const std::int64_t units = in_units(energy, units_per_keV);
    total += units;
    add_to(energy_place(region, origin), units);
    if (!with_hits_) continue;
    add_to(let_place(region), in_units(deposit.energy_let[region], units_per_keV2_per_um));
    ++own[hit_place(region)];
    any = true;
  }
  if (any) ++own[hit_place(n_cell_regions)];
  unlock(deposit.cell);
  constexpr std::int64_t limit = std::int64_t{1} << 62;
  if (largest > limit) overflow_.store(true, relaxed);
  return total;
}

void RegionTally::clear() {
  constexpr std::int64_t block = 1 << 18;  // sums, 2 MiB
  parallel_for(static_cast<std::int64_t>(sums_.size()), block, n_threads_,
               [&](std::int64_t begin, std::int64_t end) {
                 std::fill(sums_.begin() + begin, sums_.begin() + end, 0);
               });
}

void RegionTally::check_range() const {
  if (overflow_.load(relaxed)) {
    throw InputError(
        "the energy of a cell exceeds 2.7e11 keV, the range of the tally. Divide the activity by "
        "a factor and multiply the doses by it.");
  }
}

}  // namespace immunodose
