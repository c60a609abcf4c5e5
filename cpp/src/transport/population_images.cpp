// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/transport/population_images.hpp"

#include <algorithm>
#include <sstream>

#include "immunodose/core/error.hpp"
#include "immunodose/geometry/periodic_box.hpp"

namespace immunodose {
namespace {

constexpr double most_images = 5e7;  // some 5 GB of lists and sorted points

template <class From, class To>
void with_copies(const From& from, const LargeVector<std::int64_t>& point, std::size_t per_point,
                 To& to) {
  to.resize(from.size() + per_point * point.size());
  std::copy(from.begin(), from.end(), to.begin());
  std::size_t next = from.size();
  for (const std::int64_t i : point) {
    for (std::size_t k = 0; k < per_point; ++k) {
      to[next++] = from[static_cast<std::size_t>(i) * per_point + k];
    }
  }
}

}  // namespace

PopulationImages::PopulationImages(const PopulationInput& cells, double reach_um) : input_(cells) {
  const auto images = images_around(cells.x_um, cells.y_um, cells.z_um, cells.box, reach_um);
  const auto join = [](std::span<const double> own, const LargeVector<double>& copies,
                       LargeVector<double>& all) {
    all.resize(own.size() + copies.size());
    std::copy(copies.begin(), copies.end(), std::copy(own.begin(), own.end(), all.begin()));
  };
  join(cells.x_um, images.x_um, x_);
  join(cells.y_um, images.y_um, y_);
  join(cells.z_um, images.z_um, z_);
  with_copies(cells.shape_of, images.point, 1, shape_of_);
  with_copies(cells.class_of, images.point, 1, class_of_);
  with_copies(cells.time_integrated_activity, images.point, n_source_compartments, activity_);
  input_.x_um = x_;
  input_.y_um = y_;
  input_.z_um = z_;
  input_.shape_of = shape_of_;
  input_.class_of = class_of_;
  input_.time_integrated_activity = activity_;
  input_.grid = nullptr;
  input_.n_targets = cells.x_um.size();
  if (!cells.partner.empty()) {  // no target asks for those of images
    partner_.resize(x_.size());
    std::copy(cells.partner.begin(), cells.partner.end(), partner_.begin());
    for (std::size_t i = cells.partner.size(); i < partner_.size(); ++i) {
      partner_[i] = static_cast<std::int64_t>(i);
    }
    input_.partner = partner_;
  }
}

bool can_list_images(const PopulationTables& tables, double reach_um) {
  const PopulationInput& in = tables.input();
  return count_images(in.x_um, in.y_um, in.z_um, in.box, reach_um) <= most_images;
}

void require_images(const PopulationTables& tables, double reach_um, bool has_hits) {
  const PopulationInput& in = tables.input();
  const double count = count_images(in.x_um, in.y_um, in.z_um, in.box, reach_um);
  if (count <= most_images) return;
  const Summation asked = tables.model().summation;
  const bool by_mesh = asked == Summation::automatic || asked == Summation::particle_mesh;
  const char* remedy = "give summation='auto', which needs no images where a mesh fits";
  if (by_mesh) remedy = "no mesh fits this reach. Give a larger rtol, or a larger box";
  if (has_hits) {
    remedy = "hits of alphas need all pairs. Leave 'emission' out of split, or give a larger box";
  }
  std::ostringstream message;
  message << "a periodic box with " << in.x_um.size() << " cells has " << count
          << " images of them within " << reach_um << " um, more than " << most_images
          << " that a sum over pairs can list: " << remedy;
  throw InputError(message.str());
}

void with_images(const PopulationTables& tables, double reach_um,
                 const std::function<void(const PopulationTables&)>& body) {
  if (!tables.input().box.repeats()) return body(tables);
  require_images(tables, reach_um, false);
  const PopulationImages images(tables.input(), reach_um);
  body(PopulationTables(images.input(), tables.model(), tables.n_threads(), tables.stop()));
}

}  // namespace immunodose
