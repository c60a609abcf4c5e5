// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/kernel_builder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "immunodose/core/error.hpp"
#include "immunodose/transport/electron_transport.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t n_blocks = 64;

// Scores by distance from the origin; electrons far out are thinned, and the survivors weigh more.
class RadialScorer {
 public:
  RadialScorer(double csda_range_um, double energy_keV, double start_um, double most_weight)
      : per_range_(1.0 / csda_range_um),
        half_energy_keV_(0.5 * energy_keV),
        start_square_(start_um * start_um),
        most_weight_(most_weight),
        energy_(grid_.n_nodes(), 0.0) {
    for (auto& turns : turn_) turns.fill(0.5);
  }

  void point(Vec3 position, double energy) {
    const double x = norm(position) * per_range_;
    if (x < grid_.first()) {
      energy_[0] += energy;
    } else if (x < grid_.last()) {
      energy_[1 + grid_.find(x).cell] += energy;
    } else {
      energy_.back() += energy;
    }
  }

  void segment(Vec3 position, Vec3 direction, double length_um, double energy) {
    constexpr int n_parts = 4;
    for (int i = 0; i < n_parts; ++i) {
      const double along = (static_cast<double>(i) + 0.5) / n_parts * length_um;
      point(position + along * direction, energy / n_parts);
    }
  }

  // Half the width of a bin: what stays within it may be absorbed where it is.
  double clearance(Vec3 position) const {
    constexpr double half_bin = 0.5 / 64.0;
    return half_bin * norm(position);
  }

  // Eq. K3: the weight doubles with each octave of distance, up to most_weight. Every second
  // electron goes on, by turns and not by lot, so that the weight is kept and adds no noise;
  // turns are kept apart for electrons of more and of less than half the energy.
  bool roulette(Particle& particle, Stream& /*random*/) {
    const double square = dot(particle.position_um, particle.position_um);
    if (square <= start_square_ || particle.weight >= most_weight_) return true;
    double wanted = 1.0;
    std::size_t level = 0;
    for (double s = start_square_; s < square && wanted < most_weight_; s *= 4.0) {
      wanted *= 2.0;
      ++level;
    }
    if (particle.weight >= wanted) return true;
    double& turn = turn_[level][particle.energy_keV > half_energy_keV_ ? 1 : 0];
    turn += particle.weight / wanted;
    if (turn < 1.0) return false;
    turn -= 1.0;
    particle.weight = wanted;
    return true;
  }

  std::vector<double> within() const {
    std::vector<double> sum(energy_.size());
    double total = 0.0;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      total += energy_[i];
      sum[i] = total;
    }
    return sum;
  }

 private:
  static constexpr OctaveGrid<5> grid_ = ScaledKernel::scaled_distance;
  static constexpr std::size_t most_levels = 32;

  double per_range_;
  double half_energy_keV_;
  double start_square_;
  double most_weight_;
  std::vector<double> energy_;
  std::array<std::array<double, 2>, most_levels> turn_;
};

struct BlockResult {
  std::vector<double> within;
  double radiated = 0.0;
};

}  // namespace

ScaledKernel build_kernel(const ElectronPhysics& physics, double energy_keV,
                          const KernelBuildOptions& options, const StopPoll& stop) {
  if (options.n_histories < n_blocks || options.n_far_histories < 1 ||
      options.n_far_histories > options.n_histories) {
    throw InputError("n_histories must be at least 64 and n_far_histories within 1..n_histories");
  }
  ScaledKernel kernel;
  kernel.csda_range_um = physics.csda_range_um(energy_keV);
  const double most_weight = std::exp2(std::floor(std::log2(
      static_cast<double>(options.n_histories) / static_cast<double>(options.n_far_histories))));
  // Thinning ends well inside the range, so that the bulk of the kernel has equal weights.
  constexpr double last_thinning_share = 0.125;
  const double start_um = last_thinning_share * kernel.csda_range_um / most_weight;
  std::vector<BlockResult> blocks(n_blocks);
  const std::int64_t per_block = options.n_histories / n_blocks;
  run_blocks(
      n_blocks, options.n_threads,
      [&](std::int64_t block) {
        RadialScorer scorer(kernel.csda_range_um, energy_keV, start_um, most_weight);
        ElectronTransport transport(physics, nullptr,
                                    {ElectronMode::detailed, options.cutoff_keV, 0.0, 1.2});
        std::vector<Particle> photons;
        for (std::int64_t h = block * per_block; h < (block + 1) * per_block; ++h) {
          Stream random(options.random_root, Stage::kernel_history, static_cast<std::uint64_t>(h));
          transport({ParticleKind::electron, energy_keV, {}, isotropic_direction(random), 1.0},
                    random, scorer, photons);
        }
        auto& result = blocks[static_cast<std::size_t>(block)];
        result.within = scorer.within();
        for (const Particle& photon : photons) {
          result.radiated += photon.weight * photon.energy_keV;
        }
      },
      stop);
  // Thinning keeps the weight to one electron per level: shares are of what was found.
  const std::size_t n = ScaledKernel::scaled_distance.n_nodes();
  kernel.fraction_within.assign(n, 0.0);
  kernel.stderr_within.assign(n, 0.0);
  double total = 0.0;
  for (const auto& block : blocks) total += block.within.back() + block.radiated;
  for (const auto& block : blocks) kernel.radiated_fraction += block.radiated / total;
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0.0;
    double square = 0.0;
    for (const auto& block : blocks) {
      kernel.fraction_within[i] += block.within[i] / total;
      const double share = block.within[i] / (block.within.back() + block.radiated);
      sum += share;
      square += share * share;
    }
    const double count = static_cast<double>(n_blocks);
    kernel.stderr_within[i] =
        std::sqrt(std::max(0.0, square / count - sum * sum / (count * count)) / (count - 1.0));
  }
  return kernel;
}

}  // namespace immunodose
