// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/track_scorer.hpp"

#include <limits>

#include "immunodose/transport/recorded_alpha.hpp"

namespace immunodose {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Calls visit(place, to_um) for the pieces of a segment between surfaces, in their order.
template <class Visit>
void split_at_surfaces(const SphereScene& scene, Vec3 start_um, Vec3 direction, double length_um,
                       std::vector<Crossing>& buffer, const Visit& visit) {
  constexpr Place medium;
  scene.trace(start_um, direction, length_um, buffer, [&](const Crossing& crossing) {
    const auto piece = [&](CellRegion region, double to_um) {
      visit({crossing.cell, region}, to_um);
    };
    visit(medium, crossing.whole.entry_um);
    if (crossing.inside.length_um() > 0.0) {
      piece(CellRegion::membrane, crossing.inside.entry_um);
      if (crossing.nucleus.length_um() > 0.0) {
        piece(CellRegion::cytoplasm, crossing.nucleus.entry_um);
        piece(CellRegion::nucleus, crossing.nucleus.exit_um);
      }
      piece(CellRegion::cytoplasm, crossing.inside.exit_um);
    }
    piece(CellRegion::membrane, crossing.whole.exit_um);
    return true;
  });
  visit(medium, length_um);
}

}  // namespace

void TrackScorer::account(Fate fate, EmissionClass emission, double energy_keV) {
  scorer_.account(fate, emission, energy_keV);
  if (fate == Fate::emitted) points_.emitted_keV += energy_keV;
  if (fate == Fate::escaped) points_.escaped_keV += energy_keV;
  if (fate == Fate::left || fate == Fate::not_transported) points_.left_keV += energy_keV;
}

void TrackScorer::settle(Place place) {
  const std::int64_t cell =
      place.cell < 0 ? -1 : scene_.order()[static_cast<std::size_t>(place.cell)];
  points_.cell.resize(points_.x_um.size(), cell);
  points_.region.resize(points_.x_um.size(), place.cell < 0
                                                 ? std::int64_t{n_cell_regions}
                                                 : static_cast<std::int64_t>(place.region));
}

void TrackScorer::point(Vec3 position_um, double energy_keV) {
  pending_place_ = scorer_.place_of(position_um);
  recorder_.point(position_um, energy_keV);
  scorer_.point(position_um, energy_keV);
}

void TrackScorer::segment(Vec3 position_um, Vec3 direction, double length_um, double energy_keV,
                          double tilt) {
  double from_um = 0.0;
  const auto share_up_to = [&](double at_um) {
    const double t = at_um / length_um;
    return t * (1.0 - tilt + tilt * t);  // Eq. E23, integrated
  };
  const auto visit = [&](Place place, double to_um) {
    if (to_um <= from_um) return;
    const double piece_um = to_um - from_um;
    recorder_.segment(position_um + from_um * direction, direction, piece_um,
                      energy_keV * (share_up_to(to_um) - share_up_to(from_um)));
    settle(place);
    from_um = to_um;
  };
  if (length_um <= 0.0) {
    recorder_.point(position_um, energy_keV);
    pending_place_ = scorer_.place_of(position_um);
  } else if (energy_keV <= 0.0) {
    visit(scorer_.place_of(position_um + length_um * direction), length_um);
  } else {
    split_at_surfaces(scene_, position_um, direction, length_um, crossings_, visit);
  }
  scorer_.segment(position_um, direction, length_um, energy_keV, tilt);
}

void TrackScorer::begin(const Particle& particle) {
  record([&] { recorder_.finish(); });
  record([&] { recorder_.begin(particle); });
}

void TrackScorer::at(const Particle& particle) {
  record([&] { recorder_.at(particle); });
}

void TrackScorer::take(const Particle& particle, const std::vector<Particle>& queue) {
  record([&] { recorder_.take(particle, queue); });
}

void TrackScorer::leave(double escaped_keV, const Ball& world) {
  record([&] { recorder_.leave(escaped_keV, world); });
}

void TrackScorer::recoil(Place place, Vec3 position_um, double energy_keV) {
  recorder_.open(TrackParticle::recoil, -1, position_um, energy_keV, nan);
  recorder_.reach(position_um, 0.0, energy_keV, nan);
  settle(place);
  scorer_.local(place, energy_keV);
}

void TrackScorer::alpha(Vec3 start_um, Vec3 direction, AlphaStepper& stepper) {
  const double first_keV = stepper.energy_keV();
  recorder_.open(TrackParticle::alpha, -1, start_um, first_keV, alphas_->let_keV_per_um(first_keV));
  settle(scorer_.place_of(start_um));
  RecordedAlpha recorded(stepper, *alphas_);
  scorer_.alpha(start_um, direction, recorded);
  for (const RecordedAlpha::Piece& piece : recorded.pieces()) {
    recorder_.reach(start_um + piece.to_um * direction, piece.left_keV, piece.lost_keV,
                    piece.left_keV > 0.0 ? alphas_->let_keV_per_um(piece.left_keV) : nan);
    settle(piece.place);
  }
}

}  // namespace immunodose
