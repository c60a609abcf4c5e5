// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/hit_monte_carlo.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/physics/alpha_straggling.hpp"
#include "immunodose/transport/hit_marks.hpp"

namespace immunodose {
namespace {

double standard_normal(Stream& stream) {  // Box and Muller, Ann Math Stat 1958;29:610
  const double radius = std::sqrt(-2.0 * std::log(stream.uniform()));
  return radius * std::cos(2.0 * constants::pi * stream.uniform());
}

// Positive, of given mean and variance: an inverse Gaussian variable
// [Michael, Schucany, Haas, Am Stat 1976;30:88].
double positive_variate(double mean, double variance, Stream& stream) {
  if (!(mean > 0.0 && variance > 0.0)) return mean;
  const double normal = standard_normal(stream);
  const double y = normal * normal;
  const double root = std::sqrt(y * (4.0 * mean * mean / variance + y));
  // The smaller root of the quadratic, written so that nothing cancels.
  const double twice = 2.0 * mean * mean / variance;
  const double small = mean * twice / (twice + y + root);
  return stream.uniform() <= mean / (mean + small) ? small : mean * mean / small;
}

// Energy that one alpha leaves in the nucleus.
class AlphaRay {
 public:
  AlphaRay(double nucleus_radius_um, double density_g_per_cm3, bool straggling)
      : radius_um_(nucleus_radius_um),
        slowing_(density_g_per_cm3),
        straggling_(slowing_, density_g_per_cm3),
        straggles_(straggling) {}

  const AlphaSlowing& slowing() const { return slowing_; }

  // keV; negative if the track does not reach the nucleus.
  double operator()(Vec3 place, double range_um, Stream& stream) const {
    constexpr double missed = -1.0;
    const double along = -dot(place, random_direction(stream));
    const double half2 = radius_um_ * radius_um_ - (dot(place, place) - along * along);
    if (half2 <= 0.0) return missed;
    const double half = std::sqrt(half2);
    const double exit = along + half;
    const double entry = std::max(0.0, along - half);
    if (exit <= 0.0) return missed;
    const double before = remaining(range_um, entry, stream);
    if (before <= 0.0) return missed;
    const double after = remaining(before, exit - entry, stream);
    return slowing_.energy_keV(before) - slowing_.energy_keV(after);
  }

 private:
  // Residual range after a path. Eq. 16c.
  double remaining(double range_um, double path_um, Stream& stream) const {
    if (!straggles_) return range_um - path_um;
    const double variance = straggling_.range_variance_um2(slowing_.energy_keV(range_um)) -
                            straggling_.range_variance_um2(slowing_.energy_keV(range_um - path_um));
    return range_um - positive_variate(path_um, variance, stream);
  }

  double radius_um_;
  AlphaSlowing slowing_;
  AlphaStraggling straggling_;
  bool straggles_;
};

// One decay of the parent and what follows it.
class DecayWalk {
 public:
  DecayWalk(const AlphaChain& chain, const AlphaSlowing& slowing)
      : yield_(alpha_yields(chain)), branches_(chain, yield_), lines_(yield_.size()) {
    for (const auto& line : chain.lines) {
      if (line.yield <= 0.0) continue;
      if (line.energy_keV > alpha_max_energy_keV) {
        throw InputError("alpha energy above the stopping-power fit (12000 keV)");
      }
      const auto member = static_cast<std::size_t>(line.member);
      lines_[member].push_back({member, line.yield, slowing.range_um(line.energy_keV)});
    }
  }

  template <class Emit>  // emit(range_um) for every alpha
  void operator()(Stream& stream, const Emit& emit) const {
    std::size_t member = 0;
    while (true) {
      const ChainBranch& branch = draw_branch(member, stream.uniform());
      if (branch.is_alpha) emit(draw_range_um(member, stream.uniform()));
      if (branch.daughter == ChainBranch::no_daughter) return;
      member = branch.daughter;
      if (branches_.kept[member] < 1.0 && stream.uniform() >= branches_.kept[member]) return;
    }
  }

 private:
  const ChainBranch& draw_branch(std::size_t member, double uniform) const {
    const auto& branches = branches_.of[member];
    for (const auto& branch : branches) {
      uniform -= branch.probability;
      if (uniform < 0.0) return branch;
    }
    return branches.back();
  }

  double draw_range_um(std::size_t member, double uniform) const {
    double left = uniform * yield_[member];
    for (const auto& line : lines_[member]) {
      left -= line.yield;
      if (left < 0.0) return line.range_um;
    }
    return lines_[member].back().range_um;
  }

