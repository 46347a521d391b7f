// Matrix multiply-accumulate in the fragments of m16n8k32 (int8) and m16n8k16 (16-bit): one instruction from
// sm_80 on; sm_75 reaches the same fragments by its smaller shapes, whose registers are parts of them.
//
// Lane l holds, with g = l / 4 and t = l mod 4: of A the rows g (registers 0, 2) and g + 8 (1, 3), first half
// of k in registers 0 and 1; of B column g, k halves in registers 0 and 1; of the accumulator columns 2t and
// 2t + 1 of rows g (elements 0, 1) and g + 8 (2, 3).
#pragma once

#include "base.cuh"
#include "number.cuh"

#if SM >= 800

// d = a * b + c
DEVICE void mma_int8(int (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, const int (&c)[4]) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%10, %11, %12, %13};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]));
}

// d += a * b, in float32
template <class Value>
DEVICE void mma_16bit(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1);

template <>
DEVICE void mma_16bit<float16>(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <>
DEVICE void mma_16bit<bfloat16>(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#else

DEVICE void mma_m8n8k16(int& d0, int& d1, u32 a, u32 b, int c0, int c1) {
    asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0, %1}, {%2}, {%3}, {%4, %5};"
        : "=r"(d0), "=r"(d1)
        : "r"(a), "r"(b), "r"(c0), "r"(c1));
}

DEVICE void mma_int8(int (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, const int (&c)[4]) {
    mma_m8n8k16(d[0], d[1], a[0], b0, c[0], c[1]);
    mma_m8n8k16(d[2], d[3], a[1], b0, c[2], c[3]);
    mma_m8n8k16(d[0], d[1], a[2], b1, d[0], d[1]);
    mma_m8n8k16(d[2], d[3], a[3], b1, d[2], d[3]);
}

DEVICE void mma_m16n8k8(float (&d)[4], u32 a0, u32 a1, u32 b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a0), "r"(a1), "r"(b));
}

template <class Value>
DEVICE void mma_16bit(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    static_assert(!Value::kIsBfloat16, "sm_75 has no bfloat16 mma: values are converted when they are loaded");
    mma_m16n8k8(d, a[0], a[1], b0);
    mma_m16n8k8(d, a[2], a[3], b1);
}

#endif
