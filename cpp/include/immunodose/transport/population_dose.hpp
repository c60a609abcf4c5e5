// SPDX-License-Identifier: BSD-3-Clause
// Mean absorbed dose and alpha hits of every cell of a population: tables over distance,
// summed over neighbors in canonical order by the thread that owns the target.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/geometry/periodic_box.hpp"
#include "immunodose/physics/radial_kernel.hpp"
#include "immunodose/transport/hit_table.hpp"
#include "immunodose/transport/particle_mesh.hpp"
#include "immunodose/transport/table_cache.hpp"

namespace immunodose {

enum class Compartment : std::int64_t { nucleus = 0, cytoplasm = 1, membrane = 2, cell = 3 };
inline constexpr std::size_t n_source_compartments = 3;  // nucleus, cytoplasm, membrane

struct CellShape {
  double cell_radius_um;
  double nucleus_radius_um;
  bool is_nucleus = false;  // a nucleus alone, in a site of its own
};

Region compartment_region(const CellShape& shape, Compartment compartment,
                          double membrane_thickness_um);

struct PopulationInput {
  std::span<const double> x_um;
  std::span<const double> y_um;
  std::span<const double> z_um;
  std::span<const CellShape> shape;        // distinct shapes: self-doses are exact for each
  std::span<const std::int64_t> shape_of;  // per cell
  std::span<const CellShape> shape_class;  // few representative shapes for the cross-dose
  std::span<const std::int64_t> class_of;  // per cell
  std::span<const double> time_integrated_activity;  // (cell, source compartment), Bq s
  double medium_concentration;                       // Bq s um-3, outside the cells
  double membrane_thickness_um;
  double density_g_per_cm3;
  const GridIndex* grid = nullptr;  // of the same cells, where they are sorted already
  // (cell, 3): of the center of the nucleus from that of the cell; empty: concentric
  std::span<const double> nucleus_offset_um = {};
  // Of sites: the other site of the same cell, whose pair is no cross-dose; empty: none.
  std::span<const std::int64_t> partner = {};
  PeriodicBox box = {};
  std::size_t n_targets = 0;  // of the first cells; the others are images of them. 0: no images
};

// How the doses from other cells are added up.
enum class Summation : std::int64_t {
  automatic = 0,
  direct = 1,         // all pairs within reach, double precision
  cell_list = 2,      // all pairs within reach, tables over squared distance
  particle_mesh = 3,  // far cells through a mesh, near ones from a cell list
};

struct PopulationModel {
  std::vector<RadialKernel> kernel;         // one per emission class
  std::vector<Compartment> target;          // scored compartments
  const AlphaChain* alpha_chain = nullptr;  // hits are scored where given
  bool split_emission = true;               // else doses of all kernels are summed
  bool split_origin = true;                 // else self and cross are summed
  Summation summation = Summation::automatic;
  double rtol = 1e-3;                  // root mean square error over mean, of a mesh
  MeshConvolver* convolver = nullptr;  // needed for a mesh
  TableCache* cache = nullptr;         // of tables that were made before
};

// What was done for the kernels of one sweep.
struct SummationReport {
  std::vector<std::int64_t> kernel;  // numbers in PopulationModel::kernel
  Summation summation;
  double reach_um;         // of the sum over pairs
  double mesh_spacing_um;  // 0 without a mesh
  double expected_error;   // relative, root mean square
  double measured_error;   // of the mesh at some cells, against sums over all others
  std::int64_t n_pairs;    // whose distance was computed
  std::optional<double> class_spread = {};  // of sites: largest relative distance of radii to class
};

// Traversals and the moments 0..5.
inline constexpr std::size_t n_hit_columns = 1 + HitChannels::n_moments;

// Where the doses go, which are added to what is there: no copy of a result stands beside it.
template <class Real>
struct PopulationOutput {
  std::span<Real> dose_Gy;  // (cell, column)
  std::size_t n_columns;    // of a row
  // Column of each (target, kernel or 1, origin or 1): origin 0 = self, 1 = cross (medium
  // included).
  std::span<const std::int64_t> column;
  std::span<double> hits;  // (cell, n_hit_columns) with an alpha chain, else empty
};

// Eq. 17, docs/theory/transport.md, and docs/theory/population.md. For double and float.
template <class Real>
std::vector<SummationReport> add_population_dose(const PopulationInput& input,
                                                 const PopulationModel& model,
                                                 const PopulationOutput<Real>& output,
                                                 int n_threads, const StopPoll& stop = {});

struct PopulationResult {
  std::vector<double> dose_Gy;  // (cell, target, kernel or 1, origin or 1)
  std::vector<double> hits;     // (cell, traversals and moments 0..5), empty without alphas
  std::vector<SummationReport> report;
};

// The same as a result of its own.
PopulationResult population_dose(const PopulationInput& input, const PopulationModel& model,
                                 int n_threads, const StopPoll& stop = {});

}  // namespace immunodose
