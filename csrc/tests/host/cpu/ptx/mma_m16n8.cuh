// The products of csrc/device/ptx/mma_m16n8.cuh, those of 16-bit numbers in float32.
#pragma once

#include "ptx/number.cuh"

struct Operands {
    u32 a[4], b[2];
};

// d += a * b
template <class Value>
void mma_16bit(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    const auto all = cpu::gather(Operands{{a[0], a[1], a[2], a[3]}, {b0, b1}});
    const int g = lane_index() / 4, t = lane_index() % 4;
    for (int k = 0; k < 16; ++k) {
        const int from = k % 8 / 2, shift = k % 2 * 16;
        for (int i = 0; i < 4; ++i) {
            const u32 left = all[4 * g + from].a[k / 8 * 2 + i / 2] >> shift;
            const u32 right = all[4 * (2 * t + i % 2) + from].b[k / 8] >> shift;
            d[i] += to_float(static_cast<u16>(left), Value::kIsBfloat16) *
                    to_float(static_cast<u16>(right), Value::kIsBfloat16);
        }
    }
}

// d = a * b + c
inline void mma_int8(int (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, const int (&c)[4]) {
    const auto all = cpu::gather(Operands{{a[0], a[1], a[2], a[3]}, {b0, b1}});
    const int g = lane_index() / 4, t = lane_index() % 4;
    for (int i = 0; i < 4; ++i) {
        int sum = c[i];
        for (int word = 0; word < 8; ++word) {  // of four numbers
            const int left = all[4 * g + word % 4].a[word / 4 * 2 + i / 2];
            sum = __dp4a(left, all[4 * (2 * t + i % 2) + word % 4].b[word / 4], sum);
        }
        d[i] = sum;
    }
}
