// Infinity and NaN.
#pragma once

#include "ptx/base.cuh"

DEVICE float infinity() { return __uint_as_float(0x7F800000u); }

// Neither an infinity nor NaN.
DEVICE bool is_finite(float x) { return fabsf(x) < infinity(); }
