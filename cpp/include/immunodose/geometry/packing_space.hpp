// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace immunodose {

// Where the centers may lie: `planar` keeps z = 0 and bounds by a circle.
enum class PackingSpace { planar, spatial };

}  // namespace immunodose
