// Moving 16 bytes from global to shared memory: asynchronously from sm_80 on, through registers before.
#pragma once

#include "base.cuh"

#if SM >= 800

// Copies 16 bytes, or writes 16 zero bytes if !valid (the source is not read then).
DEVICE void copy_16(u32 destination, const void* source, bool valid) {
    const int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(destination),
                 "l"(__cvta_generic_to_global(source)), "r"(bytes)
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
