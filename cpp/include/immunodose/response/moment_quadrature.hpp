// SPDX-License-Identifier: BSD-3-Clause
// A positive measure on z >= 0 replaced by at most three nodes with the same moments.
#pragma once
#include <array>
#include <span>

namespace immunodose {

inline constexpr std::size_t n_event_moments = 6;

// Nodes of the specific energy of one decay that hits, with the expected number of such decays.
struct EventQuadrature {
  std::array<double, 3> z_Gy{};
  std::array<double, 3> expected_decays{};
  int n_nodes = 0;  // 0: no decay hits; below 3: the moments allow no more (an exact closure)
};

// Gauss quadrature of the moments M_0 ... M_5 (Eq. 4-5, docs/theory/response.md). Falls back to
// two nodes (M_0 ... M_3) and one (M_0, M_1) where the measure has fewer points of support or
// rounding left no positive Gauss rule of the higher order. Throws InputError if M_0 < 0 or
// M_1 < 0, or M_0 = 0 with a higher moment above 0, or a moment is not finite.
EventQuadrature quadrature_from_moments(std::span<const double, n_event_moments> moments);

}  // namespace immunodose
