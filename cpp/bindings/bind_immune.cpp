// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"
#include "immunodose/immune/antigen.hpp"
#include "immunodose/immune/kill.hpp"

namespace immunodose::bindings {
namespace {

py::array_t<double> bind_filtered_induction(const DoubleArray& dose_Gy, const DoubleArray& memory,
                                            const DoubleArray& time_d,
                                            const Int64Array& output_index, double half_dose_Gy,
                                            double power, double turnover_per_d, int n_threads) {
  const auto dose = view(dose_Gy);
  const auto faded = view(memory);
  const auto times = view(time_d);
  const auto outputs = view(output_index);
  std::vector<double> result;
  {
    const py::gil_scoped_release release;
    result = filtered_induction(dose, faded, times, outputs, {half_dose_Gy, power, turnover_per_d},
                                n_threads, python_stop_poll());
  }
  const auto n_outputs = static_cast<py::ssize_t>(outputs.size());
  const auto n_values = static_cast<py::ssize_t>(result.size());
  return adopt(std::move(result), {n_outputs == 0 ? 0 : n_values / n_outputs, n_outputs});
}

py::array_t<double> bind_mean_survival(const DoubleArray& log_survival, const DoubleArray& share,
                                       const DoubleArray& delivered, std::int64_t n_times,
                                       int n_threads) {
  const auto survival = view(log_survival);
  const Delivery delivery{view(share), view(delivered)};
  std::vector<double> result;
  {
    const py::gil_scoped_release release;
    result = mean_survival(survival, delivery, n_times, n_threads, python_stop_poll());
  }
  return adopt(std::move(result));
}

py::tuple bind_kill(const DoubleArray& log_survival, const DoubleArray& share,
                    const DoubleArray& delivered, const DoubleArray& pmhc,
                    const DoubleArray& time_d, const DoubleArray& effectors,
                    const Int64Array& pmhc_left, const DoubleArray& pmhc_weight,
                    const Int64Array& output_index, double rate_per_d, double half_pmhc,
                    double power, int n_threads) {
  const auto survival = view(log_survival);
  const Delivery delivery{view(share), view(delivered)};
  const auto amounts = view(pmhc);
  const KillTimes times{view(time_d), view(effectors), view(pmhc_left), view(pmhc_weight),
                        view(output_index)};
  KillResult result;
  {
    const py::gil_scoped_release release;
    result = kill_of_cells(survival, delivery, amounts, times, {rate_per_d, half_pmhc, power},
                           n_threads, python_stop_poll());
  }
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(survival.size()),
                                       static_cast<py::ssize_t>(times.output_index.size())};
  return py::make_tuple(adopt(std::move(result.radiation), shape),
                        adopt(std::move(result.immune), shape),
                        adopt(std::move(result.first_radiation), shape),
                        adopt(std::move(result.first_immune), shape));
}

}  // namespace

void register_agents(py::module_& immune);

void register_immune(py::module_& immune) {
  register_agents(immune);
  immune.def("hill", &hill, py::arg("x"), py::arg("half"), py::arg("power"));
  immune.def("filtered_induction", &bind_filtered_induction, py::arg("dose_Gy"), py::arg("memory"),
             py::arg("time_d"), py::arg("output_index"), py::arg("half_dose_Gy"), py::arg("power"),
             py::arg("turnover_per_d"), py::arg("n_threads"));
  immune.def("mean_survival", &bind_mean_survival, py::arg("log_survival"), py::arg("share"),
             py::arg("delivered"), py::arg("n_times"), py::arg("n_threads"));
  immune.def("kill", &bind_kill, py::arg("log_survival"), py::arg("share"), py::arg("delivered"),
             py::arg("pmhc"), py::arg("time_d"), py::arg("effectors"), py::arg("pmhc_left"),
             py::arg("pmhc_weight"), py::arg("output_index"), py::arg("rate_per_d"),
             py::arg("half_pmhc"), py::arg("power"), py::arg("n_threads"));
}

}  // namespace immunodose::bindings
