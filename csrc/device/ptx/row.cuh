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

// Eight numbers, if they are there; target lies on a multiple of 16 bytes. Without a branch.
DEVICE void write_eight(u16* target, const u32 (&word)[4], bool there) {
    asm volatile(
        "{\n"
        ".reg .pred there;\n"
        "setp.ne.s32 there, %5, 0;\n"
        "@there st.global.v4.b32 [%0], {%1, %2, %3, %4};\n"
        "}" ::"l"(target),
        "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3]), "r"(static_cast<int>(there))
        : "memory");
}
