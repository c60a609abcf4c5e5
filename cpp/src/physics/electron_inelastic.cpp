// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/electron_inelastic.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "immunodose/core/constants.hpp"
#include "immunodose/physics/electron_stopping.hpp"
#include "immunodose/physics/water_oscillators.hpp"

namespace immunodose {
namespace {

using constants::electron_rest_energy_keV;

constexpr double largest_grid_loss_keV = 2.1e3;  // half of the highest energy, and some

// c p in keV of an electron.
double momentum_keV(double energy_keV) {
  return std::sqrt(energy_keV * (energy_keV + 2.0 * electron_rest_energy_keV));
}

// What exchange between the two electrons leaves of a distant collision, a = W/T. Eq. E9
// [Ashley, J Electron Spectrosc Relat Phenom 1990;50:323].
double exchange_factor(double a) {
  const double plain = std::log(4.0 / a);
  const double exchanged = (1.0 - a) * plain - 1.75 * a + a * std::sqrt(a) - 33.0 / 32.0 * a * a;
  return std::max(0.0, exchanged / plain);
}

// ln(1/(1 - beta^2)) - beta^2 - delta: transverse collisions, without deflection.
double transverse_logarithm(double energy_keV) {
  const double beta2 = electron_beta_squared(energy_keV);
  return std::max(0.0, -std::log1p(-beta2) - beta2 - water_density_effect(energy_keV));
}

}  // namespace

double largest_loss_keV(double energy_keV) {
  return std::min(energy_keV, 0.5 * (energy_keV + water_binding_keV));
}

double smallest_recoil_keV(double energy_keV, double loss_keV) {
  if (loss_keV >= energy_keV) return energy_keV;
  const double before = energy_keV * (energy_keV + 2.0 * electron_rest_energy_keV);
  const double left = energy_keV - loss_keV;
  const double after = left * (left + 2.0 * electron_rest_energy_keV);
  // p - p' without cancellation.
  const double transfer = (before - after) / (std::sqrt(before) + std::sqrt(after));
  const double square = transfer * transfer;
  return square / (std::sqrt(square + electron_rest_energy_keV * electron_rest_energy_keV) +
                   electron_rest_energy_keV);
}

double deflection_cosine(double energy_keV, double loss_keV, double recoil_keV) {
  const double p = momentum_keV(energy_keV);
  const double p_after = momentum_keV(energy_keV - loss_keV);
  if (p_after <= 0.0) return 1.0;
  const double q = momentum_keV(recoil_keV);
  const double cosine = (p * p + p_after * p_after - q * q) / (2.0 * p * p_after);
  return std::clamp(cosine, -1.0, 1.0);
}

double moller_ratio(double energy_keV, double loss_keV) {
  const double total = energy_keV + electron_rest_energy_keV;
  const double a = (energy_keV / total) * (energy_keV / total);
  const double x = loss_keV / (energy_keV - loss_keV);
  const double y = loss_keV / energy_keV;
  return 1.0 + x * x - x + a * (x + y * y);
}

double collision_strength_keV_per_um(double energy_keV) {
  // 2 pi r_e^2 m c^2 N / beta^2 for water of 1 g/cm3.
  constexpr double radius_um = constants::electron_radius_um;
  return 2.0 * constants::pi * radius_um * radius_um * electron_rest_energy_keV *
         constants::water_molecules_per_um3 / electron_beta_squared(energy_keV);
}

LossGrid::LossGrid() {
  constexpr double ratio = 1.015;
  // The oxygen K edge is a step of the strength: two nodes side by side keep it sharp.
  for (double w = water_gap_keV; w < largest_grid_loss_keV; w *= ratio) loss_.push_back(w);
  loss_.push_back(largest_grid_loss_keV);
  loss_.push_back(oxygen_k_edge_keV * (1.0 - 1e-9));
  loss_.push_back(oxygen_k_edge_keV * (1.0 + 1e-9));
  std::sort(loss_.begin(), loss_.end());
  for (const double w : loss_) strength_.push_back(oscillator_strength_per_keV(w));
  free_count_.assign(loss_.size(), 0.0);
  for (std::size_t i = 1; i < loss_.size(); ++i) {
    free_count_[i] =
        free_count_[i - 1] + 0.5 * (strength_[i] + strength_[i - 1]) * (loss_[i] - loss_[i - 1]);
  }
  // The sum rule holds exactly, whatever the last digits of the fit and of this quadrature.
  const double scale = electrons_per_molecule / free_count_.back();
  for (double& f : strength_) f *= scale;
  for (double& n : free_count_) n *= scale;
}

double LossGrid::free_count_at(double loss_keV) const {
  if (loss_keV <= loss_.front()) return 0.0;
  if (loss_keV >= loss_.back()) return free_count_.back();
  const auto upper = std::upper_bound(loss_.begin(), loss_.end(), loss_keV);
  const auto i = static_cast<std::size_t>(upper - loss_.begin());
  const double t = (loss_keV - loss_[i - 1]) / (loss_[i] - loss_[i - 1]);
  return (1.0 - t) * free_count_[i - 1] + t * free_count_[i];
}

namespace {

// Densities per um and keV of loss at one node, with the mean 1 - cosine of each kind.
struct LossDensity {
  double distant, close, transverse;
  double distant_deflection, close_deflection;
};

class DensityAt {
 public:
  explicit DensityAt(double energy_keV)
      : energy_(energy_keV),
        momentum_(momentum_keV(energy_keV)),
        strength_(collision_strength_keV_per_um(energy_keV)),
        transverse_logarithm_(transverse_logarithm(energy_keV)) {}

