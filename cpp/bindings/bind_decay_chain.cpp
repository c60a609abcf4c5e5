// SPDX-License-Identifier: BSD-3-Clause
#include "arrays.hpp"
#include "immunodose/physics/decay_chain.hpp"

namespace immunodose::bindings {
namespace {

DecayChain chain_view(const DoubleArray& rate_per_s, const Int64Array& edge_parent,
                      const Int64Array& edge_daughter, const DoubleArray& edge_fraction,
                      const DoubleArray& retention) {
  return {view(rate_per_s), view(edge_parent), view(edge_daughter), view(edge_fraction),
          view(retention)};
}

py::tuple evolve(const DoubleArray& rate_per_s, const Int64Array& edge_parent,
                 const Int64Array& edge_daughter, const DoubleArray& edge_fraction,
                 const DoubleArray& retention, const DoubleArray& initial_atoms,
                 double duration_s) {
  const auto chain = chain_view(rate_per_s, edge_parent, edge_daughter, edge_fraction, retention);
  const auto atoms = view(initial_atoms);
  ChainState state;
  {
    const py::gil_scoped_release release;
    state = evolve_decay_chain(chain, atoms, duration_s);
  }
  return py::make_tuple(adopt(std::move(state.atoms)), adopt(std::move(state.decays)));
}

py::array_t<double> to_infinity(const DoubleArray& rate_per_s, const Int64Array& edge_parent,
                                const Int64Array& edge_daughter, const DoubleArray& edge_fraction,
                                const DoubleArray& retention, const DoubleArray& initial_atoms) {
  const auto chain = chain_view(rate_per_s, edge_parent, edge_daughter, edge_fraction, retention);
  const auto atoms = view(initial_atoms);
  std::vector<double> decays;
  {
    const py::gil_scoped_release release;
    decays = decays_to_infinity(chain, atoms);
  }
  return adopt(std::move(decays));
}

}  // namespace

void register_decay_chain(py::module_& physics) {
  physics.def("evolve_decay_chain", &evolve, py::arg("rate_per_s"), py::arg("edge_parent"),
              py::arg("edge_daughter"), py::arg("edge_fraction"), py::arg("retention"),
              py::arg("initial_atoms"), py::arg("duration_s"),
              "Atoms at the end and decays within duration_s, per member.");
  physics.def("decays_to_infinity", &to_infinity, py::arg("rate_per_s"), py::arg("edge_parent"),
              py::arg("edge_daughter"), py::arg("edge_fraction"), py::arg("retention"),
              py::arg("initial_atoms"), "Decays per member until no radioactive atom is left.");
}

}  // namespace immunodose::bindings
