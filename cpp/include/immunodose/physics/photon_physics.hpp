// SPDX-License-Identifier: BSD-3-Clause
// How photons are attenuated in liquid water: Compton, photoelectric, pair and triplet.
// Coherent scattering, which moves no energy, is left out. docs/theory/photons.md.
#pragma once
#include <array>
#include <cstddef>

namespace immunodose {

// Slower photons are absorbed where they are; no photon of ICRP 107 lies above 9.91 MeV.
inline constexpr double photon_min_energy_keV = 1.0;
inline constexpr double photon_max_energy_keV = 10000.0;

// Binding energy of the K shell of oxygen [Thompson et al. 2009, X-ray Data Booklet, Table 1-1].
inline constexpr double oxygen_k_binding_keV = 0.5431;

// What a photon does where it collides; pairs in the field of the electrons (triplets) count as
// pairs.
enum class PhotonProcess { compton, photoelectric, pair };
inline constexpr std::size_t n_photon_processes = 3;

// Energy of the fastest electron that a photon can set free; 0 where it can set free none.
double fastest_electron_keV(PhotonProcess process, double photon_keV);
// The photon whose fastest electron has this energy: the inverse.
double photon_of_fastest_electron_keV(PhotonProcess process, double electron_keV);

// Inverse mean free paths, 1/um.
struct PhotonAttenuation {
  double compton = 0.0;
  double photoelectric = 0.0;
  double pair = 0.0;     // in the field of the nuclei
  double triplet = 0.0;  // in the field of the electrons

  double total() const { return compton + photoelectric + pair + triplet; }
};

class PhotonPhysics {
 public:
  explicit PhotonPhysics(double density_g_per_cm3 = 1.0);

  double density_g_per_cm3() const { return density_; }
  // Energies from photon_min_energy_keV to photon_max_energy_keV, else InputError.
  PhotonAttenuation attenuation_per_um(double energy_keV) const;
  // Share of the energy that goes to electrons and positrons, times the attenuation. Eq. Ph-6.
  double energy_transfer_per_um(double energy_keV) const;
  // Its parts, in the order of PhotonProcess.
  std::array<double, n_photon_processes> energy_transfers_per_um(double energy_keV) const;
  // The same without what these lose to bremsstrahlung. Eq. Ph-7.
  double energy_absorption_per_um(double energy_keV) const;

 private:
  double density_;
  double g_per_cm2_um_;  // mass per area of 1 um
};

}  // namespace immunodose
