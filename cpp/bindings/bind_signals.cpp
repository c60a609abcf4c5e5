// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"
#include "immunodose/immune/signal_field.hpp"
#include "immunodose/immune/signals.hpp"

namespace immunodose::bindings {
namespace {

using FloatArray = py::array_t<float, py::array::c_style>;
using Grid = py::array_t<double, py::array::c_style>;

template <class T>
std::span<T> in_place(py::array_t<T, py::array::c_style>& array) {
  return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

std::span<const float> read(const FloatArray& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

// Column t of the tables at t = 0 (middle) and 1 (end) of the step: rows of (2, component).
Memory memory_of(const FloatArray& amount, const FloatArray& tables) {
  const auto table = read(tables);
  const std::size_t n_components = table.size() / 2;
  return {read(amount), table.first(n_components), table.last(n_components)};
}

// Arrays of one model in place of one long list of arguments; holds references to them only.
struct SignalArrays {
  FloatArray damage, dna, membrane, window;  // (component, cell)
  FloatArray baseline, inducibility, ifn_gamma_route, assembly;
  FloatArray ifn_gamma, driver;
  FloatArray trex1, ifn1, vesicle, mhc1, pdl1, damage_response, pmhc;
};

struct SignalTables {
  FloatArray damage, dna, membrane, window;  // (2, component)
};

using Kernel = void (*)(const SignalConstants&, const SignalStep&, const SignalCells&, int,
                        const StopPoll&);

template <Kernel kernel>
void bind_step(const SignalConstants& constants, const SignalTables& tables, SignalArrays& arrays,
               float duration_d, float ifn_gamma, int n_threads) {
  SignalCells cells{memory_of(arrays.damage, tables.damage),
                    memory_of(arrays.dna, tables.dna),
                    memory_of(arrays.membrane, tables.membrane),
                    memory_of(arrays.window, tables.window),
                    read(arrays.baseline),
                    read(arrays.inducibility),
                    read(arrays.ifn_gamma_route),
                    read(arrays.assembly),
                    read(arrays.ifn_gamma),
                    read(arrays.driver),
                    in_place(arrays.trex1),
                    in_place(arrays.ifn1),
                    in_place(arrays.vesicle),
                    in_place(arrays.mhc1),
                    in_place(arrays.pdl1),
                    in_place(arrays.damage_response),
                    in_place(arrays.pmhc)};
  const py::gil_scoped_release release;
  kernel(constants, {duration_d, ifn_gamma}, cells, n_threads, python_stop_poll());
}

void bind_deposit(Grid& grid, const Int64Array& voxel, const FloatArray& amount, int n_threads) {
  const auto values = in_place(grid);
  const auto where = view(voxel);
  const auto amounts = read(amount);
  const py::gil_scoped_release release;
  deposit_in_voxels(values, where, amounts, n_threads, python_stop_poll());
}

void bind_sample(const Grid& grid, const Int64Array& voxel, double factor, FloatArray& value,
                 int n_threads) {
  const std::span<const double> values{grid.data(), static_cast<std::size_t>(grid.size())};
  const auto where = view(voxel);
  const auto found = in_place(value);
  const py::gil_scoped_release release;
  sample_voxels(values, where, factor, found, n_threads, python_stop_poll());
}

template <auto member, class Class>
void array_property(Class& bound, const char* name) {
  using Holder = typename Class::type;
  bound.def_property(
      name, [](const Holder& self) { return self.*member; },
      [](Holder& self, FloatArray array) { self.*member = std::move(array); });
}

void register_constants(py::module_& immune) {
  py::class_<ResponseCurve>(immune, "ResponseCurve")
      .def(py::init<bool, float, float>(), py::arg("poisson"), py::arg("half"), py::arg("power"));
  py::class_<SignalConstants> constants(immune, "SignalConstants");
  constants.def(py::init<>())
      .def_readwrite("damage", &SignalConstants::damage)
      .def_readwrite("dna", &SignalConstants::dna)
      .def_readwrite("membrane", &SignalConstants::membrane)
      .def_readwrite("window", &SignalConstants::window)
      .def_readwrite("ifn1", &SignalConstants::ifn1)
      .def_readwrite("vesicle", &SignalConstants::vesicle)
      .def_readwrite("ifn_gamma", &SignalConstants::ifn_gamma);
  const std::pair<const char*, float SignalConstants::*> numbers[] = {
      {"trex1_rate", &SignalConstants::trex1_rate},
      {"trex1_loss", &SignalConstants::trex1_loss},
      {"trex1_half", &SignalConstants::trex1_half},
      {"ifn1_rate", &SignalConstants::ifn1_rate},
      {"ifn1_loss", &SignalConstants::ifn1_loss},
      {"vesicle_rate", &SignalConstants::vesicle_rate},
      {"vesicle_loss", &SignalConstants::vesicle_loss},
      {"damage_gain", &SignalConstants::damage_gain},
      {"membrane_gain", &SignalConstants::membrane_gain},
      {"ifn1_gain", &SignalConstants::ifn1_gain},
      {"vesicle_gain", &SignalConstants::vesicle_gain},
      {"mhc1_turnover", &SignalConstants::mhc1_turnover},
      {"mhc1_ifn_gamma_gain", &SignalConstants::mhc1_ifn_gamma_gain},
      {"pdl1_rate", &SignalConstants::pdl1_rate},
      {"pdl1_excess", &SignalConstants::pdl1_excess},
      {"recognized_share", &SignalConstants::recognized_share},
      {"induced_share", &SignalConstants::induced_share}};
  for (const auto& [name, member] : numbers) constants.def_readwrite(name, member);
}

void register_arrays(py::module_& immune) {
  py::class_<SignalTables> tables(immune, "SignalTables");
  tables.def(py::init<>());
  array_property<&SignalTables::damage>(tables, "damage");
  array_property<&SignalTables::dna>(tables, "dna");
  array_property<&SignalTables::membrane>(tables, "membrane");
  array_property<&SignalTables::window>(tables, "window");
  py::class_<SignalArrays> arrays(immune, "SignalArrays");
  arrays.def(py::init<>());
  array_property<&SignalArrays::damage>(arrays, "damage");
  array_property<&SignalArrays::dna>(arrays, "dna");
  array_property<&SignalArrays::membrane>(arrays, "membrane");
  array_property<&SignalArrays::window>(arrays, "window");
  array_property<&SignalArrays::baseline>(arrays, "baseline");
  array_property<&SignalArrays::inducibility>(arrays, "inducibility");
  array_property<&SignalArrays::ifn_gamma_route>(arrays, "ifn_gamma_route");
  array_property<&SignalArrays::assembly>(arrays, "assembly");
  array_property<&SignalArrays::ifn_gamma>(arrays, "ifn_gamma");
  array_property<&SignalArrays::driver>(arrays, "driver");
  array_property<&SignalArrays::trex1>(arrays, "trex1");
  array_property<&SignalArrays::ifn1>(arrays, "ifn1");
  array_property<&SignalArrays::vesicle>(arrays, "vesicle");
  array_property<&SignalArrays::mhc1>(arrays, "mhc1");
  array_property<&SignalArrays::pdl1>(arrays, "pdl1");
  array_property<&SignalArrays::damage_response>(arrays, "damage_response");
  array_property<&SignalArrays::pmhc>(arrays, "pmhc");
}

}  // namespace

void register_signals(py::module_& immune) {
  register_constants(immune);
  register_arrays(immune);
  const auto step = [&](const char* name, auto kernel) {
    immune.def(name, kernel, py::arg("constants"), py::arg("tables"), py::arg("arrays"),
               py::arg("duration_d"), py::arg("ifn_gamma"), py::arg("n_threads"));
  };
  step("advance_signals", &bind_step<&advance_signals>);
  step("emit_signals", &bind_step<&emit_signals>);
  step("respond_to_signals", &bind_step<&respond_to_signals>);
  immune.def("deposit_in_voxels", &bind_deposit, py::arg("grid").noconvert(), py::arg("voxel"),
             py::arg("amount"), py::arg("n_threads"));
  immune.def("sample_voxels", &bind_sample, py::arg("grid").noconvert(), py::arg("voxel"),
             py::arg("factor"), py::arg("value").noconvert(), py::arg("n_threads"));
}

}  // namespace immunodose::bindings
