// Reading rows of 16-bit numbers, eight elements a thread at a time.
#pragma once

#include "params.h"
#include "ptx/number.cuh"

// First element of a row of a 16-bit view.
DEVICE const u16* row_pointer(const sageattn_view& view, int batch, int head, int row) {
    return reinterpret_cast<const u16*>(static_cast<const char*>(view.data) + batch * view.batch_stride +
                                        head * view.head_stride + row * view.row_stride);
}

// Eight neighbouring elements as float32: one 16-byte load where the view allows it.
DEVICE void load_eight(float (&x)[8], const u16* source, const sageattn_view& view) {
    u32 word[4];
    if (view.vectors) {
        const uint4 v = __ldg(reinterpret_cast<const uint4*>(source));
        word[0] = v.x, word[1] = v.y, word[2] = v.z, word[3] = v.w;
    } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) word[i] = source[2 * i] | static_cast<u32>(source[2 * i + 1]) << 16;
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] = to_float(static_cast<u16>(word[i / 2] >> (i % 2 * 16)), view.bfloat16);
}

// Eight neighbouring float32, 16-byte aligned.
DEVICE void load_eight(float (&x)[8], const float* source) {
    const float4 low = __ldg(reinterpret_cast<const float4*>(source));
    const float4 high = __ldg(reinterpret_cast<const float4*>(source) + 1);
    x[0] = low.x, x[1] = low.y, x[2] = low.z, x[3] = low.w;
    x[4] = high.x, x[5] = high.y, x[6] = high.z, x[7] = high.w;
}
