// The order in which the attention takes sequences: those of most keys first.
#pragma once

#include "schedule.cuh"

DEVICE int sequence_rows(const int* starts, int sequence, int largest) {
    return min(largest, starts[sequence + 1] - starts[sequence]);
}

// How many sequences come before one: those of more keys, and of those of as many the ones before it.
DEVICE int rank_of(const sageattn_wgmma_order_arguments& p, int sequence) {
    constexpr int kSorted = 8192;  // of more sequences each is short: any order will do
    if (p.batch > kSorted) return sequence;
    const int keys = sequence_rows(p.key_starts, sequence, p.key_rows);
    int rank = 0;
    for (int i = 0; i < p.batch; ++i) {
        const int other = sequence_rows(p.key_starts, i, p.key_rows);
        rank += other > keys || (other == keys && i < sequence);
    }
    return rank;
}

// Threads of one block call this together.
DEVICE void order_sequences(const sageattn_wgmma_order_arguments& p) {
    for (int i = threadIdx.x; i < p.batch; i += blockDim.x) p.sequence[rank_of(p, i)] = i;
    __syncthreads();
    if (threadIdx.x >= 32) return;
    int before = 0;  // query tiles of the sequences before these 32
    for (int first = 0; first < p.batch; first += 32) {
        const int rank = first + threadIdx.x;
        int tiles = 0;
        if (rank < p.batch)
            tiles = divide_up(sequence_rows(p.query_starts, p.sequence[rank], p.query_rows), p.query_tile);
#pragma unroll
        for (int distance = 1; distance < 32; distance *= 2) {
            const int other = __shfl_up_sync(0xFFFFFFFFu, tiles, distance);
            if (threadIdx.x >= distance) tiles += other;
        }
        if (rank < p.batch) p.end[rank] = before + tiles;
        before += __shfl_sync(0xFFFFFFFFu, tiles, 31);
    }
}
