// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/packing.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/core/vec3.hpp"

namespace immunodose {

namespace {

// Lattice sites in sixths of a unit, so that every trial center of the ball below is a whole
// number and squared distances are exact integers.
struct Site {
  std::int64_t a;
  std::int64_t b;
  std::int64_t c;
};

// Trial centers of the ball relative to a site; which one holds most spheres depends on its size.
// fcc: site, octahedral hole, tetrahedral hole, middle of a bond, middle of a triangle.
constexpr std::array<Site, 5> fcc_centers{{{0, 0, 0}, {6, 0, 0}, {3, 3, 3}, {3, 3, 0}, {4, 2, 2}}};
// Triangular: site, middle of a bond, middle of a triangle.
constexpr std::array<Site, 3> triangular_centers{{{0, 0, 0}, {3, 0, 0}, {2, 2, 0}}};

std::span<const Site> trial_centers(PackingSpace space) {
  if (space == PackingSpace::planar) return triangular_centers;
  return fcc_centers;
}

// Squared distance from the trial center. fcc sites are the whole numbers of even sum; the axes
// of the triangular lattice stand at 60 degrees.
std::int64_t squared_norm(PackingSpace space, Site s) {
  if (space == PackingSpace::planar) return s.a * s.a + s.a * s.b + s.b * s.b;
  return s.a * s.a + s.b * s.b + s.c * s.c;
}

// Squared distance of nearest neighbors in the same unit: sqrt(2) resp. 1 times 6, squared.
double squared_spacing(PackingSpace space) { return space == PackingSpace::planar ? 36.0 : 72.0; }

Vec3 position(PackingSpace space, Site s) {
  const auto a = static_cast<double>(s.a);
  const auto b = static_cast<double>(s.b);
  if (space == PackingSpace::planar) return {a + 0.5 * b, 0.5 * std::sqrt(3.0) * b, 0.0};
  return {a, b, static_cast<double>(s.c)};
}

template <class Visitor>
void for_each_site(PackingSpace space, Site center, double reach, Visitor&& visitor) {
  const bool planar = space == PackingSpace::planar;
  const double limit = reach * reach;
  // An oblique coordinate reaches 2/sqrt(3) times as far as the distance.
  const auto half =
      static_cast<std::int64_t>(reach * (planar ? 1.1547005383792517 : 1.0) / 6.0) + 2;
  const std::int64_t half_c = planar ? 0 : half;
  for (std::int64_t k = -half_c; k <= half_c; ++k) {
    for (std::int64_t j = -half; j <= half; ++j) {
      for (std::int64_t i = -half; i <= half; ++i) {
        if (!planar && ((i + j + k) & 1) != 0) continue;
        const Site site{6 * i - center.a, 6 * j - center.b, 6 * k - center.c};
        const std::int64_t squared = squared_norm(space, site);
        if (static_cast<double>(squared) <= limit) visitor(site, squared);
      }
    }
  }
}

// Squared distance of the n-th nearest site to this center.
std::int64_t nth_squared(PackingSpace space, Site center, std::int64_t n) {
  const auto count = static_cast<double>(n);
  const bool planar = space == PackingSpace::planar;
  // A site takes sqrt(3)/2 (triangular) or 2 (fcc) units of area or volume.
  double reach = planar ? std::sqrt(std::sqrt(0.75) * count / constants::pi)
                        : std::cbrt(1.5 * count / constants::pi);
  for (;; reach += 1.0) {
    std::vector<std::int64_t> squared;
    for_each_site(space, center, 6.0 * (reach + 1.0),
                  [&](Site, std::int64_t value) { squared.push_back(value); });
    if (static_cast<std::int64_t>(squared.size()) < n) continue;
    const auto nth = squared.begin() + static_cast<std::ptrdiff_t>(n - 1);
    std::nth_element(squared.begin(), nth, squared.end());
    return *nth;
  }
}

struct Cluster {
  Site center{};
  std::int64_t squared = std::numeric_limits<std::int64_t>::max();  // of its outermost site
};

Cluster tightest_cluster(PackingSpace space, std::int64_t n) {
  Cluster best;
  for (const Site center : trial_centers(space)) {
    const std::int64_t squared = nth_squared(space, center, n);
    if (squared < best.squared) best = {center, squared};
  }
  return best;
}

class RandomTurn {
 public:
  RandomTurn(PackingSpace space, Stream& stream) {
    if (space == PackingSpace::planar) {
      const double half_angle = constants::pi * stream.uniform();
      q_ = {std::cos(half_angle), 0.0, 0.0, std::sin(half_angle)};
      return;
    }
    // Uniform quaternion [Shoemake 1992, doi:10.1016/B978-0-08-050755-2.50036-1].
    const double u = stream.uniform();
    const double first = 2.0 * constants::pi * stream.uniform();
    const double second = 2.0 * constants::pi * stream.uniform();
    q_ = {std::sqrt(u) * std::cos(second), std::sqrt(1.0 - u) * std::sin(first),
          std::sqrt(1.0 - u) * std::cos(first), std::sqrt(u) * std::sin(second)};
  }

