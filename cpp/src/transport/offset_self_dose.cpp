// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/offset_self_dose.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "immunodose/core/vec3.hpp"

namespace immunodose {
namespace {

// More pairs of shape and offset than this are interpolated, if a sample agrees with exact values.
constexpr std::size_t most_exact_kinds = 128;
constexpr std::size_t most_exact_shapes = 128;
constexpr std::size_t n_samples = 12;
constexpr double largest_error = 2e-5;  // relative to the largest self-dose by a kernel
// Between the nucleus and the membrane; the first step of the nodes is some percent of it.
constexpr double finest_gap_um = 1e-3;
constexpr std::size_t n_offset_nodes = 129;
constexpr std::size_t n_points = 4;  // of the polynomial between nodes

}  // namespace

OffsetSelfDose::OffsetSelfDose(const PopulationTables& tables, const Channels& channels)
    : tables_(tables), channels_(channels) {
  const bool few = has_few_kinds();
  if (!few && interpolate()) return;
  nodes_ = {};
  hits_ = tables.hit_tables(channels, tables.input().shape);
  if (few) {
    rows_.resize(number_.size() * row_size());
    for (const auto& [kind, number] : number_) {
      const auto row =
          exact_rows(tables.input().shape[kind.first], {kind.second}, hits_[kind.first].get());
      std::copy(row.begin(), row.end(), &rows_[number * row_size()]);
    }
  } else {
    rows_.clear();  // each cell on its own
  }
}

OffsetSelfDose::Kind OffsetSelfDose::kind(std::size_t cell) const {
  const auto& in = tables_.input();
  const double* const offset = &in.nucleus_offset_um[3 * cell];
  return {static_cast<std::size_t>(in.shape_of[cell]), norm({offset[0], offset[1], offset[2]})};
}

double OffsetSelfDose::room_um(const CellShape& shape) const {
  return shape.cell_radius_um - tables_.input().membrane_thickness_um - shape.nucleus_radius_um;
}

bool OffsetSelfDose::has_few_kinds() {
  for (std::size_t cell = 0; cell < tables_.input().x_um.size(); ++cell) {
    number_.emplace(kind(cell), number_.size());
    if (number_.size() > most_exact_kinds) {
      number_.clear();
      return false;
    }
  }
  return true;
}

// Eq. 7a: from doses of sites to sites. Nothing is computed twice but the doses of a ball to
// itself.
std::vector<double> OffsetSelfDose::exact_rows(const CellShape& shape,
                                               const std::vector<double>& offset_um,
                                               const PointHitTable* hits) const {
  const CellShape outer{shape.cell_radius_um, 0.0};
  const CellShape nucleus{shape.nucleus_radius_um, shape.nucleus_radius_um, true};
  const std::size_t width = channels_.width();
  const auto values = [&](const CellShape& from, const CellShape& to, std::size_t source,
                          const std::vector<double>& distance) {
    if (tables_.source_region(from, source).outer_um == 0.0) {  // of the other site
      return std::vector<double>(distance.size() * width, 0.0);
    }
    return *tables_.values(channels_, from, to, source, distance, to.is_nucleus ? hits : nullptr);
  };
  const auto volume = site_volumes(shape, tables_.input().membrane_thickness_um);
  std::vector<double> rows(offset_um.size() * row_size(), 0.0);
  for (std::size_t source = 0; source < n_source_compartments; ++source) {
    const CellShape& from = source == 0 ? nucleus : outer;
    const auto to_outer = values(from, outer, source, source == 0 ? offset_um : std::vector{0.0});
    const auto to_nucleus =
        values(from, nucleus, source, source == 0 ? std::vector{0.0} : offset_um);
    for (std::size_t i = 0; i < offset_um.size(); ++i) {
      const auto part = [&](const std::vector<double>& all) {
        return std::span(all).subspan(all.size() == width ? 0 : i * width, width);
      };
      combine_sites(volume, tables_.model().target, channels_.n_doses, part(to_outer),
                    part(to_nucleus),
                    std::span(rows).subspan(i * row_size() + source * width, width));
    }
  }
  for (std::size_t i = 0; i < offset_um.size(); ++i) {  // the source is the inside less the nucleus
    double* const row = &rows[i * row_size()];
    for (std::size_t c = 0; c < width; ++c) {
      row[width + c] =
          (volume.inside * row[width + c] - volume.nucleus * row[c]) / volume.cytoplasm();
    }
  }
  return rows;
}

// Between nucleus and membrane at a place among the nodes. Eq. P16.
double OffsetSelfDose::gap_um(double room_um, double place) const {
  const double part = place / static_cast<double>(n_offset_nodes - 1);
  return room_um * std::expm1(stretch_ * part) / std::expm1(stretch_);
}

std::vector<double> OffsetSelfDose::offset_nodes_um(const CellShape& shape) const {
  std::vector<double> offset;
  const double room = room_um(shape);
  for (std::size_t k = 0; k + 1 < n_offset_nodes; ++k) {
    offset.push_back(room - gap_um(room, static_cast<double>(k)));
  }
  offset.push_back(0.0);
  return offset;
}

// Whether the interpolation is good.
bool OffsetSelfDose::interpolate() {
  const auto& in = tables_.input();
  const bool many = in.shape.size() > most_exact_shapes;
  if (many) {
    nodes_ = ShapeNodes(in.shape);
    if (!nodes_.have_cytoplasm(in.membrane_thickness_um)) return false;
  }
  const std::vector<CellShape> shapes =
      many ? nodes_.shapes() : std::vector<CellShape>(in.shape.begin(), in.shape.end());
  double widest = 0.0;
  for (const CellShape& shape : shapes) widest = std::max(widest, room_um(shape));
  stretch_ = std::log1p(widest / finest_gap_um);
  const std::size_t size = n_offset_nodes * row_size();
  rows_.resize(shapes.size() * size);
  const auto hits = tables_.hit_tables(channels_, shapes);
  parallel_for(
      static_cast<std::int64_t>(shapes.size()), 1, tables_.n_threads(),
      [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const auto rows = exact_rows(shapes[i], offset_nodes_um(shapes[i]), hits[i].get());
          std::copy(rows.begin(), rows.end(), &rows_[i * size]);
        }
      },
      tables_.stop());
  return agrees();
}

