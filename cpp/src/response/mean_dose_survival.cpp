// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/response/mean_dose_survival.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 8192;

void require_size(std::span<const double> values, std::size_t size, const char* name) {
  if (values.size() != size) {
    throw InputError(std::string(name) + ": got " + std::to_string(values.size()) +
                     " values, expected " + std::to_string(size));
  }
}

}  // namespace

std::vector<double> mean_dose_log_survival(std::span<const double> linear,
                                           std::span<const double> root,
                                           std::span<const double> protraction,
                                           std::span<const double> event_share, int n_threads,
                                           const StopPoll& stop) {
  const std::size_t n = linear.size();
  require_size(root, n, "root");
  require_size(protraction, n, "protraction");
  require_size(event_share, n, "event_share");
  std::vector<double> result(n);
  parallel_for(
      static_cast<std::int64_t>(n), cells_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto cell = begin; cell < end; ++cell) {
          const auto i = static_cast<std::size_t>(cell);
          const double pairs = protraction[i] * root[i] * root[i];
          result[i] = -linear[i] - pairs;
          if (event_share[i] == 0.0) continue;
          const double slope = linear[i] + 2.0 * pairs;
          result[i] += std::log1p(event_share[i] * (0.5 * slope * slope - pairs));
        }
      },
      stop);
  return result;
}

}  // namespace immunodose