  Vec3 operator()(Vec3 p) const {
    const Vec3 axis{q_[1], q_[2], q_[3]};
    const Vec3 t = 2.0 * cross(axis, p);
    return p + q_[0] * t + cross(axis, t);
  }

 private:
  static Vec3 cross(Vec3 a, Vec3 b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
  }
  std::array<double, 4> q_{};
};

// The n sites nearest to the best center; which of the equally far outermost ones is random.
std::vector<Vec3> start_positions(PackingSpace space, std::int64_t n, double reach_um,
                                  std::uint64_t root) {
  const Cluster cluster = tightest_cluster(space, n);
  std::vector<Site> inner;
  std::vector<Site> outer;
  const double outermost = std::sqrt(static_cast<double>(cluster.squared));
  for_each_site(space, cluster.center, outermost + 1.0, [&](Site site, std::int64_t squared) {
    if (squared < cluster.squared) inner.push_back(site);
    if (squared == cluster.squared) outer.push_back(site);
  });
  Stream stream(root, Stage::packing_start, 0);
  const RandomTurn turn(space, stream);
  const auto n_outer = static_cast<std::size_t>(n) - inner.size();
  for (std::size_t i = 0; i < n_outer; ++i) {
    const double left = static_cast<double>(outer.size() - i);
    const std::size_t pick =
        std::min(outer.size() - 1, i + static_cast<std::size_t>(left * stream.uniform()));
    std::swap(outer[i], outer[pick]);
    inner.push_back(outer[i]);
  }
  // Ends 1e-13 short of the wall, so that the rounding of the turn cannot cross it.
  const double unit_um = cluster.squared == 0 ? 0.0 : (1.0 - 1e-13) * reach_um / outermost;
  std::vector<Vec3> points;
  points.reserve(inner.size());
  for (const Site site : inner) points.push_back(turn(unit_um * position(space, site)));
  return points;
}

// Linked lists of the centers in each bin; bins are no shorter than a diameter.
class CenterBins {
 public:
  CenterBins(PackingSpace space, std::span<const Vec3> points, double diameter_um,
             double outer_radius_um)
      : points_(points), diameter_um_(diameter_um), low_um_(-outer_radius_um) {
    const auto n = static_cast<double>(points.size());
    const bool planar = space == PackingSpace::planar;
    // Not many more bins than cells, however empty the ball is.
    const double most = std::ceil(planar ? std::sqrt(4.0 * n) : std::cbrt(4.0 * n));
    edge_um_ = std::max(diameter_um, 2.0 * outer_radius_um / most);
    n_ = static_cast<std::int64_t>(2.0 * outer_radius_um / edge_um_) + 1;
    n_z_ = planar ? 1 : n_;
    head_.assign(static_cast<std::size_t>(n_ * n_ * n_z_), -1);
    next_.assign(points.size(), -1);
    for (std::size_t i = 0; i < points.size(); ++i) insert(i, points[i]);
  }

  void insert(std::size_t i, Vec3 p) {
    std::int64_t& head = head_[bin(p)];
    next_[i] = head;
    head = static_cast<std::int64_t>(i);
  }

  void remove(std::size_t i, Vec3 p) {
    std::int64_t* link = &head_[bin(p)];
    while (*link != static_cast<std::int64_t>(i)) link = &next_[static_cast<std::size_t>(*link)];
    *link = next_[i];
  }

  // Whether a sphere at p touches none but itself (number i).
  bool is_free(std::size_t i, Vec3 p) const {
    const double limit = diameter_um_ * diameter_um_;
    const std::int64_t x_end = axis(p.x + diameter_um_), y_end = axis(p.y + diameter_um_);
    const std::int64_t z_end = n_z_ == 1 ? 0 : axis(p.z + diameter_um_);
    for (std::int64_t z = n_z_ == 1 ? 0 : axis(p.z - diameter_um_); z <= z_end; ++z) {
      for (std::int64_t y = axis(p.y - diameter_um_); y <= y_end; ++y) {
        for (std::int64_t x = axis(p.x - diameter_um_); x <= x_end; ++x) {
          std::int64_t other = head_[static_cast<std::size_t>((z * n_ + y) * n_ + x)];
          for (; other >= 0; other = next_[static_cast<std::size_t>(other)]) {
            const auto j = static_cast<std::size_t>(other);
            const Vec3 offset = points_[j] - p;
            if (j != i && dot(offset, offset) < limit) return false;
          }
        }
      }
    }
    return true;
  }

  std::size_t bin(Vec3 p) const {
    const std::int64_t z = n_z_ == 1 ? 0 : axis(p.z);
    return static_cast<std::size_t>((z * n_ + axis(p.y)) * n_ + axis(p.x));
  }

