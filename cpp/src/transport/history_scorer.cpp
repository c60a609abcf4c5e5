// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/history_scorer.hpp"

#include <utility>

#include "immunodose/transport/recorded_alpha.hpp"

namespace immunodose {
namespace {

constexpr std::size_t first_slots = 64;  // a power of two
constexpr auto nucleus = static_cast<std::size_t>(CellRegion::nucleus);
constexpr auto cytoplasm = static_cast<std::size_t>(CellRegion::cytoplasm);
constexpr auto membrane = static_cast<std::size_t>(CellRegion::membrane);

std::size_t slot_of(std::int64_t cell, std::size_t n_slots) {
  // Fibonacci hashing: neighbors in the scene have neighboring numbers.
  constexpr std::uint64_t golden = 0x9E3779B97F4A7C15U;
  return static_cast<std::size_t>((static_cast<std::uint64_t>(cell) * golden) >> 32) &
         (n_slots - 1);
}

}  // namespace

HistoryScorer::HistoryScorer(const SphereScene& scene, RegionTally& tally,
                             const ElectronPhysics* electrons)
    : scene_(scene), tally_(tally), electrons_(electrons), slots_(first_slots) {}

HistoryScorer::~HistoryScorer() {
  for (std::size_t fate = 0; fate < n_fates; ++fate) {
    for (std::size_t c = 0; c < n_emission_classes; ++c) {
      if (account_[fate][c] == 0) continue;
      tally_.add_account(static_cast<Fate>(fate), static_cast<EmissionClass>(c), account_[fate][c]);
    }
  }
}

void HistoryScorer::start(EmissionClass emission, std::int64_t origin) {
  emission_ = emission;
  origin_ = origin;
  last_ = origin;
  free_ = {};  // a history must not depend on the one before
}

void HistoryScorer::finish() {
  std::int64_t in_cells = 0;
  for (const std::size_t slot : used_) {
    RegionTally::Deposit& left = slots_[slot];
    in_cells += tally_.add(left, emission_, left.cell == origin_ ? 0 : 1);
    left = {};
  }
  used_.clear();
  add_account(Fate::cells, emission_, in_cells);
  account(Fate::medium, emission_, medium_keV_);
  medium_keV_ = 0.0;
}

RegionTally::Deposit& HistoryScorer::deposit(std::int64_t cell) {
  last_ = cell;
  if (slots_[last_slot_].cell == cell) return slots_[last_slot_];
  if (2 * used_.size() >= slots_.size()) grow();
  std::size_t slot = slot_of(cell, slots_.size());
  while (slots_[slot].cell != cell) {
    if (slots_[slot].cell < 0) {
      slots_[slot].cell = cell;
      used_.push_back(slot);
      break;
    }
    slot = (slot + 1) & (slots_.size() - 1);
  }
  last_slot_ = slot;
  return slots_[slot];
}

void HistoryScorer::grow() {
  std::vector<RegionTally::Deposit> larger(2 * slots_.size());
  for (std::size_t& slot : used_) {
    std::size_t place = slot_of(slots_[slot].cell, larger.size());
    while (larger[place].cell >= 0) place = (place + 1) & (larger.size() - 1);
    larger[place] = slots_[slot];
    slot = place;
  }
  slots_ = std::move(larger);
}

double HistoryScorer::let_keV_per_um() {
  if (electrons_ == nullptr || !tally_.with_hits()) return 0.0;
  if (let_ < 0.0) {
    let_ = electrons_->stopping_keV_per_um(std::max(electron_keV_, electron_min_energy_keV));
  }
  return let_;
}

void HistoryScorer::stopped(double energy_keV) {
  if (electrons_ == nullptr || !tally_.with_hits()) return;
  let_ = electrons_->slowing_let_keV_per_um(energy_keV);
}

double HistoryScorer::clearance(Vec3 position_um) {
  const Surroundings around = inside_last(position_um, position_um)
                                  ? scene_.surroundings_in(last_, position_um)
                                  : scene_.surroundings(position_um);
  free_ = {position_um, around.clearance_um};
  free_place_ = around.place;
  return around.clearance_um;
}

void HistoryScorer::local(Place place, double energy_keV) {
  if (place.cell < 0) {
    medium_keV_ += energy_keV;
    return;
  }
  deposit(place.cell).energy_keV[static_cast<std::size_t>(place.region)] += energy_keV;
}

void HistoryScorer::add(Place place, double energy_keV) {
  if (place.cell < 0) {
    medium_keV_ += energy_keV;
    return;
  }
  RegionTally::Deposit& left = deposit(place.cell);
  left.energy_keV[static_cast<std::size_t>(place.region)] += energy_keV;
  left.energy_let[static_cast<std::size_t>(place.region)] += energy_keV * let_keV_per_um();
}

Place HistoryScorer::place_of(Vec3 position_um) const {
  if (is_free(position_um)) return free_place_;
  if (inside_last(position_um, position_um)) return {last_, scene_.region(last_, position_um)};
  return scene_.locate(position_um);
}

void HistoryScorer::point(Vec3 position_um, double energy_keV) {
  add(place_of(position_um), energy_keV);
}

bool HistoryScorer::inside_last(Vec3 from_um, Vec3 to_um) const {
  if (last_ < 0) return false;
  const Ball ball = scene_.cell(last_);
  const Vec3 from = from_um - ball.center_um;
  const Vec3 to = to_um - ball.center_um;
  const double square = ball.radius_um * ball.radius_um;
  return dot(from, from) <= square && dot(to, to) <= square;
}

void HistoryScorer::segment(Vec3 position_um, Vec3 direction, double length_um, double energy_keV,
                            double tilt) {
  if (length_um <= 0.0) {
    if (energy_keV > 0.0) point(position_um, energy_keV);
    return;
  }
  if (energy_keV <= 0.0) return;
  const Vec3 end_um = position_um + length_um * direction;
  if (is_free(position_um) && is_free(end_um)) {
    add(free_place_, energy_keV);
    return;
  }
  const double per_um = energy_keV / length_um;
  const Slope loss{per_um * (1.0 - tilt), 2.0 * per_um * tilt / length_um};
  const double let = let_keV_per_um();
  if (inside_last(position_um, end_um)) {
    add(scene_.cross(last_, position_um, direction, length_um), loss, let);
    return;
  }
  double in_cells_keV = 0.0;
  scene_.trace(position_um, direction, length_um, crossings_, [&](const Crossing& crossing) {
    in_cells_keV += add(crossing, loss, let);
    return true;
  });
  medium_keV_ += std::max(0.0, energy_keV - in_cells_keV);
}

double HistoryScorer::add(const Crossing& crossing, const Slope& loss, double let) {
  const double in_nucleus = loss.energy_keV(crossing.nucleus);
  const double inside = loss.energy_keV(crossing.inside);
  const double whole = loss.energy_keV(crossing.whole);
  const std::array<double, n_cell_regions> energy{in_nucleus, std::max(0.0, inside - in_nucleus),
                                                  std::max(0.0, whole - inside)};
  RegionTally::Deposit& left = deposit(crossing.cell);
  for (std::size_t region = 0; region < n_cell_regions; ++region) {
    left.energy_keV[region] += energy[region];
    left.energy_let[region] += energy[region] * let;
  }
  return whole;
}

template <class Stepper>
void HistoryScorer::alpha(Vec3 start_um, Vec3 direction, Stepper& stepper) {
  double at_um = 0.0;
  RegionTally::Deposit left;
  const auto go_to = [&](double to_um, std::size_t region) {
    if constexpr (requires { stepper.in(Place{}); }) {
      stepper.in({left.cell, static_cast<CellRegion>(region)});
    }
    const AlphaLoss loss = stepper.advance(to_um - at_um);
    left.energy_keV[region] += loss.energy_keV;
    left.energy_let[region] += loss.energy_let_keV2_per_um;
    at_um = std::max(at_um, to_um);
  };
  std::int64_t in_cells = 0;
  scene_.crossings(start_um, direction, stepper.reach_um(), crossings_);
  for (const Crossing& crossing : crossings_) tally_.expect(crossing.cell, emission_);
  for (const Crossing& crossing : crossings_) {
    medium_keV_ += stepper.advance(crossing.whole.entry_um - at_um).energy_keV;
    at_um = std::max(at_um, crossing.whole.entry_um);
    left = {};
    left.cell = crossing.cell;
    if (crossing.inside.length_um() > 0.0) {
      go_to(crossing.inside.entry_um, membrane);
      if (crossing.nucleus.length_um() > 0.0) {
        go_to(crossing.nucleus.entry_um, cytoplasm);
        go_to(crossing.nucleus.exit_um, nucleus);
      }
      go_to(crossing.inside.exit_um, cytoplasm);
    }
    go_to(crossing.whole.exit_um, membrane);
    in_cells += tally_.add(left, emission_, left.cell == origin_ ? 0 : 1);
    if (stepper.stopped()) break;
  }
  medium_keV_ += stepper.stop().energy_keV;
  add_account(Fate::cells, emission_, in_cells);
}

template void HistoryScorer::alpha(Vec3, Vec3, AlphaStepper&);
template void HistoryScorer::alpha(Vec3, Vec3, SteadyAlpha&);
template void HistoryScorer::alpha(Vec3, Vec3, RecordedAlpha&);

}  // namespace immunodose
