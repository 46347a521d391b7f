// Barriers in shared memory, as csrc/device/ptx/barrier.cuh has them.
#pragma once

#include "ptx/base.cuh"

struct Barrier {
    u16 expected, missing;
    u32 parity : 1, bytes : 31;  // bytes that have not come yet
};

inline Barrier& barrier_at(u32 address) { return *reinterpret_cast<Barrier*>(fp4_memory + address); }

inline void barrier_end_phase(Barrier& barrier) {
    if (barrier.missing == 0 && barrier.bytes == 0) barrier.missing = barrier.expected, barrier.parity ^= 1;
}

inline void barrier_init(u32 address, int arrivals) {
    barrier_at(address) = {static_cast<u16>(arrivals), static_cast<u16>(arrivals), 0, 0};
}

inline void barrier_init_done() {}

inline void barrier_arrive(u32 address) {
    --barrier_at(address).missing;
    barrier_end_phase(barrier_at(address));
}

inline void barrier_expect(u32 address, int bytes) {
    barrier_at(address).bytes += bytes;
    barrier_arrive(address);
}

inline void barrier_wait(u32 address, int parity) {
    while (static_cast<int>(barrier_at(address).parity) == parity) cpu::yield();
}
