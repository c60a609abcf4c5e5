// SPDX-License-Identifier: BSD-3-Clause
// The part of a cross-dose kernel that a mesh can carry: the kernel itself beyond a cut, and a
// polynomial in the squared distance inside, joined with six derivatives. Eq. P5,
// docs/theory/population.md.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "immunodose/transport/square_grid.hpp"

namespace immunodose {

class FarKernel {
 public:
  // Values at the edges of a grid that begins at most at 0.7 of the cut.
  FarKernel(const SquareGrid& grid, std::span<const double> value, double cut_um);

  double cut_um() const { return cut_um_; }
  double at(double square_um2) const {
    if (square_um2 < cut2_um2_) return inside(square_um2);
    const auto& line = line_[static_cast<std::size_t>(grid_.cell(static_cast<float>(square_um2)))];
    return line[0] + line[1] * square_um2;
  }
  // Inside the cut alone.
  double inside(double square_um2) const {
    const double t = square_um2 / cut2_um2_ - 1.0;
    double sum = 0.0;
    for (std::size_t n = n_terms; n > 0; --n) sum = sum * t + term_[n - 1];
    return sum;
  }
  double inside_laplacian(double square_um2) const;
  // The integral over space of the kernel times cos(k x), at `first` + i `step` (um-1), i = 0, 1
  // ... Eq. P19.
  void transform(double first_per_um, double step_per_um, std::span<double> values) const;

 private:
  static constexpr std::size_t n_terms = 7;

  double cut_um_;
  double cut2_um2_;
  std::array<double, n_terms> term_{};  // of t = square / cut^2 - 1
  SquareGrid grid_;
  std::vector<std::array<double, 2>> line_;  // value and slope of each cell of the grid
  std::vector<double> edge_um2_;
};

}  // namespace immunodose
