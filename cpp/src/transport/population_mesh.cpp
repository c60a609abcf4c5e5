// SPDX-License-Identifier: BSD-3-Clause
// Cross-doses of long reach: near pairs from a cell list, all others through a mesh. Eqs. P4-P9,
// docs/theory/population.md.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "immunodose/core/progress.hpp"
#include "immunodose/geometry/grid_index.hpp"
#include "immunodose/transport/far_kernel.hpp"
#include "immunodose/transport/mesh_kernel.hpp"
#include "immunodose/transport/population_cross.hpp"
#include "immunodose/transport/population_images.hpp"
#include "immunodose/transport/population_pairs.hpp"
#include "immunodose/transport/square_grid.hpp"

namespace immunodose {
namespace {

// The far field of a region differs from that of its center by this times the Laplacian.
double sixth_of_mean_square_um2(const Region& region) {
  const double o = region.outer_um;
  const double i = region.inner_um;
  if (region.is_surface()) return o * o / 6.0;
  return 0.1 * (std::pow(o, 5) - std::pow(i, 5)) / (std::pow(o, 3) - std::pow(i, 3));
}

constexpr std::int64_t cells_per_block = 4096;
// Cells whose far field is checked: more in small populations, where they cost little.
constexpr std::size_t least_samples = 8;
constexpr std::size_t most_samples = 64;
constexpr std::size_t cells_of_most_samples = 16384;

// With the images of a periodic box a sum over all cells can be too long for even one sample.
constexpr double most_terms = 5e8;
constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

// `n_terms`: of the sum at one cell.
std::size_t number_of_samples(std::size_t n_cells, double n_terms) {
  const double affordable = static_cast<double>(most_samples * cells_of_most_samples) / n_terms;
  const double wanted =
      std::clamp(affordable, static_cast<double>(least_samples), static_cast<double>(most_samples));
  const auto sampled = static_cast<std::size_t>(std::min(wanted, most_terms / n_terms));
  return std::min(n_cells, sampled);
}

class MeshSum {
 public:
  MeshSum(const PopulationTables& tables, const Channels& channels, const MeshPlan& plan)
      : tables_(tables), channels_(channels), plan_(plan), in_(tables.input()) {
    find_reference();
    gather_activity();
    for (std::size_t k = 0; k < channels.kernels.size(); ++k) far_.push_back(make_far_kernel(k));
  }

  // Returns the error measured at some cells.
  double make_far_fields() {
    const ProgressSpan first_half(0.0, 0.5);
    double measured_error = 0.0;
    far_sums_ = far_fields(measured_error);
    whole_ = {};  // no longer needed: room for the near pairs
    apart_ = {};
    return measured_error;
  }

  std::int64_t add_near_pairs(const CrossSink& sink) const {
    const ProgressSpan second_half(0.5, 1.0);
    const std::size_t width = channels_.width();
    const CrossSink with_far = [&](std::span<const std::int64_t> cells, std::span<double> sums) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const float* const far = &far_sums_[static_cast<std::size_t>(cells[i]) * width];
        for (std::size_t c = 0; c < width; ++c) {
          sums[i * width + c] += static_cast<double>(far[c]);
        }
      }
      sink(cells, sums);
    };
    std::int64_t n_pairs = 0;
    const double reach = plan_.cut_um + 2.0 * tables_.largest_radius_um();
    with_images(tables_, reach, [&](const PopulationTables& all) {
      const PopulationPairs near(
          all, channels_, plan_.cut_um,
          [&](const TablePair& pair, const std::vector<double>& edge_um2,
              std::vector<double>& values) { subtract_far(pair, edge_um2, values); });
      n_pairs = near.sum(plan_.cut_um, with_far);
    });
    return n_pairs;
  }

 private:
  std::size_t n_targets() const { return tables_.model().target.size(); }

