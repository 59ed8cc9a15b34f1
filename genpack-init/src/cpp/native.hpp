// SPDX-License-Identifier: MIT
#pragma once
#include <pybind11/pybind11.h>

// The native functions: in the host an embedded module, in ordinary Python the extension genpack_init._native.
void define_native(pybind11::module_ &module);
