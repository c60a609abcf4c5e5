// SPDX-License-Identifier: BSD-3-Clause
#include <array>
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/core/quadrature.hpp"
#include "immunodose/physics/photon_kernel.hpp"
#include "immunodose/transport/photon_transport.hpp"

using namespace immunodose;

namespace {

constexpr double rest_keV = constants::electron_rest_energy_keV;
constexpr double far_um = 1e9;

struct Tally {
  double point_keV = 0.0;
  int points = 0;
  void point(Vec3, double keV) {
    point_keV += keV;
    ++points;
  }
  void segment(Vec3, Vec3, double, double keV) { point_keV += keV; }
  double clearance(Vec3) const { return 0.0; }
};

Particle photon(double energy_keV, double weight = 1.0) {
  return {ParticleKind::photon, energy_keV, {}, {0.0, 0.6, 0.8}, weight};
}

double kinetic_momentum_keV(double energy_keV) {
  return std::sqrt(energy_keV * (energy_keV + 2.0 * rest_keV));
}

}  // namespace

TEST_CASE("Compton scattering conserves energy and momentum in every sample") {
  for (const double energy : {1.0, 30.0, 511.0, 3000.0}) {
    Stream random(1, Stage::track_history, static_cast<std::uint64_t>(energy));
    for (int i = 0; i < 500; ++i) {
      const Vec3 along = isotropic_direction(random);
      const ComptonPair out = compton_scattering(energy, along, random);
      CHECK(out.photon.energy_keV + out.electron.energy_keV == doctest::Approx(energy));
      CHECK(out.photon.energy_keV >= energy / (1.0 + 2.0 * energy / rest_keV) * (1.0 - 1e-12));
      const Vec3 missing = energy * along - out.photon.energy_keV * out.photon.direction -
                           kinetic_momentum_keV(out.electron.energy_keV) * out.electron.direction;
      CHECK(norm(missing) < 1e-6 * energy);
      CHECK(norm(out.photon.direction) == doctest::Approx(1.0).epsilon(1e-12));
    }
  }
}

TEST_CASE("Compton electrons take the mean and the spread of Klein-Nishina") {
  const QuadratureRule rule = gauss_legendre(200);
  for (const double energy : {5.0, 60.0, 662.0, 2500.0}) {
    double norm_sum = 0.0, mean = 0.0, square = 0.0, cosine = 0.0;
    for (std::size_t i = 0; i < rule.node.size(); ++i) {
      const double mu = 2.0 * rule.node[i] - 1.0;
      const double e = 1.0 / (1.0 + energy / rest_keV * (1.0 - mu));
      const double w = rule.weight[i] * e * e * (e + 1.0 / e - 1.0 + mu * mu);
      norm_sum += w;
      mean += w * (1.0 - e);
      square += w * (1.0 - e) * (1.0 - e);
      cosine += w * mu;
    }
    mean /= norm_sum;
    const double spread = std::sqrt(square / norm_sum - mean * mean);
    Stream random(2, Stage::track_history, static_cast<std::uint64_t>(energy));
    constexpr int n = 100000;
    double sum = 0.0, sum_square = 0.0, sum_cosine = 0.0;
    for (int i = 0; i < n; ++i) {
      const ComptonPair out = compton_scattering(energy, {0.0, 0.0, 1.0}, random);
      const double share = out.electron.energy_keV / energy;
      sum += share;
      sum_square += share * share;
      sum_cosine += out.photon.direction.z;
    }
    // 4 standard errors: false alarm 1 in 16,000 per number; 0.8 % of the mean or less.
    const double error = 4.0 * spread / std::sqrt(n);
    CHECK(error < 0.011 * mean);
    CHECK(std::abs(sum / n - mean) < error);
    CHECK(sum_square / n == doctest::Approx(square / norm_sum).epsilon(0.02));
    CHECK(std::abs(sum_cosine / n - cosine / norm_sum) < 4.0 * 0.7 / std::sqrt(n));
  }
}

