// SPDX-License-Identifier: BSD-3-Clause
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "immunodose/core/simd.hpp"
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

// The Fourier transforms of the caller: an object with set_density and convolve.
class PythonConvolver : public MeshConvolver {
 public:
  explicit PythonConvolver(py::object convolver) : convolver_(std::move(convolver)) {}

  void set_density(const MeshShape& shape, std::span<const float> density) override {
    const py::gil_scoped_acquire gil;
    const auto& n = shape.n_field;
    const py::array_t<float> values({n[0], n[1], n[2]}, density.data(),
                                    py::none());  // a view: not kept by the callee
    size_ = density.size();
    half_ = {shape.n_transform[0] / 2 + 1, shape.n_transform[1] / 2 + 1,
             shape.n_transform[2] / 2 + 1};
    convolver_.attr("set_density")(values, shape.n_transform);
  }

  std::vector<float> convolve(const MeshKernel& kernel,
                              const std::array<std::vector<double>, 3>& factor,
                              bool last) override {
    const py::gil_scoped_acquire gil;
    const py::array_t<float> values({half_[0], half_[1], half_[2]}, kernel.octant.data(),
                                    py::none());
    const py::array_t<float, py::array::c_style | py::array::forcecast> field(
        convolver_.attr("convolve")(values, factor, last, kernel.is_transform));
    if (static_cast<std::size_t>(field.size()) != size_) {
      throw InputError("the convolver returned a field of another size");
    }
    return {field.data(), field.data() + field.size()};
  }

 private:
  py::object convolver_;
  std::size_t size_ = 0;
  std::array<std::int64_t, 3> half_{};
};

py::list make_report(const std::vector<SummationReport>& reports) {
  py::list list;
  for (const auto& report : reports) {
    py::dict one;
    one["kernels"] = report.kernel;
    one["summation"] = static_cast<std::int64_t>(report.summation);
    one["reach_um"] = report.reach_um;
    one["mesh_spacing_um"] = report.mesh_spacing_um;
    one["expected_error"] = report.expected_error;
    one["measured_error"] = report.measured_error;
    one["n_pairs"] = report.n_pairs;
    one["class_spread"] = report.class_spread;
    list.append(std::move(one));
  }
  return list;
}

template <class Real>
std::vector<SummationReport> add_doses(const PopulationInput& input, const PopulationModel& model,
                                       py::array_t<Real>& dose_Gy, const Int64Array& column,
                                       py::array_t<double>& hits, int n_threads,
                                       const StopPoll& stop) {
  const auto places = view(column);
  const PopulationOutput<Real> output{
      {dose_Gy.mutable_data(), static_cast<std::size_t>(dose_Gy.size())},
      static_cast<std::size_t>(dose_Gy.size()) / std::max<std::size_t>(1, input.x_um.size()),
      places,
      {hits.mutable_data(), static_cast<std::size_t>(hits.size())}};
  const py::gil_scoped_release release;
  return add_population_dose(input, model, output, n_threads, stop);
}

// Adds to `dose_Gy` (cell, ...) and `hits` (cell, 7), which are C-contiguous.
py::list bound_population_dose(
    const DoubleArray& x_um, const DoubleArray& y_um, const DoubleArray& z_um,
    const DoubleArray& shape_um, const Int64Array& shape_of, const DoubleArray& shape_class_um,
    const Int64Array& class_of, const DoubleArray& time_integrated_activity,
    double medium_concentration, double membrane_thickness_um, double density_g_per_cm3,
    const std::vector<std::pair<DoubleArray, DoubleArray>>& kernels,
    const std::vector<std::int64_t>& targets, const AlphaChain* alpha_chain,
    std::array<bool, 2> split_emission_origin, std::int64_t summation, double rtol,
    const py::object& convolver, const GridIndex* sorted_cells, TableCache* table_cache,
    const DoubleArray& nucleus_offset_um, std::array<double, 3> box_um, py::array& dose_Gy,
    const Int64Array& column, py::array_t<double>& hits, const py::object& report, int n_threads) {
  const auto shapes = make_shapes(shape_um, "shape_um");
  const auto classes = make_shapes(shape_class_um, "shape_class_um");
  const PopulationInput input{view(x_um),
                              view(y_um),
                              view(z_um),
                              shapes,
                              view(shape_of),
                              classes,
                              view(class_of),
                              view(time_integrated_activity),
                              medium_concentration,
                              membrane_thickness_um,
                              density_g_per_cm3,
                              sorted_cells,
                              view(nucleus_offset_um),
                              {},
                              PeriodicBox{box_um}};
  PopulationModel model;
  for (const auto& [edge, energy] : kernels) model.kernel.push_back(make_kernel(edge, energy));
  for (const auto target : targets) model.target.push_back(static_cast<Compartment>(target));
  model.alpha_chain = alpha_chain;
  model.split_emission = split_emission_origin[0];
  model.split_origin = split_emission_origin[1];
  model.summation = static_cast<Summation>(summation);
  model.rtol = rtol;
  model.cache = table_cache;
  PythonConvolver transforms(convolver);
  if (!convolver.is_none()) model.convolver = &transforms;
  if ((dose_Gy.flags() & py::array::c_style) == 0 || (hits.flags() & py::array::c_style) == 0) {
    throw InputError("doses and hits must be C-contiguous");
  }
  const StopPoll stop = reporting_poll(report);
  if (py::isinstance<py::array_t<float>>(dose_Gy)) {
    auto dose = py::reinterpret_borrow<py::array_t<float>>(dose_Gy);
    return make_report(add_doses(input, model, dose, column, hits, n_threads, stop));
  }
  if (!py::isinstance<py::array_t<double>>(dose_Gy)) {
    throw InputError("doses must be float64 or float32");
  }
  auto dose = py::reinterpret_borrow<py::array_t<double>>(dose_Gy);
  return make_report(add_doses(input, model, dose, column, hits, n_threads, stop));
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
  py::class_<TableCache>(transport, "TableCache", "Tables of doses over distance, kept.")
      .def(py::init<std::size_t>(), py::arg("most_bytes"))
      .def("clear", &TableCache::clear)
      .def_property_readonly("n_tables", &TableCache::n_tables)
      .def_property_readonly("n_bytes", &TableCache::n_bytes);
  transport.def("simd_level", [] { return std::string(simd_name(simd_level())); });
  transport.def("population_dose", &bound_population_dose, py::arg("x_um"), py::arg("y_um"),
                py::arg("z_um"), py::arg("shape_um"), py::arg("shape_of"),
                py::arg("shape_class_um"), py::arg("class_of"), py::arg("time_integrated_activity"),
                py::arg("medium_concentration"), py::arg("membrane_thickness_um"),
                py::arg("density_g_per_cm3"), py::arg("kernels"), py::arg("targets"),
                py::arg("alpha_chain").none(true), py::arg("split_emission_origin"),
                py::arg("summation"), py::arg("rtol"), py::arg("convolver").none(true),
                py::arg("sorted_cells").none(true), py::arg("table_cache").none(true),
                py::arg("nucleus_offset_um"), py::arg("box_um"), py::arg("dose_Gy").noconvert(),
                py::arg("column"), py::arg("hits").noconvert(), py::arg("report").none(true),
                py::arg("n_threads"));
}

}  // namespace immunodose::bindings
