// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/population_sites.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/parallel.hpp"

namespace immunodose {
namespace {

constexpr std::int64_t cells_per_block = 16384;
// Classes of sites that have tables of their own, as many as of whole cells (population_shapes.py).
constexpr std::size_t most_classes = 12;

// Distinct radii, ascending, and the classes of equal numbers of cells that stand for them.
struct RadiusClasses {
  std::vector<double> radius_um;
  std::vector<double> class_um;
  std::vector<std::size_t> class_of;  // of each distinct radius

  std::size_t number_of(double radius) const {
    const auto at = std::lower_bound(radius_um.begin(), radius_um.end(), radius);
    return static_cast<std::size_t>(at - radius_um.begin());
  }
  double spread() const {
    double largest = 0.0;
    for (std::size_t i = 0; i < radius_um.size(); ++i) {
      largest = std::max(largest, std::abs(radius_um[i] / class_um[class_of[i]] - 1.0));
    }
    return largest;
  }
};

std::vector<double> distinct(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// A class has the mean squared radius of its cells, which the cross-dose depends on to first order.
void group(RadiusClasses& found, const std::vector<std::int64_t>& cells_of, std::size_t n_classes) {
  const std::size_t n = found.radius_um.size();
  found.class_of.resize(n);
  if (n <= n_classes) {
    for (std::size_t i = 0; i < n; ++i) found.class_of[i] = i;
    found.class_um = found.radius_um;
    return;
  }
  std::int64_t all = 0;
  for (const std::int64_t count : cells_of) all += count;
  std::vector<double> squares, cells;
  std::int64_t before = 0;
  std::size_t last = n_classes;
  for (std::size_t i = 0; i < n; ++i) {
    const auto place = static_cast<std::size_t>((2 * before + cells_of[i]) *
                                                static_cast<std::int64_t>(n_classes) / (2 * all));
    before += cells_of[i];
    if (place != last) {
      squares.push_back(0.0);
      cells.push_back(0.0);
      last = place;
    }
    found.class_of[i] = squares.size() - 1;
    squares.back() += static_cast<double>(cells_of[i]) * found.radius_um[i] * found.radius_um[i];
    cells.back() += static_cast<double>(cells_of[i]);
  }
  for (std::size_t k = 0; k < squares.size(); ++k) {
    found.class_um.push_back(std::sqrt(squares[k] / cells[k]));
  }
}

}  // namespace

SiteVolumes site_volumes(const CellShape& shape, double membrane_thickness_um) {
  const double inside = shape.cell_radius_um - membrane_thickness_um;
  return {Region{0.0, inside}.measure(), Region{0.0, shape.nucleus_radius_um}.measure()};
}

void combine_sites(const SiteVolumes& volume, std::span<const Compartment> target,
                   std::size_t n_doses, std::span<const double> outer,
                   std::span<const double> nucleus, std::span<double> sums) {
  const auto found = std::find(target.begin(), target.end(), Compartment::nucleus);
  const auto nucleus_column = static_cast<std::size_t>(found - target.begin());
  for (std::size_t c = 0; c < n_doses; ++c) {
    const std::size_t t = c % target.size();
    if (target[t] == Compartment::nucleus) {
      sums[c] = nucleus[c];
    } else if (target[t] == Compartment::cytoplasm) {
      const double of_nucleus = nucleus[c - t + nucleus_column];
      sums[c] = (volume.inside * outer[c] - volume.nucleus * of_nucleus) / volume.cytoplasm();
    } else {
      sums[c] = outer[c];
    }
  }
  for (std::size_t c = n_doses; c < sums.size(); ++c) sums[c] = nucleus[c];
}

PopulationSites::PopulationSites(const PopulationInput& cells, int n_threads, const StopPoll& stop)
    : cells_(cells), n_threads_(n_threads), stop_(stop) {
  set_shapes();
  set_places();
  input_ = cells;
  input_.x_um = x_;
  input_.y_um = y_;
  input_.z_um = z_;
  input_.shape = shape_;
  input_.shape_of = shape_of_;
  input_.shape_class = shape_class_;
  input_.class_of = class_of_;
  input_.time_integrated_activity = activity_;
  input_.grid = nullptr;  // of the centers alone
  input_.nucleus_offset_um = {};
  input_.partner = partner_;
}

// Balls of the cells, then those of the nuclei.
void PopulationSites::set_shapes() {
  const std::size_t n = cells_.x_um.size();
  std::vector<std::int64_t> cells_of_shape(cells_.shape.size(), 0);
  for (const std::int64_t shape : cells_.shape_of)
    ++cells_of_shape[static_cast<std::size_t>(shape)];
  const auto radius_of = [](const CellShape& shape, std::size_t kind) {
    return kind == 0 ? shape.cell_radius_um : shape.nucleus_radius_um;
  };
  std::array<RadiusClasses, 2> classes;
  std::array<std::vector<std::int64_t>, 2> counts;
  for (std::size_t kind = 0; kind < 2; ++kind) {
    std::vector<double> radii;
    for (const CellShape& shape : cells_.shape) radii.push_back(radius_of(shape, kind));
    classes[kind].radius_um = distinct(std::move(radii));
    counts[kind].assign(classes[kind].radius_um.size(), 0);
    for (std::size_t i = 0; i < cells_.shape.size(); ++i) {
      counts[kind][classes[kind].number_of(radius_of(cells_.shape[i], kind))] += cells_of_shape[i];
    }
  }
  shape_of_.resize(2 * n);
  class_of_.resize(2 * n);
  for (std::size_t kind = 0; kind < 2; ++kind) {
    const std::size_t others = std::min(classes[1 - kind].radius_um.size(), most_classes / 2);
    group(classes[kind], counts[kind], most_classes - others);
    class_spread_ = std::max(class_spread_, classes[kind].spread());
    const auto make = [&](double radius_um) {
      return kind == 0 ? CellShape{radius_um, 0.0} : CellShape{radius_um, radius_um, true};
    };
    const auto first_shape = static_cast<std::int64_t>(shape_.size());
    const auto first_class = static_cast<std::int64_t>(shape_class_.size());
    for (const double radius_um : classes[kind].radius_um) shape_.push_back(make(radius_um));
    for (const double radius_um : classes[kind].class_um) shape_class_.push_back(make(radius_um));
    std::vector<std::size_t> number;  // of the radius of each shape of a cell
    for (const CellShape& shape : cells_.shape) {
      number.push_back(classes[kind].number_of(radius_of(shape, kind)));
    }
    parallel_for(
        static_cast<std::int64_t>(n), cells_per_block, n_threads_,
        [&](std::int64_t begin, std::int64_t end) {
          for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            const std::size_t own = number[static_cast<std::size_t>(cells_.shape_of[i])];
            shape_of_[kind * n + i] = first_shape + static_cast<std::int64_t>(own);
            class_of_[kind * n + i] =
                first_class + static_cast<std::int64_t>(classes[kind].class_of[own]);
          }
        },
        stop_);
  }
}

// The cytoplasm is the inside of the membrane less the nucleus, at one density. Eq. P14.
void PopulationSites::set_places() {
  const std::size_t n = cells_.x_um.size();
  x_.resize(2 * n);
  y_.resize(2 * n);
  z_.resize(2 * n);
  partner_.resize(2 * n);
  activity_.resize(2 * n * n_source_compartments);
  parallel_for(
      static_cast<std::int64_t>(n), cells_per_block, n_threads_,
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const std::size_t nucleus = n + i;
          partner_[i] = static_cast<std::int64_t>(nucleus);
          partner_[nucleus] = static_cast<std::int64_t>(i);
          x_[i] = cells_.x_um[i];
          y_[i] = cells_.y_um[i];
          z_[i] = cells_.z_um[i];
          x_[nucleus] = x_[i] + cells_.nucleus_offset_um[3 * i];
          y_[nucleus] = y_[i] + cells_.nucleus_offset_um[3 * i + 1];
          z_[nucleus] = z_[i] + cells_.nucleus_offset_um[3 * i + 2];
          const double* const from = &cells_.time_integrated_activity[i * n_source_compartments];
          double* const to = &activity_[i * n_source_compartments];
          double* const to_nucleus = &activity_[nucleus * n_source_compartments];
          const auto volume =
              site_volumes(cells_.shape[static_cast<std::size_t>(cells_.shape_of[i])],
                           cells_.membrane_thickness_um);
          const double per_um3 = from[1] == 0.0 ? 0.0 : from[1] / volume.cytoplasm();
          to[0] = 0.0;
          to[1] = per_um3 * volume.inside;
          to[2] = from[2];
          to_nucleus[0] = from[0] - per_um3 * volume.nucleus;
          to_nucleus[1] = to_nucleus[2] = 0.0;
        }
      },
      stop_);
}

void PopulationSites::combine(std::span<const Compartment> target, std::size_t n_doses,
                              std::span<const double> site_sums, std::size_t cell,
                              std::span<double> sums) const {
  const std::size_t width = sums.size();
  combine_sites(site_volumes(cells_.shape[static_cast<std::size_t>(cells_.shape_of[cell])],
                             cells_.membrane_thickness_um),
                target, n_doses, site_sums.subspan(cell * width, width),
                site_sums.subspan((cells_.x_um.size() + cell) * width, width), sums);
}

}  // namespace immunodose
