// Bulk copies from global to shared memory: SM 9.0.
#pragma once

#include "base.cuh"

// bytes: a multiple of 16, as are both addresses; they count as arrived at the barrier.
DEVICE void bulk_load(u32 shared, const void* global, int bytes, u32 barrier) {
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared),
        "l"(global), "r"(bytes), "r"(barrier)
        : "memory");
}
