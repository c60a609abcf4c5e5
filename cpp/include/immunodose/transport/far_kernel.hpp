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
  double at(double square_um2) const;
  // Inside the cut alone.
  double inside(double square_um2) const;
  double inside_laplacian(double square_um2) const;

 private:
  static constexpr std::size_t n_terms = 7;

  double cut_um_;
  double cut2_um2_;
  std::array<double, n_terms> term_{};  // of t = square / cut^2 - 1
  SquareGrid grid_;
  std::vector<double> edge_um2_;
  std::vector<double> value_;
};

}  // namespace immunodose