  LossDensity operator()(double loss, double strength, double count) const {
    constexpr double rest = 2.0 * electron_rest_energy_keV;
    LossDensity density{};
    density.close = strength_ * count * moller_ratio(energy_, loss) / (loss * loss);
    const double after = momentum_keV(energy_ - loss);
    const double products = 2.0 * momentum_ * after;
    if (after > 0.0) {
      const double rise = momentum_ * momentum_ + after * after - loss * (loss + rest);
      density.close_deflection = density.close * (1.0 - std::clamp(rise / products, -1.0, 1.0));
    }
    // Both logarithms of a distant collision, Eq. E8: longitudinal and transverse.
    const double q = smallest_recoil_keV(energy_, loss);
    if (q >= loss) return density;
    const double factor = strength_ * strength / loss;
    const double plain = std::log(loss * (q + rest) / (q * (loss + rest)));
    const double longitudinal = factor * plain * exchange_factor(loss / energy_);
    density.transverse = factor * transverse_logarithm_;
    density.distant = longitudinal + density.transverse;
    if (after > 0.0) {
      // Q(Q + 2 m) averaged over the recoil energies from the smallest one to the loss.
      const double mean_square = rest * (loss - q) / plain;
      density.distant_deflection = longitudinal * (mean_square - q * (q + rest)) / products;
    }
    return density;
  }

 private:
  double energy_;
  double momentum_;
  double strength_;
  double transverse_logarithm_;
};

void append(CollisionIntegrals& sums, double half, double low, double high, double density_low,
            double density_high, double deflection_low, double deflection_high) {
  const auto add = [&](std::vector<double>& sum, double a, double b) {
    sum.push_back(sum.back() + half * (a + b));
  };
  add(sums.per_um, density_low, density_high);
  add(sums.keV_per_um, density_low * low, density_high * high);
  add(sums.keV2_per_um, density_low * low * low, density_high * high * high);
  add(sums.transport_per_um, deflection_low, deflection_high);
}

}  // namespace

LossSpectrum loss_spectrum(const LossGrid& grid, double energy_keV) {
  const auto& w = grid.loss_keV();
  const DensityAt density(energy_keV);
  const double largest = largest_loss_keV(energy_keV);
  LossSpectrum spectrum;
  spectrum.loss_keV.reserve(w.size());
  spectrum.loss_keV.push_back(w[0]);
  for (auto* sums : {&spectrum.distant, &spectrum.close}) {
    for (auto* sum :
         {&sums->per_um, &sums->keV_per_um, &sums->keV2_per_um, &sums->transport_per_um}) {
      sum->reserve(w.size());
      sum->push_back(0.0);
    }
  }
  double transverse = 0.0;
  LossDensity before = density(w[0], grid.strength()[0], grid.free_count()[0]);
  for (std::size_t i = 1; i < w.size() && w[i - 1] < largest; ++i) {
    const double high = std::min(w[i], largest);
    const double t = (high - w[i - 1]) / (w[i] - w[i - 1]);
    const auto between = [&](const std::vector<double>& v) {
      return (1.0 - t) * v[i - 1] + t * v[i];
    };
    const LossDensity now = density(high, between(grid.strength()), between(grid.free_count()));
    const double half = 0.5 * (high - w[i - 1]);
    append(spectrum.distant, half, w[i - 1], high, before.distant, now.distant,
           before.distant_deflection, now.distant_deflection);
    append(spectrum.close, half, w[i - 1], high, before.close, now.close, before.close_deflection,
           now.close_deflection);
    transverse += half * (before.transverse + now.transverse);
    spectrum.loss_keV.push_back(high);
    before = now;
  }
  if (spectrum.distant.rate() > 0.0)
    spectrum.transverse_share = transverse / spectrum.distant.rate();
  return spectrum;
}

}  // namespace immunodose
