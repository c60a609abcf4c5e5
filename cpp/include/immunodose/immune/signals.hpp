// SPDX-License-Identifier: BSD-3-Clause
// Signals of irradiated tumor cells and their surface MHC-I and PD-L1, one time step of all cells
// (docs/theory/signaling.md). Single precision; every cell is computed alone, so results do not
// depend on threads or on the instruction set.
#pragma once
#include <cstddef>
#include <span>

#include "immunodose/core/parallel.hpp"

namespace immunodose {

// What an amount does: x^n/(x^n + K^n), or 1 - exp(-x) if Poisson.
struct ResponseCurve {
  bool poisson = false;
  float half = 1.0F;
  float power = 1.0F;
};

// Rates per day; a gain of 0 and a rate of 0 switch a route off.
struct SignalConstants {
  ResponseCurve damage;
  ResponseCurve dna;
  ResponseCurve membrane;
  ResponseCurve window;
  ResponseCurve ifn1;
  ResponseCurve vesicle;
  ResponseCurve ifn_gamma;
  float trex1_rate = 0.0F;
  float trex1_loss = 0.0F;
  float trex1_half = 1.0F;
  float ifn1_rate = 0.0F;
  float ifn1_loss = 0.0F;
  float vesicle_rate = 0.0F;
  float vesicle_loss = 0.0F;
  float damage_gain = 0.0F;
  float membrane_gain = 0.0F;
  float ifn1_gain = 0.0F;
  float vesicle_gain = 0.0F;
  float mhc1_turnover = 0.0F;
  float mhc1_ifn_gamma_gain = 0.0F;
  float pdl1_rate = 0.0F;
  float pdl1_excess = 0.0F;
  float recognized_share = 0.0F;
  float induced_share = 0.0F;
};

// One remembered amount: amount[c][i] times the table of component c at the middle and end of the
// step. No amounts: the route is off.
struct Memory {
  std::span<const float> amount;
  std::span<const float> middle;
  std::span<const float> end;
};

// Amounts by cell; spans that are empty are not read or written.
struct SignalCells {
  Memory damage;
  Memory dna;
  Memory membrane;
  Memory window;
  std::span<const float> baseline;
  std::span<const float> inducibility;
  std::span<const float> ifn_gamma_route;
  std::span<const float> assembly;
  std::span<const float> ifn_gamma;  // of the step; empty: that of the step below for all
  std::span<const float> driver;     // further relative rise, of a user's function
  std::span<float> trex1;
  std::span<float> ifn1;
  std::span<float> vesicle;
  std::span<float> mhc1;
  std::span<float> pdl1;
  std::span<float> damage_response;
  std::span<float> pmhc;
};

struct SignalStep {
  float duration_d = 0.0F;
  float ifn_gamma = 0.0F;
};

// Each cell keeps its own interferon and vesicles (Eqs. 7-14, 16).
void advance_signals(const SignalConstants& constants, const SignalStep& step,
                     const SignalCells& cells, int n_threads, const StopPoll& stop = {});

// First half for signals that spread: TREX1 advances, `ifn1` and `vesicle` get the amounts that the
// cell releases per day, in the middle of the step.
void emit_signals(const SignalConstants& constants, const SignalStep& step,
                  const SignalCells& cells, int n_threads, const StopPoll& stop = {});

// Second half: MHC-I, PD-L1 and pMHC under `ifn1` and `vesicle`, what each cell meets in the middle
// of the step.
void respond_to_signals(const SignalConstants& constants, const SignalStep& step,
                        const SignalCells& cells, int n_threads, const StopPoll& stop = {});

}  // namespace immunodose
