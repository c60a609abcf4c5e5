// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/response/survival.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 256;
// The integrand of Eq. 9 falls at least as exp(-x^2/2): 8.7 leaves 4e-17.
constexpr double integration_end = 8.7;
constexpr double negligible_exponent = -40.0;

// Kills of one event that stay when the Gaussian variable sits at i s (Eq. 7).
struct Tilted {
  std::array<double, 3> step{};    // v_b
  std::array<double, 3> weight{};  // w_b = n_b exp(-u_b - s v_b)
  std::size_t n = 0;
};

// Root of the increasing F'(s) = s - c - sum_b n_b v_b exp(-u_b - s v_b) (Eq. 8): Newton from
// the left never overshoots, F' being concave.
double saddle_point(const Tilted& untilted, double c) {
  double s = c;
  for (int iteration = 0; iteration < 200; ++iteration) {
    double slope = s - c;
    double curvature = 1.0;
    for (std::size_t b = 0; b < untilted.n; ++b) {
      const double v = untilted.step[b];
      const double w = untilted.weight[b] * std::exp(-s * v);
      slope -= w * v;
      curvature += w * v * v;
    }
    const double change = -slope / curvature;
    s += change;
    if (std::abs(change) <= 1e-14 * (1.0 + s)) break;
  }
  return s;
}

// The remaining real integral (Eq. 9) by the trapezoidal rule, whose error falls exponentially
// for analytic integrands; the step resolves both the Gaussian width and the event oscillation.
double saddle_integral(const Tilted& tilted) {
  double curvature = 1.0;
  double largest_step = 0.0;
  for (std::size_t b = 0; b < tilted.n; ++b) {
    curvature += tilted.weight[b] * tilted.step[b] * tilted.step[b];
    if (tilted.weight[b] > 1e-18) largest_step = std::max(largest_step, tilted.step[b]);
  }
  const double h = 0.5 / std::max(std::sqrt(curvature), largest_step);
  // With every v x below pi the integrand only falls, so its tail may be cut early.
  const bool monotone = largest_step * integration_end < constants::pi;
  double sum = 0.5;
  for (double k = 1.0; k * h <= integration_end; k += 1.0) {
    const double x = k * h;
    double exponent = -0.5 * x * x;
    double phase = 0.0;
    for (std::size_t b = 0; b < tilted.n; ++b) {
      const double half_sine = std::sin(0.5 * x * tilted.step[b]);
      exponent -= 2.0 * tilted.weight[b] * half_sine * half_sine;
      phase += tilted.weight[b] * (std::sin(x * tilted.step[b]) - x * tilted.step[b]);
    }
    sum += std::exp(exponent) * std::cos(phase);
    if (monotone && exponent < negligible_exponent) break;
  }
  return 2.0 * h * sum / std::sqrt(2.0 * constants::pi);
}

void require_size(std::span<const double> values, std::size_t size, const char* name) {
  if (values.size() != size) {
    throw InputError(std::string(name) + ": got " + std::to_string(values.size()) +
                     " values, expected " + std::to_string(size));
  }
}

}  // namespace

double log_survival(const EventQuadrature& events, EventSensitivity event, MeanDoseTerm mean_dose,
                    double protraction) {
  const double c = std::sqrt(2.0 * protraction) * mean_dose.root;
  const double root_2g_beta = std::sqrt(2.0 * protraction * event.beta_per_Gy2);
  double exponent = -mean_dose.linear;
  Tilted tilted;
  bool interacting = false;
  for (int b = 0; b < events.n_nodes; ++b) {
    const auto i = static_cast<std::size_t>(b);
    const double z = events.z_Gy[i];
    // Damage of one decay is simultaneous: its own pairs count fully (G = 1 inside an event).
    const double u = event.alpha_per_Gy * z + (1.0 - protraction) * event.beta_per_Gy2 * z * z;
    exponent += events.expected_decays[i] * std::expm1(-u);
    tilted.step[tilted.n] = root_2g_beta * z;
    tilted.weight[tilted.n] = events.expected_decays[i] * std::exp(-u);
    interacting = interacting || tilted.step[tilted.n] * tilted.weight[tilted.n] > 0.0;
    ++tilted.n;
  }
  if (!interacting) return exponent - 0.5 * c * c;  // no event interacts: closed form
  const double s = saddle_point(tilted, c);
  // F(s) with the s-dependence separated, so that small differences keep their digits.
  exponent += 0.5 * s * s - s * c;
  for (std::size_t b = 0; b < tilted.n; ++b) {
    exponent += tilted.weight[b] * std::expm1(-s * tilted.step[b]);
    tilted.weight[b] *= std::exp(-s * tilted.step[b]);
  }
  return std::min(0.0, exponent + std::log(saddle_integral(tilted)));
}