  std::vector<double> yield_;
  ChainBranches branches_;
  std::vector<std::vector<RangedLine>> lines_;
};

// Tally of one block of histories.
class BlockTally {
 public:
  explicit BlockTally(std::span<const double> edge_Gy) : edge_Gy_(edge_Gy) {
    for (auto* counts :
         {&tally.traversals, &tally.traversals_squared, &tally.traversals_times_n, &tally.decays}) {
      counts->assign(edge_Gy.size() - 1, 0);
    }
  }

  void traversal(double z) {
    marks_.push_back(z);
    const std::size_t b = bin(z);
    if (b < tally.decays.size()) bins_.push_back(b);
  }

  void end_decay() {
    const auto n = static_cast<std::int64_t>(marks_.size());
    if (n > 0) {
      double z = 0.0;
      double squares = 0.0;
      for (const double mark : marks_) {
        z += mark;
        squares += mark * mark;
      }
      add_scores({static_cast<double>(n), 1.0, z, squares, z * z});
      add_bins(n);
      const std::size_t b = bin(z);
      if (b < tally.decays.size()) ++tally.decays[b];
    }
    marks_.clear();
    bins_.clear();
  }

  HitTally tally;

 private:
  std::size_t bin(double z) const {
    const auto upper = std::upper_bound(edge_Gy_.begin(), edge_Gy_.end(), z);
    if (upper == edge_Gy_.begin() || upper == edge_Gy_.end()) return edge_Gy_.size();
    return static_cast<std::size_t>(upper - edge_Gy_.begin() - 1);
  }

  void add_scores(const std::array<double, HitTally::n_scores>& score) {
    for (std::size_t i = 0; i < score.size(); ++i) {
      tally.sum[i] += score[i];
      for (std::size_t j = 0; j < score.size(); ++j) tally.product[i][j] += score[i] * score[j];
    }
  }

  void add_bins(std::int64_t n) {
    for (const std::size_t b : bins_) {
      ++tally.traversals[b];
      tally.traversals_times_n[b] += n;
      // Summed over the traversals of this decay in bin b this is the square of their number.
      tally.traversals_squared[b] += std::count(bins_.begin(), bins_.end(), b);
    }
  }

  std::span<const double> edge_Gy_;
  std::vector<double> marks_;
  std::vector<std::size_t> bins_;
};

void add_counts(std::vector<std::int64_t>& sum, const std::vector<std::int64_t>& counts) {
  for (std::size_t b = 0; b < sum.size(); ++b) sum[b] += counts[b];
}

void add_tally(HitTally& sum, const HitTally& part) {
  for (std::size_t i = 0; i < HitTally::n_scores; ++i) {
    sum.sum[i] += part.sum[i];
    for (std::size_t j = 0; j < HitTally::n_scores; ++j) sum.product[i][j] += part.product[i][j];
  }
}

}  // namespace

HitTally hit_histories(const AlphaChain& chain, double nucleus_radius_um, const HitSource& source,
                       double density_g_per_cm3, std::span<const double> edge_Gy,
                       const HitHistories& histories, const StopPoll& stop) {
  constexpr std::int64_t block_size = 4096;
  const AlphaRay ray(nucleus_radius_um, density_g_per_cm3, histories.straggling);
  const DecayWalk walk(chain, ray.slowing());
  const double gray = gray_per_keV(nucleus_radius_um, density_g_per_cm3);
  const std::int64_t n_blocks = (histories.count + block_size - 1) / block_size;
  HitTally total = BlockTally(edge_Gy).tally;
  // Sums of reals are kept per block and added in order; counts may be added in any order.
  std::vector<HitTally> parts(static_cast<std::size_t>(n_blocks));
  std::mutex mutex;
  const auto run_block = [&](std::int64_t block) {
    BlockTally tally(edge_Gy);
    const std::int64_t end = std::min(histories.count, (block + 1) * block_size);
    for (std::int64_t i = block * block_size; i < end; ++i) {
      Stream stream(histories.root, Stage::hit_history,
                    histories.first + static_cast<std::uint64_t>(i));
      const Vec3 place = source.sample(stream);
      walk(stream, [&](double range_um) {
        const double energy = ray(place, range_um, stream);
        if (energy >= 0.0) tally.traversal(energy * gray);
      });
      tally.end_decay();
    }
    parts[static_cast<std::size_t>(block)].sum = tally.tally.sum;
    parts[static_cast<std::size_t>(block)].product = tally.tally.product;
    const std::lock_guard lock(mutex);
    add_counts(total.traversals, tally.tally.traversals);
    add_counts(total.traversals_squared, tally.tally.traversals_squared);
    add_counts(total.traversals_times_n, tally.tally.traversals_times_n);
    add_counts(total.decays, tally.tally.decays);
  };
  run_blocks(n_blocks, histories.n_threads, run_block, stop);
  for (const HitTally& part : parts) add_tally(total, part);
  return total;
}

}  // namespace immunodose
