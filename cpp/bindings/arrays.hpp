// SPDX-License-Identifier: BSD-3-Clause
// Array border: read-only views in, adopted vectors out (no copies), Ctrl-C poll.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "immunodose/core/error.hpp"
#include "immunodose/core/parallel.hpp"
#include "immunodose/core/progress.hpp"

namespace immunodose::bindings {
namespace py = pybind11;

using DoubleArray = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Int64Array = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;

template <class T>
std::span<const T> view(const py::array_t<T, py::array::c_style | py::array::forcecast>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

template <class T>
std::vector<T> copied(const DoubleArray& array) {
  std::vector<T> values;
  values.reserve(static_cast<std::size_t>(array.size()));
  for (const double value : view(array)) values.push_back(static_cast<T>(value));
  return values;
}

template <class T>
void require_size(std::span<const T> values, std::size_t size, const char* name) {
  if (values.size() != size) {
    throw InputError(std::string(name) + ": got " + std::to_string(values.size()) +
                     " values, expected " + std::to_string(size));
  }
}

// Hands a vector to NumPy without copying.
template <class T, class Allocator>
py::array_t<T> adopt(std::vector<T, Allocator>&& values, std::vector<py::ssize_t> shape) {
  using Values = std::vector<T, Allocator>;
  auto owner = std::make_unique<Values>(std::move(values));
  T* const data = owner->data();
  py::capsule capsule(owner.get(), [](void* p) { delete static_cast<Values*>(p); });
  owner.release();
  return py::array_t<T>(std::move(shape), data, capsule);
}

template <class T, class Allocator>
py::array_t<T> adopt(std::vector<T, Allocator>&& values) {
  const auto size = static_cast<py::ssize_t>(values.size());
  return adopt(std::move(values), {size});
}

template <class Function>
py::array_t<double> map_values(const DoubleArray& input, const Function& function) {
  std::vector<double> output;
  for (const double value : view(input)) output.push_back(function(value));
  return adopt(std::move(output));
}

// Nodes of an OctaveGrid.
template <class Grid>
py::array_t<double> nodes_of(const Grid& grid) {
  std::vector<double> nodes;
  for (std::size_t i = 0; i < grid.n_nodes(); ++i) nodes.push_back(grid.node(i));
  return adopt(std::move(nodes));
}

// For kernels that run with the GIL released: takes it, asks for signals, gives it back.
inline StopPoll python_stop_poll() {
  return [] {
    const py::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
  };
}

// Asks for signals, and hands on how much is done when it is more than the last time. What the
// callback raises ends the call, as a signal does.
inline StopPoll reporting_poll(const py::object& report) {
  if (report.is_none()) return python_stop_poll();
  return [report, reported = std::make_shared<double>(0.0)] {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) return true;
    const double done = progress();
    if (done <= *reported) return false;
    *reported = done;
    try {
      report(done);
    } catch (py::error_already_set& error) {
      error.restore();
      return true;
    }
    return false;
  };
}

}  // namespace immunodose::bindings
