// SPDX-License-Identifier: BSD-3-Clause
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <utility>

#include "arrays.hpp"
#include "immunodose/geometry/sphere_scene.hpp"
#include "immunodose/transport/decay_sampler.hpp"
#include "immunodose/transport/decay_transport.hpp"
#include "immunodose/transport/track_recorder.hpp"

namespace immunodose::bindings {

namespace {

SphereScene make_scene(const DoubleArray& x_um, const DoubleArray& y_um, const DoubleArray& z_um,
                       const DoubleArray& cell_radius_um, const DoubleArray& nucleus_radius_um,
                       const DoubleArray& nucleus_offset_um, double membrane_thickness_um) {
  const py::gil_scoped_release release;
  return SphereScene({view(x_um), view(y_um), view(z_um), view(cell_radius_um),
                      view(nucleus_radius_um), view(nucleus_offset_um), membrane_thickness_um});
}

DecaySampler make_sampler(const DoubleArray& retention, const DoubleArray& in_time,
                          const Int64Array& edge_parent, const Int64Array& edge_daughter,
                          const DoubleArray& edge_fraction, const Int64Array& edge_is_alpha,
                          const Int64Array& line_member, const Int64Array& line_emission,
                          const DoubleArray& line_energy_keV, const DoubleArray& line_yield) {
  return DecaySampler({view(retention), view(in_time), view(edge_parent), view(edge_daughter),
                       view(edge_fraction), view(edge_is_alpha), view(line_member),
                       view(line_emission), view(line_energy_keV), view(line_yield)});
}

struct Call {
  DecayTransportOptions options;
  KeptDims kept;
  double medium_decays;
  double world_radius_um;
};

Call make_call(std::uint64_t root, double density_g_per_cm3, bool straggling, std::int64_t lost,
               bool detailed, double cutoff_keV, const std::vector<std::int64_t>& transported,
               const std::array<bool, 3>& kept, bool with_hits, double medium_decays,
               double world_radius_um, int n_threads) {
  DecayTransportOptions options{root, density_g_per_cm3, straggling};
  options.lost = static_cast<LostDaughters>(lost);
  options.electron_mode = detailed ? ElectronMode::detailed : ElectronMode::condensed;
  options.cutoff_keV = cutoff_keV;
  options.with_hits = with_hits;
  for (const auto emission : transported) {
    options.transported.at(static_cast<std::size_t>(emission)) = true;
  }
  options.n_threads = n_threads;
  return {options, {kept[0], kept[1], kept[2]}, medium_decays, world_radius_um};
}

py::dict to_python(DecayTransportResult&& result, const Call& call,
                   const std::vector<EmissionClass>& emissions, std::int64_t n_cells,
                   bool is_mean) {
  const auto n_emissions = static_cast<py::ssize_t>(emissions.size());
  const std::vector<py::ssize_t> shape{n_cells, call.kept.target ? 4 : 1,
                                       call.kept.emission ? n_emissions : 1,
                                       call.kept.origin ? 2 : 1};
  const std::vector<py::ssize_t> hit_shape{n_cells, 4, n_emissions};
  std::vector<std::int64_t> classes;
  for (const auto emission : emissions) classes.push_back(static_cast<std::int64_t>(emission));
  py::dict out;
  out["emissions"] = adopt(std::move(classes));
  out["n_histories"] = result.n_histories;
  out["energy_keV"] = adopt(std::move(result.energy_keV), shape);
  if (is_mean) out["variance_keV2"] = adopt(std::move(result.variance_keV2), shape);
  if (call.options.with_hits && !is_mean) {
    out["hits"] = adopt(std::move(result.hits), hit_shape);
    out["energy_let"] = adopt(std::move(result.energy_let), hit_shape);
    out["region_keV"] = adopt(std::move(result.region_keV), hit_shape);
  } else if (call.options.with_hits) {
    HitMeans& mean = result.mean_hits;
    out["hits"] = adopt(std::move(mean.hits), hit_shape);
    out["hits_variance"] = adopt(std::move(mean.hits_variance), hit_shape);
    out["energy_let"] = adopt(std::move(mean.energy_let), hit_shape);
    out["region_keV"] = adopt(std::move(mean.region_keV), hit_shape);
    out["energy_let_variance"] = adopt(std::move(mean.let_variance), hit_shape);
    out["region_keV_variance"] = adopt(std::move(mean.region_variance), hit_shape);
    out["energy_let_keV_covariance"] = adopt(std::move(mean.covariance), hit_shape);
  }
  out["account_keV"] =
      adopt(std::vector<double>(result.account_keV.begin(), result.account_keV.end()),
            {static_cast<py::ssize_t>(n_fates), static_cast<py::ssize_t>(n_emission_classes)});
  return out;
}

py::dict bound_decay_realization(const SphereScene& scene, const DecaySampler& decays,
                                 const Call& call, const DoubleArray& time_integrated_activity,
                                 std::int64_t count_index, std::int64_t first_history,
                                 std::int64_t begin, std::int64_t end) {
  const DecaySources sources{view(time_integrated_activity), call.medium_decays,
                             call.world_radius_um};
  const py::gil_scoped_release release;
  const DecayTransport engine(scene, decays, call.options);
  DecayTransportResult result = engine.realization(sources, call.kept, count_index, first_history,
                                                   begin, end, python_stop_poll());
  const py::gil_scoped_acquire gil;
  return to_python(std::move(result), call, engine.emissions(), scene.n_cells(), false);
}

py::dict bound_decay_mean(const SphereScene& scene, const DecaySampler& decays, const Call& call,
                          const DoubleArray& time_integrated_activity, std::int64_t count_index,
                          std::int64_t first_history, std::int64_t n_histories,
                          std::int64_t n_batches) {
  const DecaySources sources{view(time_integrated_activity), call.medium_decays,
                             call.world_radius_um};
  const py::gil_scoped_release release;
  const DecayTransport engine(scene, decays, call.options);
  DecayTransportResult result = engine.mean(sources, call.kept, count_index, first_history,
                                            n_histories, n_batches, python_stop_poll());
  const py::gil_scoped_acquire gil;
  return to_python(std::move(result), call, engine.emissions(), scene.n_cells(), true);
}

TrackOptions make_track_options(std::uint64_t root, std::uint64_t history, double density_g_per_cm3,
                                bool straggling, bool detailed, double cutoff_keV,
                                double alpha_step_um, double world_radius_um,
                                std::int64_t max_points) {
  return {root,
          history,
          density_g_per_cm3,
          straggling,
          detailed ? ElectronMode::detailed : ElectronMode::condensed,
          cutoff_keV,
          alpha_step_um,
          world_radius_um,
          max_points};
}

py::dict to_python(TrackPoints&& points) {
  py::dict out;
  out["x_um"] = adopt(std::move(points.x_um));
  out["y_um"] = adopt(std::move(points.y_um));
  out["z_um"] = adopt(std::move(points.z_um));
  out["energy_keV"] = adopt(std::move(points.energy_keV));
  out["let_keV_per_um"] = adopt(std::move(points.let_keV_per_um));
  out["deposited_keV"] = adopt(std::move(points.deposited_keV));
  out["particle"] = adopt(std::move(points.particle));
  out["emission"] = adopt(std::move(points.emission));
  out["track"] = adopt(std::move(points.track));
  out["parent"] = adopt(std::move(points.parent));
  out["cell"] = adopt(std::move(points.cell));
  out["region"] = adopt(std::move(points.region));
  out["emitted_keV"] = points.emitted_keV;
  out["escaped_keV"] = points.escaped_keV;
  out["left_keV"] = points.left_keV;
  return out;
}

py::dict bound_record_decay(const DecaySampler& decays, const TrackOptions& options) {
  TrackPoints points;
  {
    const py::gil_scoped_release release;
    points = record_decay(decays, options);
  }
  return to_python(std::move(points));
}

py::dict bound_record_particle(std::int64_t particle, double energy_keV,
                               const TrackOptions& options) {
  TrackPoints points;
  {
    const py::gil_scoped_release release;
    points = record_particle(static_cast<TrackParticle>(particle), energy_keV, options);
  }
  return to_python(std::move(points));
}

py::dict bound_record_history(const SphereScene& scene, const DecaySampler& decays,
                              const Call& call, const DoubleArray& time_integrated_activity,
                              std::int64_t count_index, std::int64_t first_history,
                              std::int64_t history, std::int64_t max_points) {
  const DecaySources sources{view(time_integrated_activity), call.medium_decays,
                             call.world_radius_um};
  RecordedDecay decay;
  {
    const py::gil_scoped_release release;
    const DecayTransport engine(scene, decays, call.options);
    decay =
        engine.record(sources, count_index, first_history, history, max_points, python_stop_poll());
  }
  py::dict out = to_python(std::move(decay.points));
  out["decay_cell"] = decay.cell;
  out["decay_region"] = decay.region;
  out["n_histories"] = decay.n_histories;
  return out;
}

void register_tracks(py::module_& transport) {
  py::class_<TrackOptions>(transport, "TrackOptions")
      .def(py::init(&make_track_options), py::arg("root"), py::arg("history"),
           py::arg("density_g_per_cm3"), py::arg("straggling"), py::arg("detailed"),
           py::arg("cutoff_keV"), py::arg("alpha_step_um"), py::arg("world_radius_um"),
           py::arg("max_points"));
  transport.def("record_decay", &bound_record_decay, py::arg("decays"), py::arg("options"));
  transport.def("record_particle", &bound_record_particle, py::arg("particle"),
                py::arg("energy_keV"), py::arg("options"));
  transport.def("record_history", &bound_record_history, py::arg("scene"), py::arg("decays"),
                py::arg("call"), py::arg("time_integrated_activity"), py::arg("count_index"),
                py::arg("first_history"), py::arg("history"), py::arg("max_points"));
}

}  // namespace

void register_monte_carlo(py::module_& transport) {
  py::class_<SphereScene>(transport, "SphereScene")
      .def(py::init(&make_scene), py::arg("x_um"), py::arg("y_um"), py::arg("z_um"),
           py::arg("cell_radius_um"), py::arg("nucleus_radius_um"), py::arg("nucleus_offset_um"),
           py::arg("membrane_thickness_um"))
      .def("bounding_radius_um", [](const SphereScene& scene) { return scene.bounds().radius_um; });
  py::class_<DecaySampler>(transport, "DecaySampler")
      .def(py::init(&make_sampler), py::arg("retention"), py::arg("in_time"),
           py::arg("edge_parent"), py::arg("edge_daughter"), py::arg("edge_fraction"),
           py::arg("edge_is_alpha"), py::arg("line_member"), py::arg("line_emission"),
           py::arg("line_energy_keV"), py::arg("line_yield"))
      .def(
          "largest_energy_keV",
          [](const DecaySampler& decays, std::int64_t emission) {
            return decays.largest_energy_keV(static_cast<EmissionClass>(emission));
          },
          py::arg("emission"));
  py::class_<Call>(transport, "DecayTransportCall")
      .def(py::init(&make_call), py::arg("root"), py::arg("density_g_per_cm3"),
           py::arg("straggling"), py::arg("lost"), py::arg("detailed"), py::arg("cutoff_keV"),
           py::arg("transported"), py::arg("kept"), py::arg("with_hits"), py::arg("medium_decays"),
           py::arg("world_radius_um"), py::arg("n_threads"));
  transport.def("decay_realization", &bound_decay_realization, py::arg("scene"), py::arg("decays"),
                py::arg("call"), py::arg("time_integrated_activity"), py::arg("count_index"),
                py::arg("first_history"), py::arg("begin"), py::arg("end"));
  transport.def("decay_mean", &bound_decay_mean, py::arg("scene"), py::arg("decays"),
                py::arg("call"), py::arg("time_integrated_activity"), py::arg("count_index"),
                py::arg("first_history"), py::arg("n_histories"), py::arg("n_batches"));
  register_tracks(transport);
}

}  // namespace immunodose::bindings
