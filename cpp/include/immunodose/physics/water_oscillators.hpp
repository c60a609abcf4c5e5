// SPDX-License-Identifier: BSD-3-Clause
// Optical oscillator strength of liquid water: how its ten electrons share in energy losses of
// vanishing momentum transfer. Eqs. E1-E2, docs/theory/electrons.md.
#pragma once

namespace immunodose {

inline constexpr double electrons_per_molecule = 10.0;
// Losses below this do not occur [onset of the measured loss function, Hayashi et al. 2000].
inline constexpr double water_gap_keV = 0.007;
// First ionization threshold of the liquid, about 10 to 11 eV in dielectric models
// [Emfietzoglou & Nikjoo, Radiat Res 2005;163:98]; here an assumed value within that range: what an
// ionization leaves behind.
inline constexpr double water_binding_keV = 0.0108;
inline constexpr double oxygen_k_edge_keV = 0.539;
// df/dW of the K shell falls as W^-(1 + this): our fit, see the source file.
inline constexpr double oxygen_k_power = 1.7253;

// df/dW per molecule, 1/keV; integrates to 10, with mean excitation energy 78 eV.
double oscillator_strength_per_keV(double loss_keV);

}  // namespace immunodose
