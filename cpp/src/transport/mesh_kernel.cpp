// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/mesh_kernel.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace immunodose {
namespace {

// Frequencies between two nodes of the table of a transform that oscillates with the reach, and
// nodes of the Lagrange polynomials between them: 3e-6 of an oscillation, less of the transform.
constexpr double nodes_per_half_wave = 4.0;
constexpr std::size_t n_lagrange = 12;
// Angles turned by a constant are this much cheaper than sines and cosines.
constexpr double turned_per_exact = 8.0;
constexpr std::int64_t frequencies_per_block = 256;
constexpr double cells_per_octave_of_distance = 256.0;  // of a square grid

// At place (z, y, x) of an octant.
template <class Value>
std::vector<float> fill_octant(const MeshShape& shape, int n_threads, const StopPoll& stop,
                               const Value& value) {
  const std::int64_t n_y = shape.n_transform[1] / 2 + 1;
  const std::int64_t n_x = shape.n_transform[2] / 2 + 1;
  const std::int64_t n_rows = (shape.n_transform[0] / 2 + 1) * n_y;
  std::vector<float> values(static_cast<std::size_t>(n_rows * n_x));
  parallel_for(
      n_rows, n_y, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
          const auto z = static_cast<double>(row / n_y);
          const auto y = static_cast<double>(row % n_y);
          float* const to = &values[static_cast<std::size_t>(row * n_x)];
          for (std::int64_t x = 0; x < n_x; ++x) {
            to[x] = static_cast<float>(value(z, y, static_cast<double>(x)));
          }
        }
      },
      stop);
  return values;
}

// The transform of a kernel at any frequency, by polynomials between equal steps.
class TransformTable {
 public:
  TransformTable(const FarKernel& far, double longest_per_um, double reach_um, int n_threads,
                 const StopPoll& stop)
      : step_(std::numbers::pi / (nodes_per_half_wave * reach_um)) {
    const auto n = static_cast<std::size_t>(longest_per_um / step_) + n_lagrange;
    values_.resize(n);
    parallel_for(
        static_cast<std::int64_t>(n), frequencies_per_block, n_threads,
        [&](std::int64_t begin, std::int64_t end) {
          far.transform(static_cast<double>(begin) * step_, step_,
                        std::span(values_).subspan(static_cast<std::size_t>(begin),
                                                   static_cast<std::size_t>(end - begin)));
        },
        stop);
    double weight = 1.0;  // (-1)^k times a binomial coefficient
    for (std::size_t k = 0; k < n_lagrange; ++k) {
      weight_[k] = weight;
      weight *= -static_cast<double>(n_lagrange - 1 - k) / static_cast<double>(k + 1);
    }
  }

  double at(double per_um) const {
    const double place = per_um / step_;
    const auto first = static_cast<std::int64_t>(place) - static_cast<std::int64_t>(n_lagrange / 2);
    double sum = 0.0;
    double weights = 0.0;
    for (std::size_t k = 0; k < n_lagrange; ++k) {
      const std::int64_t node = first + 1 + static_cast<std::int64_t>(k);
      const double value = values_[static_cast<std::size_t>(std::abs(node))];  // it is even
      const double apart = place - static_cast<double>(node);
      if (apart == 0.0) return value;
      sum += weight_[k] / apart * value;
      weights += weight_[k] / apart;
    }
    return sum / weights;
  }

 private:
  double step_;
  std::vector<double> values_;
  std::array<double, n_lagrange> weight_{};
};

// Poisson's sum: the images of a kernel have its transform, at the frequencies of the box alone.
std::vector<float> transform_of_images(const FarKernel& far, const MeshShape& shape,
                                       double reach_um, int n_threads, const StopPoll& stop) {
  std::array<double, 3> step{};
  double nodes = 1.0;
  double longest2 = 0.0;
  double volume_um3 = 1.0;  // of a node
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto n = static_cast<double>(shape.n_transform[axis]);
    const double h = shape.spacing_um[axis];
    step[axis] = 2.0 * std::numbers::pi / (n * h);
    nodes *= n / 2.0 + 1.0;
    longest2 += std::pow(std::numbers::pi / h, 2);
    volume_um3 *= h;
  }
  const double scale = 1.0 / volume_um3;
  const auto frequency = [&](double z, double y, double x) {
    return std::hypot(step[0] * z, step[1] * y, step[2] * x);
  };
  const double longest = std::sqrt(longest2);
  const double table = nodes_per_half_wave * reach_um * longest / std::numbers::pi;
  if (turned_per_exact * nodes < table) {
    return fill_octant(shape, n_threads, stop, [&](double z, double y, double x) {
      double value = 0.0;
      far.transform(frequency(z, y, x), 0.0, std::span(&value, 1));
      return scale * value;
    });
  }
  const TransformTable transform(far, longest, reach_um, n_threads, stop);
  return fill_octant(shape, n_threads, stop, [&](double z, double y, double x) {
    return scale * transform.at(frequency(z, y, x));
  });
}

}  // namespace

MeshKernel mesh_kernel(const FarKernel& far, const MeshShape& shape, const PeriodicBox& box,
                       double reach_um, int n_threads, const StopPoll& stop) {
  if (box.repeats_everywhere()) {
    return {transform_of_images(far, shape, reach_um, n_threads, stop), true};
  }
  const auto& h = shape.spacing_um;
  if (!box.repeats()) {
    const double h2 = h[0] * h[0];
    return {fill_octant(
                shape, n_threads, stop,
                [&](double z, double y, double x) { return far.at(h2 * (x * x + y * y + z * z)); }),
            false};
  }
  return {fill_octant(shape, n_threads, stop,
                      [&](double z, double y, double x) {
                        double sum = 0.0;
                        visit_images(box, Vec3{h[2] * x, h[1] * y, h[0] * z}, reach_um,
                                     [&](Vec3 at, bool) { sum += far.at(dot(at, at)); });
                        return sum;
                      }),
          false};
}

double mesh_kernel_terms(const MeshShape& shape, const PeriodicBox& box, double spacing_um,
                         double cut_um, double reach_um) {
  const double nodes = 0.125 * shape.transform_size();
  if (!box.repeats()) return 0.0;
  if (!box.repeats_everywhere()) return nodes * box.copies_within(reach_um);
  const double edges = cells_per_octave_of_distance * std::log2(reach_um / cut_um);
  const double table = nodes_per_half_wave * std::sqrt(3.0) * reach_um / spacing_um;
  return edges * std::min(table, turned_per_exact * nodes);
}

}  // namespace immunodose
