// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/scattered_points.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/parallel.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/geometry/random_turn.hpp"

namespace immunodose {

namespace {

// Points of the boxes of one row group (fixed y of the plane, z of space), in units of a box.
class BoxPoints {
 public:
  BoxPoints(PackingSpace space, double reach, Vec3 shift, std::uint64_t root)
      : planar_(space == PackingSpace::planar),
        reach2_(reach * reach),
        half_(static_cast<std::int64_t>(std::ceil(reach)) + 1),
        root_(root),
        shift_(shift) {}

  std::int64_t n_slices() const { return 2 * half_ + 1; }

  std::vector<Vec3> slice(std::int64_t s) const {
    std::vector<Vec3> points;
    const std::int64_t n = n_slices();
    for (std::int64_t j = 0; j < (planar_ ? 1 : n); ++j) {
      for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t box = planar_ ? s * n + i : (s * n + j) * n + i;
        Stream stream(root_, Stage::packing_start, static_cast<std::uint64_t>(box) + 1);
        const double x = static_cast<double>(i - half_) - shift_.x + stream.uniform32();
        const double second = stream.uniform32();
        const double third = planar_ ? 0.0 : stream.uniform32();
        const Vec3 point = planar_
                               ? Vec3{x, static_cast<double>(s - half_) - shift_.y + second, 0.0}
                               : Vec3{x, static_cast<double>(j - half_) - shift_.y + second,
                                      static_cast<double>(s - half_) - shift_.z + third};
        if (dot(point, point) <= reach2_) points.push_back(point);
      }
    }
    return points;
  }

 private:
  bool planar_;
  double reach2_;
  std::int64_t half_;
  std::uint64_t root_;
  Vec3 shift_;
};

}  // namespace

std::vector<Vec3> scattered_points(PackingSpace space, std::int64_t n, double reach_um,
                                   std::uint64_t root, int n_threads) {
  const auto count = static_cast<double>(n);
  const double expected = space == PackingSpace::planar ? std::sqrt(count / constants::pi)
                                                        : std::cbrt(0.75 * count / constants::pi);
  Stream stream(root, Stage::packing_start, 0);
  const RandomTurn turn(space, stream);
  const double x = stream.uniform();
  const double y = stream.uniform();
  // A ball two box diagonals wider holds at least n whole boxes.
  const BoxPoints boxes(space, expected + 4.0, {x, y, stream.uniform()}, root);
  std::vector<std::vector<Vec3>> slices(static_cast<std::size_t>(boxes.n_slices()));
  run_blocks(boxes.n_slices(), n_threads,
             [&](std::int64_t s) { slices[static_cast<std::size_t>(s)] = boxes.slice(s); });
  std::vector<double> squared;
  for (const auto& slice : slices) {
    std::transform(slice.begin(), slice.end(), std::back_inserter(squared),
                   [](Vec3 p) { return dot(p, p); });
  }
  const auto last = squared.begin() + static_cast<std::ptrdiff_t>(n - 1);
  std::nth_element(squared.begin(), last, squared.end());
  const double farthest2 = *last;
  // Ends 1e-13 short of the wall, so that the rounding of the turn cannot cross it.
  const double unit_um = (1.0 - 1e-13) * reach_um / std::max(expected, std::sqrt(farthest2));
  std::vector<Vec3> points;
  points.reserve(static_cast<std::size_t>(n));
  for (auto& slice : slices) {
    for (const Vec3 p : slice) {
      if (dot(p, p) <= farthest2 && static_cast<std::int64_t>(points.size()) < n) {
        points.push_back(turn(unit_um * p));
      }
    }
    slice = {};
  }
  return points;
}

}  // namespace immunodose
