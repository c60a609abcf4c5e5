// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"
#include "immunodose/response/dose_in_time.hpp"

namespace immunodose::bindings {
namespace {

template <class Real>
py::array bound_sum(const DoubleArray& dose, const DoubleArray& density, int n_threads) {
  if (density.ndim() != 2) throw InputError("density must have shape (n_courses, n_times)");
  const auto dose_view = view(dose);
  const auto density_view = view(density);
  const auto n_courses = static_cast<std::size_t>(density.shape(0));
  LargeVector<Real> result;
  {
    const py::gil_scoped_release release;
    result =
        sum_of_courses<Real>(dose_view, density_view, n_courses, n_threads, python_stop_poll());
  }
  const auto n_rows = static_cast<py::ssize_t>(dose_view.size() / n_courses);
  return adopt(std::move(result), {n_rows, density.shape(1)});
}

py::array_t<double> bound_pairs(const DoubleArray& rate_per_s, const Int64Array& edge_parent,
                                const Int64Array& edge_daughter, const DoubleArray& edge_fraction,
                                const DoubleArray& initial_atoms, const DoubleArray& repair_weight,
                                const DoubleArray& repair_rate_per_s) {
  const std::vector<double> stays(static_cast<std::size_t>(rate_per_s.size()), 1.0);
  const DecayChain chain{view(rate_per_s), view(edge_parent), view(edge_daughter),
                         view(edge_fraction), stays};
  const auto n = rate_per_s.size();
  return adopt(protraction_of_pairs(chain, view(initial_atoms),
                                    {view(repair_weight), view(repair_rate_per_s)}),
               {n, n});
}

py::array_t<double> bound_of_doses(const DoubleArray& dose, const DoubleArray& pair,
                                   int n_threads) {
  const auto dose_view = view(dose);
  const auto pair_view = view(pair);
  std::vector<double> factor;
  {
    const py::gil_scoped_release release;
    factor = lea_catcheside_of_doses(dose_view, pair_view, n_threads, python_stop_poll());
  }
  return adopt(std::move(factor));
}

py::array_t<double> bound_of_curves(const DoubleArray& time, const DoubleArray& dose_rate,
                                    const DoubleArray& repair_weight,
                                    const DoubleArray& repair_rate, int n_threads) {
  const auto time_view = view(time);
  const auto rate_view = view(dose_rate);
  const Repair repair{view(repair_weight), view(repair_rate)};
  std::vector<double> factor;
  {
    const py::gil_scoped_release release;
    factor = lea_catcheside_of_curves(time_view, rate_view, repair, n_threads, python_stop_poll());
  }
  return adopt(std::move(factor));
}

}  // namespace

void register_dose_in_time(py::module_& response) {
  response.def(
      "sum_of_courses",
      [](const DoubleArray& dose, const DoubleArray& density, bool single, int n_threads) {
        return single ? bound_sum<float>(dose, density, n_threads)
                      : bound_sum<double>(dose, density, n_threads);
      },
      py::arg("dose"), py::arg("density"), py::arg("single_precision"), py::arg("n_threads"),
      "(row, time): sum over courses of dose (row, course) times density (course, time).");
  response.def("protraction_of_pairs", &bound_pairs, py::arg("rate_per_s"), py::arg("edge_parent"),
               py::arg("edge_daughter"), py::arg("edge_fraction"), py::arg("initial_atoms"),
               py::arg("repair_weight"), py::arg("repair_rate_per_s"));
  response.def("lea_catcheside_of_doses", &bound_of_doses, py::arg("dose"), py::arg("pair"),
               py::arg("n_threads"));
  response.def("lea_catcheside_of_curves", &bound_of_curves, py::arg("time"), py::arg("dose_rate"),
               py::arg("repair_weight"), py::arg("repair_rate"), py::arg("n_threads"));
}

}  // namespace immunodose::bindings
