// E2M1 numbers (FP4: 2 exponent bits, 1 of mantissa, largest 6) and their product with scales. The instructions are
// those of SM 12.0 and 12.1, for targets with the suffix "a" alone: sm_120a. SAGEATTN_EMULATE_FP4 asks for the same
// arithmetic in other instructions, so that tests can run the kernels on a GPU of SM 9.0; nothing else may.
//
// Fragments of the product d[16x8] += a[16x64] b[64x8], lane = 4 g + t, codes from the low nibble on:
//   a0, a2  row g, k 8t … 8t + 7 and 32 + 8t …     a1, a3  the same of row g + 8
//   b0, b1  column g, the same k
//   d0, d1  row g, columns 2t and 2t + 1           d2, d3  the same of row g + 8
// An E4M3 scale belongs to 16 neighbouring k; a word holds the four of a row or column, from the low byte on. The
// instruction takes them from some lanes only, which selectors name:
//   a: row g from lane 4 g + 2 kSelectA, row g + 8 from the lane after it     kSelectA 0 … 1
//   b: column g from lane 4 g + kSelectB                                      kSelectB 0 … 3
#pragma once

#include "ptx/base.cuh"

#if defined(SAGEATTN_EMULATE_FP4) && SM >= 1200

#error "SAGEATTN_EMULATE_FP4 is for tests on other GPUs: code for SM 12.x has the instructions"

#elif defined(SAGEATTN_EMULATE_FP4)

#include "ptx/fp4_emulated.cuh"

// CUDA 12.8 has a macro for each target with the suffix, later ones have one for all.
#elif SM >= 1200 && (defined(__CUDA_ARCH_FEAT_SM120_ALL) || defined(__CUDA_ARCH_SPECIFIC__))

// Eight codes, the first in the low nibble; nearest even, and 6 beyond 6.
DEVICE u32 pack_e2m1(const float (&x)[8]) {
    u32 result;
    asm("{\n"
        ".reg .b8 a, b, c, d;\n"
        "cvt.rn.satfinite.e2m1x2.f32 a, %2, %1;\n"
        "cvt.rn.satfinite.e2m1x2.f32 b, %4, %3;\n"
        "cvt.rn.satfinite.e2m1x2.f32 c, %6, %5;\n"
        "cvt.rn.satfinite.e2m1x2.f32 d, %8, %7;\n"
        "mov.b32 %0, {a, b, c, d};\n"
        "}"
        : "=r"(result)
        : "f"(x[0]), "f"(x[1]), "f"(x[2]), "f"(x[3]), "f"(x[4]), "f"(x[5]), "f"(x[6]), "f"(x[7]));
    return result;
}

template <int kSelectA, int kSelectB>
DEVICE void mma_fp4(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, u32 scale_a, u32 scale_b) {
    asm("mma.sync.aligned.m16n8k64.row.col.kind::mxf4nvf4.block_scale.scale_vec::4X.f32.e2m1.e2m1.f32.ue4m3 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3}, {%10}, {0, %12}, {%11}, {0, %13};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(scale_a), "r"(scale_b), "n"(kSelectA),
          "n"(kSelectB));
}

#else

#error "FP4 needs sm_120a or sm_121a; SAGEATTN_EMULATE_FP4 is for tests"

#endif
