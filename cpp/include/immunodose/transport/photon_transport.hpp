// SPDX-License-Identifier: BSD-3-Clause
// Follows one photon from collision to collision until it is absorbed or leaves the world.
// docs/theory/photons.md, section 2.
#pragma once
#include <cmath>
#include <vector>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/geometry/ball.hpp"
#include "immunodose/physics/photon_physics.hpp"
#include "immunodose/transport/electron_scoring.hpp"
#include "immunodose/transport/particle.hpp"
#include "immunodose/transport/photon_interactions.hpp"

namespace immunodose {

class PhotonTransport {
 public:
  // `physics` must outlive this object.
  explicit PhotonTransport(const PhotonPhysics& physics) : physics_(physics) {}

  // Appends the electrons and positrons set free to `electrons`; a positron carries its kinetic
  // energy, and the rest energy of the pair returns when it annihilates. Below 1 keV the photon
  // is absorbed where it is. Returns the (weighted) energy that leaves `world`, in keV: from
  // outside it every photon escapes.
  template <Scorer S>
  double operator()(const Particle& start, Stream& random, S& scorer, const Ball& world,
                    std::vector<Particle>& electrons) const {
    Particle photon = start;
    while (photon.energy_keV >= photon_min_energy_keV) {
      if constexpr (requires { scorer.at(photon); }) scorer.at(photon);
      const PhotonAttenuation mu = physics_.attenuation_per_um(photon.energy_keV);
      const double length_um = -std::log(random.uniform()) / mu.total();
      if (length_um >= path_out_um(world, photon.position_um, photon.direction)) {
        return photon.weight * photon.energy_keV;
      }
      photon.position_um = photon.position_um + length_um * photon.direction;
      if (!collide(photon, mu, random, scorer, electrons)) return 0.0;
    }
    if (path_out_um(world, photon.position_um, photon.direction) <= 0.0) {
      return photon.weight * photon.energy_keV;
    }
    tell_stopped(photon.energy_keV, scorer);
    scorer.point(photon.position_um, photon.weight * photon.energy_keV);
    return 0.0;
  }

  // One collision where the photon is; false if the photon is gone.
  template <class S>
  static bool interact(PhotonProcess process, Particle& photon, Stream& random, S& scorer,
                       std::vector<Particle>& electrons) {
    if (process == PhotonProcess::compton) {
      const ComptonPair out = compton_scattering(photon.energy_keV, photon.direction, random);
      emit(ParticleKind::electron, photon, out.electron, electrons);
      photon.energy_keV = out.photon.energy_keV;
      photon.direction = out.photon.direction;
      return true;
    }
    if (process == PhotonProcess::photoelectric) {
      absorb(photon, random, scorer, electrons);
    } else {
      make_pair(photon, random, electrons);
    }
    return false;
  }

 private:
  template <class S>
  static bool collide(Particle& photon, const PhotonAttenuation& mu, Stream& random, S& scorer,
                      std::vector<Particle>& electrons) {
    const double channel = random.uniform() * mu.total();
    const PhotonProcess process = channel < mu.compton ? PhotonProcess::compton
                                  : channel < mu.compton + mu.photoelectric
                                      ? PhotonProcess::photoelectric
                                      : PhotonProcess::pair;
    return interact(process, photon, random, scorer, electrons);
  }

  // Every photoelectron is taken from the K shell of oxygen; the Auger cascade stays in place.
  template <class S>
  static void absorb(const Particle& photon, Stream& random, S& scorer,
                     std::vector<Particle>& electrons) {
    tell_stopped(oxygen_k_binding_keV, scorer);  // as an Auger electron
    scorer.point(photon.position_um, photon.weight * oxygen_k_binding_keV);
    const double energy_keV = photon.energy_keV - oxygen_k_binding_keV;
    const double cosine = photoelectron_cosine(energy_keV, random);
    const Vec3 direction = deflected(photon.direction, cosine, random_azimuth(random));
    emit(ParticleKind::electron, photon, {energy_keV, direction}, electrons);
  }

  // The kinetic energy is shared uniformly, and each particle has its own direction.
  static void make_pair(const Particle& photon, Stream& random, std::vector<Particle>& electrons) {
    const double kinetic_keV = photon.energy_keV - 2.0 * constants::electron_rest_energy_keV;
    const double first_keV = random.uniform() * kinetic_keV;
    for (const auto kind : {ParticleKind::electron, ParticleKind::positron}) {
      const double energy_keV =
          kind == ParticleKind::electron ? first_keV : kinetic_keV - first_keV;
      const double cosine = pair_cosine(energy_keV, random);
      const Vec3 direction = deflected(photon.direction, cosine, random_azimuth(random));
      emit(kind, photon, {energy_keV, direction}, electrons);
    }
  }

  static void emit(ParticleKind kind, const Particle& photon, const Outgoing& out,
                   std::vector<Particle>& electrons) {
    // An electron without energy (a photon that goes on unchanged) is none; a positron still
    // annihilates.
    if (out.energy_keV <= 0.0 && kind == ParticleKind::electron) return;
    electrons.push_back({kind, out.energy_keV, photon.position_um, out.direction, photon.weight});
  }

  const PhotonPhysics& physics_;
};

}  // namespace immunodose
