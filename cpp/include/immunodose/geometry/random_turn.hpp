// SPDX-License-Identifier: BSD-3-Clause
#pragma once
#include "immunodose/core/streams.hpp"
#include "immunodose/core/vec3.hpp"
#include "immunodose/geometry/packing_space.hpp"

namespace immunodose {

// A rotation drawn uniformly: about the z axis in the plane, about any axis in space.
class RandomTurn {
 public:
  RandomTurn(PackingSpace space, Stream& stream);

  Vec3 operator()(Vec3 p) const;

 private:
  double scalar_;  // of a unit quaternion
  Vec3 axis_;
};

}  // namespace immunodose
