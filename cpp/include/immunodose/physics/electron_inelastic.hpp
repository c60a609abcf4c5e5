// SPDX-License-Identifier: BSD-3-Clause
// Energy losses of electrons in liquid water at any energy: distant collisions by the optical
// oscillator strength, close ones by the Moller cross-section of the electrons that the loss can
// free. Eqs. E7-E11, docs/theory/electrons.md. Unit density.
#pragma once
#include <vector>

namespace immunodose {

// Largest loss: the faster of the two electrons is the primary.
double largest_loss_keV(double energy_keV);

// Smallest recoil energy of a distant collision with this loss, keV.
double smallest_recoil_keV(double energy_keV, double loss_keV);

// Cosine of the deflection of an electron that loses loss_keV with recoil energy recoil_keV.
double deflection_cosine(double energy_keV, double loss_keV, double recoil_keV);

// Moller over Rutherford cross-section, for losses up to half the energy.
double moller_ratio(double energy_keV, double loss_keV);

// 2 pi r_e^2 m c^2 N / beta^2 of Eq. E7: keV/um per electron of a molecule.
double collision_strength_keV_per_um(double energy_keV);

// Oscillator strength and its running integral on a fine grid of losses; built once.
class LossGrid {
 public:
  LossGrid();
  const std::vector<double>& loss_keV() const { return loss_; }
  const std::vector<double>& strength() const { return strength_; }      // df/dW, 1/keV
  const std::vector<double>& free_count() const { return free_count_; }  // electrons below W
  double free_count_at(double loss_keV) const;

 private:
  std::vector<double> loss_;
  std::vector<double> strength_;
  std::vector<double> free_count_;
};

// Running integrals over the losses of one kind of collision, from the smallest loss to each
// node; the last entries are the whole.
struct CollisionIntegrals {
  std::vector<double> per_um;            // collisions
  std::vector<double> keV_per_um;        // losses
  std::vector<double> keV2_per_um;       // squared losses
  std::vector<double> transport_per_um;  // 1 - cosine of the deflection

  double rate() const { return per_um.back(); }
  double stopping() const { return keV_per_um.back(); }
};

struct LossSpectrum {
  std::vector<double> loss_keV;  // nodes, up to the largest loss
  CollisionIntegrals distant;
  CollisionIntegrals close;
  double transverse_share = 0.0;  // of the distant collisions: those without deflection
};

LossSpectrum loss_spectrum(const LossGrid& grid, double energy_keV);

}  // namespace immunodose
