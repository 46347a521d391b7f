// Volta's matrix multiply-accumulate: four independent 8x8x4 products of float16 with float32 accumulators,
// one for each quad pair (lanes 4p … 4p+3 and 16+4p … 16+4p+3, p = 0 … 3). Newer GPUs emulate it.
//
// With t = lane mod 4 and h = lane / 16: A is row t + 4h, k = 0 … 3; B by columns is column t + 4h, k = 0 … 3;
// B by rows is k = t, columns 4h … 4h + 3; the accumulator's element i is row (t & 1) + (i & 2) + 4h and
// column (i & 4) + (t & 2) + (i & 1).
#pragma once

#include "base.cuh"

DEVICE void mma_columns(float (&d)[8], uint2 a, uint2 b) {
    asm("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%0, %1, %2, %3, %4, %5, %6, %7}, {%8, %9}, "
        "{%10, %11}, {%0, %1, %2, %3, %4, %5, %6, %7};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7])
        : "r"(a.x), "r"(a.y), "r"(b.x), "r"(b.y));
}

DEVICE void mma_rows(float (&d)[8], uint2 a, uint2 b) {
    asm("mma.sync.aligned.m8n8k4.row.row.f32.f16.f16.f32 {%0, %1, %2, %3, %4, %5, %6, %7}, {%8, %9}, "
        "{%10, %11}, {%0, %1, %2, %3, %4, %5, %6, %7};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7])
        : "r"(a.x), "r"(a.y), "r"(b.x), "r"(b.y));
}

// Four int8 as four float16, exactly: 0x6400 + u is 1024 + u in float16, and u = x + 128.
DEVICE uint2 float16_from_int8(u32 four) {
    const u32 biased = four ^ 0x80808080u;
    const u32 magic = 0x64646464u;
    const u32 bias = 0x64806480u;  // 1152 twice
    uint2 r;
    asm("sub.f16x2 %0, %1, %2;" : "=r"(r.x) : "r"(__byte_perm(biased, magic, 0x4140)), "r"(bias));
    asm("sub.f16x2 %0, %1, %2;" : "=r"(r.y) : "r"(__byte_perm(biased, magic, 0x4342)), "r"(bias));
    return r;
}
