// SPDX-License-Identifier: BSD-3-Clause
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "immunodose/response/mean_dose_survival.hpp"
#include "immunodose/response/survival.hpp"
#include "immunodose/response/track_segment.hpp"

namespace immunodose::bindings {

void register_dose_in_time(py::module_& response);

namespace {

void register_mean_dose(py::module_& response) {
  response.def(
      "mean_dose_log_survival",
      [](const DoubleArray& linear, const DoubleArray& root, const DoubleArray& protraction,
         const DoubleArray& event_share, int n_threads) {
        const auto linear_view = view(linear);
        const auto root_view = view(root);
        const auto protraction_view = view(protraction);
        const auto share_view = view(event_share);
        std::vector<double> result;
        {
          const py::gil_scoped_release release;
          result = mean_dose_log_survival(linear_view, root_view, protraction_view, share_view,
                                          n_threads, python_stop_poll());
        }
        return adopt(std::move(result));
      },
      py::arg("linear"), py::arg("root"), py::arg("protraction"), py::arg("event_share"),
      py::arg("n_threads"));
  response.def(
      "segment_specific_energy",
      [](double energy_keV, double let_keV_per_um, double radius_um, double distance_um) {
        return segment_specific_energy_Gy(alpha_track_segment(energy_keV, let_keV_per_um),
                                          radius_um, distance_um);
      },
      py::arg("energy_keV"), py::arg("let_keV_per_um"), py::arg("radius_um"),
      py::arg("distance_um"));
  response.def(
      "region_specific_energies",
      [](const DoubleArray& energy_keV, const DoubleArray& let_keV_per_um, double radius_um,
         double saturation_Gy, int n_threads) {
        const auto energy_view = view(energy_keV);
        const auto let_view = view(let_keV_per_um);
        RegionSpecificEnergies result;
        {
          const py::gil_scoped_release release;
          result = region_specific_energies(energy_view, let_view, radius_um, saturation_Gy,
                                            n_threads, python_stop_poll());
        }
        return py::make_tuple(adopt(std::move(result.dose_mean_Gy)),
                              adopt(std::move(result.saturated_dose_mean_Gy)));
      },
      py::arg("energy_keV"), py::arg("let_keV_per_um"), py::arg("radius_um"),
      py::arg("saturation_Gy"), py::arg("n_threads"));
}

}  // namespace

void register_response(py::module_& response) {
  register_dose_in_time(response);
  register_mean_dose(response);
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
