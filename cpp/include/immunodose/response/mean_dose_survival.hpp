// SPDX-License-Identifier: BSD-3-Clause
// Survival from mean doses: linear-quadratic, with or without the spread of the nucleus's energy.
#pragma once
#include <span>
#include <vector>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// ln S = -A - G B^2 + ln(1 + e [(A + 2 G B^2)^2 / 2 - G B^2]) of every cell (Eq. 1 and 23,
// docs/theory/response.md). `linear` A, `root` B, `protraction` G; `event_share` e is the dose-mean
// specific energy of one event in the nucleus over the dose, 0 without its spread. A value above 0
// or NaN says that the expansion in e does not hold.
std::vector<double> mean_dose_log_survival(std::span<const double> linear,
                                           std::span<const double> root,
                                           std::span<const double> protraction,
                                           std::span<const double> event_share, int n_threads,
                                           const StopPoll& stop = {});

}  // namespace immunodose
