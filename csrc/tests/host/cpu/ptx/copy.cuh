// Copies to shared memory, done at once.
#pragma once

#include "ptx/base.cuh"

inline void copy_16(u32 shared, const void* global, int bytes) {
    memset(fp4_memory + shared, 0, 16);
    memcpy(fp4_memory + shared, global, bytes);
}

inline void copy_16(u32 shared, const void* global) {
    if (reinterpret_cast<unsigned long long>(global) % 16 != 0 || shared % 16 != 0) __builtin_trap();
    copy_16(shared, global, 16);
}

inline void copy_commit() {}

template <int kPending>
void copy_wait() {}
