// SPDX-License-Identifier: BSD-3-Clause
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "immunodose/transport/hit_table.hpp"
#include "immunodose/transport/population_dose.hpp"
#include "immunodose/transport/s_value.hpp"

namespace immunodose::bindings {

namespace {

RadialKernel make_kernel(const DoubleArray& edge_um, const DoubleArray& energy_keV) {
  const auto edges = view(edge_um);
  const auto energies = view(energy_keV);
  require_size(edges, energies.size() + 1, "edge_um");
  return {{edges.begin(), edges.end()}, {energies.begin(), energies.end()}};
}

std::vector<CellShape> make_shapes(const DoubleArray& radius_um, const char* name) {
  const auto values = view(radius_um);
  if (radius_um.ndim() != 2 || radius_um.shape(1) != 2) {
    throw InputError(std::string(name) + " must have shape (n, 2)");
  }
  std::vector<CellShape> shapes;
  for (std::size_t i = 0; i < values.size(); i += 2) shapes.push_back({values[i], values[i + 1]});
  return shapes;
}

py::tuple bound_population_dose(
    const DoubleArray& x_um, const DoubleArray& y_um, const DoubleArray& z_um,
    const DoubleArray& shape_um, const Int64Array& shape_of, const DoubleArray& shape_class_um,
    const Int64Array& class_of, const DoubleArray& time_integrated_activity,
    double medium_concentration, double membrane_thickness_um, double density_g_per_cm3,
    const std::vector<std::pair<DoubleArray, DoubleArray>>& kernels,
    const std::vector<std::int64_t>& targets, const AlphaChain* alpha_chain, int n_threads) {
  const auto shapes = make_shapes(shape_um, "shape_um");
  const auto classes = make_shapes(shape_class_um, "shape_class_um");
  const PopulationInput input{view(x_um),           view(y_um),
                              view(z_um),           shapes,
                              view(shape_of),       classes,
                              view(class_of),       view(time_integrated_activity),
                              medium_concentration, membrane_thickness_um,
                              density_g_per_cm3};
  PopulationModel model;
  for (const auto& [edge, energy] : kernels) model.kernel.push_back(make_kernel(edge, energy));
  for (const auto target : targets) model.target.push_back(static_cast<Compartment>(target));
  model.alpha_chain = alpha_chain;
  PopulationResult result;
  {
    const py::gil_scoped_release release;
    result = population_dose(input, model, n_threads, python_stop_poll());
  }
  const auto n_cells = static_cast<py::ssize_t>(x_um.size());
  const auto n_kernels = static_cast<py::ssize_t>(kernels.size());
  const auto n_targets = static_cast<py::ssize_t>(targets.size());
  const auto n_hit_rows = alpha_chain == nullptr ? py::ssize_t{0} : n_cells;
  return py::make_tuple(
      adopt(std::move(result.dose_Gy), {n_cells, n_targets, n_kernels, 2}),
      adopt(std::move(result.hits), {n_hit_rows, static_cast<py::ssize_t>(n_hit_columns)}));
}

py::array_t<double> bound_s_values(const DoubleArray& edge_um, const DoubleArray& energy_keV,
                                   std::array<double, 2> source_um, std::array<double, 2> target_um,
                                   const DoubleArray& distance_um, double density_g_per_cm3) {
  const auto distances = view(distance_um);
  const RadialKernel kernel = make_kernel(edge_um, energy_keV);
  std::vector<double> dose;
  {
    const py::gil_scoped_release release;
    dose = s_values(kernel, {source_um[0], source_um[1]}, {target_um[0], target_um[1]}, distances,
                    density_g_per_cm3);
  }
  return adopt(std::move(dose));
}

}  // namespace

void register_cell_monte_carlo(py::module_& transport);
void register_hits(py::module_& transport);

void register_transport(py::module_& transport) {
  register_hits(transport);
  register_cell_monte_carlo(transport);
  transport.def("s_values", &bound_s_values, py::arg("edge_um"), py::arg("energy_keV"),
                py::arg("source_um"), py::arg("target_um"), py::arg("distance_um"),
                py::arg("density_g_per_cm3"));
  transport.def("population_dose", &bound_population_dose, py::arg("x_um"), py::arg("y_um"),
                py::arg("z_um"), py::arg("shape_um"), py::arg("shape_of"),
                py::arg("shape_class_um"), py::arg("class_of"), py::arg("time_integrated_activity"),
                py::arg("medium_concentration"), py::arg("membrane_thickness_um"),
                py::arg("density_g_per_cm3"), py::arg("kernels"), py::arg("targets"),
                py::arg("alpha_chain").none(true), py::arg("n_threads"));
}

}  // namespace immunodose::bindings
