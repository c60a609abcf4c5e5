// SPDX-License-Identifier: BSD-3-Clause
// The limits of a machine that sums over pairs run into, measured beside them: memory bandwidth,
// and pairs whose distance is squared and put into a polynomial, single precision, eight at a time
// (AVX2) from the first cache. Frozen: do not change it. bench_roof [threads] prints JSON.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace {

double wall_s(int n_threads, const std::function<void(int)>& body) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (int t = 0; t < n_threads; ++t) threads.emplace_back([&, t] { body(t); });
  for (auto& thread : threads) thread.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// GB/s of a = b + s c, three arrays of doubles that no cache holds.
double triad(int n_threads) {
  constexpr std::size_t n = std::size_t{1} << 23;
  std::vector<double> a(n), b(n, 1.0), c(n, 2.0);
  double best = 1e9;
  for (int repeat = 0; repeat < 4; ++repeat) {
    const double seconds = wall_s(n_threads, [&](int t) {
      const auto part = [&](int i) {
        return n * static_cast<std::size_t>(i) / static_cast<std::size_t>(n_threads);
      };
      for (std::size_t i = part(t); i < part(t + 1); ++i) a[i] = b[i] + 3.0 * c[i];
    });
    best = seconds < best ? seconds : best;
  }
  return 24.0 * static_cast<double>(n) / best * 1e-9;
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2")))
#endif
float pair_kernel(const std::array<std::vector<float>, 4>& source, float x, float y, float z) {
  constexpr std::array<float, 6> term{1.0F, -0.5F, 0.25F, -0.125F, 0.0625F, -0.03125F};
  constexpr std::size_t lanes = 16;
  std::array<float, lanes> sum{};
  for (std::size_t i = 0; i < source[0].size(); i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) {
      const float dx = source[0][i + k] - x;
      const float dy = source[1][i + k] - y;
      const float dz = source[2][i + k] - z;
      const float square = dx * dx + dy * dy + dz * dz;
      float value = term[5];
      for (std::size_t n = 5; n > 0; --n) value = value * square + term[n - 1];
      sum[k] += source[3][i + k] * value;
    }
  }
  float total = 0.0F;
  for (const float part : sum) total += part;
  return total;
}

// 1e9 pairs per second.
double pairs(int n_threads) {
  constexpr std::size_t n = 1024;
  constexpr int n_targets = 40000;
  std::array<std::vector<float>, 4> source;
  for (std::size_t axis = 0; axis < 4; ++axis) {
    for (std::size_t i = 0; i < n; ++i) {
      source[axis].push_back(static_cast<float>((i * (7 + 4 * axis)) % 64) / 64.0F);
    }
  }
  volatile float kept = 0.0F;
  double best = 1e9;
  for (int repeat = 0; repeat < 4; ++repeat) {
    const double seconds = wall_s(n_threads, [&](int) {
      float sum = 0.0F;
      for (int i = 0; i < n_targets; ++i) {
        const float at = 1e-5F * static_cast<float>(i);
        sum += pair_kernel(source, at, at, at);
      }
      kept = sum;
    });
    best = seconds < best ? seconds : best;
  }
  return static_cast<double>(n) * n_targets * n_threads / best * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  const int n_threads = argc > 1 ? std::atoi(argv[1]) : 1;
  std::printf("{\"n_threads\": %d, \"triad_GB_per_s\": %.2f, \"pairs_G_per_s\": %.3f}\n", n_threads,
              triad(n_threads), pairs(n_threads));
  return 0;
}
