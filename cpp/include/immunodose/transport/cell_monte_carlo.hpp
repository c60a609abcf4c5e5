// SPDX-License-Identifier: BSD-3-Clause
// Energy in the regions of cells from decays in one cell, history by history.
// docs/theory/single_cell_monte_carlo.md.
#pragma once
#include <cstdint>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/geometry/cell_solid.hpp"
#include "immunodose/transport/alpha_track.hpp"
#include "immunodose/transport/electron_options.hpp"

namespace immunodose {

// `local`: left where it is emitted (recoils).
enum class EmittedKind : std::uint8_t { electron, photon, alpha, local };

// One class of emissions; histories draw its lines in proportion to the yields.
struct LineClass {
  EmittedKind kind;
  std::vector<double> energy_keV;
  std::vector<double> yield;
};

struct CellMonteCarloInput {
  CellSolid source;
  std::vector<SolidRegion> source_regions{};
  std::vector<CellSolid> targets{};  // centers ascend in x and share y and z
  std::vector<LineClass> emissions{};
  std::int64_t n_batches = 0;
  std::int64_t histories_per_batch = 0;  // of each source region and class
  std::uint64_t root = 0;
  double density_g_per_cm3 = 1.0;
  double world_radius_um = 0.0;  // around the source cell; photons that leave it escape
  ElectronOptions electrons{};
  Straggling straggling = Straggling::on;
};

// Sums per batch, in keV.
struct CellMonteCarloResult {
  std::vector<double> deposited;  // (source region, class, batch, target, region of the target)
  // (source region, class, batch, n_balance): emitted, left, escaped, and what electrons at or
  // below the cut-off left.
  std::vector<double> balance;
  static constexpr std::size_t n_balance = 4;
};

// The same bits for any number of threads: a batch is a block of its own.
CellMonteCarloResult cell_monte_carlo(const CellMonteCarloInput& input, int n_threads,
                                      const StopPoll& stop = {});

}  // namespace immunodose
