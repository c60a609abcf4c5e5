// SPDX-License-Identifier: BSD-3-Clause
// Optical oscillator strength of liquid water: how its ten electrons share in energy losses of
// vanishing momentum transfer. Eqs. E1-E2, docs/theory/electrons.md.
#pragma once

namespace immunodose {

inline constexpr double electrons_per_molecule = 10.0;
// Losses below this do not occur [onset of the measured loss function, Hayashi et al. 2000].
inline constexpr double water_gap_keV = 0.007;
// First ionization threshold of the liquid, what an ionization leaves behind: the lowest level,
// 10.79 eV, of Geant4-DNA (G4DNAWaterIonisationStructure). Its other dielectric model has 10 eV
// [Emfietzoglou & Nikjoo, Radiat Res 2005;163:98]; photoemission starts at 9.9 to 10.06 eV
// [quoted by doi:10.1038/s41467-017-02673-z].
inline constexpr double water_binding_keV = 0.0108;
inline constexpr double oxygen_k_edge_keV = 0.539;
// df/dW of the K shell falls as W^-(1 + this): our fit, see the source file.
inline constexpr double oxygen_k_power = 1.7605;

// df/dW per molecule, 1/keV; integrates to 10, with mean excitation energy 78 eV.
double oscillator_strength_per_keV(double loss_keV);

}  // namespace immunodose
