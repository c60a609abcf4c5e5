// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/cell_monte_carlo.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

#include "immunodose/core/error.hpp"
#include "immunodose/geometry/ball.hpp"
#include "immunodose/transport/cell_tally.hpp"
#include "immunodose/transport/direction.hpp"
#include "immunodose/transport/electron_transport.hpp"
#include "immunodose/transport/photon_transport.hpp"

namespace immunodose {
namespace {

// Everything that moves, built once and shared by the threads.
class Physics {
 public:
  explicit Physics(const CellMonteCarloInput& input)
      : alphas(input.density_g_per_cm3, alpha_max_energy_keV),
        electrons(input.density_g_per_cm3),
        photons(input.density_g_per_cm3) {
    if (input.electrons.mode == ElectronMode::condensed) {
      double smallest_um = input.source.nucleus_least_um();
      for (const CellSolid& target : input.targets) {
        smallest_um = std::min(smallest_um, target.nucleus_least_um());
      }
      condensed.emplace(electrons, CondensedOptions{resolved_share * smallest_um});
    }
  }

  const CondensedElectron* condensed_tables() const { return condensed ? &*condensed : nullptr; }

  AlphaTrackTable alphas;
  ElectronPhysics electrons;
  PhotonPhysics photons;
  std::optional<CondensedElectron> condensed;
};

// Draws the line of a history: position j of n in a batch, so that a batch holds each line in
// proportion to its yield. Eq. S6.
class LineSampler {
 public:
  explicit LineSampler(const LineClass& emission) : energy_keV_(emission.energy_keV) {
    cumulative_.resize(emission.yield.size());
    std::partial_sum(emission.yield.begin(), emission.yield.end(), cumulative_.begin());
    if (cumulative_.empty() || !(cumulative_.back() > 0.0)) {
      throw InputError("an emission class has no yield");
    }
  }

  double energy_keV(std::int64_t position, std::int64_t n, Stream& random) const {
    const double u = (static_cast<double>(position) + random.uniform()) / static_cast<double>(n);
    const auto found =
        std::upper_bound(cumulative_.begin(), cumulative_.end(), u * cumulative_.back());
    const auto index =
        std::min(found - cumulative_.begin(), static_cast<std::ptrdiff_t>(cumulative_.size()) - 1);
    return energy_keV_[static_cast<std::size_t>(index)];
  }

 private:
  const std::vector<double>& energy_keV_;
  std::vector<double> cumulative_;
};

// Follows one emission with all that it sets free. One per thread.
class Tracker {
 public:
  Tracker(const CellMonteCarloInput& input, const Physics& physics)
      : world_{input.source.center_um(), input.world_radius_um},
        alphas_(physics.alphas, input.straggling),
        electrons_(physics.electrons, physics.condensed_tables(), input.electrons),
        photons_(physics.photons) {}

  // Returns the energy (keV) that leaves the world.
  double operator()(EmittedKind kind, Particle particle, Stream& random, CellTally& tally) {
    switch (kind) {
      case EmittedKind::local:
        tally.point(particle.position_um, particle.energy_keV);
        return 0.0;
      case EmittedKind::alpha:
        particle.kind = ParticleKind::alpha;
        alphas_(particle, random, tally);
        return 0.0;
      case EmittedKind::electron:
        particle.kind = ParticleKind::electron;
        break;
      case EmittedKind::photon:
        particle.kind = ParticleKind::photon;
        break;
    }
    return shower(particle, random, tally);
  }

 private:
  double shower(const Particle& first, Stream& random, CellTally& tally) {
    double escaped = 0.0;
    pending_.assign(1, first);
    while (!pending_.empty()) {
      const Particle particle = pending_.back();
      pending_.pop_back();
      if (particle.kind == ParticleKind::photon) {
        escaped += photons_(particle, random, tally, world_, pending_);
      } else {
        electrons_(particle, random, tally, pending_);
      }
    }
    return escaped;
  }

  Ball world_;
  AlphaTracker alphas_;
  ElectronTransport electrons_;
  PhotonTransport photons_;
  std::vector<Particle> pending_;
};

class Batches {
 public:
  explicit Batches(const CellMonteCarloInput& input) : input_(input), physics_(input) {
    for (const auto& emission : input.emissions) lines_.emplace_back(emission);
    const auto n = static_cast<std::size_t>(count());
    result_.deposited.resize(n * stride());
    result_.balance.resize(n * CellMonteCarloResult::n_balance);
  }

  std::int64_t count() const {
    return static_cast<std::int64_t>(input_.source_regions.size() * input_.emissions.size()) *
           input_.n_batches;
  }

  // Batch number: (source region, class, batch).
  void run(std::int64_t number) {
    const std::int64_t group = number / input_.n_batches;
    const auto n_classes = static_cast<std::int64_t>(input_.emissions.size());
    const auto emission = static_cast<std::size_t>(group % n_classes);
    const SolidRegion region = input_.source_regions[static_cast<std::size_t>(group / n_classes)];
    const EmittedKind kind = input_.emissions[emission].kind;
    CellTally tally(input_.targets);
    Tracker tracker(input_, physics_);
    double emitted = 0.0;
    double escaped = 0.0;
    const std::int64_t n = input_.histories_per_batch;
    for (std::int64_t i = 0; i < n; ++i) {
      // Histories are numbered through all batches of all groups.
      Stream random(input_.root, Stage::cell_history, static_cast<std::uint64_t>(number * n + i));
      const double energy = lines_[emission].energy_keV(i, n, random);
      const Vec3 position = input_.source.sample(region, random);
      const Particle particle{ParticleKind::electron, energy, position,
                              isotropic_direction(random)};
      emitted += energy;
      escaped += tracker(kind, particle, random, tally);
    }
    const auto at = static_cast<std::size_t>(number);
    std::copy(tally.energy_keV().begin(), tally.energy_keV().end(),
              result_.deposited.begin() + static_cast<std::ptrdiff_t>(at * stride()));
    double* const balance = &result_.balance[at * CellMonteCarloResult::n_balance];
    balance[0] = emitted;
    balance[1] = tally.total_keV();
    balance[2] = escaped;
    balance[3] = tally.below_cutoff_keV();
  }

  CellMonteCarloResult take() { return std::move(result_); }

 private:
  std::size_t stride() const { return input_.targets.size() * n_solid_regions; }

  const CellMonteCarloInput& input_;
  Physics physics_;
  std::vector<LineSampler> lines_;
  CellMonteCarloResult result_;
};

}  // namespace

CellMonteCarloResult cell_monte_carlo(const CellMonteCarloInput& input, int n_threads,
                                      const StopPoll& stop) {
  if (input.n_batches < 2 || input.histories_per_batch < 1) {
    throw InputError("a standard error needs two batches of one history at least");
  }
  Batches batches(input);
  run_blocks(batches.count(), n_threads, [&](std::int64_t b) { batches.run(b); }, stop);
  return batches.take();
}

}  // namespace immunodose
