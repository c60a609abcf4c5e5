// SPDX-License-Identifier: BSD-3-Clause
// Arrays of float or double, changed in place.
#include <pybind11/stl.h>

#include <optional>

#include "arrays.hpp"
#include "immunodose/immune/competition.hpp"
#include "immunodose/immune/killing.hpp"

namespace immunodose::bindings {
namespace {

template <class Real>
using In = py::array_t<Real, py::array::c_style>;  // never converted

template <class Real>
using MaybeIn = std::optional<In<Real>>;

template <class Real>
std::span<const Real> read(const In<Real>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

template <class Real>
std::span<const Real> read(const MaybeIn<Real>& array) {
  return array ? read<Real>(*array) : std::span<const Real>{};
}

template <class Real>
std::span<Real> write(In<Real>& array) {
  return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

template <class Real>
std::span<Real> write(MaybeIn<Real>& array) {
  return array ? write<Real>(*array) : std::span<Real>{};
}

template <class Real>
void bind_susceptibility(const In<Real>& pmhc, const MaybeIn<Real>& pdl1_fold, int at_least,
                         double half, double power, double proofread, double free_share,
                         double pdl1_half, double pdl1_power, MaybeIn<Real> recognition,
                         In<Real> out, int n_threads) {
  const auto complexes = read<Real>(pmhc);
  const auto fold = read<Real>(pdl1_fold);
  const auto recognized = write<Real>(recognition);
  const auto susceptible = write<Real>(out);
  const py::gil_scoped_release release;
  susceptibility<Real>(complexes, fold, {at_least, half, power, proofread},
                       {free_share, pdl1_half, pdl1_power}, recognized, susceptible, n_threads,
                       python_stop_poll());
}

template <class Real>
void bind_missing_self(const MaybeIn<Real>& mhc1, const MaybeIn<Real>& ligand, double half,
                       double power, In<Real> out, int n_threads) {
  const auto surface = read<Real>(mhc1);
  const auto raised = read<Real>(ligand);
  const auto result = write<Real>(out);
  const py::gil_scoped_release release;
  missing_self<Real>(surface, raised, {half, power}, result, n_threads, python_stop_poll());
}

template <class Real>
using Killer = std::tuple<In<Real>, double, double, MaybeIn<Real>, In<Real>, In<Real>>;

template <class Real>
std::vector<double> bind_compete(const In<Real>& log_survival, const MaybeIn<Real>& share,
                                 const DoubleArray& delivered_before,
                                 const DoubleArray& delivered_now,
                                 std::vector<Killer<Real>> killers, In<Real> first_radiation,
                                 const std::vector<In<Real>>& values, int n_threads) {
  const RadiationStep<Real> radiation{read<Real>(log_survival), read<Real>(share),
                                      view(delivered_before), view(delivered_now)};
  std::vector<KillerStep<Real>> steps;
  for (auto& [rate, weight_before, weight_now, before, exponent, first] : killers) {
    steps.push_back({read<Real>(rate), weight_before, weight_now, write<Real>(before),
                     write<Real>(exponent), write<Real>(first)});
  }
  std::vector<std::span<const Real>> weighted;
  for (const auto& value : values) weighted.push_back(read<Real>(value));
  const auto first = write<Real>(first_radiation);
  const py::gil_scoped_release release;
  return compete<Real>(radiation, steps, first, weighted, n_threads, python_stop_poll());
}

template <class Real>
double bind_radiation_survivors(const In<Real>& log_survival, const MaybeIn<Real>& share,
                                const DoubleArray& delivered, int n_threads) {
  const auto now = view(delivered);
  const RadiationStep<Real> radiation{read<Real>(log_survival), read<Real>(share), now, now};
  const py::gil_scoped_release release;
  return radiation_survivors<Real>(radiation, n_threads, python_stop_poll());
}

template <class Real>
void bind_advance_hits(const In<Real>& rate, double weight_before, double weight_now,
                       In<Real> before, int n_hits, double recovery_per_d, double step_d,
                       In<Real> hits, In<Real> exponent, int n_threads) {
  const auto hit_rate = read<Real>(rate);
  const auto last = write<Real>(before);
  const auto states = write<Real>(hits);
  const auto result = write<Real>(exponent);
  const py::gil_scoped_release release;
  advance_hits<Real>(hit_rate, weight_before, weight_now, last, {n_hits, recovery_per_d}, step_d,
                     states, result, n_threads, python_stop_poll());
}

template <class Real>
void register_of(py::module_& immune) {
  const auto array = [](const char* name) { return py::arg(name).noconvert(); };
  immune.def("susceptibility", &bind_susceptibility<Real>, array("pmhc"), array("pdl1_fold"),
             py::arg("at_least"), py::arg("half"), py::arg("power"), py::arg("proofread"),
             py::arg("free_share"), py::arg("pdl1_half"), py::arg("pdl1_power"),
             array("recognition"), array("out"), py::arg("n_threads"));
  immune.def("missing_self", &bind_missing_self<Real>, array("mhc1"), array("ligand"),
             py::arg("half"), py::arg("power"), array("out"), py::arg("n_threads"));
  immune.def("compete", &bind_compete<Real>, array("log_survival"), array("share"),
             py::arg("delivered_before"), py::arg("delivered_now"), array("killers"),
             array("first_radiation"), array("values"), py::arg("n_threads"));
  immune.def("radiation_survivors", &bind_radiation_survivors<Real>, array("log_survival"),
             array("share"), py::arg("delivered"), py::arg("n_threads"));
  immune.def("advance_hits", &bind_advance_hits<Real>, array("rate"), py::arg("weight_before"),
             py::arg("weight_now"), array("before"), py::arg("n_hits"), py::arg("recovery_per_d"),
             py::arg("step_d"), array("hits"), array("exponent"), py::arg("n_threads"));
}

}  // namespace

void register_killing(py::module_& immune) {
  immune.def("poisson_at_least", &poisson_at_least, py::arg("mean"), py::arg("k"));
  register_of<double>(immune);
  register_of<float>(immune);
}

}  // namespace immunodose::bindings
