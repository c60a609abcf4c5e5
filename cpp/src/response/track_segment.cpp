// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/response/track_segment.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"
#include "immunodose/core/quadrature.hpp"

namespace immunodose {
namespace {

constexpr double keV_per_MeV = 1000.0;
constexpr double alpha_rest_energy_keV = 3727379.4;  // CODATA 2018
constexpr double alpha_mass_u = 4.001506179;         // CODATA 2018
constexpr double alpha_charge = 2.0;
// Chatterjee and Schaefer 1976: radius of the core over the speed in units of that of light.
constexpr double core_um_per_beta = 0.0116;
// Kiefer and Straaten 1986: reach of the penumbra, um, over the 1.7th power of MeV per nucleon.
constexpr double penumbra_um = 0.0616;
constexpr double penumbra_power = 1.7;
// Kiefer and Straaten 1986: penumbra dose times r^2 over (effective charge / beta)^2.
constexpr double penumbra_Gy_um2_per_charge2 = 1.25e-4;
// Barkas: effective charge of an ion that picks up electrons as it slows down.
constexpr double barkas_exponent = 125.0;

constexpr std::size_t n_radii = 32;
constexpr std::size_t n_distances = 32;
constexpr int n_panels = 2;
constexpr std::int64_t segments_per_block = 4;

void require_positive(double value, const char* name, const char* unit) {
  if (std::isfinite(value) && value > 0.0) return;
  throw InputError(std::string(name) + "=" + std::to_string(value) + " " + unit +
                   " (allowed: finite and above 0)");
}

// Area that two discs share, their centers apart by `distance`.
double shared_area(double radius, double other, double distance) {
  if (distance >= radius + other) return 0.0;
  const double smaller = std::min(radius, other);
  if (distance <= std::abs(radius - other)) return constants::pi * smaller * smaller;
  const auto segment = [&](double r, double s) {
    const double half_angle = std::acos(
        std::clamp((distance * distance + r * r - s * s) / (2.0 * distance * r), -1.0, 1.0));
    return r * r * (half_angle - 0.5 * std::sin(2.0 * half_angle));
  };
  return segment(radius, other) + segment(other, radius);
}

// int dr / r of the angle of the circle r around the track that lies inside the cylinder, where
// the circle crosses its surface. The sine removes the square roots at both ends.
double crossed_penumbra(double low, double high, double radius, double distance) {
  static const QuadratureRule rule = gauss_legendre(n_radii);
  const double width = std::log(high / low);
  double sum = 0.0;
  for (std::size_t i = 0; i < n_radii; ++i) {
    const double half_pi_t = 0.5 * constants::pi * rule.node[i];
    const double sine = std::sin(half_pi_t);
    const double r = low * std::exp(width * sine * sine);
    const double cosine = (r * r + distance * distance - radius * radius) / (2.0 * r * distance);
    const double jacobian = constants::pi * sine * std::cos(half_pi_t);
    sum += rule.weight[i] * jacobian * 2.0 * std::acos(std::clamp(cosine, -1.0, 1.0));
  }
  return width * sum;
}

// Sums of z and of the saturated z over tracks at all distances.
class DistanceIntegral {
 public:
  DistanceIntegral(const AlphaTrackSegment& track, double radius_um, double saturation_Gy)
      : track_(track), radius_(radius_um), saturation_(saturation_Gy) {}

  // A ring of tracks with one z.
  void add(double area_um2, double z_Gy) {
    square_ += area_um2 * z_Gy * z_Gy;
    if (std::isinf(saturation_)) {
      saturated_ += area_um2 * z_Gy * z_Gy;
      return;
    }
    const double ratio = z_Gy / saturation_;
    saturated_ -= area_um2 * saturation_ * saturation_ * std::expm1(-ratio * ratio);
  }

  // Distances radius + side * exp(x): z changes fastest where the track crosses the surface.
  void add_side(double side, double nearest_um, double farthest_um) {
    static const QuadratureRule rule = gauss_legendre(n_distances);
    if (!(farthest_um > nearest_um)) return;
    const double width = std::log(farthest_um / nearest_um) / n_panels;
    for (int panel = 0; panel < n_panels; ++panel) {
      for (std::size_t i = 0; i < n_distances; ++i) {
        const double gap = nearest_um * std::exp(width * (panel + rule.node[i]));
        add_distance(radius_ + side * gap, rule.weight[i] * width * gap);
      }
    }
  }

  void add_between(double low_um, double high_um) {
    static const QuadratureRule rule = gauss_legendre(n_distances);
    for (std::size_t i = 0; i < n_distances; ++i) {
      add_distance(low_um + (high_um - low_um) * rule.node[i], rule.weight[i] * (high_um - low_um));
    }
  }

  RegionSpecificEnergy result() const {
    return {square_ / track_.track_Gy_um2, saturated_ / track_.track_Gy_um2};
  }

 private:
  void add_distance(double distance_um, double width_um) {
    add(2.0 * constants::pi * distance_um * width_um,
        segment_specific_energy_Gy(track_, radius_, distance_um));
  }

