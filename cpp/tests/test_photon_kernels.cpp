// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/physics/condensed_electron.hpp"
#include "immunodose/physics/photon_kernel.hpp"
#include "immunodose/transport/electron_transport.hpp"
#include "immunodose/transport/photon_kernel_builder.hpp"
#include "immunodose/transport/photon_transport.hpp"

using namespace immunodose;

namespace {

constexpr auto grid = SecondaryElectronTable::scaled_distance;
constexpr std::size_t n_nodes = 15 * 16 + 1;

// Energy within balls around the origin, by points along each segment.
struct Balls {
  std::array<double, 3> radius_um;
  std::array<double, 3> within_keV{};
  double all_keV = 0.0;

  void point(Vec3 p, double keV) {
    all_keV += keV;
    for (std::size_t i = 0; i < radius_um.size(); ++i) {
      if (norm(p) <= radius_um[i]) within_keV[i] += keV;
    }
  }
  void segment(Vec3 p, Vec3 along, double length_um, double keV) {
    constexpr int n = 20;
    for (int i = 0; i < n; ++i) point(p + (i + 0.5) / n * length_um * along, keV / n);
  }
  double clearance(Vec3) const { return 0.0; }
};

SecondaryElectronTable flat_table(float share) {
  return {{1.0, 3000.0}, {0.1, 15000.0}, std::vector<float>(3 * 2 * n_nodes, share)};
}

}  // namespace

TEST_CASE("photons set free electrons of at most the stated energy") {
  for (const auto process :
       {PhotonProcess::compton, PhotonProcess::photoelectric, PhotonProcess::pair}) {
    for (const double electron : {0.7, 30.0, 800.0, 3000.0}) {
      const double photon = photon_of_fastest_electron_keV(process, electron);
      CHECK(fastest_electron_keV(process, photon) == doctest::Approx(electron).epsilon(1e-9));
      Stream random(11, Stage::track_history, static_cast<std::uint64_t>(electron));
      double fastest = 0.0;
      for (int i = 0; i < 3000; ++i) {
        Particle particle{ParticleKind::photon, photon, {}, {0.0, 0.0, 1.0}, 1.0};
        Balls tally{{1.0, 2.0, 3.0}};
        std::vector<Particle> electrons;
        PhotonTransport::interact(process, particle, random, tally, electrons);
        for (const Particle& e : electrons) fastest = std::max(fastest, e.energy_keV);
      }
      CHECK(fastest <= electron * (1.0 + 1e-9));
      CHECK(fastest > 0.98 * electron);
    }
  }
  CHECK(fastest_electron_keV(PhotonProcess::pair, 900.0) == 0.0);
}

// The builder knows for each deposit how much of the axis counts; here the collisions are placed.
TEST_CASE("equivalent distances are those of collisions placed along the way of the photon") {
  const ElectronPhysics physics(1.0);
  const CondensedElectron condensed(physics, CondensedOptions{0.05});
  ElectronTransport transport(physics, &condensed, {ElectronMode::condensed});
  constexpr int n = 6000;
  for (const auto process : {PhotonProcess::compton, PhotonProcess::photoelectric}) {
    const double electron_keV = 60.0;
    PhotonKernelOptions options;
    options.n_histories = 4096;
    const auto kernel = build_photon_kernel(physics, process, electron_keV, options);
    const double range_um = kernel.csda_range_um;
    // Nodes of 1/16, 1/4 and 1 ranges.
    const std::array<std::size_t, 3> node{10 * 16, 12 * 16, 14 * 16};
    Balls tally{{range_um / 16.0, range_um / 4.0, range_um}};
    std::array<double, 3> sum{}, square{};
    double all_keV = 0.0;
    const double farthest_um = 2.5 * range_um;
    std::vector<Particle> electrons, photons;
    for (std::uint64_t h = 0; h < n; ++h) {
      Stream random(12, Stage::track_history, h);
      const double photon_keV = photon_of_fastest_electron_keV(process, electron_keV);
      // More of them near the origin, with less weight: density 1/(2 sqrt(s l)).
      const double u = random.uniform();
      const double place_um = farthest_um * u * u;
      const double weight = 2.0 * farthest_um * u;
      Particle photon{ParticleKind::photon, photon_keV, {0.0, 0.0, place_um}, {0.0, 0.0, 1.0}, 1.0};
      electrons.clear();
      tally.within_keV = {};
      PhotonTransport::interact(process, photon, random, tally, electrons);
      for (const Particle& e : electrons) transport(e, random, tally, photons);
      for (std::size_t i = 0; i < 3; ++i) {
        const double value = weight * tally.within_keV[i];
        sum[i] += value;
        square[i] += value * value;
      }
    }
    all_keV = tally.all_keV;
    for (std::size_t i = 0; i < 3; ++i) {
      const double distance_um = sum[i] / all_keV;
      const double spread = std::sqrt(square[i] / n - sum[i] / n * (sum[i] / n));
      const double error = std::hypot(spread / std::sqrt(n) * n / all_keV,
                                      kernel.stderr_share[node[i]] * tally.radius_um[i]);
      const double expected = kernel.equivalent_share[node[i]] * tally.radius_um[i];
      CAPTURE(i);
      CHECK(std::abs(distance_um - expected) < 4.0 * error);  // 1 in 16,000
      CHECK(error < 0.08 * expected);
    }
  }
}

