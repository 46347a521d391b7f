// Matrix products of a warpgroup (sm_90a): 64 rows, INT8 by INT8 from shared memory, E4M3 from registers by E4M3 from
// shared memory. The accumulators must be named one by one: the macros below write the lists.
//
// A product with kFirst overwrites the accumulators, which are then outputs alone, so that no register is kept alive
// for their old contents.
#pragma once

#include "base.cuh"

// "%0" … as in the text of an instruction.
#define WGMMA_NAMES_32                                                                                     \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, " \
    "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define WGMMA_NAMES_36 WGMMA_NAMES_32 ", %32, %33, %34, %35"
#define WGMMA_NAMES_64                                                                                       \
    WGMMA_NAMES_36                                                                                           \
    ", %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, " \
    "%56, %57, %58, %59, %60, %61, %62, %63"
#define WGMMA_NAMES_68 WGMMA_NAMES_64 ", %64, %65, %66, %67"

// Elements i … of an array as operands with a constraint.
#define WGMMA_LIST_4(c, d, i) c(d[i]), c(d[(i) + 1]), c(d[(i) + 2]), c(d[(i) + 3])
#define WGMMA_LIST_16(c, d, i) \
    WGMMA_LIST_4(c, d, i), WGMMA_LIST_4(c, d, (i) + 4), WGMMA_LIST_4(c, d, (i) + 8), WGMMA_LIST_4(c, d, (i) + 12)
#define WGMMA_LIST_32(c, d) WGMMA_LIST_16(c, d, 0), WGMMA_LIST_16(c, d, 16)
#define WGMMA_LIST_36(c, d) WGMMA_LIST_32(c, d), WGMMA_LIST_4(c, d, 32)
#define WGMMA_LIST_64(c, d) WGMMA_LIST_32(c, d), WGMMA_LIST_16(c, d, 32), WGMMA_LIST_16(c, d, 48)
#define WGMMA_LIST_68(c, d) WGMMA_LIST_64(c, d), WGMMA_LIST_4(c, d, 64)

// Orders what registers and shared memory held before, before the products that follow.
DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Descriptor of a K-major operand whose rows of kRowBytes are swizzled over their own width; the address is a
// multiple of 8 rows. 32 bytes further along the row is + 2.
template <int kRowBytes>
DEVICE unsigned long long wgmma_operand(u32 shared) {
    static_assert(kRowBytes == 128 || kRowBytes == 64, "no swizzle of this width here");
    constexpr unsigned long long kLayout = kRowBytes == 128 ? 1 : 2;
    constexpr unsigned long long kGroup = 8 * kRowBytes / 16;  // from 8 rows to the next 8
    return ((shared >> 4) & 0x3FFF) | 1ull << 16 | kGroup << 32 | kLayout << 62;
}

// 128 columns, 32 INT8 deep.
template <bool kFirst>
DEVICE void wgmma_int8(int (&d)[64], unsigned long long a, unsigned long long b) {
    if constexpr (kFirst) {
        asm volatile("wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 {" WGMMA_NAMES_64 "}, %64, %65, 0;"
                     : WGMMA_LIST_64("=r", d)
                     : "l"(a), "l"(b));
    } else {
        asm volatile("wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 {" WGMMA_NAMES_64 "}, %64, %65, 1;"
                     : WGMMA_LIST_64("+r", d)
                     : "l"(a), "l"(b));
    }
}

// So many columns in so many registers, 32 E4M3 deep; a0 … b0 are the numbers of the operands after the accumulators.
#define WGMMA_E4M3(columns, registers, a0, a1, a2, a3, b0)                                                          \
    template <bool kFirst>                                                                                          \
    DEVICE void wgmma_e4m3(float (&d)[registers], const u32* a, unsigned long long b) {                             \
        if constexpr (kFirst) {                                                                                     \
            asm volatile("wgmma.mma_async.sync.aligned.m64n" #columns "k32.f32.e4m3.e4m3 {" WGMMA_NAMES_##registers \
                         "}, {%" #a0 ", %" #a1 ", %" #a2 ", %" #a3 "}, %" #b0 ", 0, 1, 1;"                          \
                         : WGMMA_LIST_##registers("=f", d)                                                          \
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                     \
        } else {                                                                                                    \
            asm volatile("wgmma.mma_async.sync.aligned.m64n" #columns "k32.f32.e4m3.e4m3 {" WGMMA_NAMES_##registers \
                         "}, {%" #a0 ", %" #a1 ", %" #a2 ", %" #a3 "}, %" #b0 ", 1, 1, 1;"                          \
                         : WGMMA_LIST_##registers("+f", d)                                                          \
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                     \
        }                                                                                                           \
    }

WGMMA_E4M3(72, 36, 36, 37, 38, 39, 40)
WGMMA_E4M3(136, 68, 68, 69, 70, 71, 72)

// Waits until at most kPending groups are unfinished. The accumulators (and register operands) of the others are
// named so that the compiler moves no use of them across.
template <int kPending>
DEVICE void wgmma_wait(int (&d)[64]) {
    asm volatile("wgmma.wait_group.sync.aligned %64;" : WGMMA_LIST_64("+r", d) : "n"(kPending) : "memory");
}

#define WGMMA_WAIT(registers, operands, pending)                                  \
    template <int kPending>                                                       \
    DEVICE void wgmma_wait(float (&d)[registers], u32(&a)[16]) {                  \
        asm volatile("wgmma.wait_group.sync.aligned %" #pending ";"               \
                     : WGMMA_LIST_##registers("+f", d), WGMMA_LIST_16("+r", a, 0) \
                     : "n"(kPending)                                              \
                     : "memory");                                                 \
    }

WGMMA_WAIT(36, 16, 52)
WGMMA_WAIT(68, 16, 84)