 private:
  std::int64_t axis(double value) const {
    const auto i = static_cast<std::int64_t>(std::floor((value - low_um_) / edge_um_));
    return std::clamp<std::int64_t>(i, 0, n_ - 1);
  }

  std::span<const Vec3> points_;
  double diameter_um_;
  double low_um_;
  double edge_um_ = 0.0;
  std::int64_t n_ = 1;
  std::int64_t n_z_ = 1;
  std::vector<std::int64_t> head_;
  std::vector<std::int64_t> next_;
};

// Step length that keeps about 40 % of the moves: too short or too long both mix slowly.
double adapted_step_um(double step_um, double accepted_share, double longest_um) {
  if (accepted_share > 0.5) return std::min(1.3 * step_um, longest_um);
  if (accepted_share < 0.3) return 0.75 * step_um;
  return step_um;
}

void mix(PackingSpace space, std::vector<Vec3>& points, double cell_radius_um,
         double outer_radius_um, std::int64_t n_sweeps, std::uint64_t root, const StopPoll& stop) {
  const bool planar = space == PackingSpace::planar;
  CenterBins bins(space, points, 2.0 * cell_radius_um, outer_radius_um);
  double step_um = 0.3 * cell_radius_um;
  for (std::int64_t sweep = 0; sweep < n_sweeps; ++sweep) {
    if (stop && stop()) throw Interrupted();
    Stream stream(root, Stage::packing_moves, static_cast<std::uint64_t>(sweep));
    std::int64_t n_accepted = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto shift = [&] { return step_um * (2.0 * stream.uniform() - 1.0); };
      const double dx = shift(), dy = shift(), dz = planar ? 0.0 : shift();
      const Vec3 moved = points[i] + Vec3{dx, dy, dz};
      if (norm(moved) + cell_radius_um > outer_radius_um || !bins.is_free(i, moved)) continue;
      ++n_accepted;
      if (bins.bin(moved) != bins.bin(points[i])) {
        bins.remove(i, points[i]);
        bins.insert(i, moved);
      }
      points[i] = moved;
    }
    const double share = static_cast<double>(n_accepted) / static_cast<double>(points.size());
    step_um = adapted_step_um(step_um, share, outer_radius_um);
  }
}

void require_positive(double value, const char* name) {
  if (!(value > 0.0) || !std::isfinite(value)) {
    throw InputError(std::string(name) + " must be finite and > 0");
  }
}

}  // namespace

double smallest_outer_radius_um(PackingSpace space, double cell_radius_um, std::int64_t n_cells) {
  require_positive(cell_radius_um, "cell_radius_um");
  if (n_cells < 1) throw InputError("n_cells must be >= 1");
  const auto squared = static_cast<double>(tightest_cluster(space, n_cells).squared);
  return cell_radius_um * (1.0 + 2.0 * std::sqrt(squared / squared_spacing(space)));
}

std::int64_t max_cells(PackingSpace space, double cell_radius_um, double outer_radius_um) {
  require_positive(cell_radius_um, "cell_radius_um");
  require_positive(outer_radius_um, "outer_radius_um");
  if (outer_radius_um < cell_radius_um) return 0;
  const double spacings = 0.5 * (outer_radius_um - cell_radius_um) / cell_radius_um;
  const double reach = (1.0 + 1e-12) * spacings * std::sqrt(squared_spacing(space));
  std::int64_t most = 0;
  for (const Site center : trial_centers(space)) {
    std::int64_t n = 0;
    for_each_site(space, center, reach, [&](Site, std::int64_t) { ++n; });
    most = std::max(most, n);
  }
  return most;
}

Centers pack_cells(PackingSpace space, double cell_radius_um, double outer_radius_um,
                   std::int64_t n_cells, std::int64_t n_sweeps, std::uint64_t root,
                   const StopPoll& stop) {
  require_positive(outer_radius_um, "outer_radius_um");
  if (n_sweeps < 0) throw InputError("n_sweeps must be >= 0");
  const double smallest_um = smallest_outer_radius_um(space, cell_radius_um, n_cells);
  if (outer_radius_um < smallest_um * (1.0 - 1e-12)) {
    throw GeometryError(std::to_string(n_cells) + " cells need an outer radius of at least " +
                        std::to_string(smallest_um) + " um");
  }
  std::vector<Vec3> points =
      start_positions(space, n_cells, outer_radius_um - cell_radius_um, root);
  mix(space, points, cell_radius_um, outer_radius_um, n_sweeps, root, stop);
  Centers centers;
  for (const Vec3 p : points) {
    centers.x_um.push_back(p.x);
    centers.y_um.push_back(p.y);
    centers.z_um.push_back(p.z);
  }
  return centers;
}

}  // namespace immunodose
