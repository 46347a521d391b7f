// Four 8x8 matrices from shared memory, as csrc/device/ptx/ldmatrix.cuh has them. Whoever writes them next waits,
// too.
#pragma once

#include "ptx/base.cuh"

inline void load_matrices(u32 (&r)[4], u32 row_address) {
    const auto rows = cpu::gather(row_address);
    for (int i = 0; i < 4; ++i) r[i] = load_shared_4(rows[8 * i + lane_index() / 4] + lane_index() % 4 * 4);
    cpu::meet_warp();
}

inline void load_matrices_transposed(u32 (&r)[4], u32 row_address) {
    const auto rows = cpu::gather(row_address);
    for (int i = 0; i < 4; ++i) {
        const int row = 8 * i + lane_index() % 4 * 2, column = lane_index() / 4 * 2;
        r[i] = load_shared<u16>(rows[row] + column) | load_shared<u16>(rows[row + 1] + column) << 16;
    }
    cpu::meet_warp();
}
