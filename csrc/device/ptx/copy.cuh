// Moving 16 bytes from global to shared memory: asynchronously from sm_80 on, through registers before.
#pragma once

#include "base.cuh"

#if SM >= 800

// Copies so many bytes (0 to 16; none are read if 0) and fills up to 16 with zeros.
DEVICE void copy_16(u32 destination, const void* source, int bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(destination),
                 "l"(__cvta_generic_to_global(source)), "r"(bytes)
                 : "memory");
}

// Copies 16 bytes.
DEVICE void copy_16(u32 destination, const void* source) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(destination), "l"(__cvta_generic_to_global(source))
                 : "memory");
}

DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most kPending of this thread's committed groups are in flight.
template <int kPending>
DEVICE void copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

#else

DEVICE void copy_commit() {}

template <int kPending>
DEVICE void copy_wait() {}

#endif
