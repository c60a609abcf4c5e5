// SPDX-License-Identifier: BSD-3-Clause
// Gauss-Legendre rules on [0, 1] [Abramowitz & Stegun 1964, Table 25.4, mapped from [-1, 1]].
#pragma once
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace immunodose {

struct QuadratureRule {
  std::vector<double> node;    // ascending in (0, 1)
  std::vector<double> weight;  // sums to 1
};

// Nodes by Newton's method on the Legendre polynomial of degree n >= 1.
inline QuadratureRule gauss_legendre(std::size_t n) {
  QuadratureRule rule{std::vector<double>(n), std::vector<double>(n)};
  for (std::size_t i = 0; i < n; ++i) {
    const double count = static_cast<double>(n);
    double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (count + 0.5));
    double derivative = 1.0;
    for (int iteration = 0; iteration < 100; ++iteration) {
      double previous = 1.0;
      double value = x;
      for (std::size_t k = 2; k <= n; ++k) {
        const double order = static_cast<double>(k);
        const double next = ((2.0 * order - 1.0) * x * value - (order - 1.0) * previous) / order;
        previous = value;
        value = next;
      }
      if (n == 1) previous = 1.0;
      derivative = count * (x * value - previous) / (x * x - 1.0);
      const double step = value / derivative;
      x -= step;
      if (std::abs(step) < 1e-15) break;
    }
    rule.node[n - 1 - i] = 0.5 * (1.0 + x);
    rule.weight[n - 1 - i] = 1.0 / ((1.0 - x * x) * derivative * derivative);
  }
  return rule;
}

}  // namespace immunodose