  // One pair of regions stands for all on the mesh; the others differ by a Laplacian.
  void find_reference() {
    shape_ = in_.shape_class[in_.shape_class.size() / 2];
    source_shape_ = shape_;
    while (source_ + 1 < n_source_compartments && !tables_.is_used(source_)) ++source_;
    while (target_ + 1 < n_targets() && tables_.target_region(shape_, target_).is_surface()) {
      ++target_;
    }
    if (!in_.partner.empty()) find_reference_sites();
    const double source_um2 =
        sixth_of_mean_square_um2(tables_.source_region(source_shape_, source_));
    const double target_um2 = sixth_of_mean_square_um2(tables_.target_region(shape_, target_));
    for (const CellShape& shape : in_.shape_class) {
      for (std::size_t s = 0; s < n_source_compartments; ++s) {
        from_um2_.push_back(sixth_of_mean_square_um2(tables_.source_region(shape, s)) - source_um2);
      }
      for (std::size_t t = 0; t < n_targets(); ++t) {
        to_um2_.push_back(sixth_of_mean_square_um2(tables_.target_region(shape, t)) - target_um2);
      }
    }
  }
  // Sites have some compartments each: the first that decays, and the first with a mass.
  void find_reference_sites() {
    const std::size_t n_classes = in_.shape_class.size();
    for (std::size_t i = n_classes * n_source_compartments; i-- > 0;) {
      if (!tables_.is_active(i / n_source_compartments, i % n_source_compartments)) continue;
      source_shape_ = in_.shape_class[i / n_source_compartments];
      source_ = i % n_source_compartments;
    }
    for (std::size_t i = n_classes * n_targets(); i-- > 0;) {
      const CellShape& shape = in_.shape_class[i / n_targets()];
      if (tables_.target_region(shape, i % n_targets()).is_surface()) continue;
      shape_ = shape;
      target_ = i % n_targets();
    }
  }
  double from_um2(std::size_t shape_class, std::size_t source) const {
    return from_um2_[shape_class * n_source_compartments + source];
  }
  double to_um2(std::size_t shape_class, std::size_t target) const {
    return to_um2_[shape_class * n_targets() + target];
  }

  FarKernel make_far_kernel(std::size_t kernel) const {
    constexpr double first = 0.7;  // of the cut, for the fit of the polynomial
    const double longest = std::min(channels_.kernels[kernel].reach_um(), tables_.diameter_um()) +
                           2.0 * tables_.largest_radius_um();
    const SquareGrid grid(first * plan_.cut_um, std::max(longest, 2.0 * plan_.cut_um));
    const auto edges = grid.edges_um2();
    std::vector<double> distance;
    for (const double edge : edges) distance.push_back(std::sqrt(edge));
    Channels one;
    one.kernels = {channels_.kernels[kernel]};
    one.n_doses = n_targets();
    const auto rows = tables_.values(one, source_shape_, shape_, source_, distance, nullptr);
    std::vector<double> value;
    for (std::size_t e = 0; e < edges.size(); ++e)
      value.push_back((*rows)[e * n_targets() + target_]);
    return {grid, value, plan_.cut_um};
  }

  void subtract_far(const TablePair& pair, const std::vector<double>& edge_um2,
                    std::vector<double>& values) const {
    const std::size_t width = channels_.width();
    const double cut_um2 = plan_.cut_um * plan_.cut_um;
    for (std::size_t e = 0; e < edge_um2.size(); ++e) {
      for (std::size_t c = 0; c < channels_.n_doses; ++c) {
        double& value = values[e * width + c];
        const std::size_t target = c % n_targets();
        if (tables_.target_region(in_.shape_class[pair.target_class], target).is_surface()) {
          continue;
        }
        const FarKernel& far = far_[c / n_targets()];
        const double spread =
            from_um2(pair.source_class, pair.source) + to_um2(pair.target_class, target);
        value = edge_um2[e] < cut_um2
                    ? value - far.inside(edge_um2[e]) - spread * far.inside_laplacian(edge_um2[e])
                    : 0.0;
      }
    }
  }

  // Activity of each cell, and what sets its sources apart from the reference.
  void gather_activity() {
    whole_.resize(in_.x_um.size());
    apart_.resize(in_.x_um.size());
    sources_differ_ =
        std::any_of(from_um2_.begin(), from_um2_.end(), [](double value) { return value != 0.0; });
    for_cells([&](std::size_t cell) {
      const auto shape_class = static_cast<std::size_t>(in_.class_of[cell]);
      double whole = 0.0;
      double apart = 0.0;
      for (std::size_t s = 0; s < n_source_compartments; ++s) {
        if (!tables_.is_used(s)) continue;
        const double activity = tables_.effective_activity(cell, s);
        whole += activity;
        apart += activity * from_um2(shape_class, s);
      }
      whole_[cell] = whole;
      apart_[cell] = apart;
    });
  }

