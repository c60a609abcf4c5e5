// SPDX-License-Identifier: BSD-3-Clause
// Energy per cell, region, emission class and origin, summed by all threads in fixed point:
// integer sums do not depend on their order (docs/adr/0009). A cell is locked while a deposit is
// added: one atomic operation instead of one per sum.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/core/simd.hpp"
#include "immunodose/geometry/sphere_scene.hpp"
#include "immunodose/transport/decay_sampler.hpp"

namespace immunodose {

// What became of emitted energy. The last is a part of `cells` and `medium`: what electrons at or
// below the cut-off energy left at one point.
enum class Fate : std::uint8_t {
  emitted = 0,
  cells,
  medium,
  escaped,
  left,
  not_transported,
  below_cutoff
};
inline constexpr std::size_t n_fates = 7;

// 2^-24 keV (6e-8 keV) per deposit of a particle; a tally holds 2.7e11 keV before it overflows.
inline constexpr double units_per_keV = 16777216.0;
// LET sums reach higher and need fewer digits: 2^-16 keV2/um.
inline constexpr double units_per_keV2_per_um = 65536.0;

inline std::int64_t in_units(double value, double units) {
  return static_cast<std::int64_t>(value * units + (value < 0.0 ? -0.5 : 0.5));
}

class RegionTally {
 public:
  // What one particle left in one cell.
  struct Deposit {
    std::int64_t cell = -1;
    std::array<double, n_cell_regions> energy_keV{};
    std::array<double, n_cell_regions> energy_let{};  // keV2/um
  };
  static constexpr std::size_t n_origins = 2;                   // self, cross
  static constexpr std::size_t n_targets = n_cell_regions + 1;  // and the whole cell

  // `emissions`: classes that have a column, in order. Hits and LET are counted if asked for.
  // `n_threads` may add at a time; they may read when all have ended.
  RegionTally(std::int64_t n_cells, const std::vector<EmissionClass>& emissions, bool with_hits,
              int n_threads);

  std::int64_t n_cells() const { return n_cells_; }
  std::size_t n_columns() const { return n_columns_; }
  bool with_hits() const { return with_hits_; }
  // Adds the deposit of one particle; returns its energy in units.
  std::int64_t add(const Deposit& deposit, EmissionClass emission, std::size_t origin);
  // Before several deposits in these cells.
  void expect(std::int64_t cell, EmissionClass emission) const {
    prefetch(sums(cell, column_of_[static_cast<std::size_t>(emission)]),
             width_ * sizeof(std::int64_t));
  }
  void add_account(Fate fate, EmissionClass emission, std::int64_t units) {
    account_[static_cast<std::size_t>(fate)][static_cast<std::size_t>(emission)] += units;
  }
  void clear();
  // Throws InputError if a sum came near the end of its range.
  void check_range() const;

  double energy_keV(std::int64_t cell, std::size_t region, std::size_t column,
                    std::size_t origin) const {
    return static_cast<double>(sums(cell, column)[energy_place(region, origin)]) / units_per_keV;
  }
  double energy_let(std::int64_t cell, std::size_t region, std::size_t column) const {
    return static_cast<double>(sums(cell, column)[let_place(region)]) / units_per_keV2_per_um;
  }
  std::int64_t hits(std::int64_t cell, std::size_t target, std::size_t column) const {
    return sums(cell, column)[hit_place(target)];
  }
  double account_keV(Fate fate, std::size_t emission) const {
    return static_cast<double>(account_[static_cast<std::size_t>(fate)][emission].load(relaxed)) /
           units_per_keV;
  }

 private:
  using Sum = std::atomic<std::int64_t>;
  static constexpr auto relaxed = std::memory_order_relaxed;
  static std::size_t row(std::int64_t cell) { return static_cast<std::size_t>(cell); }
  // Sums of one cell and class: energy (region, origin), then LET (region) and hits (target).
  static constexpr std::size_t energy_place(std::size_t region, std::size_t origin) {
    return region * n_origins + origin;
  }
  static constexpr std::size_t let_place(std::size_t region) {
    return n_cell_regions * n_origins + region;
  }
  static constexpr std::size_t hit_place(std::size_t target) {
    return n_cell_regions * (n_origins + 1) + target;
  }
  std::int64_t* sums(std::int64_t cell, std::size_t column) {
    return sums_.data() + (row(cell) * n_columns_ + column) * width_;
  }
  const std::int64_t* sums(std::int64_t cell, std::size_t column) const {
    return sums_.data() + (row(cell) * n_columns_ + column) * width_;
  }
  void lock(std::int64_t cell);
  void unlock(std::int64_t cell) {
    if (!locks_.empty()) locks_[row(cell)].store(false, std::memory_order_release);
  }

  std::int64_t n_cells_;
  std::size_t n_columns_;
  bool with_hits_;
  std::array<std::size_t, n_emission_classes> column_of_{};
  std::size_t width_;  // sums per cell and class
  int n_threads_;
  LargeVector<std::int64_t> sums_;
  std::vector<std::atomic<bool>> locks_;  // by cell; none where one thread adds
  std::array<std::array<Sum, n_emission_classes>, n_fates> account_{};
  std::atomic<bool> overflow_{false};
};

}  // namespace immunodose
