// SPDX-License-Identifier: BSD-3-Clause
#include <pybind11/stl.h>

#include "immunodose/immune/agent_bins.hpp"
#include "immunodose/immune/agent_cells.hpp"
#include "immunodose/immune/agent_tumor.hpp"
#include "in_place.hpp"

namespace immunodose::bindings {
namespace {

using Doubles3 = std::array<double, 3>;
using Ints3 = std::array<std::int64_t, 3>;
using Floats = InPlace<float>;
using Bytes = InPlace<std::uint8_t>;
using Rows = InPlace<std::int32_t>;
using Ids = InPlace<std::int64_t>;

Points points(const Floats& x, const Floats& y, const Floats& z) {
  if (y.size() != x.size() || z.size() != x.size()) {
    throw InputError("coordinates of unequal length");
  }
  return {read(x), read(y), read(z)};
}

py::tuple bind_bins(const Floats& x_um, const Floats& y_um, const Floats& z_um, double reach_um) {
  const AgentBins bins(points(x_um, y_um, z_um), reach_um);
  return py::make_tuple(bins.low_um(), bins.edge_um(), bins.n_bins());
}

py::tuple bind_sorted(const Floats& x_um, const Floats& y_um, const Floats& z_um, const Ids& id,
                      const Bytes& kept, Doubles3 low_um, Doubles3 edge_um, Ints3 n_bins) {
  const Points at = points(x_um, y_um, z_um);
  const auto ids = read(id);
  const auto is_kept = read(kept);
  SortedPoints sorted;
  {
    const py::gil_scoped_release release;
    sorted = sorted_points({low_um, edge_um, n_bins}, at, ids, is_kept);
  }
  return py::make_tuple(adopt(std::move(sorted.order)), adopt(std::move(sorted.starts)));
}

py::array_t<std::int64_t> bind_order(const Floats& x_um, const Floats& y_um, const Floats& z_um,
                                     const Bytes& kept, double edge_um) {
  return adopt(order_by_cubes(points(x_um, y_um, z_um), read(kept), edge_um));
}

// Columns of a table of phenotypes, in this order.
std::vector<Phenotype> phenotypes_of(const DoubleArray& table) {
  constexpr py::ssize_t n_columns = 11;
  if (table.ndim() != 2 || table.shape(1) != n_columns) {
    throw InputError("phenotypes: expected (phenotype, 11)");
  }
  std::vector<Phenotype> kinds;
  for (py::ssize_t i = 0; i < table.shape(0); ++i) {
    const double* const row = table.data(i, 0);
    kinds.push_back({row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7],
                     static_cast<std::int32_t>(row[8]), static_cast<std::int32_t>(row[9]),
                     row[10] != 0.0});
  }
  return kinds;
}

py::tuple hit_columns(const std::vector<Hit>& hits) {
  std::vector<std::int32_t> target, cell;
  std::vector<float> time_min;
  for (const Hit& hit : hits) {
    target.push_back(hit.target);
    cell.push_back(hit.cell);
    time_min.push_back(hit.time_min);
  }
  return py::make_tuple(adopt(std::move(target)), adopt(std::move(cell)),
                        adopt(std::move(time_min)));
}

py::tuple bind_step_cells(const Ids& id, Floats& x_um, Floats& y_um, Floats& z_um, Rows& target,
                          Bytes& phenotype, Floats& contact_min, Floats& stimulated_min,
                          Bytes& event, const Floats& target_x_um, const Floats& target_y_um,
                          const Floats& target_z_um, const Rows& starts,
                          const std::vector<Floats>& susceptibility_per_d, Doubles3 bin_low_um,
                          Doubles3 bin_edge_um, Ints3 n_bins, Doubles3 tissue_low_um,
                          double tissue_edge_um, Ints3 n_voxels, const Bytes& tissue,
                          const DoubleArray& phenotypes, std::uint64_t root, std::int64_t step,
                          double duration_min, double reach_um,
                          const std::vector<std::int32_t>& hits_to_kill, int n_threads) {
  const ImmuneCells cells{
      read(id),        changed(x_um),      changed(y_um),        changed(z_um),
      changed(target), changed(phenotype), changed(contact_min), changed(stimulated_min),
      changed(event)};
  Targets targets{points(target_x_um, target_y_um, target_z_um), read(starts), {}};
  for (const Floats& values : susceptibility_per_d) {
    targets.susceptibility_per_d.push_back(read(values));
  }
  const Tissue inside{tissue_low_um, tissue_edge_um, n_voxels, read(tissue)};
  if (inside.inside.size() != static_cast<std::size_t>(n_voxels[0] * n_voxels[1] * n_voxels[2])) {
    throw InputError("tissue: expected one value per voxel");
  }
  const std::vector<Phenotype> kinds = phenotypes_of(phenotypes);
  const StepOptions options{root, step, duration_min, reach_um, hits_to_kill, n_threads};
  std::vector<Hit> hits;
  {
    const py::gil_scoped_release release;
    hits = step_immune_cells(cells, targets, {bin_low_um, bin_edge_um, n_bins}, inside, kinds,
                             options, python_stop_poll());
  }
  return hit_columns(hits);
}

py::tuple bind_step_tumor(const Ids& id, Floats& target_x_um, Bytes& state, Floats& event_d,
                          Floats& radiation_d, Floats& division_d, Floats& death_d, Bytes& cause,
                          Bytes& hits, Floats& hit_d, const Rows& hit_target,
                          const Ids& hit_killer_id, const Rows& hit_attack,
                          const Floats& hit_time_min, std::uint64_t root, std::int64_t step,
                          double begin_d, double end_d,
                          const std::vector<std::int32_t>& hits_to_kill, double recovery_per_d,
                          double radiation_clearance_per_d, double immune_clearance_per_d,
                          double division_per_d, int n_threads) {
  const TumorCells cells{read(id),         changed(target_x_um), changed(state),
                         changed(event_d), changed(radiation_d), changed(division_d),
                         changed(death_d), changed(cause),       changed(hits),
                         changed(hit_d)};
  const HitColumns columns{read(hit_target), read(hit_killer_id), read(hit_attack),
                           read(hit_time_min)};
  const TumorOptions options{root,
                             step,
                             begin_d,
                             end_d,
                             hits_to_kill,
                             recovery_per_d,
                             radiation_clearance_per_d,
                             immune_clearance_per_d,
                             division_per_d,
                             n_threads};
  TumorEvents events;
  {
    const py::gil_scoped_release release;
    events = step_tumor_cells(cells, columns, options, python_stop_poll());
  }
  return py::make_tuple(adopt(std::move(events.died)), adopt(std::move(events.cleared)),
                        adopt(std::move(events.dividing)));
}

py::array_t<float> bind_waits(const Ids& id, std::int64_t step, double division_per_d,
                              std::uint64_t root) {
  return adopt(division_waits_d(read(id), step, division_per_d, root));
}

py::array_t<float> bind_radiation(const Ids& id, const DoubleArray& log_survival,
                                  const DoubleArray& share, const DoubleArray& delivered,
                                  const DoubleArray& time_d, std::int64_t from_index,
                                  std::uint64_t root, int n_threads) {
  const auto ids = read(id);
  const RadiationCourse course{view(log_survival), view(share), view(delivered), view(time_d)};
  std::vector<float> death;
  {
    const py::gil_scoped_release release;
    death = radiation_death_d(ids, course, from_index, root, n_threads, python_stop_poll());
  }
  return adopt(std::move(death));
}

py::array_t<float> bind_daughters(const Floats& x_um, const Floats& y_um, const Floats& z_um,
                                  const Rows& starts, const Bytes& state, const Floats& radius_um,
                                  const Ids& id, Doubles3 bin_low_um, Doubles3 bin_edge_um,
                                  Ints3 n_bins, const Ids& mothers, double overlap, int n_tries,
                                  std::uint64_t root, std::int64_t step) {
  const DivisionSpace space{points(x_um, y_um, z_um), read(starts), read(state), read(radius_um),
                            read(id)};
  const auto rows = read(mothers);
  std::vector<float> places;
  {
    const py::gil_scoped_release release;
    places = daughter_places(space, {bin_low_um, bin_edge_um, n_bins}, rows, overlap, n_tries, root,
                             step);
  }
  return adopt(std::move(places), {static_cast<py::ssize_t>(rows.size()), 3});
}

void register_tumor(py::module_& immune) {
  immune.def("step_tumor_cells", &bind_step_tumor, py::arg("id").noconvert(),
             py::arg("target_x_um").noconvert(), py::arg("state").noconvert(),
             py::arg("event_d").noconvert(), py::arg("radiation_d").noconvert(),
             py::arg("division_d").noconvert(), py::arg("death_d").noconvert(),
             py::arg("cause").noconvert(), py::arg("hits").noconvert(),
             py::arg("hit_d").noconvert(), py::arg("hit_target").noconvert(),
             py::arg("hit_killer_id").noconvert(), py::arg("hit_attack").noconvert(),
             py::arg("hit_time_min").noconvert(), py::arg("root"), py::arg("step"),
             py::arg("begin_d"), py::arg("end_d"), py::arg("hits_to_kill"),
             py::arg("recovery_per_d"), py::arg("radiation_clearance_per_d"),
             py::arg("immune_clearance_per_d"), py::arg("division_per_d"), py::arg("n_threads"));
  immune.def("division_waits", &bind_waits, py::arg("id").noconvert(), py::arg("step"),
             py::arg("division_per_d"), py::arg("root"));
  immune.def("radiation_death", &bind_radiation, py::arg("id").noconvert(), py::arg("log_survival"),
             py::arg("share"), py::arg("delivered"), py::arg("time_d"), py::arg("from_index"),
             py::arg("root"), py::arg("n_threads"));
  immune.def("daughter_places", &bind_daughters, py::arg("x_um").noconvert(),
             py::arg("y_um").noconvert(), py::arg("z_um").noconvert(),
             py::arg("starts").noconvert(), py::arg("state").noconvert(),
             py::arg("radius_um").noconvert(), py::arg("id").noconvert(), py::arg("bin_low_um"),
             py::arg("bin_edge_um"), py::arg("n_bins"), py::arg("mothers").noconvert(),
             py::arg("overlap"), py::arg("n_tries"), py::arg("root"), py::arg("step"));
}

}  // namespace

