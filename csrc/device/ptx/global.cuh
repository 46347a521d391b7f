// Reading what other blocks of the same launch write: from the L2 cache, where they write it.
#pragma once

#include "base.cuh"

// Whatever the writer wrote before this number is visible to the thread, and to threads that it meets at a barrier.
DEVICE int load_acquire(const int* address) {
    int v;
    asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(v) : "l"(address) : "memory");
    return v;
}

// Adds 1. Who acquires the sum sees what this thread wrote before, and threads that it met at a barrier.
DEVICE void add_release(int* address) {
    asm volatile("red.release.gpu.global.add.s32 [%0], 1;" ::"l"(address) : "memory");
}

// The same, of who also acquires the sum; what it was before.
DEVICE int add_acquire_release(int* address) {
    int before;
    asm volatile("atom.acq_rel.gpu.global.add.s32 %0, [%1], 1;" : "=r"(before) : "l"(address) : "memory");
    return before;
}

DEVICE uint4 load_l2_16(const void* address) {
    uint4 v;
    asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(address)
                 : "memory");
    return v;
}

DEVICE u32 load_l2(const u32* address) {
    u32 v;
    asm volatile("ld.global.cg.u32 %0, [%1];" : "=r"(v) : "l"(address) : "memory");
    return v;
}

DEVICE int load_l2(const int* address) { return load_l2(reinterpret_cast<const u32*>(address)); }
DEVICE float load_l2(const float* address) { return __uint_as_float(load_l2(reinterpret_cast<const u32*>(address))); }
