// Runs the threads of a block: a kernel without the launch.
#pragma once

#include "ptx/base.cuh"

namespace cpu {

constexpr int kSharedMemory = 100 << 10;  // what a block may have on SM 12.0

inline void enter() {
    kernel(arguments);
    threads[current].done = true;
    _longjmp(scheduler, 1);
}

inline void prepare(Thread& thread) {
    thread.done = false;
    thread.exchanges = 0;
    getcontext(&thread.begin);
    thread.begin.uc_stack.ss_sp = thread.stack;
    thread.begin.uc_stack.ss_size = kStack;
    thread.begin.uc_link = nullptr;
    makecontext(&thread.begin, enter, 0);
}

// Runs a thread until it waits or ends.
inline void resume(int index, bool first) {
    current = threadIdx.x = index;
    if (_setjmp(scheduler) != 0) return;
    if (first) setcontext(&threads[index].begin);
    else _longjmp(threads[index].at, 1);
}

inline void run_block(int count) {
    memset(fp4_memory, 0xFF, kSharedMemory);
    memset(warp_meeting, 0, sizeof warp_meeting);
    block_meeting = {};
    running = count;
    for (int i = 0; i < count; ++i) prepare(threads[i]);
    bool first = true;
    for (volatile int left = count; left > 0; first = false)
        for (volatile int i = 0; i < count; i = i + 1) {
            if (threads[i].done) continue;
            resume(i, first);
            if (threads[i].done) left = left - 1;
        }
}

}  // namespace cpu
