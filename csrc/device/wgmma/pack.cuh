// Queries, keys and values into tiles: one block of threads a tile.
#pragma once

#include "statistics.cuh"
#include "softmax.cuh"

template <int kColumns>
struct PackMemory {
    float mean[kColumns], inverse[kColumns], scale[kColumns];
    u32 largest[SAGEATTN_WGMMA_KEY_SCALES];  // bits: as integers they compare as they do as floats
    float residual[WgmmaRows<kColumns>::kRows][kColumns];
    uint4 tile[kColumns * SAGEATTN_WGMMA_KEY_TILE / 16];
};

// 64 queries, a scale for each row, and their products with the mean key.
template <int kColumns>
DEVICE void pack_queries(const sageattn_wgmma_quantize_arguments& p, int index, PackMemory<kColumns>& memory) {
    using Rows = WgmmaRows<kColumns>;
    const int block = index % p.query_blocks, head = index / p.query_blocks;
    const int batch = head / p.query_heads, member = head % p.query_heads;
    const int first = block * SAGEATTN_WGMMA_QUERY_BLOCK, column = Rows::thread_column();
    const Rows rows(p.query, batch, member, p.query_rows, p.head_dim);
    constexpr int kSteps = SAGEATTN_WGMMA_QUERY_BLOCK / Rows::kRows;
    uint4 fetched[kSteps];
#pragma unroll
    for (int i = 0; i < kSteps; ++i) fetched[i] = rows.fetch(first + Rows::thread_row() + i * Rows::kRows);
    if (p.mean_dot != nullptr) {
        const long long key_head =
            static_cast<long long>(batch) * p.key_heads + member / (p.query_heads / p.key_heads);
        if (threadIdx.x < kColumns)
            memory.mean[threadIdx.x] = column_mean<kColumns>(p, p.key_sum, key_head, threadIdx.x);
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
        const int row = Rows::thread_row() + i * Rows::kRows;
        float x[8], dot = 0.0f;
        widen(x, fetched[i], p.query.bfloat16);
        const float largest = fmaxf(row_largest<Rows::kLanes>(x), kTiny);
        Rows::store_int8(p.tiled_query + static_cast<long long>(index) * SAGEATTN_WGMMA_QUERY_BLOCK * kColumns, row,
                         x, __fdiv_rn(127.0f, largest));
        if (column == 0)
            p.query_scale[static_cast<long long>(index) * SAGEATTN_WGMMA_QUERY_BLOCK + row] =
                largest * (1.0f / 127.0f) * p.scale_log2;
        if (p.mean_dot == nullptr) continue;
#pragma unroll
        for (int c = 0; c < 8; ++c) dot = fmaf(x[c], memory.mean[column + c], dot);
        dot = row_sum<Rows::kLanes>(dot);
        if (column == 0 && first + row < p.query_rows)
            p.mean_dot[static_cast<long long>(head) * p.query_rows + first + row] = dot * p.sm_scale;
    }
}

// Eight numbers of a row less the mean of their columns; zeros past the last row.
template <int kColumns>
DEVICE void subtract_mean(float (&x)[8], const WgmmaRows<kColumns>& rows, const uint4& fetched, int row,
                          const float (&mean)[kColumns]) {
    widen(x, fetched, rows.view.bfloat16);
#pragma unroll
    for (int c = 0; c < 8; ++c) x[c] = row < rows.rows ? __fsub_rn(x[c], mean[rows.thread_column() + c]) : 0.0f;
}

// 128 keys less their mean, a scale for every 32.
template <int kColumns>
DEVICE void pack_keys(const sageattn_wgmma_quantize_arguments& p, int index, PackMemory<kColumns>& memory) {
    using Rows = WgmmaRows<kColumns>;
    constexpr int kSteps = SAGEATTN_WGMMA_KEY_TILE / Rows::kRows;
    const int first = index % p.key_tiles * SAGEATTN_WGMMA_KEY_TILE, head = index / p.key_tiles;
    const Rows rows(p.key, head / p.key_heads, head % p.key_heads, p.key_rows, p.head_dim);
    uint4 fetched[kSteps];
    float x[8];
#pragma unroll
    for (int i = 0; i < kSteps; ++i) fetched[i] = rows.fetch(first + Rows::thread_row() + i * Rows::kRows);
    if (threadIdx.x < kColumns)
        memory.mean[threadIdx.x] =
            p.key_sum == nullptr ? 0.0f : column_mean<kColumns>(p, p.key_sum, head, threadIdx.x);
    if (threadIdx.x < SAGEATTN_WGMMA_KEY_SCALES) memory.largest[threadIdx.x] = 0;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
        const int key = Rows::thread_row() + i * Rows::kRows;
        subtract_mean(x, rows, fetched[i], first + key, memory.mean);
        const float largest = row_largest<Rows::kLanes>(x);
        if (Rows::thread_column() == 0) atomicMax(memory.largest + key / 32, __float_as_uint(largest));
    }
    __syncthreads();
    if (threadIdx.x < SAGEATTN_WGMMA_KEY_SCALES)
        p.key_scale[static_cast<long long>(index) * SAGEATTN_WGMMA_KEY_SCALES + threadIdx.x] =
            fmaxf(__uint_as_float(memory.largest[threadIdx.x]), kTiny) * (1.0f / 127.0f);
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
        const int key = Rows::thread_row() + i * Rows::kRows;
        const float largest = fmaxf(__uint_as_float(memory.largest[key / 32]), kTiny);
        subtract_mean(x, rows, fetched[i], first + key, memory.mean);  // again: cheaper than registers for all rows
        Rows::store_int8(p.tiled_key + static_cast<long long>(index) * SAGEATTN_WGMMA_KEY_TILE * kColumns,
                         key_row(key), x, __fdiv_rn(127.0f, largest));
    }
}

