// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"
#include "immunodose/geometry/line_distance.hpp"
#include "immunodose/geometry/overlap_check.hpp"
#include "immunodose/geometry/packing.hpp"

namespace immunodose::bindings {

namespace {

PackingSpace space_of(bool planar) { return planar ? PackingSpace::planar : PackingSpace::spatial; }

// Cells sorted into bins: overlaps are searched and doses summed in them.
std::unique_ptr<GridIndex> sorted_cells(const DoubleArray& x_um, const DoubleArray& y_um,
                                        const DoubleArray& z_um, const DoubleArray& radius_um,
                                        int n_threads) {
  const auto x = view(x_um), y = view(y_um), z = view(z_um), radius = view(radius_um);
  require_size(radius, x.size(), "radius_um");
  const py::gil_scoped_release release;
  return std::make_unique<GridIndex>(sort_cells(x, y, z, radius, n_threads, python_stop_poll()));
}

py::tuple sorted_overlaps(const GridIndex& cells, const DoubleArray& radius_um,
                          double relative_tolerance, int n_threads) {
  const auto radius = view(radius_um);
  OverlapReport report;
  {
    const py::gil_scoped_release release;
    report = find_overlaps(cells, radius, relative_tolerance, n_threads, python_stop_poll());
  }
  return py::make_tuple(report.n_pairs, report.first, report.second, report.depth_um,
                        report.is_lower_bound);
}

py::tuple overlaps(const DoubleArray& x_um, const DoubleArray& y_um, const DoubleArray& z_um,
                   const DoubleArray& radius_um, double relative_tolerance, int n_threads) {
  const auto cells = sorted_cells(x_um, y_um, z_um, radius_um, n_threads);
  return sorted_overlaps(*cells, radius_um, relative_tolerance, n_threads);
}

py::tuple random_packing(bool planar, const DoubleArray& cell_radius_um, std::int64_t n_cells,
                         double outer_radius_um, std::int64_t n_sweeps, std::uint64_t random_root,
                         int n_threads, const py::object& report) {
  const auto radii = view(cell_radius_um);
  if (radii.size() != 1) require_size(radii, static_cast<std::size_t>(n_cells), "cell_radius_um");
  const StopPoll stop = reporting_poll(report);
  Packing packing;
  {
    const py::gil_scoped_release release;
    packing = pack_random(space_of(planar), {radii.begin(), radii.end()}, n_cells, outer_radius_um,
                          n_sweeps, random_root, n_threads, stop);
  }
  return py::make_tuple(adopt(std::move(packing.centers.x_um)),
                        adopt(std::move(packing.centers.y_um)),
                        adopt(std::move(packing.centers.z_um)), adopt(std::move(packing.radius_um)),
                        packing.fraction_reached);
}

py::tuple close_packing(bool planar, double cell_radius_um, std::int64_t n_cells,
                        double outer_radius_um, std::int64_t n_sweeps, std::uint64_t random_root,
                        int n_threads, const py::object& report) {
  const StopPoll stop = reporting_poll(report);
  Centers centers;
  {
    const py::gil_scoped_release release;
    centers = pack_close(space_of(planar), cell_radius_um, n_cells, outer_radius_um, n_sweeps,
                         random_root, n_threads, stop);
  }
  return py::make_tuple(adopt(std::move(centers.x_um)), adopt(std::move(centers.y_um)),
                        adopt(std::move(centers.z_um)));
}

py::array_t<double> line_distances(const DoubleArray& x_um, const DoubleArray& y_um,
                                   const DoubleArray& z_um, const DoubleArray& line_point_um,
                                   const DoubleArray& line_direction, double edge_um,
                                   int n_threads) {
  const auto x = view(x_um), y = view(y_um), z = view(z_um);
  const auto point = view(line_point_um), direction = view(line_direction);
  require_size(direction, point.size(), "line_direction");
  std::vector<double> distance_um;
  {
    const py::gil_scoped_release release;
    std::vector<Line> lines;
    for (std::size_t i = 0; i + 2 < point.size(); i += 3) {
      lines.push_back({{point[i], point[i + 1], point[i + 2]},
                       {direction[i], direction[i + 1], direction[i + 2]}});
    }
    distance_um = line_distances_um(x, y, z, lines, edge_um, n_threads, python_stop_poll());
  }
  return adopt(std::move(distance_um));
}

double smallest_radius(bool planar, double cell_radius_um, std::int64_t n_cells) {
  const py::gil_scoped_release release;
  return smallest_outer_radius_um(space_of(planar), cell_radius_um, n_cells);
}

std::int64_t most_cells(bool planar, double cell_radius_um, double outer_radius_um) {
  const py::gil_scoped_release release;
  return max_cells(space_of(planar), cell_radius_um, outer_radius_um);
}

}  // namespace

void register_geometry(py::module_& geometry) {
  geometry.def("find_overlaps", &overlaps, py::arg("x_um"), py::arg("y_um"), py::arg("z_um"),
               py::arg("radius_um"), py::arg("relative_tolerance"), py::arg("n_threads"),
               "(number of pairs, first, second, depth_um, is_lower_bound)");
  py::class_<GridIndex>(geometry, "SortedCells", "Cells sorted into the bins of a grid.")
      .def(py::init(&sorted_cells), py::arg("x_um"), py::arg("y_um"), py::arg("z_um"),
           py::arg("radius_um"), py::arg("n_threads"))
      .def("find_overlaps", &sorted_overlaps, py::arg("radius_um"), py::arg("relative_tolerance"),
           py::arg("n_threads"), "(number of pairs, first, second, depth_um, is_lower_bound)");
  geometry.def("pack_random", &random_packing, py::arg("planar"), py::arg("cell_radius_um"),
               py::arg("n_cells"), py::arg("outer_radius_um"), py::arg("n_sweeps"),
               py::arg("random_root"), py::arg("n_threads"), py::arg("report").none(true),
               "(x_um, y_um, z_um, radius_um, fraction_reached); empty where growth stopped");
  geometry.def("pack_close", &close_packing, py::arg("planar"), py::arg("cell_radius_um"),
               py::arg("n_cells"), py::arg("outer_radius_um"), py::arg("n_sweeps"),
               py::arg("random_root"), py::arg("n_threads"), py::arg("report").none(true),
               "(x_um, y_um, z_um) of the centers");
  geometry.def("line_distances", &line_distances, py::arg("x_um"), py::arg("y_um"), py::arg("z_um"),
               py::arg("line_point_um"), py::arg("line_direction"), py::arg("edge_um"),
               py::arg("n_threads"),
               "distance (um) of each point to the nearest of the lines (line, 3)");
  geometry.def("smallest_outer_radius_um", &smallest_radius, py::arg("planar"),
               py::arg("cell_radius_um"), py::arg("n_cells"));
  geometry.def("max_cells", &most_cells, py::arg("planar"), py::arg("cell_radius_um"),
               py::arg("outer_radius_um"));
}

}  // namespace immunodose::bindings
