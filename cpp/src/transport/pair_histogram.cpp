// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/pair_histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

[[noreturn]] void throw_too_long() {
  throw InputError("cells too small for the reach of their emissions: distance table too long");
}

}  // namespace

DistanceNodes::DistanceNodes(double shortest_um, double longest_um, double contact_um,
                             double step_um)
    : steps_per_um_(1.0 / step_um), bend_um_(3.0 * contact_um * contact_um / step_um) {
  const auto position = [&](double d) { return d * steps_per_um_ - bend_um_ / d; };
  first_ = std::floor(position(shortest_um));
  // More nodes than needed: the last distance may round up to a node.
  const double count = std::max(0.0, std::floor(position(longest_um)) - first_) + 3.0;
  if (!(count < std::numeric_limits<std::int32_t>::max())) throw_too_long();
  size_ = static_cast<std::int64_t>(count);
}

double DistanceNodes::at_um(std::int64_t node) const {
  const double position = first_ + static_cast<double>(node);
  const double root = std::sqrt(position * position + 4.0 * steps_per_um_ * bend_um_);
  // The form without cancellation for either sign.
  return position > 0.0 ? (position + root) / (2.0 * steps_per_um_)
                        : 2.0 * bend_um_ / (root - position);
}

PairSources PairSources::reordered(std::span<const std::int64_t> order) const {
  const auto take = [&](const auto& from) {
    auto to = from;
    for (std::size_t i = 0; i < order.size(); ++i) to[i] = from[static_cast<std::size_t>(order[i])];
    return to;
  };
  return {take(x_um),     take(y_um), take(z_um), take(activity),
          take(reach_um), take(slot), take(cell)};
}

PairHistogram::PairHistogram(DistanceNodes nodes, std::size_t n_slots)
    : nodes_(nodes),
      weight_(n_slots * static_cast<std::size_t>(nodes.size()), 0.0),
      low_(block_size),
      high_(block_size),
      bin_(block_size) {
  if (weight_.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw_too_long();
  }
}

void PairHistogram::clear() { std::fill(weight_.begin(), weight_.end(), 0.0); }

std::span<const double> PairHistogram::slot(std::size_t index) const {
  const auto n_nodes = static_cast<std::size_t>(nodes_.size());
  return std::span(weight_).subspan(index * n_nodes, n_nodes);
}

void PairHistogram::add(const PairSources& sources, std::int64_t begin, std::int64_t end,
                        Vec3 target_um, double target_radius_um, double target_cell) {
  double* const weight = weight_.data();
  for (std::int64_t first = begin; first < end; first += block_size) {
    const std::int64_t n = std::min(block_size, end - first);
    share_block(sources, first, n, target_um, target_radius_um, target_cell);
    for (std::int64_t k = 0; k < n; ++k) {
      const auto i = static_cast<std::size_t>(k);
      double* const node = weight + bin_[i];
      node[0] += low_[i];
      node[1] += high_[i];
    }
  }
}

// No branches and no calls: compilers turn this loop into SIMD code of the same bits.
void PairHistogram::share_block(const PairSources& sources, std::int64_t begin, std::int64_t n,
                                Vec3 target_um, double target_radius_um, double target_cell) {
  const double* const x = sources.x_um.data() + begin;
  const double* const y = sources.y_um.data() + begin;
  const double* const z = sources.z_um.data() + begin;
  const double* const activity = sources.activity.data() + begin;
  const double* const reach = sources.reach_um.data() + begin;
  const std::int32_t* const slot = sources.slot.data() + begin;
  const double* const cell = sources.cell.data() + begin;
  double* __restrict const low = low_.data();
  double* __restrict const high = high_.data();
  std::int32_t* __restrict const bin = bin_.data();
  const double steps_per_um = nodes_.steps_per_um();
  const double bend_um = nodes_.bend_um();
  const double first_node = nodes_.first();
  const auto n_nodes = static_cast<std::int32_t>(nodes_.size());
  const auto last = static_cast<double>(n_nodes - 2);
  for (std::int64_t k = 0; k < n; ++k) {
    const double dx = x[k] - target_um.x;
    const double dy = y[k] - target_um.y;
    const double dz = z[k] - target_um.z;
    const double squared = dx * dx + dy * dy + dz * dz;
    const double distance = std::sqrt(squared);
    const double inverse = 1.0 / distance;  // not taken at 0
    double position = distance * steps_per_um - bend_um * inverse - first_node;
    position = position > 0.0 ? position : 0.0;
    position = position < last ? position : last;
    const auto node = static_cast<std::int32_t>(position);
    const double share = position - static_cast<double>(node);
    const double per_square = activity[k] * (inverse * inverse);
    const double inside = distance < reach[k] + target_radius_um ? per_square : 0.0;
    const double scored = cell[k] != target_cell ? inside : 0.0;
    const double to_high = scored * share;
    bin[k] = slot[k] * n_nodes + node;
    high[k] = to_high;
    low[k] = scored - to_high;
  }
}

}  // namespace immunodose
