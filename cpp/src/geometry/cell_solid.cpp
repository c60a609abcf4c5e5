// SPDX-License-Identifier: BSD-3-Clause
#include "immunodose/geometry/cell_solid.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "immunodose/core/constants.hpp"
#include "immunodose/core/error.hpp"

namespace immunodose {
namespace {

constexpr double ball_factor = 4.0 / 3.0 * constants::pi;

// Rounding of radii that are meant to touch.
constexpr double contact_tolerance = 1e-12;

Vec3 shrunk(Vec3 semi_axes, double thickness) {
  const Vec3 inner{semi_axes.x - thickness, semi_axes.y - thickness, semi_axes.z - thickness};
  if (!(thickness >= 0.0) || !(std::min({inner.x, inner.y, inner.z}) > 0.0)) {
    throw GeometryError("the membrane is negative or as thick as a semi-axis of the cell");
  }
  return inner;
}

Vec3 multiplied(Vec3 a, Vec3 b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }

Vec3 divided(Vec3 a, Vec3 b) { return {a.x / b.x, a.y / b.y, a.z / b.z}; }

// Uniform in the unit ball, by rejection from the cube around it.
Vec3 unit_ball_point(Stream& random) {
  for (;;) {
    const double x = 2.0 * random.uniform() - 1.0;
    const double y = 2.0 * random.uniform() - 1.0;
    const double z = 2.0 * random.uniform() - 1.0;
    const Vec3 point{x, y, z};
    if (dot(point, point) <= 1.0) return point;
  }
}

Vec3 unit_vector(Stream& random) {
  for (;;) {
    const Vec3 point = unit_ball_point(random);
    const double length = norm(point);
    if (length > 1e-3) return (1.0 / length) * point;
  }
}

// Uniform between the spheres of radius `low` and 1: r^3 is uniform. Eq. S4.
Vec3 unit_shell_point(double low, Stream& random) {
  const double low3 = low * low * low;
  const double radius = std::cbrt(low3 + random.uniform() * (1.0 - low3));
  return radius * unit_vector(random);
}

// On a surface that has two sides: half of what is left there goes to each.
Vec3 surface_point(const Ellipsoid& shape, Stream& random) {
  if (!shape.is_sphere()) {
    throw InputError(
        "a region of no thickness can be a source on a sphere only; give the ellipsoid a membrane");
  }
  constexpr double side = 1e-12;
  const double radius = random.uniform() < 0.5 ? 1.0 - side : 1.0 + side;
  return shape.from_unit(radius * unit_vector(random));
}

std::string text(Vec3 v) {
  std::ostringstream out;
  out << "(" << v.x << ", " << v.y << ", " << v.z << ")";
  return out.str();
}

}  // namespace

Ellipsoid::Ellipsoid(Vec3 center_um, Vec3 semi_axes_um)
    : center_(center_um),
      semi_axes_(semi_axes_um),
      inverse_(divided({1.0, 1.0, 1.0}, semi_axes_um)),
      smallest_(std::min({semi_axes_um.x, semi_axes_um.y, semi_axes_um.z})) {
  if (!(smallest_ > 0.0)) throw GeometryError("a semi-axis of an ellipsoid is not > 0");
}

Vec3 Ellipsoid::to_unit(Vec3 point_um) const { return multiplied(point_um - center_, inverse_); }

Vec3 Ellipsoid::from_unit(Vec3 unit) const { return center_ + multiplied(unit, semi_axes_); }

bool Ellipsoid::contains(Vec3 point_um) const {
  const Vec3 unit = to_unit(point_um);
  return dot(unit, unit) <= 1.0;
}

PathPart Ellipsoid::chord(Vec3 start_um, Vec3 direction, double length_um) const {
  const Vec3 start = to_unit(start_um);
  const Vec3 along = multiplied(direction, inverse_);
  const double speed2 = dot(along, along);
  const double middle = -dot(start, along) / speed2;
  // The point of closest approach: no difference of large numbers for far starts.
  const Vec3 closest = start + middle * along;
  const double depth = 1.0 - dot(closest, closest);
  if (depth <= 0.0) return {};
  const double half = std::sqrt(depth / speed2);
  const double enter = std::max(0.0, middle - half);
  const double exit = std::min(length_um, middle + half);
  return exit > enter ? PathPart{enter, exit} : PathPart{};
}

double Ellipsoid::clearance_um(Vec3 point_um) const {
  return smallest_ * std::abs(norm(to_unit(point_um)) - 1.0);
}

double Ellipsoid::volume_um3() const {
  return ball_factor * semi_axes_.x * semi_axes_.y * semi_axes_.z;
}

bool Ellipsoid::is_sphere() const {
  return semi_axes_.x == semi_axes_.y && semi_axes_.x == semi_axes_.z;
}

double largest_reach(const Ellipsoid& inner, const Ellipsoid& outer) {
  const Vec3 stretch = divided(inner.semi_axes_um(), outer.semi_axes_um());
  const Vec3 shift = outer.to_unit(inner.center_um());
  const std::array<double, 3> m2{stretch.x * stretch.x, stretch.y * stretch.y,
                                 stretch.z * stretch.z};
  const std::array<double, 3> c2{m2[0] * shift.x * shift.x, m2[1] * shift.y * shift.y,
                                 m2[2] * shift.z * shift.z};
  // Minimum over lambda of the convex dual; its slope changes sign inside [low, high].
  const double low = std::max({m2[0], m2[1], m2[2]});
  const double high = low + std::sqrt(c2[0] + c2[1] + c2[2]);
  const auto sum = [&](double lambda, int power) {
    double total = 0.0;
    for (std::size_t i = 0; i < 3; ++i) {
      if (c2[i] > 0.0) total += c2[i] / std::pow(lambda - m2[i], power);
    }
    return total;
  };
  double left = low;
  double right = high;
  for (int iteration = 0; iteration < 100 && right > left; ++iteration) {
    const double middle = 0.5 * (left + right);
    if (middle == left || middle == right) break;
    (sum(middle, 2) > 1.0 ? left : right) = middle;
  }
  const double square = right + (right > low ? sum(right, 1) : 0.0) + dot(shift, shift);
  return std::sqrt(square);
}

CellSolid::CellSolid(Vec3 center_um, const CellShapeAxes& axes)
    : cell_(center_um, axes.cell_um),
      inside_(center_um, shrunk(axes.cell_um, axes.membrane_um)),
      nucleus_(center_um + axes.nucleus_offset_um, axes.nucleus_um),
      membrane_(axes.membrane_um),
      reach_(std::max({axes.cell_um.x, axes.cell_um.y, axes.cell_um.z})) {
  const double reach = largest_reach(nucleus_, inside_);
  if (!(reach <= 1.0 + contact_tolerance)) {
    std::ostringstream message;
    message << "the nucleus (semi-axes " << text(axes.nucleus_um) << " um, "
            << text(axes.nucleus_offset_um) << " um off the center) leaves the inside of its cell "
            << "(semi-axes " << text(inside_.semi_axes_um()) << " um within the membrane): it "
            << "reaches to " << reach << " of them. Make it smaller or move it to the center.";
    throw GeometryError(message.str());
  }
  const Vec3 ratio = divided(axes.nucleus_um, inside_.semi_axes_um());
  homothetic_ = dot(axes.nucleus_offset_um, axes.nucleus_offset_um) == 0.0 &&
                std::abs(ratio.x - ratio.y) < contact_tolerance &&
                std::abs(ratio.x - ratio.z) < contact_tolerance;
}

SolidRegion CellSolid::region(Vec3 point_um) const {
  if (!cell_.contains(point_um)) return SolidRegion::outside;
  if (nucleus_.contains(point_um)) return SolidRegion::nucleus;
  return inside_.contains(point_um) ? SolidRegion::cytoplasm : SolidRegion::membrane;
}

CellChords CellSolid::chords(Vec3 start_um, Vec3 direction, double length_um) const {
  CellChords found;
  found.cell = cell_.chord(start_um, direction, length_um);
  if (found.cell.length_um() == 0.0) return found;
  found.inside = membrane_ == 0.0 ? found.cell : inside_.chord(start_um, direction, length_um);
  found.nucleus = nucleus_.chord(start_um, direction, length_um);
  return found;
}

double CellSolid::clearance_um(Vec3 point_um) const {
  // A path to an inner surface crosses the outer ones first.
  const double outer = cell_.clearance_um(point_um);
  if (!cell_.contains(point_um)) return outer;
  const double nucleus = nucleus_.clearance_um(point_um);
  if (nucleus_.contains(point_um)) return nucleus;
  if (inside_.contains(point_um)) return std::min(nucleus, inside_.clearance_um(point_um));
  return std::min(outer, inside_.clearance_um(point_um));
}

double CellSolid::volume_um3(SolidRegion region) const {
  const Vec3 a = cell_.semi_axes_um();
  switch (region) {
    case SolidRegion::nucleus:
      return nucleus_.volume_um3();
    case SolidRegion::cytoplasm:
      return inside_.volume_um3() - nucleus_.volume_um3();
    case SolidRegion::membrane:  // without the difference of two large volumes
      return ball_factor * membrane_ *
             (a.x * a.y + a.y * a.z + a.z * a.x - membrane_ * (a.x + a.y + a.z - membrane_));
    case SolidRegion::outside:
      break;
  }
  throw InputError("the outside of a cell has no volume");
}

Vec3 CellSolid::sample(SolidRegion region, Stream& random) const {
  switch (region) {
    case SolidRegion::nucleus:
      return nucleus_.from_unit(unit_ball_point(random));
    case SolidRegion::cytoplasm:
      return sample_cytoplasm(random);
    case SolidRegion::membrane:
      return sample_membrane(random);
    case SolidRegion::outside:
      break;
  }
  throw InputError("the outside of a cell is no source");
}

Vec3 CellSolid::sample_cytoplasm(Stream& random) const {
  if (homothetic_) {
    const double low = nucleus_.semi_axes_um().x / inside_.semi_axes_um().x;
    if (low >= 1.0 - contact_tolerance) return surface_point(inside_, random);
    return inside_.from_unit(unit_shell_point(low, random));
  }
  constexpr double thinnest = 1e-5;  // share of the points that rejection keeps
  if (volume_um3(SolidRegion::cytoplasm) < thinnest * inside_.volume_um3()) {
    throw GeometryError(
        "the cytoplasm holds under 1e-5 of the volume inside the membrane: too thin to be a "
        "source. Give a smaller nucleus.");
  }
  for (;;) {
    const Vec3 point = inside_.from_unit(unit_ball_point(random));
    if (!nucleus_.contains(point)) return point;
  }
}

Vec3 CellSolid::sample_membrane(Stream& random) const {
  if (membrane_ == 0.0) return surface_point(cell_, random);
  const Vec3 a = cell_.semi_axes_um();
  // The thinnest shell between similar ellipsoids that holds the membrane. Eq. S5.
  const double low = 1.0 - membrane_ / std::min({a.x, a.y, a.z});
  for (;;) {
    const Vec3 point = cell_.from_unit(unit_shell_point(low, random));
    if (cell_.is_sphere() || !inside_.contains(point)) return point;
  }
}

}  // namespace immunodose
