// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"
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

py::tuple pack(bool planar, double cell_radius_um, double outer_radius_um, std::int64_t n_cells,
               std::int64_t n_sweeps, std::uint64_t random_root) {
  Centers centers;
  {
    const py::gil_scoped_release release;
    centers = pack_cells(space_of(planar), cell_radius_um, outer_radius_um, n_cells, n_sweeps,
                         random_root, python_stop_poll());
  }
  return py::make_tuple(adopt(std::move(centers.x_um)), adopt(std::move(centers.y_um)),
                        adopt(std::move(centers.z_um)));
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
  geometry.def("pack_cells", &pack, py::arg("planar"), py::arg("cell_radius_um"),
               py::arg("outer_radius_um"), py::arg("n_cells"), py::arg("n_sweeps"),
               py::arg("random_root"), "(x_um, y_um, z_um) of the centers");
  geometry.def("smallest_outer_radius_um", &smallest_radius, py::arg("planar"),
               py::arg("cell_radius_um"), py::arg("n_cells"));
  geometry.def("max_cells", &most_cells, py::arg("planar"), py::arg("cell_radius_um"),
               py::arg("outer_radius_um"));
}

}  // namespace immunodose::bindings
