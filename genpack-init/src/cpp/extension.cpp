// SPDX-License-Identifier: MIT
#include "native.hpp"

PYBIND11_MODULE(_native, module) { define_native(module); }