  template <class Body>
  void for_cells(const Body& body) const {
    parallel_for(
        static_cast<std::int64_t>(in_.x_um.size()), cells_per_block, tables_.n_threads(),
        [&](std::int64_t begin, std::int64_t end) {
          for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            body(i);
          }
        },
        tables_.stop());
  }

  LargeVector<float> spread(const ParticleMesh& mesh, std::span<const double> by_cell) const {
    LargeVector<float> weight(by_cell.size());
    for_cells([&](std::size_t i) {
      weight[i] = static_cast<float>(by_cell[static_cast<std::size_t>(mesh.ids()[i])]);
    });
    return mesh.spread(weight);
  }

  // Activity on the mesh, with the Laplacian of what sets the sources apart from the reference.
  LargeVector<float> density(const ParticleMesh& mesh) const {
    auto found = spread(mesh, whole_);
    if (!sources_differ_) return found;
    const auto second = mesh.laplacian(spread(mesh, apart_));
    for (std::size_t i = 0; i < found.size(); ++i) found[i] += second[i];
    return found;
  }

  // How far the field of a kernel reaches from a center.
  double far_reach_um(std::size_t kernel) const {
    return channels_.kernels[kernel].reach_um() + 2.0 * tables_.largest_radius_um();
  }

  // Field of all cells at each cell without that of the cell itself: (cell, column).
  LargeVector<float> far_fields(double& measured_error) const {
    const GridIndex& cells = tables_.grid(plan_.cut_um);
    const ParticleMesh mesh(cells, plan_.spacing_um,
                            channels_.reach_um + 2.0 * tables_.largest_radius_um(), in_.box,
                            tables_.n_threads(), tables_.stop());
    MeshConvolver& convolver = *tables_.model().convolver;
    convolver.set_density(mesh.shape(), mesh.fold(density(mesh)));
    const auto factor = mesh.spline_factor();
    const bool targets_differ =
        std::any_of(to_um2_.begin(), to_um2_.end(), [](double value) { return value != 0.0; });
    LargeVector<float> far(in_.x_um.size() * channels_.width());
    const auto n_kernels = static_cast<double>(far_.size());
    bool unchecked = false;
    for (std::size_t k = 0; k < far_.size(); ++k) {
      const ProgressSpan one(static_cast<double>(k) / n_kernels,
                             static_cast<double>(k + 1) / n_kernels);
      const auto kernel = mesh_kernel(far_[k], mesh.shape(), in_.box, far_reach_um(k),
                                      tables_.n_threads(), tables_.stop());
      const auto field = mesh.unfold(convolver.convolve(kernel, factor, k + 1 == far_.size()));
      const auto value = mesh.gather(field);
      LargeVector<float> second;
      if (targets_differ) second = mesh.gather(mesh.laplacian(field));
      store(k, mesh.ids(), value, second, far);
      const double error = check(k, cells.order(), far);
      // One kernel that was not checked does not hide the errors of the others.
      unchecked = unchecked || std::isnan(error);
      if (error > measured_error) measured_error = error;
      end_of_span(tables_.stop());
    }
    if (unchecked && measured_error <= tables_.model().rtol) measured_error = unknown;
    return far;
  }

  // Root mean square error over mean of the far field of some cells, against sums over all others.
  double check(std::size_t kernel, std::span<const std::int64_t> order,
               const LargeVector<float>& far) const {
    const std::size_t n = order.size();
    const double copies = in_.box.copies_within(far_reach_um(kernel));
    const std::size_t n_samples = number_of_samples(n, static_cast<double>(n) * copies);
    if (n_samples == 0) return unknown;
    std::vector<double> sums(n_samples);
    parallel_for(
        static_cast<std::int64_t>(n_samples), 1, tables_.n_threads(),
        [&](std::int64_t begin, std::int64_t end) {
          for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            sums[i] =
                far_sum(kernel, static_cast<std::size_t>(order[(2 * i + 1) * n / (2 * n_samples)]));
          }
        },
        tables_.stop());
    double squares = 0.0;
    double mean = 0.0;
    for (std::size_t i = 0; i < n_samples; ++i) {
      const auto cell = static_cast<std::size_t>(order[(2 * i + 1) * n / (2 * n_samples)]);
      const auto found =
          static_cast<double>(far[cell * channels_.width() + kernel * n_targets() + target_]);
      squares += (found - sums[i]) * (found - sums[i]);
      mean += std::abs(sums[i]);
    }
    const auto count = static_cast<double>(n_samples);
    if (mean == 0.0) return 0.0;
    const double error = std::sqrt(squares / count) / (mean / count);
    return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
  }

  // The far field of a cell in the reference target, cell by cell.
  double far_sum(std::size_t kernel, std::size_t target_cell) const {
    const FarKernel& far = far_[kernel];
    const double reach = far_reach_um(kernel);
    const double cut_um2 = plan_.cut_um * plan_.cut_um;
    const double to = to_um2(static_cast<std::size_t>(in_.class_of[target_cell]), target_);
    const Vec3 at{in_.x_um[target_cell], in_.y_um[target_cell], in_.z_um[target_cell]};
    double sum = 0.0;
    for (std::size_t cell = 0; cell < in_.x_um.size(); ++cell) {
      const double whole = whole_[cell];
      if (whole == 0.0) continue;
      const bool own = tables_.cell_number(cell) == tables_.cell_number(target_cell);
      const Vec3 place = Vec3{in_.x_um[cell], in_.y_um[cell], in_.z_um[cell]} - at;
      const double other = apart_[cell];
      visit_images(in_.box, place, reach, [&](Vec3 apart, bool is_image) {
        if (own && !is_image) return;
        const double square = dot(apart, apart);
        // Outside, the Laplacian is that of 1 / r^2: a shift of the squared distance. Eq. P3.
        sum +=
            square < cut_um2
                ? whole * far.inside(square) + (whole * to + other) * far.inside_laplacian(square)
                : whole * far.at(square - 2.0 * to) + 2.0 * other * far.at(square) / square;
      });
    }
    return sum;
  }

  // The mesh field of the other site of the same cell, which lies within the cut.
  double from_partner(const FarKernel& far, std::size_t cell, double to) const {
    const auto other = static_cast<std::size_t>(in_.partner[cell]);
    const Vec3 apart = Vec3{in_.x_um[cell], in_.y_um[cell], in_.z_um[cell]} -
                       Vec3{in_.x_um[other], in_.y_um[other], in_.z_um[other]};
    const double square = dot(apart, apart);
    return whole_[other] * far.inside(square) +
           (whole_[other] * to + apart_[other]) * far.inside_laplacian(square);
  }

  void store(std::size_t kernel, std::span<const std::int64_t> ids, std::span<const float> value,
             std::span<const float> second, LargeVector<float>& far) const {
    const double own = far_[kernel].inside(0.0);
    const double own_second = far_[kernel].inside_laplacian(0.0);
    for_cells([&](std::size_t i) {
      const auto cell = static_cast<std::size_t>(ids[i]);
      const auto shape_class = static_cast<std::size_t>(in_.class_of[cell]);
      for (std::size_t t = 0; t < n_targets(); ++t) {
        const double to = to_um2(shape_class, t);
        double sum = static_cast<double>(value[i]);
        if (!second.empty()) sum += to * static_cast<double>(second[i]);
        sum -= whole_[cell] * (own + to * own_second) + apart_[cell] * own_second;
        if (!in_.partner.empty()) sum -= from_partner(far_[kernel], cell, to);
        far[cell * channels_.width() + kernel * n_targets() + t] = static_cast<float>(sum);
      }
    });
  }

  const PopulationTables& tables_;
  const Channels& channels_;
  MeshPlan plan_;
  const PopulationInput& in_;
  CellShape shape_{};         // of the reference target
  CellShape source_shape_{};  // and source
  std::size_t source_ = 0;
  std::size_t target_ = 0;
  std::vector<double> from_um2_;  // (class, source), apart from the reference
  std::vector<double> to_um2_;    // (class, target)
  std::vector<FarKernel> far_;
  bool sources_differ_ = false;  // from the reference
  LargeVector<double> whole_;    // activity of each cell
  LargeVector<double> apart_;    // times what sets its region apart
  LargeVector<float> far_sums_;  // (cell, column)
};

}  // namespace

