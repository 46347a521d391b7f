// The products of mma_m16n8.cuh that sum within one key tile: float16 accumulators, and E4M3 operands. d = a * b + c
// in the same fragments; an E4M3 register holds four neighbours of k, so that halves of k are 16 numbers.
#pragma once

#include "mma_m16n8.cuh"

// A pair of float16 in each register: columns 2t and 2t + 1 of row g, then of row g + 8.
struct AccumF16 {
    static constexpr bool kFloat32 = false;
    u32 pair[2];
    DEVICE float get(int i) const { return float_from_float16(static_cast<u16>(pair[i / 2] >> (i % 2 * 16))); }
};

struct AccumF32 {
    static constexpr bool kFloat32 = true;
    float element[4];
    DEVICE float get(int i) const { return element[i]; }
};

#if SM >= 800

DEVICE void mma_float16(AccumF16& d, const u32 (&a)[4], u32 b0, u32 b1, const AccumF16& c) {
    asm("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3, %4, %5}, {%6, %7}, {%8, %9};"
        : "=r"(d.pair[0]), "=r"(d.pair[1])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(c.pair[0]), "r"(c.pair[1]));
}

#else

DEVICE void mma_m16n8k8(AccumF16& d, u32 a0, u32 a1, u32 b, const AccumF16& c) {
    asm("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3}, {%4}, {%5, %6};"
        : "=r"(d.pair[0]), "=r"(d.pair[1])
        : "r"(a0), "r"(a1), "r"(b), "r"(c.pair[0]), "r"(c.pair[1]));
}

DEVICE void mma_float16(AccumF16& d, const u32 (&a)[4], u32 b0, u32 b1, const AccumF16& c) {
    mma_m16n8k8(d, a[0], a[1], b0, c);
    mma_m16n8k8(d, a[2], a[3], b1, d);
}

#endif

#if SM >= 890

DEVICE void mma_e4m3(AccumF32& d, const u32 (&a)[4], u32 b0, u32 b1, const AccumF32& c) {
    asm("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%10, %11, %12, %13};"
        : "=f"(d.element[0]), "=f"(d.element[1]), "=f"(d.element[2]), "=f"(d.element[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(c.element[0]), "f"(c.element[1]),
          "f"(c.element[2]), "f"(c.element[3]));
}

// PTX has float16 accumulators of E4M3 from CUDA 12.8 on.
#if __CUDACC_VER_MAJOR__ > 12 || (__CUDACC_VER_MAJOR__ == 12 && __CUDACC_VER_MINOR__ >= 8)
#define E4M3_ACCUM_F16 1

DEVICE void mma_e4m3(AccumF16& d, const u32 (&a)[4], u32 b0, u32 b1, const AccumF16& c) {
    asm("mma.sync.aligned.m16n8k32.row.col.f16.e4m3.e4m3.f16 {%0, %1}, {%2, %3, %4, %5}, {%6, %7}, {%8, %9};"
        : "=r"(d.pair[0]), "=r"(d.pair[1])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(c.pair[0]), "r"(c.pair[1]));
}

#else
#define E4M3_ACCUM_F16 0
#endif

#endif
