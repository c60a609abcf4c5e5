// SPDX-License-Identifier: BSD-3-Clause
// Survival of one cell under a compound Poisson of alpha decays plus deterministic low-LET dose.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"
#include "immunodose/response/moment_quadrature.hpp"

namespace immunodose {

// Linear-quadratic coefficients of one event (a decay that hits) of specific energy z.
struct EventSensitivity {
  double alpha_per_Gy = 0.0;
  double beta_per_Gy2 = 0.0;
};

// The deterministic part: sum_k alpha_k D_k and sum_k sqrt(beta_k) D_k over emission classes.
struct MeanDoseTerm {
  double linear = 0.0;
  double root = 0.0;
};

// ln S averaged over the decays that hit (Eq. 6-9, docs/theory/response.md). Stays finite where
// S itself underflows. `protraction` is the Lea-Catcheside G in [0, 1].
double log_survival(const EventQuadrature& events, EventSensitivity event, MeanDoseTerm mean_dose,
                    double protraction);

struct LogSurvival {
  std::vector<double> log_survival;
  std::array<std::int64_t, 4> cells_by_node_count{};  // cells whose event rule has 0..3 nodes
};

// log_survival of every cell. `moments` holds six values per cell, the others one per cell.
LogSurvival log_survival_of_cells(std::span<const double> moments, std::span<const double> linear,
                                  std::span<const double> root, std::span<const double> protraction,
                                  EventSensitivity event, int n_threads, const StopPoll& stop = {});

// Mean of 1 - exp(-a z) over parallel tracks of constant LET through a sphere, with
// y = a z(2R) (Eq. 11).
double sphere_kill_per_hit(double y);

// The event coefficient whose hit-averaged initial slope is `slope_per_Gy`, published for tracks
// of `let_keV_per_um` across nuclei of `nucleus_radius_um` (Eq. 10-12). Throws InputError when
// the slope asks for more than one kill per hit.
double event_alpha_from_slope(double slope_per_Gy, double let_keV_per_um, double nucleus_radius_um);

}  // namespace immunodose