void particle_mesh_sums(const PopulationTables& tables, const Channels& channels,
                        const CrossSink& sink, SummationReport& report) {
  const bool forced = tables.model().summation == Summation::particle_mesh;
  std::optional<MeshSum> mesh;
  for (std::size_t attempt = 0; attempt < most_mesh_attempts; ++attempt) {
    const MeshPlan plan = plan_mesh(tables, channels.reach_um, channels.kernels.size(), attempt);
    if (plan.spacing_um <= 0.0) break;
    mesh.emplace(tables, channels, plan);
    report.reach_um = plan.cut_um;
    report.mesh_spacing_um = plan.spacing_um;
    report.expected_error = plan.expected_error;
    report.measured_error = mesh->make_far_fields();
    if (!(report.measured_error > tables.model().rtol)) {
      report.n_pairs = mesh->add_near_pairs(sink);
      return;
    }
  }
  // Its error is in the report, which is more than too many images for a list could give.
  const double reach = channels.reach_um + 2.0 * tables.largest_radius_um();
  if (mesh && (forced || !can_list_images(tables, reach))) {
    report.n_pairs = mesh->add_near_pairs(sink);
    return;
  }
  report = {report.kernel, Summation::cell_list, channels.reach_um, 0.0, 0.0, 0.0, 0};
  cell_list_sums(tables, channels, sink, report);
}

}  // namespace immunodose
