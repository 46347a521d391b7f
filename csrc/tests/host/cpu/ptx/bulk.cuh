// Bulk copies, done at once.
#pragma once

#include "ptx/barrier.cuh"

inline void bulk_load(u32 shared, const void* global, int bytes, u32 barrier) {
    memcpy(fp4_memory + shared, global, bytes);
    barrier_at(barrier).bytes -= bytes;
    barrier_end_phase(barrier_at(barrier));
}
