// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "immunodose/core/error.hpp"
#include "immunodose/immune/agent_random.hpp"
#include "immunodose/immune/agent_tumor.hpp"

namespace immunodose {
namespace {

using Place = std::array<float, 3>;

// A direction uniform on the sphere [Marsaglia G, Ann Math Stat 1972;43:645]: square roots alone.
std::array<double, 3> direction(Stream& stream) {
  while (true) {
    const double a = 2.0 * stream.uniform32() - 1.0;
    const double b = 2.0 * stream.uniform32() - 1.0;
    const double square = a * a + b * b;
    if (square >= 1.0) continue;
    const double root = 2.0 * std::sqrt(1.0 - square);
    return {a * root, b * root, 1.0 - 2.0 * square};
  }
}

double distance_um(const Place& a, const Place& b) {
  double square = 0.0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double gap = static_cast<double>(a[axis]) - static_cast<double>(b[axis]);
    square += gap * gap;
  }
  return std::sqrt(square);
}

// What stands in the way: cells that are there, and daughters placed before.
class Room {
 public:
  Room(const DivisionSpace& space, const AgentBins& bins, double overlap)
      : space_(space), bins_(bins), allowed_(1.0 - overlap) {
    for (const float radius : space.radius_um) {
      largest_um_ = std::max(largest_um_, static_cast<double>(radius));
    }
  }

  bool is_free(const Place& place, double radius_um, std::size_t mother) const {
    const double reach = radius_um + largest_um_;
    bool found_free = true;
    const auto x = static_cast<double>(place[0]), y = static_cast<double>(place[1]),
               z = static_cast<double>(place[2]);
    bins_.visit(space_.starts, x, y, z, reach, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end && found_free; ++row) {
        if (row == mother || space_.state[row] == static_cast<std::uint8_t>(TumorState::cleared)) {
          continue;
        }
        const Place other{space_.at.x[row], space_.at.y[row], space_.at.z[row]};
        found_free = !overlaps(place, radius_um, other, space_.radius_um[row]);
      }
    });
    for (std::int64_t iz = bins_.along(2, z - reach); iz <= bins_.along(2, z + reach); ++iz) {
      for (std::int64_t iy = bins_.along(1, y - reach); iy <= bins_.along(1, y + reach); ++iy) {
        for (std::int64_t ix = bins_.along(0, x - reach); ix <= bins_.along(0, x + reach); ++ix) {
          const auto here = placed_.find(bins_.number(ix, iy, iz));
          if (here == placed_.end()) continue;
          for (const Daughter& other : here->second) {
            if (overlaps(place, radius_um, other.at, other.radius_um)) return false;
          }
        }
      }
    }
    return found_free;
  }

  void add(const Place& place, float radius_um) {
    placed_[bins_.of(place[0], place[1], place[2])].push_back({place, radius_um});
  }

 private:
  struct Daughter {
    Place at;
    float radius_um;
  };
  bool overlaps(const Place& a, double radius_um, const Place& b, float other_um) const {
    return distance_um(a, b) < allowed_ * (radius_um + static_cast<double>(other_um));
  }

  const DivisionSpace& space_;
  const AgentBins& bins_;
  double allowed_;
  double largest_um_ = 0.0;
  std::unordered_map<std::int64_t, std::vector<Daughter>> placed_;
};

}  // namespace

std::vector<float> daughter_places(const DivisionSpace& space, const AgentBins& bins,
                                   std::span<const std::int64_t> mothers, double overlap,
                                   int n_tries, std::uint64_t root, std::int64_t step) {
  const std::size_t n = space.at.size();
  if (space.state.size() != n || space.radius_um.size() != n || space.id.size() != n ||
      space.starts.size() != static_cast<std::size_t>(bins.size()) + 1) {
    throw InputError("arrays of tumor cells of unequal length");
  }
  Room room(space, bins, overlap);
  std::vector<float> places(3 * mothers.size(), std::numeric_limits<float>::quiet_NaN());
  for (std::size_t i = 0; i < mothers.size(); ++i) {
    if (mothers[i] < 0 || static_cast<std::size_t>(mothers[i]) >= n) {
      throw InputError("a mother that is no tumor cell");
    }
    const auto row = static_cast<std::size_t>(mothers[i]);
    const double radius = static_cast<double>(space.radius_um[row]);
    Stream stream(root, Stage::tumor_place, agent_history(space.id[row], step));
    for (int attempt = 0; attempt < n_tries; ++attempt) {
      const auto way = direction(stream);
      const Place place{
          static_cast<float>(static_cast<double>(space.at.x[row]) + 2.0 * radius * way[0]),
          static_cast<float>(static_cast<double>(space.at.y[row]) + 2.0 * radius * way[1]),
          static_cast<float>(static_cast<double>(space.at.z[row]) + 2.0 * radius * way[2])};
      if (!room.is_free(place, radius, row)) continue;
      room.add(place, space.radius_um[row]);
      std::copy(place.begin(), place.end(), places.begin() + static_cast<std::ptrdiff_t>(3 * i));
      break;
    }
  }
  return places;
}

}  // namespace immunodose
