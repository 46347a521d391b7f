// Reading rows of 16-bit numbers, eight elements a thread at a time.
#pragma once

#include "params.h"
#include "ptx/lanes.cuh"
#include "ptx/number.cuh"

// First element of a row of a 16-bit view.
DEVICE const u16* row_pointer(const sageattn_view& view, int batch, int head, int row) {
    return reinterpret_cast<const u16*>(static_cast<const char*>(view.data) + batch * view.batch_stride +
                                        head * view.head_stride + row * view.row_stride);
}

// Eight 16-bit numbers as float32.
DEVICE void widen(float (&x)[8], uint4 v, bool is_bfloat16) {
    const u32 word[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] = to_float(static_cast<u16>(word[i / 2] >> (i % 2 * 16)), is_bfloat16);
}

// Eight neighbouring elements as float32: one 16-byte load where the view allows it.
DEVICE void load_eight(float (&x)[8], const u16* source, const sageattn_view& view) {
    u32 word[4];
    if (view.vectors) return widen(x, __ldg(reinterpret_cast<const uint4*>(source)), view.bfloat16);
#pragma unroll
    for (int i = 0; i < 4; ++i) word[i] = source[2 * i] | static_cast<u32>(source[2 * i + 1]) << 16;
    widen(x, make_uint4(word[0], word[1], word[2], word[3]), view.bfloat16);
}

// The same of `count` elements (8 or more: all), zeros behind them.
DEVICE void load_eight(float (&x)[8], const u16* source, const sageattn_view& view, int count) {
    if (count >= 8) return load_eight(x, source, view);
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] = i < count ? to_float(source[i], view.bfloat16) : 0.0f;
}

// `count` (8 or more: eight) neighbouring float32, zeros behind them.
DEVICE void load_eight(float (&x)[8], const float* source, int count) {
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] = i < count ? __ldg(source + i) : 0.0f;
}

// Largest |x| over the kLanes neighbouring threads of a row, in every one of them.
template <int kLanes>
DEVICE float row_largest(const float (&x)[8]) {
    float largest = 0.0f;
#pragma unroll
    for (int c = 0; c < 8; ++c) largest = fmaxf(largest, fabsf(x[c]));
    return lanes_largest<kLanes>(largest);
}

// Eight INT8, the first in the lowest byte.
DEVICE void round_int8(u32 (&word)[2], const float (&x)[8], float inverse) {
    word[0] = word[1] = 0;
#pragma unroll
    for (int c = 0; c < 8; ++c)
        word[c / 4] |= static_cast<u32>(__float2int_rn(__fmul_rn(x[c], inverse)) & 0xFF) << (c % 4 * 8);
}

// The rows of one of the sequences that lie behind each other in a tensor; all of them without starts.
struct Sequence {
    int start, rows;

    DEVICE Sequence(const int* starts, int batch, int longest) : start(0), rows(longest) {
        if (starts == nullptr) return;
        start = starts[batch];
        rows = min(rows, starts[batch + 1] - start);
    }
};
