// SPDX-License-Identifier: BSD-3-Clause
// Problem iv without Python: alphas through a cubic lattice of cells, beside the rate of frozen
// ray-sphere tests in the same run. bench_alpha_tracks [side] [tracks] [threads] [straggling]
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "immunodose/transport/decay_transport.hpp"

using namespace immunodose;

namespace {

constexpr double cell_radius_um = 5.0;
constexpr double nucleus_radius_um = 4.0;
constexpr double packing_fraction = 0.5;
constexpr double alpha_energy_keV = 5870.0;  // 211At [ICRP 107]

struct Clock {
  std::chrono::steady_clock::time_point wall = std::chrono::steady_clock::now();
  std::clock_t cpu = std::clock();
  double wall_s() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
  }
  double cpu_s() const { return static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC; }
};

// The roof: chords of one ray in balls from the first cache, single precision. Do not change it.
#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2")))
#endif
float frozen_chords(const std::array<std::vector<float>, 4>& ball, std::size_t n, float shift) {
  float sum[8] = {};
  const float* const x = ball[0].data();
  const float* const y = ball[1].data();
  const float* const z = ball[2].data();
  const float* const square = ball[3].data();
  for (std::size_t i = 0; i < n; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) {
      const float dx = x[i + k] - shift;
      const float dy = y[i + k];
      const float dz = z[i + k];
      const float along = dx * 0.48F + dy * 0.6F + dz * 0.64F;
      const float half2 = square[i + k] - (dx * dx + dy * dy + dz * dz - along * along);
      sum[k] += std::sqrt(std::max(half2, 0.0F));
    }
  }
  float total = 0.0F;
  for (const float part : sum) total += part;
  return total;
}

double chord_tests_per_s() {
  constexpr std::size_t n = 1024;
  std::array<std::vector<float>, 4> ball;
  for (std::size_t axis = 0; axis < 4; ++axis) {
    for (std::size_t i = 0; i < n; ++i) {
      ball[axis].push_back(static_cast<float>((i * (7 + 4 * axis)) % 64) / 16.0F);
    }
  }
  constexpr int loops = 50000;
  double best = 0.0;
  volatile float kept = 0.0F;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const Clock clock;
    float sum = 0.0F;
    for (int i = 0; i < loops; ++i) sum += frozen_chords(ball, n, 1e-4F * static_cast<float>(i));
    kept = kept + sum;
    best = std::max(best, loops * static_cast<double>(n) / clock.cpu_s());
  }
  return best;
}

SphereScene make_scene(std::size_t side) {
  const double edge_um = cell_radius_um * std::cbrt(4.0 / 3.0 * M_PI / packing_fraction);
  std::vector<double> x, y, z;
  for (std::size_t i = 0; i < side * side * side; ++i) {
    x.push_back(edge_um * static_cast<double>(i / (side * side)));
    y.push_back(edge_um * static_cast<double>(i / side % side));
    z.push_back(edge_um * static_cast<double>(i % side));
  }
  const std::vector<double> radius(x.size(), cell_radius_um);
  const std::vector<double> nucleus(x.size(), nucleus_radius_um);
  return SphereScene({x, y, z, radius, nucleus, {}, 0.0});
}

DecaySampler one_alpha() {
  const std::vector<double> one{1.0};
  const std::vector<double> energy{alpha_energy_keV};
  const std::vector<std::int64_t> zero{0};
  return DecaySampler({one, one, {}, {}, {}, {}, zero, zero, energy, one});
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, long otherwise) {
    return argc > i ? std::strtol(argv[i], nullptr, 10) : otherwise;
  };
  const auto side = static_cast<std::size_t>(argument(1, 100));
  const double tracks = static_cast<double>(argument(2, 1000000));
  DecayTransportOptions options{1, 1.0};
  options.n_threads = static_cast<int>(argument(3, 2));
  options.straggling = argument(4, 0) != 0;
  options.transported[0] = true;
  const Clock building;
  const SphereScene scene = make_scene(side);
  std::printf("scene: %.3f s wall, %.3f s CPU\n", building.wall_s(), building.cpu_s());
  const DecaySampler decays = one_alpha();
  const DecayTransport engine(scene, decays, options);
  const auto n_cells = static_cast<double>(scene.n_cells());
  std::vector<double> activity(static_cast<std::size_t>(scene.n_cells()) * n_cell_regions);
  for (std::size_t i = 0; i < activity.size(); i += n_cell_regions) activity[i] = tracks / n_cells;
  const DecaySources sources{activity};
  double wall[2];
  double cpu[2];
  for (const std::int64_t end : {0, -1}) {  // first without a history: what a call costs anyway
    const Clock clock;
    const DecayTransportResult result =
        engine.realization(sources, {true, false, false}, 0, 0, 0, end, {});
    wall[end < 0] = clock.wall_s();
    cpu[end < 0] = clock.cpu_s();
    if (end == 0) {
      std::printf("fixed: %.3f s wall, %.3f s CPU\n", wall[0], cpu[0]);
      continue;
    }
    const auto n = static_cast<double>(result.n_histories);
    double hits = 0.0;
    double keV = 0.0;
    for (std::size_t i = 3; i < result.hits.size(); i += 4) {
      hits += static_cast<double>(result.hits[i]);
      keV += result.region_keV[i];
    }
    const double roof = chord_tests_per_s();
    const double cpu_us = 1e6 * (cpu[1] - cpu[0]) / n;
    std::printf(
        "%.0f alphas: %.3f s wall more, %.3f us CPU each = %.0f chord tests (%.2f G/s), "
        "%.4f cells and %.3f keV each\n",
        n, wall[1] - wall[0], cpu_us, cpu_us * 1e-6 * roof, 1e-9 * roof, hits / n, keV / n);
  }
  return 0;
}
