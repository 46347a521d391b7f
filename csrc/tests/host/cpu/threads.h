// CUDA threads on the CPU: each is a coroutine, one block runs at a time, and lanes meet where they exchange
// something. Nothing runs at the same time, so that a run is repeatable.
#pragma once

#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

namespace cpu {

constexpr int kThreads = 512, kWarpThreads = 32, kStack = 1 << 16, kExchange = 64;

struct Thread {
    jmp_buf at;
    ucontext_t begin;
    alignas(16) char stack[kStack];
    bool done;
    int exchanges;  // so far: two buffers take turns, so that nobody overwrites what another has not read
};

// Those who have come to a meeting point, and how often all have.
struct Meeting {
    int arrived, count;
};

inline Thread threads[kThreads];
inline jmp_buf scheduler;
inline int current, running;
inline Meeting block_meeting, warp_meeting[kThreads / kWarpThreads];
inline unsigned char exchange[2][kThreads][kExchange];
inline void (*kernel)(void*);
inline void* arguments;

// Lets the others run. setjmp saves no signal mask, which makes the switch cheap.
inline void yield() {
    if (_setjmp(threads[current].at) == 0) _longjmp(scheduler, 1);
}

inline void meet(Meeting& meeting, int expected) {
    const int count = meeting.count;
    if (++meeting.arrived == expected) meeting.arrived = 0, ++meeting.count;
    while (meeting.count == count) yield();
}

inline void meet_warp() { meet(warp_meeting[current / kWarpThreads], kWarpThreads); }
inline void meet_block() { meet(block_meeting, running); }

// What all lanes of the warp pass.
template <class T>
struct Lanes {
    const unsigned char* first;

    T operator[](int lane) const {
        T value;
        memcpy(&value, first + lane * kExchange, sizeof value);
        return value;
    }
};

template <class T>
Lanes<T> gather(const T& mine) {
    static_assert(sizeof mine <= kExchange, "larger exchange");
    const int turn = threads[current].exchanges++ % 2;
    memcpy(exchange[turn][current], &mine, sizeof mine);
    meet_warp();
    return {exchange[turn][current / kWarpThreads * kWarpThreads]};
}

}  // namespace cpu
