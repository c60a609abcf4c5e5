// SPDX-License-Identifier: BSD-3-Clause
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "immunodose/response/survival.hpp"

namespace immunodose::bindings {

void register_dose_in_time(py::module_& response);

void register_response(py::module_& response) {
  register_dose_in_time(response);
  response.def(
      "quadrature_from_moments",
      [](const DoubleArray& moments) {
        require_size(view(moments), n_event_moments, "moments");
        const EventQuadrature rule =
            quadrature_from_moments(view(moments).first<n_event_moments>());
        const auto n = static_cast<std::ptrdiff_t>(rule.n_nodes);
        return py::make_tuple(adopt(std::vector<double>(rule.z_Gy.begin(), rule.z_Gy.begin() + n)),
                              adopt(std::vector<double>(rule.expected_decays.begin(),
                                                        rule.expected_decays.begin() + n)));
      },
      py::arg("moments"));
  response.def(
      "log_survival",
      [](const DoubleArray& moments, const DoubleArray& linear, const DoubleArray& root,
         const DoubleArray& protraction, double alpha_per_Gy, double beta_per_Gy2, int n_threads) {
        const auto moment_view = view(moments);
        const auto linear_view = view(linear);
        const auto root_view = view(root);
        const auto protraction_view = view(protraction);
        LogSurvival result;
        {
          const py::gil_scoped_release release;
          result =
              log_survival_of_cells(moment_view, linear_view, root_view, protraction_view,
                                    {alpha_per_Gy, beta_per_Gy2}, n_threads, python_stop_poll());
        }
        return py::make_tuple(adopt(std::move(result.log_survival)), result.cells_by_node_count);
      },
      py::arg("moments"), py::arg("linear"), py::arg("root"), py::arg("protraction"),
      py::arg("alpha_per_Gy"), py::arg("beta_per_Gy2"), py::arg("n_threads"));
  response.def("sphere_kill_per_hit", &sphere_kill_per_hit, py::arg("y"));
  response.def("event_alpha_from_slope", &event_alpha_from_slope, py::arg("slope_per_Gy"),
               py::arg("let_keV_per_um"), py::arg("nucleus_radius_um"));
}

}  // namespace immunodose::bindings
