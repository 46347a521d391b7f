// The E4M3 product with scales (kind::mxf8f6f4) of SM 12.0 and 12.1, for targets with the suffix "a" alone. Its
// scales are powers of two (UE8M0), and all of them are 2^0 here: it is the product of mma_tile_sums.cuh, whose
// float32 sums GeForce cards make at half the rate. All bytes of all lanes hold the same scale, so that no selector
// matters.
#pragma once

#include "ptx/mma_tile_sums.cuh"

constexpr u32 kScalesOfOne = 0x7F7F7F7Fu;

struct AccumScaled : AccumF32 {};

#if defined(SAGEATTN_EMULATE_FP8_SCALED) && SM >= 1200

#error "SAGEATTN_EMULATE_FP8_SCALED is for tests on other GPUs: code for SM 12.x has the instruction"

#elif defined(SAGEATTN_EMULATE_FP8_SCALED)

// For tests on GPUs of SM 8.9 and 9.0: the product without scales, times both scales.
DEVICE void mma_e4m3(AccumScaled& d, const u32 (&a)[4], u32 b0, u32 b1, const AccumScaled& c) {
    const float scale = __uint_as_float((kScalesOfOne & 0xFFu) << 23);
    AccumF32 sum = {};
    mma_e4m3(sum, a, b0, b1, sum);
    for (int i = 0; i < 4; ++i) d.element[i] = fmaf(sum.element[i], scale * scale, c.element[i]);
}

// CUDA 12.8 has a macro for each target with the suffix, later ones have one for all.
#elif SM >= 1200 && (defined(__CUDA_ARCH_FEAT_SM120_ALL) || defined(__CUDA_ARCH_SPECIFIC__))

DEVICE void mma_e4m3(AccumScaled& d, const u32 (&a)[4], u32 b0, u32 b1, const AccumScaled& c) {
    asm("mma.sync.aligned.m16n8k32.row.col.kind::mxf8f6f4.block_scale.scale_vec::1X.f32.e4m3.e4m3.f32.ue8m0 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13}, {%14}, {0, 0}, {%14}, {0, 0};"
        : "=f"(d.element[0]), "=f"(d.element[1]), "=f"(d.element[2]), "=f"(d.element[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(c.element[0]), "f"(c.element[1]),
          "f"(c.element[2]), "f"(c.element[3]), "r"(kScalesOfOne));
}

#else

#error "products with scales need sm_120a or sm_121a; SAGEATTN_EMULATE_FP8_SCALED is for tests"

#endif