// Samples midway between nodes, the same for any numbering of the cells. Errors are relative to the
// largest self-dose by the same kernel: recoils from a membrane to a nucleus that nearly touches it
// are steep, and next to nothing of it.
bool OffsetSelfDose::agrees() const {
  const auto shapes = tables_.input().shape;
  std::vector<double> largest(channels_.width(), 0.0);
  std::vector<double> error(channels_.width(), 0.0);
  std::vector<double> found(row_size());
  for (std::size_t i = 0; i < n_samples; ++i) {
    const std::size_t shape = (2 * i + 1) * shapes.size() / (2 * n_samples);
    const auto node = (2 * i + 1) * (n_offset_nodes - 1) / (2 * n_samples);
    const double offset =
        room_um(shapes[shape]) - gap_um(room_um(shapes[shape]), static_cast<double>(node) + 0.5);
    const auto hits = tables_.hit_tables(channels_, shapes.subspan(shape, 1));
    const auto exact = exact_rows(shapes[shape], {offset}, hits[0].get());
    interpolated({shape, offset}, found);
    for (std::size_t c = 0; c < exact.size(); ++c) {
      const std::size_t column = c % channels_.width();
      largest[column] = std::max(largest[column], std::abs(exact[c]));
      error[column] = std::max(error[column], std::abs(found[c] - exact[c]));
    }
  }
  const std::size_t n_targets = tables_.model().target.size();
  for (std::size_t c = 0; c < channels_.width(); ++c) {
    const bool is_dose = c < channels_.n_doses;
    const std::size_t first = is_dose ? c - c % n_targets : c;
    const auto end =
        largest.begin() + static_cast<std::ptrdiff_t>(is_dose ? first + n_targets : c + 1);
    const double scale =
        *std::max_element(largest.begin() + static_cast<std::ptrdiff_t>(first), end);
    if (error[c] > largest_error * scale) return false;
  }
  return true;
}

// Cubic in the number of the node. Eq. P16.
void OffsetSelfDose::add_at_node(std::size_t shape_node, double place, double weight,
                                 std::vector<double>& values) const {
  const auto last = static_cast<double>(n_offset_nodes - n_points);
  const auto first = static_cast<std::size_t>(std::clamp(std::floor(place) - 1.0, 0.0, last));
  const double* const rows = &rows_[(shape_node * n_offset_nodes + first) * row_size()];
  for (std::size_t a = 0; a < n_points; ++a) {
    double share = weight;
    for (std::size_t b = 0; b < n_points; ++b) {
      if (b == a) continue;
      const auto other = static_cast<double>(first + b);
      share *= (place - other) / (static_cast<double>(first + a) - other);
    }
    for (std::size_t c = 0; c < values.size(); ++c) values[c] += share * rows[a * row_size() + c];
  }
}

void OffsetSelfDose::interpolated(const Kind& kind, std::vector<double>& values) const {
  const CellShape& shape = tables_.input().shape[kind.first];
  const double room = room_um(shape);
  const double gap = room <= 0.0 ? 1.0 : std::max(0.0, 1.0 - kind.second / room);
  const double place =
      static_cast<double>(n_offset_nodes - 1) * std::log1p(gap * std::expm1(stretch_)) / stretch_;
  std::fill(values.begin(), values.end(), 0.0);
  if (nodes_.empty()) return add_at_node(kind.first, place, 1.0, values);
  const auto weight = nodes_.weights(shape);
  for (std::size_t node = 0; node < weight.size(); ++node) {
    if (weight[node] != 0.0) add_at_node(node, place, weight[node], values);
  }
}

void OffsetSelfDose::row(std::size_t cell, std::vector<double>& values) const {
  values.resize(row_size());
  const Kind own = kind(cell);
  if (rows_.empty()) {
    values = exact_rows(tables_.input().shape[own.first], {own.second}, hits_[own.first].get());
  } else if (number_.empty()) {
    interpolated(own, values);
  } else {
    std::copy_n(&rows_[number_.at(own) * row_size()], row_size(), values.begin());
  }
}

}  // namespace immunodose
