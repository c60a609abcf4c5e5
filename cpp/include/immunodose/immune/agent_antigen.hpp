// SPDX-License-Identifier: BSD-3-Clause
// MHC-I, its complexes and the susceptibility to CD8 T cells of all tumor cells, one step in one
// pass over memory (Eq. 14, docs/theory/agents.md).
#pragma once
#include <cstdint>
#include <span>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// Components of the dose are columns: dose_Gy (component, cell).
struct AntigenCells {
  std::span<const float> dose_Gy;
  std::span<const float> baseline;        // molecules
  std::span<float> induction;             // q of Eq. 2, docs/theory/immune.md; changed in place
  std::span<float> susceptibility_per_d;  // out
};

struct AntigenStep {
  std::span<const double> memory_before, memory_after;  // by component: left of one Gy
  double duration_d = 0.0;
  double turnover_per_d = 0.0;
  double half_dose_Gy = 1.0;
  int induction_power = 1;
  double gain = 0.0;       // e a_D
  double complexes = 0.0;  // per molecule of baseline: assembly times recognized share
  double half_complexes = 1.0;
  int complexes_power = 1;
  double hit_per_d = 0.0;  // at saturation
  int n_threads = 1;
};

// Susceptibility at the end of the step. Powers are integers, 1 to 8, so no pow is called.
void step_antigen(AntigenCells cells, const AntigenStep& step, const StopPoll& stop = {});

}  // namespace immunodose
