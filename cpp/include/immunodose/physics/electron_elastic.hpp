// SPDX-License-Identifier: BSD-3-Clause
// Elastic scattering of electrons by the atoms of water: screened Rutherford shapes whose
// strength and screening reproduce total and transport cross-sections of partial waves.
// Eqs. E12-E16, docs/theory/electrons.md. Unit density.
#pragma once
#include <array>
#include <cstddef>

namespace immunodose {

// mu = (1 - cosine) / 2 of a deflection is distributed as (eta + mu)^-2 times 1 - spin * mu.
struct ScreenedRutherford {
  double rate_per_um = 0.0;  // before the spin factor
  double screening = 1.0;    // eta
  double spin = 0.0;         // in [0, 1]

  // Inverse of the share of collisions below mu, before the spin factor.
  double sample(double u) const { return screening * u / (1.0 + screening - u); }
};

struct ElasticScattering {
  static constexpr std::size_t n_elements = 2;  // oxygen, hydrogen
  std::array<ScreenedRutherford, n_elements> element;

  double rate_per_um() const { return element[0].rate_per_um + element[1].rate_per_um; }
  // Integral of (1 - cosine) over collisions with mu < mu_cut, spin included, 1/um.
  double transport_below(double mu_cut) const;
  // Integral of (1 - cosine)^2 over all collisions, spin included, 1/um.
  double square_transport() const;
};

ElasticScattering elastic_scattering(double energy_keV);

}  // namespace immunodose