TEST_CASE("photoelectrons have the mean direction of Sauter's distribution") {
  const QuadratureRule rule = gauss_legendre(200);
  for (const double energy : {1.0, 30.0, 400.0}) {
    const double gamma = 1.0 + energy / rest_keV;
    const double beta = std::sqrt(1.0 - 1.0 / (gamma * gamma));
    double norm_sum = 0.0, expected = 0.0;
    for (std::size_t i = 0; i < rule.node.size(); ++i) {
      const double mu = 2.0 * rule.node[i] - 1.0;
      const double d = 1.0 - beta * mu;
      const double w = rule.weight[i] * (1.0 - mu * mu) / (d * d * d * d) *
                       (1.0 + 0.5 * gamma * (gamma - 1.0) * (gamma - 2.0) * d);
      norm_sum += w;
      expected += w * mu;
    }
    Stream random(3, Stage::track_history, static_cast<std::uint64_t>(energy));
    constexpr int n = 100000;
    double sum = 0.0;
    for (int i = 0; i < n; ++i) sum += photoelectron_cosine(energy, random);
    // The spread of a cosine is below 0.5: 4 standard errors.
    CHECK(std::abs(sum / n - expected / norm_sum) < 4.0 * 0.5 / std::sqrt(n));
  }
}

TEST_CASE("what a photon leaves is what it had, with its weight") {
  const PhotonPhysics physics;
  const PhotonTransport transport(physics);
  for (const double energy : {0.3, 1.0, 20.0, 300.0, 2614.5, 9000.0}) {
    for (std::uint64_t history = 0; history < 300; ++history) {
      Stream random(4, Stage::track_history, history);
      Tally tally;
      std::vector<Particle> electrons;
      const Ball world{{}, history % 2 == 0 ? far_um : 2e4};
      const double escaped = transport(photon(energy, 0.5), random, tally, world, electrons);
      double sum = tally.point_keV + escaped;
      for (const Particle& e : electrons) {
        const double rest = e.kind == ParticleKind::positron ? 2.0 * rest_keV : 0.0;
        sum += e.weight * (e.energy_keV + rest);
        CHECK(norm(e.direction) == doctest::Approx(1.0).epsilon(1e-12));
      }
      CHECK(sum == doctest::Approx(0.5 * energy).epsilon(1e-12));
    }
  }
}

TEST_CASE("photons escape a ball as the exponential of the mean free path says") {
  const PhotonPhysics physics(1.1);
  const PhotonTransport transport(physics);
  for (const double energy : {1.5, 25.0, 140.0, 2000.0}) {
    const double radius_um = 1.0 / physics.attenuation_per_um(energy).total();
    constexpr int n = 20000;
    int unscattered = 0;
    for (std::uint64_t history = 0; history < n; ++history) {
      Stream random(5, Stage::track_history, history);
      Tally tally;
      std::vector<Particle> electrons;
      transport(photon(energy), random, tally, {{}, radius_um}, electrons);
      unscattered += electrons.empty() ? 1 : 0;
    }
    const double expected = std::exp(-1.0);
    const double error = std::sqrt(expected * (1.0 - expected) / n);
    CHECK(std::abs(unscattered / double{n} - expected) < 4.0 * error);  // 1 in 16,000
  }
}

TEST_CASE("photons outside the world escape, slow ones inside stay") {
  const PhotonPhysics physics;
  const PhotonTransport transport(physics);
  Stream random(6, Stage::track_history, 0);
  Tally tally;
  std::vector<Particle> electrons;
  Particle outside = photon(0.5);
  outside.position_um = {0.0, -11.0, 0.0};
  CHECK(transport(outside, random, tally, {{}, 10.0}, electrons) == 0.5);
  CHECK(tally.points == 0);
  CHECK(transport(photon(0.5), random, tally, {{}, 10.0}, electrons) == 0.0);
  CHECK(tally.point_keV == 0.5);
}

