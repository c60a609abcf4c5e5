// SPDX-License-Identifier: BSD-3-Clause
#include <pybind11/stl.h>

#include <array>

#include "arrays.hpp"
#include "immunodose/transport/cell_monte_carlo.hpp"

namespace immunodose::bindings {

namespace {

using Axes = std::array<double, 3>;

Vec3 vector(const Axes& v) { return {v[0], v[1], v[2]}; }

// Semi-axes of cell and nucleus and offset of the nucleus, (3, 3), um.
CellShapeAxes make_axes(const std::array<Axes, 3>& axes_um, double membrane_um) {
  return {vector(axes_um[0]), vector(axes_um[1]), vector(axes_um[2]), membrane_um};
}

CellMonteCarloInput make_input(
    const std::array<Axes, 3>& source_axes_um, const std::array<Axes, 3>& target_axes_um,
    double membrane_um, const DoubleArray& distance_um,
    const std::vector<std::int64_t>& source_regions,
    const std::vector<std::tuple<std::int64_t, DoubleArray, DoubleArray>>& emissions) {
  const CellShapeAxes target = make_axes(target_axes_um, membrane_um);
  CellMonteCarloInput input{CellSolid({}, make_axes(source_axes_um, membrane_um))};
  for (const double x : view(distance_um)) input.targets.emplace_back(Vec3{x, 0.0, 0.0}, target);
  for (const auto region : source_regions) {
    if (region < 0 || region >= static_cast<std::int64_t>(n_solid_regions)) {
      throw InputError("source_regions: 0 nucleus, 1 cytoplasm, 2 membrane");
    }
    input.source_regions.push_back(static_cast<SolidRegion>(region));
  }
  for (const auto& [kind, energy, yields] : emissions) {
    if (kind < 0 || kind > static_cast<std::int64_t>(EmittedKind::local)) {
      throw InputError("emissions: 0 electron, 1 photon, 2 alpha, 3 local");
    }
    const auto energies = view(energy);
    require_size(view(yields), energies.size(), "yield of an emission class");
    input.emissions.push_back({static_cast<EmittedKind>(kind),
                               {energies.begin(), energies.end()},
                               {view(yields).begin(), view(yields).end()}});
  }
  return input;
}

py::tuple bound_cell_monte_carlo(
    const std::array<Axes, 3>& source_axes_um, const std::array<Axes, 3>& target_axes_um,
    double membrane_um, const DoubleArray& distance_um,
    const std::vector<std::int64_t>& source_regions,
    const std::vector<std::tuple<std::int64_t, DoubleArray, DoubleArray>>& emissions,
    std::int64_t n_batches, std::int64_t histories_per_batch, std::uint64_t root,
    double density_g_per_cm3, double world_radius_um, bool detailed, double cutoff_keV,
    double longest_step_um, bool straggling, int n_threads) {
  CellMonteCarloInput input = make_input(source_axes_um, target_axes_um, membrane_um, distance_um,
                                         source_regions, emissions);
  input.n_batches = n_batches;
  input.histories_per_batch = histories_per_batch;
  input.root = root;
  input.density_g_per_cm3 = density_g_per_cm3;
  input.world_radius_um = world_radius_um;
  input.electrons.mode = detailed ? ElectronMode::detailed : ElectronMode::condensed;
  input.electrons.cutoff_keV = cutoff_keV;
  input.electrons.longest_step_um = longest_step_um;
  input.straggling = straggling ? Straggling::on : Straggling::off;
  CellMonteCarloResult result;
  {
    const py::gil_scoped_release release;
    result = cell_monte_carlo(input, n_threads, python_stop_poll());
  }
  const auto n_sources = static_cast<py::ssize_t>(source_regions.size());
  const auto n_classes = static_cast<py::ssize_t>(emissions.size());
  const auto n_cells = static_cast<py::ssize_t>(distance_um.size());
  const auto n_regions = static_cast<py::ssize_t>(n_solid_regions);
  return py::make_tuple(
      adopt(std::move(result.deposited), {n_sources, n_classes, n_batches, n_cells, n_regions}),
      adopt(std::move(result.balance),
            {n_sources, n_classes, n_batches,
             static_cast<py::ssize_t>(CellMonteCarloResult::n_balance)}));
}

// Points of a region, for tests of uniformity.
py::array_t<double> bound_sample_cell_region(const std::array<Axes, 3>& axes_um, double membrane_um,
                                             std::int64_t region, std::int64_t n_points,
                                             std::uint64_t root) {
  const CellSolid cell({}, make_axes(axes_um, membrane_um));
  std::vector<double> points;
  for (std::int64_t i = 0; i < n_points; ++i) {
    Stream random(root, Stage::cell_history, static_cast<std::uint64_t>(i));
    const Vec3 p = cell.sample(static_cast<SolidRegion>(region), random);
    points.insert(points.end(), {p.x, p.y, p.z});
  }
  return adopt(std::move(points), {static_cast<py::ssize_t>(n_points), 3});
}

// Volumes of nucleus, cytoplasm and membrane, um3.
std::array<double, 3> bound_cell_volumes(const std::array<Axes, 3>& axes_um, double membrane_um) {
  const CellSolid cell({}, make_axes(axes_um, membrane_um));
  return {cell.volume_um3(SolidRegion::nucleus), cell.volume_um3(SolidRegion::cytoplasm),
          cell.volume_um3(SolidRegion::membrane)};
}

}  // namespace

void register_cell_monte_carlo(py::module_& transport) {
  transport.def("cell_monte_carlo", &bound_cell_monte_carlo, py::arg("source_axes_um"),
                py::arg("target_axes_um"), py::arg("membrane_um"), py::arg("distance_um"),
                py::arg("source_regions"), py::arg("emissions"), py::arg("n_batches"),
                py::arg("histories_per_batch"), py::arg("root"), py::arg("density_g_per_cm3"),
                py::arg("world_radius_um"), py::arg("detailed"), py::arg("cutoff_keV"),
                py::arg("longest_step_um"), py::arg("straggling"), py::arg("n_threads"));
  transport.def("sample_cell_region", &bound_sample_cell_region, py::arg("axes_um"),
                py::arg("membrane_um"), py::arg("region"), py::arg("n_points"), py::arg("root"));
  transport.def("cell_volumes_um3", &bound_cell_volumes, py::arg("axes_um"),
                py::arg("membrane_um"));
}

}  // namespace immunodose::bindings
