// SPDX-License-Identifier: BSD-3-Clause
// Exceptions of the core; cpp/bindings/exceptions.cpp maps each to a Python class.
#pragma once
#include <stdexcept>

namespace immunodose {

// An argument that no valid input can hold (the Python layer checks user input first).
class InputError : public std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// Shapes that cannot exist together: overlapping cells, a nucleus outside its cell.
class GeometryError : public std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// An iteration that did not reach its tolerance.
class ConvergenceError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The caller asked to stop (Ctrl-C).
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

}  // namespace immunodose