TEST_CASE("photon kernels conserve energy and start with the energy absorption") {
  const std::array<double, 5> energy{0.2, 1.0, 27.0, 208.4, 2614.5};
  const std::array<double, 5> yield{3.0, 0.5, 1.0, 0.1, 0.3};
  double emitted = 0.0;
  for (std::size_t i = 0; i < energy.size(); ++i) emitted += energy[i] * yield[i];
  for (const double reach : {5e-5, 30.0, 2e4, 1e7}) {
    const PhotonKernel result = photon_kernel({energy, yield}, 1.0, reach);
    CHECK(result.kernel.total_energy_keV() + result.escaped_keV ==
          doctest::Approx(emitted).epsilon(1e-12));
    CHECK(result.kernel.reach_um() == reach);
    CHECK(result.kernel.energy_keV.front() == doctest::Approx(0.6).epsilon(1e-4));
    for (const double e : result.kernel.energy_keV) CHECK(e >= 0.0);
  }
  const PhotonPhysics physics;
  const std::array<double, 1> line{364.5};
  const std::array<double, 1> one{1.0};
  const PhotonKernel single = photon_kernel({line, one}, 1.0, 10.0);
  CHECK(single.kernel.energy_keV.front() / 1e-5 ==
        doctest::Approx(364.5 * physics.energy_absorption_per_um(364.5)).epsilon(1e-9));
}

TEST_CASE("photon kernels absorb within a distance what transport does") {
  const PhotonPhysics physics;
  const PhotonTransport transport(physics);
  constexpr double radius_um = 3000.0;
  constexpr int n = 200000;
  for (const double energy : {20.0, 208.4}) {
    double sum = 0.0;
    double square = 0.0;
    for (std::uint64_t history = 0; history < n; ++history) {
      Stream random(7, Stage::track_history, history);
      Tally tally;
      std::vector<Particle> electrons;
      // Photons may come back from far outside.
      transport(photon(energy), random, tally, {{}, far_um}, electrons);
      double inside = 0.0;
      for (const Particle& e : electrons) {
        if (norm(e.position_um) < radius_um) inside += e.energy_keV;
      }
      sum += inside;
      square += inside * inside;
    }
    const std::array<double, 1> line{energy};
    const std::array<double, 1> one{1.0};
    const double absorbed = photon_kernel({line, one}, 1.0, radius_um).kernel.total_energy_keV();
    // Without what photoelectrons leave in place, a share of the photoelectric part.
    const double left_share = oxygen_k_binding_keV / energy *
                              physics.attenuation_per_um(energy).photoelectric /
                              physics.energy_transfer_per_um(energy);
    const double expected = absorbed * (1.0 - left_share);
    const double mean = sum / n;
    const double error = std::sqrt((square / n - mean * mean) / n);
    CHECK(error < 0.014 * mean);
    // 4 standard errors (1 in 16,000), and 1 % for what is scattered more than once.
    CHECK(std::abs(mean - expected) < 4.0 * error + 0.01 * expected);
  }
}

TEST_CASE("photons outside the model and malformed lines are refused by name") {
  const PhotonPhysics physics;
  CHECK_THROWS_WITH_AS(physics.attenuation_per_um(0.9), doctest::Contains("0.9"), InputError);
  CHECK_THROWS_WITH_AS(physics.attenuation_per_um(10001.0), doctest::Contains("10001"), InputError);
  CHECK_THROWS_AS(PhotonPhysics(-1.0), InputError);
  const std::array<double, 1> bad{-1.0};
  const std::array<double, 1> one{1.0};
  CHECK_THROWS_WITH_AS(photon_kernel({one, bad}, 1.0, 10.0), doctest::Contains("line 0"),
                       InputError);
  CHECK_THROWS_AS(photon_kernel({one, {}}, 1.0, 10.0), InputError);
  CHECK_THROWS_AS(photon_kernel({one, one}, 1.0, 0.0), InputError);
}
