// Tiles of rows in shared memory, swizzled so that eight rows read at one column touch all 32 banks.
#pragma once

#include "params.h"
#include "ptx/base.cuh"
#include "ptx/copy.cuh"
#include "ptx/number.cuh"

// kRows rows of kRowBytes (64, 128 or 256) bytes; a chunk is 16 bytes of a row.
template <int kRowCount, int kRowBytes>
struct Tile {
    static constexpr int kRows = kRowCount;
    static constexpr int kBytes = kRows * kRowBytes;
    static constexpr int kChunks = kRowBytes / 16;
    static_assert(kChunks == 4 || kChunks % 8 == 0, "eight rows at one column must fall into distinct banks");

    // Offset of a chunk. Rows of 64 bytes share a line of banks by twos.
    static DEVICE u32 offset(int row, int chunk) {
        const int twist = kChunks == 4 ? (row >> 1) & 3 : row & 7;
        return row * kRowBytes + ((chunk ^ twist) << 4);
    }

    // Address of chunk + distance given that of chunk, where distance is even and chunk is 0 or 1: one XOR
    // instead of an address register for each distance. Tiles start at multiples of 128 bytes.
    static DEVICE u32 further(u32 address, int distance) {
        return (address ^ ((distance & 7) << 4)) + (distance & ~7) * 16;
    }
};

// Any alignment: byte by byte. Slow, and only for views that the fast path cannot read.
DEVICE uint4 gather_16(const char* source) {
    u32 word[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        word[i] = 0;
#pragma unroll
        for (int j = 0; j < 4; ++j) word[i] |= static_cast<u32>(static_cast<u8>(source[4 * i + j])) << (8 * j);
    }
    return make_uint4(word[0], word[1], word[2], word[3]);
}

// Starts loading the tile that begins at first_row of a head, whose row 0 is at base, with all kThreads threads
// of the block. Rows from `rows` on become zeros, so that whatever lies behind a tensor (NaN, another tensor,
// nothing) never meets the arithmetic. kConvert: bfloat16 views arrive as float16. Complete after copy_wait and
// a barrier.
template <class Layout, int kThreads, bool kConvert>
DEVICE void load_tile(u32 shared, const sageattn_view& view, const char* base, int first_row, int rows) {
    constexpr int kCount = Layout::kBytes / 16 / kThreads;
    constexpr int kRowStep = kThreads / Layout::kChunks;
    static_assert(kThreads % Layout::kChunks == 0 && kCount * kThreads * 16 == Layout::kBytes, "whole chunks");
    const int thread = opaque(threadIdx.x);
    const int thread_row = thread / Layout::kChunks, chunk = thread % Layout::kChunks;
    const char* pointer = base + (first_row + thread_row) * view.row_stride + chunk * 16;
    const long long step = kRowStep * view.row_stride;
    rows -= first_row;

    if (!view.vectors) {
#pragma unroll 1
        for (int i = 0; i < kCount; ++i, pointer = advance(pointer, step)) {
            const int row = thread_row + i * kRowStep;
            uint4 v = make_uint4(0, 0, 0, 0);
            if (row < rows) v = gather_16(pointer);
            if (kConvert && view.bfloat16) v = float16_from_bfloat16(v);
            store_shared_16(shared + Layout::offset(row, chunk), v);
        }
        return;
    }
#if SM >= 800
    static_assert(!kConvert, "asynchronous copies cannot convert");
#pragma unroll
    for (int i = 0; i < kCount; ++i, pointer = advance(pointer, step)) {
        const int row = thread_row + i * kRowStep;
        copy_16(shared + Layout::offset(row, chunk), pointer, row < rows);
    }
#else
    uint4 v[kCount];  // all loads in flight before the first store
#pragma unroll
    for (int i = 0; i < kCount; ++i, pointer = advance(pointer, step)) {
        v[i] = make_uint4(0, 0, 0, 0);
        if (thread_row + i * kRowStep < rows) v[i] = __ldg(reinterpret_cast<const uint4*>(pointer));
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
        if (kConvert && view.bfloat16) v[i] = float16_from_bfloat16(v[i]);
        store_shared_16(shared + Layout::offset(thread_row + i * kRowStep, chunk), v[i]);
    }
#endif
}