TEST_CASE("equivalent distances rise from what stays in place to a constant displacement") {
  const ElectronPhysics physics(1.0);
  PhotonKernelOptions options;
  options.n_histories = 256;
  for (const auto process :
       {PhotonProcess::compton, PhotonProcess::photoelectric, PhotonProcess::pair}) {
    const auto kernel = build_photon_kernel(physics, process, 20.0, options);
    REQUIRE(kernel.equivalent_share.size() == n_nodes);
    double before = 0.0;
    for (std::size_t i = 0; i < n_nodes; ++i) {
      const double distance = kernel.equivalent_share[i] * grid.node(i);
      CHECK(distance >= before);
      before = distance;
    }
    // Beyond the reach of all electrons the ways add up to distance less displacement, nearly.
    const double last = 2.0 * (1.0 - kernel.equivalent_share[n_nodes - 1]);
    const double inner = 1.5 * (1.0 - kernel.equivalent_share[n_nodes - 9]);
    CHECK(last > 0.0);
    CHECK(last == doctest::Approx(inner).epsilon(0.1));
  }
  // The Auger electrons of oxygen stay where the photon ended.
  const auto kernel = build_photon_kernel(physics, PhotonProcess::photoelectric, 20.0, options);
  CHECK(kernel.equivalent_share.front() ==
        doctest::Approx(oxygen_k_binding_keV / (20.0 + oxygen_k_binding_keV)).epsilon(0.01));
  options.n_threads = 3;
  CHECK(
      build_photon_kernel(physics, PhotonProcess::photoelectric, 20.0, options).equivalent_share ==
      kernel.equivalent_share);
  options.n_histories = 63;
  CHECK_THROWS_AS(build_photon_kernel(physics, PhotonProcess::pair, 20.0, options), InputError);
}

TEST_CASE("photon kernels with electrons conserve energy and shift the deposits outwards") {
  const std::array<double, 4> energy{0.2, 27.0, 662.0, 7000.0};
  const std::array<double, 4> yield{3.0, 0.5, 1.0, 0.3};
  double emitted = 0.0;
  for (std::size_t i = 0; i < energy.size(); ++i) emitted += energy[i] * yield[i];
  const auto half = flat_table(0.5F);
  for (const double reach : {5e-5, 30.0, 2e4, 1e8}) {
    const PhotonKernel result = photon_kernel({energy, yield}, 1.0, reach, &half);
    CHECK(result.kernel.total_energy_keV() + result.escaped_keV ==
          doctest::Approx(emitted).epsilon(1e-12));
    for (const double e : result.kernel.energy_keV) CHECK(e >= 0.0);
  }
  // Shares of one: electrons stay. Of a half, near the source: half as far, at any density.
  const std::array<double, 1> line{662.0};
  const std::array<double, 1> one{1.0};
  const auto whole = flat_table(1.0F);
  for (const double density : {1.0, 1.3}) {
    const PhotonKernel stay = photon_kernel({line, one}, density, 50.0);
    const PhotonKernel same = photon_kernel({line, one}, density, 50.0, &whole);
    CHECK(same.escaped_keV == doctest::Approx(stay.escaped_keV).epsilon(1e-12));
    const PhotonKernel moved = photon_kernel({line, one}, density, 50.0, &half);
    const PhotonKernel nearer = photon_kernel({line, one}, density, 25.0);
    CHECK(moved.escaped_keV == doctest::Approx(nearer.escaped_keV).epsilon(1e-12));
  }
}

TEST_CASE("photon kernels scale with the density of the water") {
  std::vector<float> share;
  for (std::size_t row = 0; row < 6; ++row) {
    for (std::size_t i = 0; i < n_nodes; ++i) {
      const double x = grid.node(i);
      share.push_back(static_cast<float>(x / (x + 0.3 + 0.1 * static_cast<double>(row))));
    }
  }
  const SecondaryElectronTable table({1.0, 3000.0}, {0.1, 15000.0}, share);
  const std::array<double, 4> at{1e-3, 0.4, 30.0, 4e4};
  std::array<double, 4> denser{};
  for (std::size_t i = 0; i < at.size(); ++i) denser[i] = at[i] / 1.3;
  for (const double photon_keV : {1.0, 30.0, 662.0, 2600.0, 9000.0}) {
    const auto one = table.equivalent_distance_um(photon_keV, PhotonPhysics(1.0), at);
    const auto other = table.equivalent_distance_um(photon_keV, PhotonPhysics(1.3), denser);
    for (std::size_t i = 0; i < at.size(); ++i) {
      CHECK(1.3 * other[i] == doctest::Approx(one[i]).epsilon(1e-9));
      CHECK(one[i] <= at[i]);
    }
  }
}

TEST_CASE("tables of photon kernels that do not fit are refused") {
  const std::vector<float> share(3 * 2 * n_nodes, 0.5F);
  CHECK_THROWS_WITH_AS(SecondaryElectronTable({1.0, 2.0}, {0.1}, share),
                       doctest::Contains("unequal size"), InputError);
  CHECK_THROWS_WITH_AS(SecondaryElectronTable({2.0, 1.0}, {0.1, 0.2}, share),
                       doctest::Contains("ascend"), InputError);
  CHECK_THROWS_WITH_AS(flat_table(1.5F), doctest::Contains("within 0 to 1"), InputError);
}
