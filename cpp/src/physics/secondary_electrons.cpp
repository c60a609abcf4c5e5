// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/physics/secondary_electrons.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr auto grid = SecondaryElectronTable::scaled_distance;

// Eq. Ph-12 between nodes. Before the first one its share serves (what stays where the photon
// collided); beyond the last one, two ranges away, both distances grow alike.
double equivalent(const std::vector<double>& share, double x) {
  if (x >= grid.last()) return x - grid.last() * (1.0 - share.back());
  if (x < grid.first()) return x * share.front();
  const auto cell = grid.find(x);
  const double low = share[cell.cell];
  return x * (low + cell.fraction * (share[cell.cell + 1] - low));
}

}  // namespace

SecondaryElectronTable::SecondaryElectronTable(std::vector<double> electron_energy_keV,
                                               std::vector<double> csda_range_um,
                                               std::vector<float> equivalent_share)
    : energy_(std::move(electron_energy_keV)),
      range_(std::move(csda_range_um)),
      share_(std::move(equivalent_share)) {
  if (energy_.size() < 2 || range_.size() != energy_.size() ||
      share_.size() != n_photon_processes * energy_.size() * grid.n_nodes()) {
    throw InputError("the photon kernel table has arrays of unequal size");
  }
  for (std::size_t i = 1; i < energy_.size(); ++i) {
    if (!(energy_[i] > energy_[i - 1] && range_[i] > range_[i - 1])) {
      throw InputError("energies and ranges of the photon kernel table must ascend");
    }
  }
  for (const float share : share_) {
    if (!(share >= 0.0F && share <= 1.0F)) {
      throw InputError("equivalent_share of the photon kernel table must lie within 0 to 1");
    }
  }
}

// Eqs. Ph-13 and Ph-14.
SecondaryElectronTable::Row SecondaryElectronTable::row_of(std::size_t process,
                                                           double electron_keV) const {
  const auto at = [&](std::size_t row) {
    const auto first = share_.begin() + static_cast<std::ptrdiff_t>(
                                            (process * energy_.size() + row) * grid.n_nodes());
    return std::vector<double>(first, first + static_cast<std::ptrdiff_t>(grid.n_nodes()));
  };
  if (electron_keV <= energy_.front()) {
    return {at(0), range_.front() * electron_keV / energy_.front()};
  }
  if (electron_keV >= energy_.back()) {
    return {at(energy_.size() - 1), range_.back() * electron_keV / energy_.back()};
  }
  const auto upper = std::upper_bound(energy_.begin() + 1, energy_.end() - 1, electron_keV);
  const auto i = static_cast<std::size_t>(upper - energy_.begin());
  const double t = std::log(electron_keV / energy_[i - 1]) / std::log(energy_[i] / energy_[i - 1]);
  Row row{at(i - 1), range_[i - 1] * std::pow(range_[i] / range_[i - 1], t)};
  const std::vector<double> above = at(i);
  for (std::size_t k = 0; k < above.size(); ++k) row.share[k] += t * (above[k] - row.share[k]);
  return row;
}

// Eq. Ph-15.
std::vector<double> SecondaryElectronTable::equivalent_distance_um(
    double photon_keV, const PhotonPhysics& physics, std::span<const double> distance_um) const {
  const auto transfers = physics.energy_transfers_per_um(photon_keV);
  const double whole = physics.energy_transfer_per_um(photon_keV);
  std::vector<double> sum(distance_um.size(), 0.0);
  for (std::size_t process = 0; process < n_photon_processes; ++process) {
    if (transfers[process] <= 0.0) continue;
    const double electron_keV =
        fastest_electron_keV(static_cast<PhotonProcess>(process), photon_keV);
    const Row row = row_of(process, electron_keV);
    const double range_um = row.range_um / physics.density_g_per_cm3();
    const double weight = transfers[process] / whole * range_um;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      sum[i] += weight * equivalent(row.share, distance_um[i] / range_um);
    }
  }
  return sum;
}

}  // namespace immunodose
