// SPDX-License-Identifier: BSD-3-Clause
// Cells whose nuclei lie off their centers as two sites each: the ball inside the membrane with the
// membrane around it, and the nucleus. Eqs. P14 and P15, docs/theory/population.md.
#pragma once
#include <span>
#include <vector>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/transport/population_dose.hpp"

namespace immunodose {

// Volumes (um3) that turn doses to sites into doses to compartments.
struct SiteVolumes {
  double inside;   // of the membrane
  double nucleus;  // part of the inside
  double cytoplasm() const { return inside - nucleus; }
};
SiteVolumes site_volumes(const CellShape& shape, double membrane_thickness_um);
// Columns of doses are kernel-major with `target` within; what follows are hits. The cytoplasm
// needs the nucleus among the targets. Eq. P15.
void combine_sites(const SiteVolumes& volume, std::span<const Compartment> target,
                   std::size_t n_doses, std::span<const double> outer,
                   std::span<const double> nucleus, std::span<double> sums);

class PopulationSites {
 public:
  // Cells with `nucleus_offset_um`; `cells` must stay alive.
  PopulationSites(const PopulationInput& cells, int n_threads, const StopPoll& stop);

  // Site i < n is the cell i without its nucleus cut out, site n + i its nucleus.
  const PopulationInput& input() const { return input_; }
  // Largest relative distance of a radius from that of its class.
  double class_spread() const { return class_spread_; }
  // Doses and hits of a cell from those of its sites, (site, column). Eq. P15.
  void combine(std::span<const Compartment> target, std::size_t n_doses,
               std::span<const double> site_sums, std::size_t cell, std::span<double> sums) const;

 private:
  void set_shapes();
  void set_places();

  const PopulationInput& cells_;
  int n_threads_;
  StopPoll stop_;
  std::vector<CellShape> shape_;
  std::vector<CellShape> shape_class_;
  LargeVector<double> x_, y_, z_, activity_;
  LargeVector<std::int64_t> shape_of_, class_of_, partner_;
  double class_spread_ = 0.0;
  PopulationInput input_;
};

}  // namespace immunodose
