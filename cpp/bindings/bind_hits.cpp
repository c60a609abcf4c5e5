// SPDX-License-Identifier: BSD-3-Clause
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "immunodose/transport/hit_density.hpp"
#include "immunodose/transport/hit_monte_carlo.hpp"
#include "immunodose/transport/hit_table.hpp"

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

HitSource make_source(std::array<double, 2> source_um, double distance_um, double hole_um) {
  return {{source_um[0], source_um[1]}, distance_um, hole_um};
}

py::array_t<double> bound_hit_channels(const AlphaChain& chain, double nucleus_radius_um,
                                       std::array<double, 2> source_um,
                                       const DoubleArray& distance_um, double density_g_per_cm3,
                                       double hole_um) {
  const auto distances = view(distance_um);
  std::vector<double> rows;
  {
    const py::gil_scoped_release release;
    const AlphaSlowing slowing(density_g_per_cm3);
    const PointHitTable table(chain, nucleus_radius_um, density_g_per_cm3, slowing);
    for (const double d : distances) {
      const HitVector row = table.source_mean(make_source(source_um, d, hole_um));
      rows.insert(rows.end(), row.begin(), row.end());
    }
  }
  return adopt(std::move(rows), {static_cast<py::ssize_t>(distances.size()),
                                 static_cast<py::ssize_t>(HitChannels::count)});
}

using HistogramFunction = std::vector<double> (*)(const AlphaChain&, double, const HitSource&,
                                                  double, std::span<const double>);

template <HistogramFunction function>
py::array_t<double> bound_histogram(const AlphaChain& chain, double nucleus_radius_um,
                                    std::array<double, 2> source_um, double density_g_per_cm3,
                                    const DoubleArray& edge_Gy, double distance_um,
                                    double hole_um) {
  const auto edges = view(edge_Gy);
  std::vector<double> histogram;
  {
    const py::gil_scoped_release release;
    histogram = function(chain, nucleus_radius_um, make_source(source_um, distance_um, hole_um),
                         density_g_per_cm3, edges);
  }
  return adopt(std::move(histogram));
}

py::tuple bound_hit_histories(const AlphaChain& chain, double nucleus_radius_um,
                              std::array<double, 2> source_um, double distance_um, double hole_um,
                              double density_g_per_cm3, const DoubleArray& edge_Gy,
                              std::uint64_t root, std::uint64_t first_history,
                              std::int64_t n_histories, bool straggling, int n_threads) {
  const auto edges = view(edge_Gy);
  HitTally tally;
  {
    const py::gil_scoped_release release;
    tally = hit_histories(
        chain, nucleus_radius_um, make_source(source_um, distance_um, hole_um), density_g_per_cm3,
        edges, {root, first_history, n_histories, straggling, n_threads}, python_stop_poll());
  }
  std::vector<double> sums(tally.sum.begin(), tally.sum.end());
  std::vector<double> products;
  for (const auto& row : tally.product) products.insert(products.end(), row.begin(), row.end());
  std::vector<std::int64_t> counts;
  for (const auto* part :
       {&tally.traversals, &tally.traversals_squared, &tally.traversals_times_n, &tally.decays}) {
    counts.insert(counts.end(), part->begin(), part->end());
  }
  const auto n_scores = static_cast<py::ssize_t>(HitTally::n_scores);
  const auto n_bins = static_cast<py::ssize_t>(edges.size()) - 1;
  return py::make_tuple(adopt(std::move(sums)), adopt(std::move(products), {n_scores, n_scores}),
                        adopt(std::move(counts), {4, n_bins}));
}

template <HistogramFunction function>
void define_histogram(py::module_& transport, const char* name) {
  transport.def(name, &bound_histogram<function>, py::arg("chain"), py::arg("nucleus_radius_um"),
                py::arg("source_um"), py::arg("density_g_per_cm3"), py::arg("edge_Gy"),
                py::arg("distance_um") = 0.0, py::arg("hole_um") = 0.0);
}

}  // namespace

void register_hits(py::module_& transport) {
  py::class_<AlphaChain>(transport, "AlphaChain")
      .def(py::init(&make_chain), py::arg("decays_per_parent_decay"), py::arg("edge_parent"),
           py::arg("edge_daughter"), py::arg("edge_fraction"), py::arg("edge_is_alpha"),
           py::arg("line_member"), py::arg("line_energy_keV"), py::arg("line_yield"));
  transport.def("hit_channels", &bound_hit_channels, py::arg("chain"), py::arg("nucleus_radius_um"),
                py::arg("source_um"), py::arg("distance_um"), py::arg("density_g_per_cm3"),
                py::arg("hole_um") = 0.0);
  define_histogram<&single_traversal_histogram>(transport, "single_traversal_histogram");
  define_histogram<&decay_histogram>(transport, "decay_histogram");
  transport.def("largest_specific_energy", &largest_specific_energy, py::arg("chain"),
                py::arg("nucleus_radius_um"), py::arg("density_g_per_cm3"));
  transport.def("hit_histories", &bound_hit_histories, py::arg("chain"),
                py::arg("nucleus_radius_um"), py::arg("source_um"), py::arg("distance_um"),
                py::arg("hole_um"), py::arg("density_g_per_cm3"), py::arg("edge_Gy"),
                py::arg("root"), py::arg("first_history"), py::arg("n_histories"),
                py::arg("straggling"), py::arg("n_threads"));
}

}  // namespace immunodose::bindings
