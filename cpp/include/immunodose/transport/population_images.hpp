// SPDX-License-Identifier: BSD-3-Clause
// Cells of a periodic box with their images, which are sources but no targets. Eq. P17,
// docs/theory/population.md.
#pragma once
#include <functional>

#include "immunodose/core/large_vector.hpp"
#include "immunodose/transport/population_tables.hpp"

namespace immunodose {

class PopulationImages {
 public:
  // All images of `cells` within a distance of the box around their centers.
  PopulationImages(const PopulationInput& cells, double reach_um);

  const PopulationInput& input() const { return input_; }

 private:
  LargeVector<double> x_, y_, z_, activity_;
  LargeVector<std::int64_t> shape_of_, class_of_, partner_;
  PopulationInput input_;
};

// Whether a list can hold the images within a distance between centers.
bool can_list_images(const PopulationTables& tables, double reach_um);
// Throws InputError where it cannot; `has_hits`: hits of alphas are among what is summed.
void require_images(const PopulationTables& tables, double reach_um, bool has_hits);

// Calls body(tables) with all that reaches a cell from a distance between centers: the population
// itself, or with its images where its box is periodic.
void with_images(const PopulationTables& tables, double reach_um,
                 const std::function<void(const PopulationTables&)>& body);

}  // namespace immunodose