  const AlphaTrackSegment& track_;
  double radius_;
  double saturation_;
  double square_ = 0.0;
  double saturated_ = 0.0;
};

}  // namespace

AlphaTrackSegment alpha_track_segment(double energy_keV, double let_keV_per_um) {
  require_positive(energy_keV, "energy_keV", "keV");
  require_positive(let_keV_per_um, "let_keV_per_um", "keV um-1");
  const double gamma = 1.0 + energy_keV / alpha_rest_energy_keV;
  const double beta = std::sqrt(1.0 - 1.0 / (gamma * gamma));
  const double MeV_per_nucleon = energy_keV / keV_per_MeV / alpha_mass_u;
  const double charge =
      alpha_charge * (1.0 - std::exp(-barkas_exponent * beta * std::pow(alpha_charge, -2.0 / 3.0)));
  AlphaTrackSegment track;
  track.core_radius_um = core_um_per_beta * beta;
  track.penumbra_radius_um =
      std::max(penumbra_um * std::pow(MeV_per_nucleon, penumbra_power), track.core_radius_um);
  track.penumbra_Gy_um2 = penumbra_Gy_um2_per_charge2 * (charge / beta) * (charge / beta);
  track.track_Gy_um2 =
      let_keV_per_um * constants::gray_ng_per_keV / constants::ng_per_um3_at_unit_density;
  const double penumbra = 2.0 * constants::pi * track.penumbra_Gy_um2 *
                          std::log(track.penumbra_radius_um / track.core_radius_um);
  if (!(penumbra < track.track_Gy_um2)) {
    throw InputError("let_keV_per_um=" + std::to_string(let_keV_per_um) +
                     " keV um-1 is less than the penumbra of an alpha of " +
                     std::to_string(energy_keV) + " keV holds. Check that the two belong together");
  }
  track.core_dose_Gy = (track.track_Gy_um2 - penumbra) /
                       (constants::pi * track.core_radius_um * track.core_radius_um);
  return track;
}

double segment_specific_energy_Gy(const AlphaTrackSegment& track, double radius_um,
                                  double distance_um) {
  double sum = track.core_dose_Gy * shared_area(track.core_radius_um, radius_um, distance_um);
  const double inside = std::min(track.penumbra_radius_um, radius_um - distance_um);
  if (inside > track.core_radius_um) {
    sum += 2.0 * constants::pi * track.penumbra_Gy_um2 * std::log(inside / track.core_radius_um);
  }
  const double low = std::max(track.core_radius_um, std::abs(radius_um - distance_um));
  const double high = std::min(track.penumbra_radius_um, radius_um + distance_um);
  if (high > low && distance_um > 0.0) {
    sum += track.penumbra_Gy_um2 * crossed_penumbra(low, high, radius_um, distance_um);
  }
  return sum / (constants::pi * radius_um * radius_um);
}

RegionSpecificEnergy region_specific_energy(const AlphaTrackSegment& track, double radius_um,
                                            double saturation_Gy) {
  require_positive(radius_um, "radius_um", "um");
  if (!(saturation_Gy > 0.0)) require_positive(saturation_Gy, "saturation_Gy", "Gy");
  if (radius_um <= 2.0 * track.core_radius_um) {
    throw InputError("radius_um=" + std::to_string(radius_um) +
                     " um (allowed: above twice the core of the track, " +
                     std::to_string(track.core_radius_um) + " um)");
  }
  DistanceIntegral integral(track, radius_um, saturation_Gy);
  const double core = track.core_radius_um;
  const double penumbra = track.penumbra_radius_um;
  if (penumbra < radius_um) {  // the whole track is inside
    const double inner = radius_um - penumbra;
    integral.add(constants::pi * inner * inner,
                 track.track_Gy_um2 / (constants::pi * radius_um * radius_um));
  }
  integral.add_side(-1.0, core, std::min(penumbra, radius_um));
  integral.add_between(radius_um - core, radius_um + core);
  integral.add_side(1.0, core, penumbra);
  return integral.result();
}

RegionSpecificEnergies region_specific_energies(std::span<const double> energy_keV,
                                                std::span<const double> let_keV_per_um,
                                                double radius_um, double saturation_Gy,
                                                int n_threads, const StopPoll& stop) {
  const std::size_t n = energy_keV.size();
  if (let_keV_per_um.size() != n) {
    throw InputError("let_keV_per_um: got " + std::to_string(let_keV_per_um.size()) +
                     " values, expected " + std::to_string(n));
  }
  RegionSpecificEnergies result{std::vector<double>(n), std::vector<double>(n)};
  parallel_for(
      static_cast<std::int64_t>(n), segments_per_block, n_threads,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto k = begin; k < end; ++k) {
          const auto i = static_cast<std::size_t>(k);
          const RegionSpecificEnergy one = region_specific_energy(
              alpha_track_segment(energy_keV[i], let_keV_per_um[i]), radius_um, saturation_Gy);
          result.dose_mean_Gy[i] = one.dose_mean_Gy;
          result.saturated_dose_mean_Gy[i] = one.saturated_dose_mean_Gy;
        }
      },
      stop);
  return result;
}

}  // namespace immunodose
