// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/photon_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/quadrature.hpp"

namespace immunodose {
namespace {

constexpr double pi = constants::pi;
constexpr double rest_keV = constants::electron_rest_energy_keV;
constexpr double local_um = 1e-5;  // first bin: what is absorbed at the source

// Bins of 20 nm, growing by 2 % beyond 1 um: the deposit per bin is exact and changes by less than
// 2 % from one to the next, so taking it as uniform inside a bin costs less than 1e-4.
std::vector<double> bin_edges(double reach_um) {
  constexpr double fine_um = 0.02;
  constexpr double growth = 0.02;
  std::vector<double> edges{0.0};
  for (double r = local_um; r < reach_um; r += std::max(fine_um, growth * r)) edges.push_back(r);
  edges.push_back(reach_um);
  return edges;
}

// Eq. Ph-11: energy absorbed from photons scattered once, per energy absorbed from the first
// flight and per um of distance, at small distances. Ordinates of Gauss in the angle.
double first_scatter_per_um(double energy_keV, const PhotonPhysics& physics) {
  static const QuadratureRule rule = gauss_legendre(32);
  const double here = physics.energy_absorption_per_um(energy_keV);
  const auto absorbed_energy = [&](double photon_keV) {
    // Photons of 1.004 keV or less scatter to at most 0.4 % below the model's lowest energy.
    return photon_keV *
           physics.energy_absorption_per_um(std::max(photon_keV, photon_min_energy_keV));
  };
  double norm_sum = 0.0;
  double sum = 0.0;
  for (std::size_t i = 0; i < rule.node.size(); ++i) {
    const double angle = pi * rule.node[i];
    const double sine = std::sin(angle);
    const double share = 1.0 / (1.0 + energy_keV / rest_keV * (1.0 - std::cos(angle)));
    const double klein_nishina = share * share * (share + 1.0 / share - sine * sine);
    norm_sum += rule.weight[i] * klein_nishina * sine;
    sum += rule.weight[i] * klein_nishina * angle * absorbed_energy(share * energy_keV);
  }
  const PhotonAttenuation mu = physics.attenuation_per_um(energy_keV);
  double emitted = mu.compton * sum / norm_sum;
  if (energy_keV > 2.0 * rest_keV) {
    // Two annihilation photons, isotropic: the mean of angle/sine is pi^2/4.
    emitted += (mu.pair + mu.triplet) * 2.0 * absorbed_energy(rest_keV) * pi * pi / 4.0;
  }
  return emitted / (energy_keV * here);
}

void check(const SpectrumLines& lines, double reach_um) {
  if (lines.energy_keV.size() != lines.yield_per_decay.size()) {
    throw InputError("energy_keV and yield_per_decay differ in length");
  }
  if (!(reach_um > local_um) || !std::isfinite(reach_um)) {
    throw InputError("reach_um is " + std::to_string(reach_um) +
                     "; give a finite distance of more than 1e-5 um");
  }
  for (std::size_t i = 0; i < lines.energy_keV.size(); ++i) {
    const bool valid = lines.energy_keV[i] >= 0.0 && lines.yield_per_decay[i] >= 0.0 &&
                       std::isfinite(lines.energy_keV[i]) &&
                       std::isfinite(lines.yield_per_decay[i]);
    if (!valid) {
      throw InputError("photon line " + std::to_string(i) + " has energy_keV " +
                       std::to_string(lines.energy_keV[i]) + " and yield_per_decay " +
                       std::to_string(lines.yield_per_decay[i]) + "; both are finite and >= 0");
    }
  }
}

}  // namespace

double PhotonDecline::share_between(double from_um, double width_um) const {
  const double c = absorption_per_um * buildup_per_um / decline_per_um;
  const double x = decline_per_um * width_um;
  // expm1, so that bins much shorter than the mean free path keep their digits.
  return std::exp(-decline_per_um * from_um) *
         (-std::expm1(-x) * (1.0 + c * from_um) - c * width_um * std::exp(-x));
}

double PhotonDecline::share_beyond(double distance_um) const {
  const double c = absorption_per_um * buildup_per_um / decline_per_um;
  return std::exp(-decline_per_um * distance_um) * (1.0 + c * distance_um);
}

PhotonDecline photon_decline(double energy_keV, const PhotonPhysics& physics) {
  const double absorption = physics.energy_absorption_per_um(energy_keV);
  // Slope of the deposit at the source: scattered photons add, the first flight thins out.
  const double slope =
      first_scatter_per_um(energy_keV, physics) - physics.attenuation_per_um(energy_keV).total();
  const double decline = absorption + std::sqrt(absorption * (absorption + slope));
  return {absorption, decline + slope, decline};
}

PhotonKernel photon_kernel(const SpectrumLines& lines, double density_g_per_cm3, double reach_um,
                           const SecondaryElectronTable* electrons) {
  check(lines, reach_um);
  const PhotonPhysics physics(density_g_per_cm3);
  PhotonKernel result{{bin_edges(reach_um), {}}, 0.0};
  auto& [edge, deposit] = result.kernel;
  deposit.assign(edge.size() - 1, 0.0);
  for (std::size_t i = 0; i < lines.energy_keV.size(); ++i) {
    const double energy = lines.energy_keV[i] * lines.yield_per_decay[i];
    if (energy <= 0.0) continue;
    if (lines.energy_keV[i] < photon_min_energy_keV) {
      deposit[0] += energy;
      continue;
    }
    const PhotonDecline decline = photon_decline(lines.energy_keV[i], physics);
    const auto place = electrons == nullptr
                           ? edge
                           : electrons->equivalent_distance_um(lines.energy_keV[i], physics, edge);
    for (std::size_t bin = 0; bin < deposit.size(); ++bin) {
      deposit[bin] += energy * decline.share_between(place[bin], place[bin + 1] - place[bin]);
    }
    result.escaped_keV += energy * decline.share_beyond(place.back());
  }
  return result;
}

}  // namespace immunodose
