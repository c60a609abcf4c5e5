// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <cstring>
#include <vector>

#include "doctest.h"
#include "immunodose/core/error.hpp"
#include "immunodose/core/streams.hpp"
#include "immunodose/transport/pair_histogram.hpp"
#include "immunodose/transport/population_dose.hpp"
#include "immunodose/transport/s_value.hpp"

using namespace immunodose;

namespace {

struct Scene {
  std::vector<double> x, y, z, activity;
  std::vector<CellShape> shape{{6.0, 4.0}};
  std::vector<std::int64_t> shape_of;

  void add(double x_um, double y_um, double z_um, double membrane_decays) {
    x.push_back(x_um);
    y.push_back(y_um);
    z.push_back(z_um);
    activity.insert(activity.end(), {0.0, 0.0, membrane_decays});
    shape_of.push_back(0);
  }

  PopulationInput input() const {
    return {x, y, z, shape, shape_of, shape, shape_of, activity, 0.0, 0.0, 1.0};
  }
};

PopulationModel alpha_model() {
  const std::vector<double> energy{5870.0}, yield{1.0};
  PopulationModel model;
  model.kernel.push_back(csda_kernel({energy, yield}, Slowing::alpha, 1.0));
  model.target = {Compartment::nucleus, Compartment::cell};
  return model;
}

Scene random_scene(int n_side) {
  Stream stream(3, Stage::packing_start, 1);
  Scene scene;
  for (int i = 0; i < n_side * n_side * n_side; ++i) {
    const auto at = [&](int site) { return 13.0 * site + stream.uniform(); };
    scene.add(at(i % n_side), at(i / n_side % n_side), at(i / n_side / n_side), stream.uniform());
  }
  return scene;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

}  // namespace

TEST_CASE("two cells: self and cross doses are S values times decays") {
  Scene scene;
  scene.add(0.0, 0.0, 0.0, 10.0);
  scene.add(3.0, 4.0, 12.5, 0.0);
  const PopulationModel model = alpha_model();
  const auto result = population_dose(scene.input(), model, 1);
  REQUIRE(result.dose_Gy.size() == 2 * 2 * 2);
  CHECK(result.hits.empty());
  const double distance = std::sqrt(9.0 + 16.0 + 12.5 * 12.5);
  const Region membrane{6.0, 6.0};
  const std::vector<Region> target{{0.0, 4.0}, {0.0, 6.0}};
  for (std::size_t t = 0; t < 2; ++t) {
    const std::vector<double> both{0.0, distance};
    const auto s = s_values(model.kernel[0], membrane, target[t], both, 1.0);
    // (cell, target, kernel, origin)
    CHECK(result.dose_Gy[2 * t] == doctest::Approx(10.0 * s[0]).epsilon(1e-14));
    CHECK(result.dose_Gy[2 * t + 1] == 0.0);
    CHECK(result.dose_Gy[4 + 2 * t] == 0.0);
    CHECK(result.dose_Gy[4 + 2 * t + 1] == doctest::Approx(10.0 * s[1]).epsilon(1e-4));
  }
}

TEST_CASE("a cell out of reach gets exactly nothing, however the table is cut") {
  const PopulationModel model = alpha_model();
  const double reach = model.kernel[0].reach_um() + 12.0;
  for (const double beyond : {-0.5, 1e-9, 0.05, 30.0}) {
    Scene scene;
    scene.add(0.0, 0.0, 0.0, 1.0);
    scene.add(reach + beyond, 0.0, 0.0, 0.0);
    scene.add(0.0, 300.0, 0.0, 0.0);  // makes the population wider than the reach
    const auto result = population_dose(scene.input(), model, 1);
    CHECK((result.dose_Gy[4 + 3] > 0.0) == (beyond < 0.0));
    CHECK(result.dose_Gy[8 + 3] == 0.0);
  }
}

TEST_CASE("cells much smaller than their class are looked up beyond the population") {
  const std::vector<double> x{0.0, 12.0}, zero{0.0, 0.0}, activity{1.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  const std::vector<CellShape> shape{{2.0, 1.5}, {2.0, 1.4}};
  const std::vector<CellShape> shape_class{{10.0, 9.0}};
  const std::vector<std::int64_t> shape_of{0, 1}, class_of{0, 0};
  const PopulationInput input{x,        zero,     zero, shape, shape_of, shape_class,
                              class_of, activity, 0.0,  0.0,   1.0};
  const std::vector<double> energy{300.0}, yield{1.0};
  PopulationModel model;
  model.kernel.push_back(csda_kernel({energy, yield}, Slowing::electron_cole, 1.0));
  model.target = {Compartment::nucleus};
  model.summation = Summation::cell_list;
  // Eq. P3 takes 144 um2 to 175 um2; tables to the diameter of the population end at 169 um2.
  const auto cross = population_dose(input, model, 1).dose_Gy[3];
  const auto exact = s_values(model.kernel[0], {0.0, 1.5}, {0.0, 1.4}, std::vector{12.0}, 1.0)[0];
  CHECK(cross > 0.5 * exact);
  CHECK(cross < 1.5 * exact);
}

TEST_CASE("one, two and five threads give the same bits") {
  const Scene scene = random_scene(7);
  const PopulationModel model = alpha_model();
  const auto one = population_dose(scene.input(), model, 1);
  for (const int n_threads : {2, 5}) {
    CHECK(same_bits(population_dose(scene.input(), model, n_threads).dose_Gy, one.dose_Gy));
  }
}

TEST_CASE("a stop request ends the computation") {
  const Scene scene = random_scene(60);  // seconds, against a poll every 50 ms
  const PopulationModel model = alpha_model();
  CHECK_THROWS_AS(population_dose(scene.input(), model, 2, [] { return true; }), Interrupted);
}

TEST_CASE("arrays of unequal length are refused") {
  Scene scene = random_scene(2);
  scene.activity.pop_back();
  CHECK_THROWS_AS(population_dose(scene.input(), alpha_model(), 1), InputError);
}

TEST_CASE("distance nodes cover the range, are finest at contact and invert") {
  const DistanceNodes nodes(10.0, 500.0, 10.0, 0.2);
  CHECK(nodes.at_um(0) <= 10.0);
  CHECK(nodes.at_um(nodes.size() - 2) >= 500.0);
  CHECK(nodes.at_um(1) - nodes.at_um(0) == doctest::Approx(0.05).epsilon(0.02));
  const auto last = nodes.size() - 1;
  CHECK(nodes.at_um(last) - nodes.at_um(last - 1) == doctest::Approx(0.2).epsilon(0.01));
  CHECK_THROWS_AS(DistanceNodes(1e-9, 1e4, 1e-9, 1e-10), InputError);
}

TEST_CASE("a pair is shared linearly between its nodes") {
  const DistanceNodes nodes(10.0, 100.0, 10.0, 0.2);
  PairHistogram histogram(nodes, 2);
  const PairSources sources{{3.0}, {4.0}, {12.0 * 3.0}, {2.0}, {1000.0}, {1}, {7.0}};
  histogram.add(sources, 0, 1, {0.0, 0.0, 0.0}, 5.0, 3.0);
  histogram.add(sources, 0, 1, {3.0, 4.0, 36.0}, 5.0, 7.0);  // the target itself: left out
  histogram.add(sources, 0, 1, {3.0, 4.0, 33.0}, 5.0, 7.0);  // another site of the target
  double total = 0.0;
  double position = 0.0;
  for (std::size_t i = 0; i < histogram.slot(1).size(); ++i) {
    CHECK(histogram.slot(0)[i] == 0.0);
    const double weight = histogram.slot(1)[i];
    total += weight;
    const double d = nodes.at_um(static_cast<std::int64_t>(i));
    position += weight * d;
  }
  const double distance = std::sqrt(25.0 + 36.0 * 36.0);
  CHECK(total == doctest::Approx(2.0 / (distance * distance)).epsilon(1e-13));
  CHECK(position / total == doctest::Approx(distance).epsilon(1e-4));
}
