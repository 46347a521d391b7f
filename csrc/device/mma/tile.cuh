// Tiles of rows in shared memory, swizzled so that eight rows read at one column touch all 32 banks.
#pragma once

#include "params.h"
#include "ptx/base.cuh"
#include "ptx/copy.cuh"
#include "ptx/number.cuh"

// kRows rows of kRowBytes bytes, a multiple of 32; a chunk is 16 bytes of a row.
template <int kRowCount, int kRowByteCount>
struct Tile {
    static constexpr int kRows = kRowCount;
    static constexpr int kRowBytes = kRowByteCount;
    static constexpr int kBytes = kRows * kRowBytes;
    static constexpr int kChunks = kRowBytes / 16;
    static_assert(kChunks % 2 == 0, "chunks trade places within groups of 8, 4 or 2");

    // Eight rows cover the banks if rows that start at the same bank trade chunks: all of them where a row is a
    // multiple of 128 bytes, every second of 64 or 192, every fourth of 96.
    static constexpr int kGroup = kChunks % 8 == 0 ? 8 : kChunks % 4 == 0 ? 4 : 2;
    static constexpr int kTwistShift = kGroup == 8 ? 0 : kGroup == 4 ? 1 : 2;

    static DEVICE u32 offset(int row, int chunk) {
        return row * kRowBytes + ((chunk ^ (row >> kTwistShift & (kGroup - 1))) << 4);
    }

    // Address of chunk + distance given that of chunk, where distance is even and chunk is 0 or 1: one XOR
    // instead of an address register for each distance. Tiles start at multiples of 128 bytes.
    static DEVICE u32 further(u32 address, int distance) {
        return (address ^ ((distance & (kGroup - 1)) << 4)) + (distance & -kGroup) * 16;
    }
};

// 16 bytes: the first `bytes` from an address of any alignment, one by one, then zeros. Slow: only for what the fast
// path cannot read.
DEVICE uint4 gather_16(const char* source, int bytes) {
    u32 word[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        word[i] = 0;
#pragma unroll
        for (int j = 0; j < 4; ++j)
            if (4 * i + j < bytes) word[i] |= static_cast<u32>(static_cast<u8>(source[4 * i + j])) << (8 * j);
    }
    return make_uint4(word[0], word[1], word[2], word[3]);
}

// 8 bytes from a multiple of 8 on, then zeros.
DEVICE uint4 load_8(const char* source) {
    const uint2 half = __ldg(reinterpret_cast<const uint2*>(source));
    return make_uint4(half.x, half.y, 0, 0);
}

// How threads share a tile: a power of two of them beside each other, which then step through columns and rows.
template <class Layout, int kThreads>
struct Share {
    static constexpr int kLanes = Layout::kChunks & -Layout::kChunks;
    static constexpr int kColumnSteps = Layout::kChunks / kLanes;
    static constexpr int kRowStep = kThreads / kLanes;
    static constexpr int kRowSteps = (Layout::kRows + kRowStep - 1) / kRowStep;
    static constexpr bool kWhole = Layout::kRows % kRowStep == 0;  // else some threads have no row in the last step
    static_assert(kThreads % kLanes == 0, "whole rows");
};

// Loads the chunk within which rows end: eight bytes at once, others one by one. start: the thread's first row.
template <class Layout, int kThreads, bool kConvert>
DEVICE void load_ends(u32 shared, const sageattn_view& view, const char* start, int rows, int row_bytes) {
    using S = Share<Layout, kThreads>;
    const int thread = opaque(threadIdx.x), chunk = row_bytes / 16, bytes = row_bytes % 16;
    if (thread % S::kLanes != chunk % S::kLanes) return;
    const char* pointer = start + chunk * 16;
#pragma unroll 1
    for (int row = thread / S::kLanes; row < min(rows, Layout::kRows); row += S::kRowStep) {
        uint4 v = bytes == 8 ? load_8(pointer) : gather_16(pointer, bytes);
        if (kConvert && view.bfloat16) v = float16_from_bfloat16(v);
        store_shared_16(shared + Layout::offset(row, chunk), v);
        pointer += S::kRowStep * view.row_stride;
    }
}

// Starts loading the tile that begins at first_row of a matrix, whose row 0 is at base, with all kThreads threads of
// the block. Rows from `rows` on, and bytes of a row from row_bytes on, become zeros, so that whatever lies behind a
// tensor (NaN, another tensor, nothing) never meets the arithmetic. kConvert: bfloat16 views arrive as float16.
// Complete after copy_wait and a barrier.
template <class Layout, int kThreads, bool kConvert>
DEVICE void load_tile(u32 shared, const sageattn_view& view, const char* base, int first_row, int rows,
                      int row_bytes) {
    using S = Share<Layout, kThreads>;
    const int thread = opaque(threadIdx.x);
    const int thread_row = thread / S::kLanes, lane = thread % S::kLanes;
    const char* start = base + (first_row + thread_row) * view.row_stride;
    const long long step = S::kRowStep * view.row_stride;
    rows -= first_row;

    if (!view.vectors) {  // byte by byte
#pragma unroll 1
        for (int chunk = lane; chunk < Layout::kChunks; chunk += S::kLanes) {
            const char* pointer = start + chunk * 16;
#pragma unroll 1
            for (int row = thread_row; row < Layout::kRows; row += S::kRowStep, pointer += step) {
                uint4 v = gather_16(pointer, row < rows ? row_bytes - chunk * 16 : 0);
                if (kConvert && view.bfloat16) v = float16_from_bfloat16(v);
                store_shared_16(shared + Layout::offset(row, chunk), v);
            }
        }
        return;
    }
#if SM >= 800
    static_assert(!kConvert, "asynchronous copies cannot convert");
#pragma unroll
    for (int j = 0; j < S::kColumnSteps; ++j) {
        const int chunk = lane + j * S::kLanes, bytes = min(max(row_bytes - chunk * 16, 0), 16);
        const char* pointer = start + chunk * 16;
#pragma unroll
        for (int i = 0; i < S::kRowSteps; ++i, pointer = advance(pointer, step)) {
            const int row = thread_row + i * S::kRowStep;
            if (S::kWhole || row < Layout::kRows)
                copy_16(shared + Layout::offset(row, chunk), pointer, row < rows ? bytes : 0);
        }
    }
#else
    uint4 v[S::kColumnSteps][S::kRowSteps];  // all loads in flight before the first store
#pragma unroll
    for (int j = 0; j < S::kColumnSteps; ++j) {
        const int chunk = lane + j * S::kLanes;
        const bool whole = row_bytes - chunk * 16 >= 16;
        const char* pointer = start + chunk * 16;
#pragma unroll
        for (int i = 0; i < S::kRowSteps; ++i, pointer = advance(pointer, step)) {
            v[j][i] = make_uint4(0, 0, 0, 0);
            if (whole && thread_row + i * S::kRowStep < rows)
                v[j][i] = __ldg(reinterpret_cast<const uint4*>(pointer));
        }
    }
#pragma unroll
    for (int j = 0; j < S::kColumnSteps; ++j) {
        const int chunk = lane + j * S::kLanes;
#pragma unroll
        for (int i = 0; i < S::kRowSteps; ++i) {
            const int row = thread_row + i * S::kRowStep;
            if (kConvert && view.bfloat16) v[j][i] = float16_from_bfloat16(v[j][i]);
            if (S::kWhole || row < Layout::kRows) store_shared_16(shared + Layout::offset(row, chunk), v[j][i]);
        }
    }
    if (row_bytes % 16 != 0) load_ends<Layout, kThreads, kConvert>(shared, view, start, rows, row_bytes);
#endif
}
