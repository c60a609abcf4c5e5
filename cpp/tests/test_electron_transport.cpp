// SPDX-License-Identifier: BSD-3-Clause
// Histories of electrons: what they conserve, where they go, and what must not matter.
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "doctest.h"
#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/transport/electron_transport.hpp"
#include "immunodose/transport/kernel_builder.hpp"

using namespace immunodose;

namespace {

const ElectronPhysics& water() {
  static const ElectronPhysics physics;
  return physics;
}

const CondensedElectron& grouped() {
  static const CondensedElectron condensed(water(), {});
  return condensed;
}

constexpr std::array<ElectronMode, 2> both_modes{ElectronMode::detailed, ElectronMode::condensed};

// Energy within a ball around the origin, with the mean distance of all energy.
struct BallScorer {
  double radius_um;
  bool knows_clearance = true;
  double inside = 0.0;
  double all = 0.0;
  double first_moment = 0.0;
  std::vector<double> log = {};  // every number that transport reports

  void point(Vec3 position, double keV) {
    const double r = norm(position);
    all += keV;
    first_moment += keV * r;
    if (r < radius_um) inside += keV;
    log.push_back(keV);
    log.push_back(r);
  }
  void segment(Vec3 position, Vec3 direction, double length_um, double keV) {
    constexpr int parts = 8;
    for (int i = 0; i < parts; ++i) {
      point(position + (i + 0.5) / parts * length_um * direction, keV / parts);
    }
  }
  double clearance(Vec3 position) const {
    return knows_clearance ? std::abs(norm(position) - radius_um) : 0.0;
  }
};

Particle electron(double energy_keV, Stream& random, double weight = 1.0) {
  return {ParticleKind::electron, energy_keV, {}, isotropic_direction(random), weight};
}

struct Mean {
  double value;
  double error;
};

// Mean share of the energy within the ball.
Mean share_inside(double energy_keV, const BallScorer& scorer, const ElectronOptions& options,
                  int n, std::uint64_t root, const CondensedElectron& tables = grouped()) {
  ElectronTransport transport(water(), &tables, options);
  std::vector<Particle> photons;
  double sum = 0.0, square = 0.0;
  for (int h = 0; h < n; ++h) {
    BallScorer one = scorer;
    Stream random(root, Stage::track_history, static_cast<std::uint64_t>(h));
    transport(electron(energy_keV, random), random, one, photons);
    sum += one.inside / energy_keV;
    square += one.inside * one.inside / (energy_keV * energy_keV);
  }
  const double mean = sum / n;
  return {mean, std::sqrt((square / n - mean * mean) / n)};
}

// 4.5 standard errors: false alarm 1 in 150,000 per pair, beyond a share of the mean.
void check_equal(const Mean& a, const Mean& b, double share) {
  CHECK(std::abs(a.value - b.value) < 4.5 * std::hypot(a.error, b.error) + share * b.value);
}

}  // namespace

TEST_CASE("an electron leaves what it had, in every history and both modes") {
  for (const ElectronMode mode : both_modes) {
    ElectronTransport transport(water(), &grouped(), {mode});
    for (const double energy : {0.02, 0.06, 0.5, 5.0, 60.0, 900.0, 3000.0}) {
      if (mode == ElectronMode::detailed && energy > 1000.0) continue;  // slow
      std::vector<Particle> photons;
      const int n = energy > 100.0 ? 3 : 20;
      for (int h = 0; h < n; ++h) {
        Stream random(1, Stage::track_history, static_cast<std::uint64_t>(h));
        BallScorer scorer{2.0};
        photons.clear();
        transport(electron(energy, random, 0.5), random, scorer, photons);
        double sum = scorer.all;
        for (const Particle& photon : photons) {
          CHECK(photon.kind == ParticleKind::photon);
          CHECK(norm(photon.direction) == doctest::Approx(1.0).epsilon(1e-9));
          sum += photon.weight * photon.energy_keV;
        }
        CHECK(sum == doctest::Approx(0.5 * energy).epsilon(1e-9));
      }
    }
  }
}

