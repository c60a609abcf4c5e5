// SPDX-License-Identifier: BSD-3-Clause
// T and NK cells in space: they search, hold one tumor cell at a time, hit it, and die (Eq. 1-9,
// docs/theory/agents.md). One call is one time step of all of them.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/core/simd.hpp"
#include "immunodose/immune/agent_bins.hpp"

namespace immunodose {

// What one kind of cell in one state (an effector, an exhausted T cell, an NK cell) does.
struct Phenotype {
  double speed_um_per_min = 0.0;
  double persistence_min = 1.0;  // of its direction
  double dwell_min = 1.0;        // mean time on a target that it does not kill
  double search_min = 1.0;       // mean time between two contacts where targets are in reach
  double hit_factor = 1.0;       // of the susceptibility of a target
  double death_per_min = 0.0;
  double division_per_min = 0.0;  // per time of stimulation
  double change_per_min = 0.0;    // per time of stimulation: to phenotype `next`
  std::int32_t next = 0;
  std::int32_t attack = 0;  // which susceptibility of the targets
  bool harmless = false;    // its first hit makes it `next` and leaves the target (priming)
};

constexpr std::uint8_t gone = 255;  // phenotype of a cell that is no more

// State, one entry per cell; the kernel changes it in place.
struct ImmuneCells {
  std::span<const std::int64_t> id;
  std::span<float> x_um, y_um, z_um;
  std::span<std::int32_t> target;  // row of the tumor cell that it holds, or -1
  std::span<std::uint8_t> phenotype;
  std::span<float> contact_min;     // out: time in contact in this step
  std::span<float> stimulated_min;  // out: the same, times the susceptibility of the targets
  std::span<std::uint8_t> event;    // out: 0, or what happened at the end of the step
  std::size_t size() const { return id.size(); }
};
enum class CellEvent : std::uint8_t { none = 0, died = 1, divides = 2 };

// Tumor cells as they were at the start of the step. x of a cell that is no target is infinite.
struct Targets {
  Points at;
  std::span<const std::int32_t> starts;
  std::vector<std::span<const float>> susceptibility_per_d;  // by attack
};

// Where cells may be: voxels of `edge_um` that hold tissue.
struct Tissue {
  std::array<double, 3> low_um{};
  double edge_um = 1.0;
  std::array<std::int64_t, 3> n_voxels{0, 0, 0};
  std::span<const std::uint8_t> inside;
};

struct StepOptions {
  std::uint64_t root = 0;
  std::int64_t step = 0;
  double duration_min = 60.0;
  double reach_um = 10.0;
  std::vector<std::int32_t> hits_to_kill{1};  // by attack
  int n_threads = 1;
};

struct Hit {
  std::int32_t target;  // row
  std::int32_t cell;    // row of the immune cell
  float time_min;       // since the start of the step
};

// Hits of the step, in no order that means anything.
std::vector<Hit> step_immune_cells(ImmuneCells cells, const Targets& targets, const AgentBins& bins,
                                   const Tissue& tissue, std::span<const Phenotype> phenotypes,
                                   const StepOptions& options, const StopPoll& stop = {});

// A Poisson number of cells that enter in a step, each at one of the points (Eq. 8).
std::vector<std::int64_t> entries(double mean, std::int64_t n_points, std::int64_t kind,
                                  std::int64_t step, std::uint64_t root);

}  // namespace immunodose
