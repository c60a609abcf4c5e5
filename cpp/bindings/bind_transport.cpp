// SPDX-License-Identifier: BSD-3-Clause
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "immunodose/transport/hit_table.hpp"
#include "immunodose/transport/population_dose.hpp"
#include "immunodose/transport/s_value.hpp"

namespace immunodose::bindings {

namespace {

AlphaChain make_chain(const DoubleArray& decays_per_parent_decay, const Int64Array& edge_parent,
                      const Int64Array& edge_daughter, const DoubleArray& edge_fraction,
                      const Int64Array& edge_is_alpha, const Int64Array& line_member,
                      const DoubleArray& line_energy_keV, const DoubleArray& line_yield) {
  AlphaChain chain;
  const auto decays = view(decays_per_parent_decay);
  chain.decays_per_parent_decay.assign(decays.begin(), decays.end());
  const auto parents = view(edge_parent);
  for (std::size_t e = 0; e < parents.size(); ++e) {
    chain.edges.push_back(
        {parents[e], view(edge_daughter)[e], view(edge_fraction)[e], view(edge_is_alpha)[e] != 0});
  }
  const auto members = view(line_member);
  for (std::size_t l = 0; l < members.size(); ++l) {
    chain.lines.push_back({members[l], view(line_energy_keV)[l], view(line_yield)[l]});
  }
  return chain;
}

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

py::array_t<double> bound_hit_channels(const AlphaChain& chain, double nucleus_radius_um,
                                       std::array<double, 2> source_um,
                                       const DoubleArray& distance_um, double density_g_per_cm3) {
  const auto distances = view(distance_um);
  std::vector<double> rows;
  {
    const py::gil_scoped_release release;
    const AlphaSlowing slowing(density_g_per_cm3);
    const PointHitTable table(chain, nucleus_radius_um, density_g_per_cm3, slowing);
    for (const double d : distances) {
      const HitVector row = table.source_mean({source_um[0], source_um[1]}, d);
      rows.insert(rows.end(), row.begin(), row.end());
    }
  }
  return adopt(std::move(rows), {static_cast<py::ssize_t>(distances.size()),
                                 static_cast<py::ssize_t>(HitChannels::count)});
}

py::array_t<double> bound_single_traversal_histogram(const AlphaChain& chain,
                                                     double nucleus_radius_um,
                                                     std::array<double, 2> source_um,
                                                     double density_g_per_cm3,
                                                     const DoubleArray& edge_Gy) {
  const auto edges = view(edge_Gy);
  std::vector<double> histogram;
  {
    const py::gil_scoped_release release;
    histogram = single_traversal_histogram(chain, nucleus_radius_um, {source_um[0], source_um[1]},
                                           density_g_per_cm3, edges);
  }
  return adopt(std::move(histogram));
}

}  // namespace

void register_cell_monte_carlo(py::module_& transport);

void register_transport(py::module_& transport) {
  register_cell_monte_carlo(transport);
  py::class_<AlphaChain>(transport, "AlphaChain")
      .def(py::init(&make_chain), py::arg("decays_per_parent_decay"), py::arg("edge_parent"),
           py::arg("edge_daughter"), py::arg("edge_fraction"), py::arg("edge_is_alpha"),
           py::arg("line_member"), py::arg("line_energy_keV"), py::arg("line_yield"));
  transport.def("s_values", &bound_s_values, py::arg("edge_um"), py::arg("energy_keV"),
                py::arg("source_um"), py::arg("target_um"), py::arg("distance_um"),
                py::arg("density_g_per_cm3"));
  transport.def("hit_channels", &bound_hit_channels, py::arg("chain"), py::arg("nucleus_radius_um"),
                py::arg("source_um"), py::arg("distance_um"), py::arg("density_g_per_cm3"));
  transport.def("single_traversal_histogram", &bound_single_traversal_histogram, py::arg("chain"),
                py::arg("nucleus_radius_um"), py::arg("source_um"), py::arg("density_g_per_cm3"),
                py::arg("edge_Gy"));
  transport.def("population_dose", &bound_population_dose, py::arg("x_um"), py::arg("y_um"),
                py::arg("z_um"), py::arg("shape_um"), py::arg("shape_of"),
                py::arg("shape_class_um"), py::arg("class_of"), py::arg("time_integrated_activity"),
                py::arg("medium_concentration"), py::arg("membrane_thickness_um"),
                py::arg("density_g_per_cm3"), py::arg("kernels"), py::arg("targets"),
                py::arg("alpha_chain").none(true), py::arg("n_threads"));
}

}  // namespace immunodose::bindings