TEST_CASE("the same stream gives the same history, bit for bit") {
  for (const ElectronMode mode : both_modes) {
    ElectronTransport used(water(), &grouped(), {mode});
    std::vector<Particle> photons;
    std::vector<std::vector<double>> logs;
    for (int pass = 0; pass < 2; ++pass) {
      ElectronTransport fresh(water(), &grouped(), {mode});
      auto& transport = pass == 0 ? used : fresh;
      // The second pass runs the one history alone, the first after four others.
      for (std::uint64_t h = pass == 0 ? 0 : 4; h < 5; ++h) {
        Stream random(2, Stage::track_history, h);
        BallScorer scorer{1.0};
        transport(electron(20.0, random), random, scorer, photons);
        if (h == 4) logs.push_back(scorer.log);
      }
    }
    CHECK(logs[0].size() > 20);
    CHECK(logs[0] == logs[1]);
  }
}

TEST_CASE("positrons annihilate at their end into two opposite quanta") {
  for (const ElectronMode mode : both_modes) {
    ElectronTransport transport(water(), &grouped(), {mode});
    Stream random(3, Stage::track_history, 0);
    Particle positron = electron(15.0, random, 0.25);
    positron.kind = ParticleKind::positron;
    BallScorer scorer{1.0};
    std::vector<Particle> photons;
    transport(positron, random, scorer, photons);
    double braking = 0.0;
    std::vector<Particle> quanta;
    for (const Particle& photon : photons) {
      if (photon.energy_keV < 100.0)
        braking += photon.weight * photon.energy_keV;
      else
        quanta.push_back(photon);
    }
    REQUIRE(quanta.size() == 2);
    for (const Particle& quantum : quanta) {
      CHECK(quantum.energy_keV == constants::electron_rest_energy_keV);
      CHECK(quantum.weight == 0.25);
      CHECK(norm(quantum.position_um) < water().csda_range_um(15.0));
    }
    CHECK(dot(quanta[0].direction, quanta[1].direction) == doctest::Approx(-1.0));
    CHECK(scorer.all + braking == doctest::Approx(0.25 * 15.0).epsilon(1e-9));
  }
}

TEST_CASE("knowing how far the surfaces are does not change what crosses them") {
  for (const ElectronMode mode : both_modes) {
    for (const auto& [energy, radius] : {std::array{2.0, 0.06}, std::array{12.0, 1.5}}) {
      const ElectronOptions options{mode};
      const int n = energy < 10.0 ? 6000 : 1500;
      const Mean without = share_inside(energy, BallScorer{radius, false}, options, n, 4);
      const Mean with = share_inside(energy, BallScorer{radius, true}, options, n, 5);
      CHECK(without.error < 0.01);
      check_equal(with, without, 0.003);
    }
  }
}

TEST_CASE("grouped collisions put the energy where single ones do") {
  // Energy and radius of a ball around a point source: the designed agreement is 1 %.
  for (const auto& [energy, radius] : {std::array{10.0, 1.2}, std::array{30.0, 5.0}}) {
    const Mean detailed =
        share_inside(energy, BallScorer{radius}, {ElectronMode::detailed}, 5000, 6);
    const Mean condensed =
        share_inside(energy, BallScorer{radius}, {ElectronMode::condensed}, 5000, 7);
    CHECK(detailed.error < 0.01 * detailed.value);
    check_equal(condensed, detailed, 0.01);
  }
}

TEST_CASE("the longest step does not matter") {
  // 100 keV in a ball of 5 um: a step of its size was wrong by 19 % in another code.
  ElectronOptions fine{ElectronMode::condensed};
  fine.longest_step_um = 1.0;
  const BallScorer ball{5.0};
  for (const double energy : {50.0, 100.0}) {
    const Mean a = share_inside(energy, ball, fine, 12000, 8);
    const Mean b = share_inside(energy, ball, {ElectronMode::condensed}, 12000, 9);
    CHECK(a.error < 0.012 * a.value);
    check_equal(b, a, 0.01);
  }
}