// Four neighbouring keys of eight channels: a word of the tile each. Returns what rounding lost, by channel.
template <int kColumns>
DEVICE void pack_four_keys(const WgmmaRows<kColumns>& rows, const uint4 (&fetched)[4], int first, int key,
                           PackMemory<kColumns>& memory, float (&residual)[8]) {
    const int column = WgmmaRows<kColumns>::thread_column();
    float x[4][8];
#pragma unroll
    for (int i = 0; i < 4; ++i) subtract_mean(x[i], rows, fetched[i], first + key + i, memory.mean);
#pragma unroll
    for (int c = 0; c < 8; ++c) {
        float scaled[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) scaled[i] = __fmul_rn(x[i][c], memory.inverse[column + c]);
        const u32 word = pack_e4m3(scaled[0], scaled[1], scaled[2], scaled[3]);
        float rounded[4];
        unpack_e4m3(rounded, word);
#pragma unroll
        for (int i = 0; i < 4; ++i) residual[c] += x[i][c] - rounded[i] * memory.scale[column + c];
        const int at = tile_offset<SAGEATTN_WGMMA_KEY_TILE>(value_row(column + c), value_byte(key));
        reinterpret_cast<u32*>(memory.tile)[at / 4] = word;
    }
}

// 128 values less their mean, transposed, a scale for each channel.
template <int kColumns>
DEVICE void pack_values(const sageattn_wgmma_quantize_arguments& p, int index, PackMemory<kColumns>& memory) {
    using Rows = WgmmaRows<kColumns>;
    const int first = index % p.key_tiles * SAGEATTN_WGMMA_KEY_TILE, head = index / p.key_tiles;
    const Rows rows(p.value, head / p.key_heads, head % p.key_heads, p.key_rows, p.head_dim);
    constexpr int kSteps = SAGEATTN_WGMMA_KEY_TILE / 4 / Rows::kRows;
    uint4 fetched[kSteps][4];
#pragma unroll
    for (int i = 0; i < 4 * kSteps; ++i)
        fetched[i / 4][i % 4] = rows.fetch(first + (i / 4 * Rows::kRows + Rows::thread_row()) * 4 + i % 4);
    if (threadIdx.x < kColumns) {
        const float mean = column_mean<kColumns>(p, p.value_sum, head, threadIdx.x);
        const float largest = column_largest<kColumns>(p, head, threadIdx.x, mean);
        memory.mean[threadIdx.x] = mean;
        memory.inverse[threadIdx.x] = __fdiv_rn(448.0f, largest);
        memory.scale[threadIdx.x] = largest * (1.0f / 448.0f);
    }
    __syncthreads();
    float residual[8] = {0};
#pragma unroll
    for (int i = 0; i < kSteps; ++i)
        pack_four_keys<kColumns>(rows, fetched[i], first, (i * Rows::kRows + Rows::thread_row()) * 4, memory,
                                 residual);
#pragma unroll
    for (int c = 0; c < 8; ++c) memory.residual[Rows::thread_row()][Rows::thread_column() + c] = residual[c];
    __syncthreads();
    uint4* target = reinterpret_cast<uint4*>(p.tiled_value) + static_cast<long long>(index) * kColumns * 8;
    for (int i = threadIdx.x; i < kColumns * 8; i += SAGEATTN_WGMMA_THREADS) target[i] = memory.tile[i];
    if (threadIdx.x >= kColumns) return;
    float sum = 0.0f;
#pragma unroll
    for (int row = 0; row < Rows::kRows; ++row) sum += memory.residual[row][threadIdx.x];
    p.value_residual[static_cast<long long>(index) * kColumns + threadIdx.x] = sum;
}
