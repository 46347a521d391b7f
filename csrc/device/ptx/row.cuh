// Writing a row of 16-bit numbers.
#pragma once

#include "ptx/base.cuh"  // not base.cuh: on the CPU another one takes its place

// Eight numbers, or as many of them as `count` leaves. vectors: target lies on a multiple of 16 bytes.
DEVICE void write_eight(u16* target, const u32 (&word)[4], int count, bool vectors) {
    if (vectors && count >= 8) {
        *reinterpret_cast<uint4*>(target) = make_uint4(word[0], word[1], word[2], word[3]);
        return;
    }
#pragma unroll
    for (int i = 0; i < 8; ++i)
        if (i < count) target[i] = static_cast<u16>(word[i / 2] >> (i % 2 * 16));
}