TEST_CASE("what lies below the resolution does not matter") {
  // Resolutions of 5 % of the radius of the ball, as scenes of cells have them.
  for (const auto& [energy, radius] : {std::array{10.0, 1.2}, std::array{30.0, 5.0}}) {
    const CondensedElectron coarse(water(), {resolved_share * radius});
    const ElectronOptions options{ElectronMode::condensed};
    const Mean a = share_inside(energy, BallScorer{radius}, options, 12000, 12);
    const Mean b = share_inside(energy, BallScorer{radius}, options, 12000, 13, coarse);
    CHECK(a.error < 0.006 * a.value);
    check_equal(b, a, 0.01);
  }
}

TEST_CASE("electrons wander: energy ends at half the path length from the source") {
  // Mean distance of the energy over the CSDA range at 100 keV: PENELOPE 0.509, EGSnrc 0.5075,
  // ETRAN 0.499; straight tracks would give more than 0.6.
  for (const ElectronMode mode : both_modes) {
    ElectronTransport transport(water(), &grouped(), {mode});
    const double range = water().csda_range_um(100.0);
    std::vector<Particle> photons;
    double sum = 0.0, square = 0.0;
    constexpr int n = 800;
    for (int h = 0; h < n; ++h) {
      Stream random(10, Stage::track_history, static_cast<std::uint64_t>(h));
      BallScorer scorer{1e6};  // never near
      scorer.knows_clearance = false;
      transport(electron(100.0, random), random, scorer, photons);
      const double r = scorer.first_moment / scorer.all / range;
      CHECK(r < 1.0);
      sum += r;
      square += r * r;
    }
    const double mean = sum / n;
    const double error = std::sqrt((square / n - mean * mean) / n);
    CHECK(error < 0.006);
    CHECK(std::abs(mean - 0.508) < 4.0 * error + 0.005);  // 1 in 16,000
  }
}

TEST_CASE("thinning of histories far out does not bias a kernel") {
  KernelBuildOptions plain{2048, 2048, 0.05, 1, 2};
  KernelBuildOptions thinned{4096, 512, 0.05, 2, 2};
  const ScaledKernel a = build_kernel(water(), 8.0, plain);
  const ScaledKernel b = build_kernel(water(), 8.0, thinned);
  for (const double x : {0.01, 0.05, 0.2, 0.5, 0.8}) {
    const auto i = ScaledKernel::scaled_distance.find(x).cell;
    const double error = std::hypot(a.stderr_within[i], b.stderr_within[i]);
    CHECK(error > 0.0);
    CHECK(error < 0.06 * a.fraction_within[i]);
    CHECK(std::abs(a.fraction_within[i] - b.fraction_within[i]) < 4.5 * error);
  }
  // One is a mean over blocks of histories, the other a ratio of sums: equal to the noise of the
  // radiated fraction, 4e-4 at this energy.
  CHECK(a.fraction_within.back() + a.radiated_fraction == doctest::Approx(1.0).epsilon(1e-9));
  CHECK(b.fraction_within.back() + b.radiated_fraction == doctest::Approx(1.0).epsilon(1e-9));
}

TEST_CASE("electrons outside the model and missing tables are refused") {
  ElectronTransport transport(water(), &grouped(), {});
  Stream random(11, Stage::track_history, 0);
  BallScorer scorer{1.0};
  std::vector<Particle> photons;
  CHECK_THROWS_WITH_AS(transport(electron(3001.0, random), random, scorer, photons),
                       doctest::Contains("3000 keV"), InputError);
  CHECK(scorer.all == 0.0);
  CHECK_THROWS_WITH_AS(ElectronTransport(water(), &grouped(), {ElectronMode::detailed, 0.029}),
                       doctest::Contains("cutoff_keV"), InputError);
  CHECK_THROWS_AS(ElectronTransport(water(), nullptr, {ElectronMode::condensed}), InputError);
  CHECK_THROWS_AS(build_kernel(water(), 1.0, {10, 10, 0.05, 1, 1}), InputError);
  CHECK_THROWS_AS(build_kernel(water(), 1.0, {100, 200, 0.05, 1, 1}), InputError);
}
