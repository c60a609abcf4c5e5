// SPDX-License-Identifier: BSD-3-Clause
// Draws the outcome of single collisions and of grouped soft ones. Eqs. E8-E23,
// docs/theory/electrons.md.
#pragma once
#include <vector>

#include "immunodose/core/streams.hpp"
#include "immunodose/physics/condensed_electron.hpp"
#include "immunodose/physics/electron_physics.hpp"
#include "immunodose/transport/particle.hpp"

namespace immunodose {

// Turns the electron by an elastic collision with mu = (1 - cosine)/2 above mu_cut.
void scatter_elastically(Particle& electron, const ElasticScattering& elastic, double mu_cut,
                         Stream& random);

// Loss of a close collision above a threshold below the largest loss.
double sample_hard_loss(const ElectronPhysics& physics, double energy_keV, double threshold_keV,
                        Stream& random);

// Recoil energy of a distant collision, between the smallest one and the loss.
double sample_distant_recoil(double energy_keV, double loss_keV, Stream& random);

// Cosine of an electron knocked on with energy W from rest. Eq. E11.
double knock_on_cosine(double energy_keV, double loss_keV);

// Loss of the soft collisions of a step; may exceed the energy where the electron stops.
double sample_soft_loss(const CondensedElectron& condensed, double energy_keV, double step_um,
                        const CondensedRates& rates, Stream& random);

// Turns the electron by many soft deflections with this sum of 1 - cosine.
void deflect_softly(Particle& electron, double transport, Stream& random);

// Emits one bremsstrahlung photon.
void radiate(Particle& electron, Stream& random, std::vector<Particle>& photons);

// Two annihilation quanta of a positron at rest.
void annihilate(const Particle& positron, Stream& random, std::vector<Particle>& photons);

}  // namespace immunodose