void register_agents(py::module_& immune) {
  immune.def("agent_bins", &bind_bins, py::arg("x_um").noconvert(), py::arg("y_um").noconvert(),
             py::arg("z_um").noconvert(), py::arg("reach_um"));
  immune.def("sorted_points", &bind_sorted, py::arg("x_um").noconvert(),
             py::arg("y_um").noconvert(), py::arg("z_um").noconvert(), py::arg("id").noconvert(),
             py::arg("kept").noconvert(), py::arg("low_um"), py::arg("edge_um"), py::arg("n_bins"));
  immune.def("order_by_cubes", &bind_order, py::arg("x_um").noconvert(),
             py::arg("y_um").noconvert(), py::arg("z_um").noconvert(), py::arg("kept").noconvert(),
             py::arg("edge_um"));
  immune.def("step_immune_cells", &bind_step_cells, py::arg("id").noconvert(),
             py::arg("x_um").noconvert(), py::arg("y_um").noconvert(), py::arg("z_um").noconvert(),
             py::arg("target").noconvert(), py::arg("phenotype").noconvert(),
             py::arg("contact_min").noconvert(), py::arg("stimulated_min").noconvert(),
             py::arg("event").noconvert(), py::arg("target_x_um").noconvert(),
             py::arg("target_y_um").noconvert(), py::arg("target_z_um").noconvert(),
             py::arg("starts").noconvert(), py::arg("susceptibility_per_d"), py::arg("bin_low_um"),
             py::arg("bin_edge_um"), py::arg("n_bins"), py::arg("tissue_low_um"),
             py::arg("tissue_edge_um"), py::arg("n_voxels"), py::arg("tissue").noconvert(),
             py::arg("phenotypes"), py::arg("root"), py::arg("step"), py::arg("duration_min"),
             py::arg("reach_um"), py::arg("hits_to_kill"), py::arg("n_threads"));
  immune.def(
      "entries",
      [](double mean, std::int64_t n_points, std::int64_t kind, std::int64_t step,
         std::uint64_t root) { return adopt(entries(mean, n_points, kind, step, root)); },
      py::arg("mean"), py::arg("n_points"), py::arg("kind"), py::arg("step"), py::arg("root"));
  register_tumor(immune);
}

}  // namespace immunodose::bindings
