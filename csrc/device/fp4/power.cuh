// Powers of two that bring a head's numbers into the range of FP4: without them, values below a thousandth would all
// become zeros.
#pragma once

#include "ptx/base.cuh"

// The power of two that brings a magnitude into (1344, 2688], the product of the largest scale and the largest code;
// at most 2^60, at least 2^-60.
DEVICE float power_for(float magnitude) {
    const u32 bits = __float_as_uint(magnitude);
    const int exponent = 138 - static_cast<int>(bits >> 23) - ((bits & 0x7FFFFFu) > 0x280000u);
    return __uint_as_float(static_cast<u32>(127 + max(-60, min(60, exponent))) << 23);
}

// 1 / power, exactly.
DEVICE float inverse_of_power(float power) { return __uint_as_float(0x7F000000u - __float_as_uint(power)); }
