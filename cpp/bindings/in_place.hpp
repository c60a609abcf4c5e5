// SPDX-License-Identifier: BSD-3-Clause
// Arrays that a kernel changes in place.
#pragma once
#include "arrays.hpp"

namespace immunodose::bindings {

// Of this type and contiguous; give the argument noconvert(), else NumPy would make a copy.
template <class T>
using InPlace = py::array_t<T, py::array::c_style>;

template <class T>
std::span<T> changed(InPlace<T>& array) {
  return {array.mutable_data(), static_cast<std::size_t>(array.size())};
}

template <class T>
std::span<const T> read(const InPlace<T>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

}  // namespace immunodose::bindings