LogSurvival log_survival_of_cells(std::span<const double> moments, std::span<const double> linear,
                                  std::span<const double> root, std::span<const double> protraction,
                                  EventSensitivity event, int n_threads, const StopPoll& stop) {
  const std::size_t n_cells = linear.size();
  require_size(moments, n_cells * n_event_moments, "moments");
  require_size(root, n_cells, "root");
  require_size(protraction, n_cells, "protraction");
  LogSurvival result;
  result.log_survival.resize(n_cells);
  std::vector<int> node_count(n_cells);
  parallel_for(
      static_cast<std::int64_t>(n_cells), cells_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto cell = begin; cell < end; ++cell) {
          const auto i = static_cast<std::size_t>(cell);
          const EventQuadrature events = quadrature_from_moments(
              moments.subspan(i * n_event_moments).first<n_event_moments>());
          node_count[i] = events.n_nodes;
          result.log_survival[i] =
              log_survival(events, event, {linear[i], root[i]}, protraction[i]);
        }
      },
      stop);
  for (const int count : node_count) {
    ++result.cells_by_node_count[static_cast<std::size_t>(count)];
  }
  return result;
}

double sphere_kill_per_hit(double y) {
  if (y > 0.5) return 1.0 - 2.0 * (1.0 - std::exp(-y) * (1.0 + y)) / (y * y);
  // Series of Eq. 11: the closed form cancels for small y.
  double term = 1.0;  // 2 (-y)^k / (k + 2)!
  double sum = 0.0;
  for (int k = 1; k <= 16; ++k) {
    term *= -y / static_cast<double>(k + 2);
    sum -= term * static_cast<double>(k + 1);
  }
  return sum;
}

double event_alpha_from_slope(double slope_per_Gy, double let_keV_per_um,
                              double nucleus_radius_um) {
  if (slope_per_Gy == 0.0) return 0.0;
  const double volume_um3 = 4.0 / 3.0 * constants::pi * std::pow(nucleus_radius_um, 3);
  const double mass_ng = volume_um3 * constants::ng_per_um3_at_unit_density;
  const double z_of_diameter_Gy =
      constants::gray_ng_per_keV * let_keV_per_um * 2.0 * nucleus_radius_um / mass_ng;
  const double mean_z_Gy = z_of_diameter_Gy * 2.0 / 3.0;  // mean chord 4R/3
  const double kill_per_hit = slope_per_Gy * mean_z_Gy;
  if (!(kill_per_hit < 1.0)) {
    throw InputError("high_let_alpha=" + std::to_string(slope_per_Gy) +
                     " Gy-1 asks for more than one kill per hit (one hit gives on average " +
                     std::to_string(mean_z_Gy) + " Gy, so the slope must stay below " +
                     std::to_string(1.0 / mean_z_Gy) +
                     " Gy-1). Check high_let_reference_let and "
                     "high_let_reference_nucleus_radius");
  }
  double low = 0.0;
  double high = 1.0;
  while (sphere_kill_per_hit(high) < kill_per_hit) high *= 2.0;
  for (int iteration = 0; iteration < 200 && high - low > 1e-15 * high; ++iteration) {
    const double middle = 0.5 * (low + high);
    (sphere_kill_per_hit(middle) < kill_per_hit ? low : high) = middle;
  }
  return 0.5 * (low + high) / z_of_diameter_Gy;
}

}  // namespace immunodose
