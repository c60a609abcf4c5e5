// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/photon_kernel_builder.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "immunodose/core/error.hpp"
#include "immunodose/physics/condensed_electron.hpp"
#include "immunodose/transport/electron_transport.hpp"
#include "immunodose/transport/photon_transport.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t n_blocks = 64;
constexpr auto grid = SecondaryElectronTable::scaled_distance;
// Electrons with a shorter range end in one flight.
constexpr double resolution_um = 0.05;

// A collision at the place 0 of the z axis stands for collisions all along the axis: the origin of
// the photon may lie at any distance before it. A deposit at p counts within r of those origins
// that lie within r of p, a length of the axis which is known exactly.
class LineScorer {
 public:
  explicit LineScorer(double csda_range_um)
      : per_range_(1.0 / csda_range_um),
        first_um_(grid.first() * csda_range_um),
        length_(grid.n_nodes(), 0.0) {
    for (std::size_t i = 0; i < grid.n_nodes(); ++i) square_.push_back(grid.node(i) * grid.node(i));
  }

  void point(Vec3 position, double keV) {
    const Vec3 p = per_range_ * position;
    const double off_axis = p.x * p.x + p.y * p.y;
    const double square = off_axis + p.z * p.z;
    deposited_ += keV;
    const std::size_t n_nodes = square_.size();
    std::size_t i = first_beyond(off_axis);
    if (p.z > 0.0) {
      i = first_beyond(square);
    } else {
      // The sphere around p cuts the axis twice before the collision.
      for (; i < n_nodes && square_[i] <= square; ++i) {
        length_[i] += keV * 2.0 * std::sqrt(std::max(0.0, square_[i] - off_axis));
      }
    }
    for (; i < n_nodes; ++i) length_[i] += keV * (std::sqrt(square_[i] - off_axis) - p.z);
  }

  // In pieces that are short against the distances at which they count.
  void segment(Vec3 position, Vec3 direction, double length_um, double keV) {
    constexpr double share = 0.1;
    double done = 0.0;
    while (done < length_um) {
      const double step =
          std::min(length_um - done, share * nearest_um(position + done * direction));
      point(position + (done + 0.5 * step) * direction, keV * step / length_um);
      done += step;
    }
  }

  // What goes no farther than half a bin may be absorbed where it is.
  double clearance(Vec3 position) const {
    constexpr double half_bin = 0.5 / static_cast<double>(decltype(grid)::nodes_per_octave);
    return half_bin * nearest_um(position);
  }

  double deposited_keV() const { return deposited_; }
  double length(std::size_t node) const { return length_[node]; }

 private:
  // Distance from the nearest origin, not less than that of the first node.
  double nearest_um(Vec3 p) const {
    const double square = p.x * p.x + p.y * p.y + (p.z > 0.0 ? p.z * p.z : 0.0);
    return std::max(first_um_, std::sqrt(square));
  }

  std::size_t first_beyond(double square) const {
    return static_cast<std::size_t>(std::upper_bound(square_.begin(), square_.end(), square) -
                                    square_.begin());
  }

  double per_range_;
  double first_um_;
  double deposited_ = 0.0;
  std::vector<double> square_;  // of the nodes
  std::vector<double> length_;  // keV times ranges
};

struct Estimate {
  double value;
  double error;  // standard error, from the spread of the blocks
};

// Eq. Ph-12: equivalent distance over distance.
Estimate share_at(const std::vector<LineScorer>& blocks, std::size_t node) {
  double length = 0.0;
  double deposited = 0.0;
  for (const LineScorer& block : blocks) {
    length += block.length(node);
    deposited += block.deposited_keV();
  }
  const double mean = length / deposited;
  double square = 0.0;
  for (const LineScorer& block : blocks) {
    const double off = block.length(node) - mean * block.deposited_keV();
    square += off * off;
  }
  const double count = static_cast<double>(n_blocks);
  const double error = std::sqrt(square * count / (count - 1.0)) / deposited;
  return {mean / grid.node(node), error / grid.node(node)};
}

}  // namespace

SecondaryElectronKernel build_photon_kernel(const ElectronPhysics& physics, PhotonProcess process,
                                            double electron_keV, const PhotonKernelOptions& options,
                                            const StopPoll& stop) {
  if (options.n_histories < n_blocks) throw InputError("n_histories must be at least 64");
  const double photon_keV = photon_of_fastest_electron_keV(process, electron_keV);
  const double range_um = physics.csda_range_um(electron_keV);
  const CondensedElectron condensed(physics, CondensedOptions{resolution_um});
  std::vector<LineScorer> blocks(n_blocks, LineScorer(range_um));
  const std::int64_t per_block = options.n_histories / n_blocks;
  run_blocks(
      n_blocks, options.n_threads,
      [&](std::int64_t block) {
        LineScorer& scorer = blocks[static_cast<std::size_t>(block)];
        ElectronTransport transport(physics, &condensed,
                                    {ElectronMode::condensed, options.cutoff_keV});
        std::vector<Particle> electrons;
        std::vector<Particle> photons;  // of bremsstrahlung and annihilation: they leave
        for (std::int64_t h = block * per_block; h < (block + 1) * per_block; ++h) {
          Stream random(options.random_root, Stage::photon_kernel_history,
                        static_cast<std::uint64_t>(h));
          Particle photon{ParticleKind::photon, photon_keV, {}, {0.0, 0.0, 1.0}, 1.0};
          electrons.clear();
          PhotonTransport::interact(process, photon, random, scorer, electrons);
          for (const Particle& electron : electrons) {
            transport(electron, random, scorer, photons);
          }
          photons.clear();
        }
      },
      stop);
  SecondaryElectronKernel kernel;
  kernel.csda_range_um = range_um;
  for (std::size_t i = 0; i < grid.n_nodes(); ++i) {
    const auto [share, error] = share_at(blocks, i);
    kernel.equivalent_share.push_back(share);
    kernel.stderr_share.push_back(error);
  }
  return kernel;
}

}  // namespace immunodose
