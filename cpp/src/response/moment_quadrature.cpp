// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/response/moment_quadrature.hpp"

#include <cmath>
#include <cstddef>
#include <string>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

// Below this share of the scaled moments a Hankel determinant is rounding, not a further node.
constexpr double singular_share = 1e-11;

// Three-term recurrence of the orthogonal polynomials: a_k diagonal, b_k squared off-diagonal.
struct Recurrence {
  std::array<double, 3> diagonal{};
  std::array<double, 3> off_squared{};
  int order = 0;
};

// Chebyshev's algorithm on moments of unit mass (Eq. 4).
Recurrence recurrence_of(const std::array<double, n_event_moments>& moments) {
  Recurrence result;
  std::array<double, n_event_moments> previous{};
  std::array<double, n_event_moments> current = moments;
  result.diagonal[0] = moments[1] / moments[0];
  result.order = 1;
  for (std::size_t k = 1; k < 3; ++k) {
    std::array<double, n_event_moments> next{};
    for (std::size_t l = k; l + k < n_event_moments; ++l) {
      next[l] = current[l + 1] - result.diagonal[k - 1] * current[l] -
                (k > 1 ? result.off_squared[k - 1] : 0.0) * previous[l];
    }
    if (!(next[k] > singular_share * moments[2 * k])) break;
    result.off_squared[k] = next[k] / current[k - 1];
    result.diagonal[k] = next[k + 1] / next[k] - current[k] / current[k - 1];
    previous = current;
    current = next;
    ++result.order;
  }
  return result;
}

using Matrix3 = std::array<std::array<double, 3>, 3>;

// Cyclic Jacobi rotations: `matrix` becomes diagonal, `vectors` collects the eigenvectors.
void diagonalize(Matrix3& matrix, Matrix3& vectors, std::size_t n) {
  for (int sweep = 0; sweep < 30; ++sweep) {
    double off = 0.0;
    for (std::size_t p = 0; p + 1 < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) off += std::abs(matrix[p][q]);
    }
    if (off == 0.0) return;
    for (std::size_t p = 0; p + 1 < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (matrix[p][q] == 0.0) continue;
        const double theta = 0.5 * (matrix[q][q] - matrix[p][p]) / matrix[p][q];
        const double t =
            std::copysign(1.0, theta) / (std::abs(theta) + std::sqrt(theta * theta + 1.0));
        const double c = 1.0 / std::sqrt(t * t + 1.0);
        const double s = t * c;
        for (std::size_t k = 0; k < n; ++k) {
          const double kp = matrix[k][p];
          const double kq = matrix[k][q];
          matrix[k][p] = c * kp - s * kq;
          matrix[k][q] = s * kp + c * kq;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double pk = matrix[p][k];
          const double qk = matrix[q][k];
          matrix[p][k] = c * pk - s * qk;
          matrix[q][k] = s * pk + c * qk;
          const double vp = vectors[k][p];
          const double vq = vectors[k][q];
          vectors[k][p] = c * vp - s * vq;
          vectors[k][q] = s * vp + c * vq;
        }
      }
    }
  }
}

// Golub-Welsch: nodes are eigenvalues, weights squared first components (Eq. 5).
bool gauss_rule(const Recurrence& recurrence, std::size_t n, double scale, double mass,
                EventQuadrature& rule) {
  Matrix3 matrix{};
  Matrix3 vectors{};
  for (std::size_t k = 0; k < n; ++k) {
    vectors[k][k] = 1.0;
    matrix[k][k] = recurrence.diagonal[k];
    if (k > 0) matrix[k][k - 1] = matrix[k - 1][k] = std::sqrt(recurrence.off_squared[k]);
  }
  diagonalize(matrix, vectors, n);
  rule = {};
  for (std::size_t k = 0; k < n; ++k) {
    if (!(matrix[k][k] >= 0.0)) return false;
    rule.z_Gy[k] = matrix[k][k] * scale;
    rule.expected_decays[k] = mass * vectors[0][k] * vectors[0][k];
  }
  rule.n_nodes = static_cast<int>(n);
  return true;
}

void validate(std::span<const double, n_event_moments> moments) {
  for (std::size_t k = 0; k < n_event_moments; ++k) {
    if (!std::isfinite(moments[k]) || moments[k] < 0.0) {
      throw InputError("hit_decay_moment: moment " + std::to_string(k) + " is " +
                       std::to_string(moments[k]) + " (allowed: finite and >= 0)");
    }
    if (moments[0] == 0.0 && moments[k] > 0.0) {
      throw InputError("hit_decay_moment: moment " + std::to_string(k) +
                       " is above 0 although no decay hits (moment 0 is 0)");
    }
  }
}

}  // namespace

EventQuadrature quadrature_from_moments(std::span<const double, n_event_moments> moments) {
  validate(moments);
  EventQuadrature rule;
  if (moments[0] == 0.0) return rule;
  if (moments[1] == 0.0) {
    rule.expected_decays[0] = moments[0];
    rule.n_nodes = 1;
    return rule;
  }
  const double scale = moments[2] > 0.0 ? moments[2] / moments[1] : moments[1] / moments[0];
  std::array<double, n_event_moments> scaled{};
  double power = 1.0;
  for (std::size_t k = 0; k < n_event_moments; ++k) {
    scaled[k] = moments[k] / moments[0] / power;
    power *= scale;
  }
  const Recurrence recurrence = recurrence_of(scaled);
  for (int n = recurrence.order; n > 1; --n) {
    if (gauss_rule(recurrence, static_cast<std::size_t>(n), scale, moments[0], rule)) return rule;
  }
  rule = {};
  rule.z_Gy[0] = moments[1] / moments[0];
  rule.expected_decays[0] = moments[0];
  rule.n_nodes = 1;
  return rule;
}

}  // namespace immunodose
