// Sums and extremes of the columns of keys and values. A head's rows are split into chunks, one block of threads
// each; a block that needs the whole adds the chunks up, always in the same order.
#pragma once

#include "quantize/column_statistics.cuh"
#include "rows.cuh"

template <int kColumns>
struct StatisticsMemory {
    float sum[WgmmaRows<kColumns>::kRows][kColumns];
    float smallest[WgmmaRows<kColumns>::kRows][kColumns];
    float largest[WgmmaRows<kColumns>::kRows][kColumns];
};

template <int kColumns>
DEVICE void take_statistics(const sageattn_wgmma_quantize_arguments& p, StatisticsMemory<kColumns>& memory) {
    using Rows = WgmmaRows<kColumns>;
    const int count = p.batch * p.key_heads * p.chunks;
    const bool values = blockIdx.x >= count;
    const int index = values ? blockIdx.x - count : blockIdx.x;
    const int chunk = index % p.chunks, head = index / p.chunks;  // of batch * key heads
    const Rows rows(values ? p.value : p.key, head / p.key_heads, head % p.key_heads, p.key_rows, p.head_dim);
    if (!values && p.key_sum == nullptr) return;

    ColumnStatistics statistics(kLargest);
    const int end = min(p.key_rows, (chunk + 1) * p.chunk_rows);
#pragma unroll 4
    for (int row = chunk * p.chunk_rows + Rows::thread_row(); row < end; row += Rows::kRows) {
        float x[8];
        rows.load(x, row);
        statistics.add(x);
    }
#pragma unroll
    for (int c = 0; c < 8; ++c) {
        memory.sum[Rows::thread_row()][Rows::thread_column() + c] = statistics.sum[c];
        memory.smallest[Rows::thread_row()][Rows::thread_column() + c] = statistics.smallest[c];
        memory.largest[Rows::thread_row()][Rows::thread_column() + c] = statistics.largest[c];
    }
    __syncthreads();
    if (threadIdx.x >= kColumns) return;
    float sum = 0.0f, smallest = kLargest, largest = -kLargest;
#pragma unroll
    for (int row = 0; row < Rows::kRows; ++row) {
        sum += memory.sum[row][threadIdx.x];
        smallest = fminf(smallest, memory.smallest[row][threadIdx.x]);
        largest = fmaxf(largest, memory.largest[row][threadIdx.x]);
    }
    const long long at = static_cast<long long>(index) * kColumns + threadIdx.x;
    (values ? p.value_sum : p.key_sum)[at] = sum;
    if (!values) return;
    p.value_smallest[at] = smallest;
    p.value_largest[at] = largest;
}

// Mean of a column over a head's chunks; 0 without rows.
template <int kColumns>
DEVICE float column_mean(const sageattn_wgmma_quantize_arguments& p, const float* sums, long long head, int column) {
    float sum = 0.0f;
#pragma unroll 8
    for (int chunk = 0; chunk < p.chunks; ++chunk) sum += sums[(head * p.chunks + chunk) * kColumns + column];
    return p.key_rows == 0 ? 0.0f : __fdiv_rn(sum, static_cast<float>(p.key_rows));
}

// Largest |value - mean| of a column. Rounding keeps order, so the column's extremes give the largest of all rows.
template <int kColumns>
DEVICE float column_largest(const sageattn_wgmma_quantize_arguments& p, long long head, int column, float mean) {
    float largest = kTiny;
#pragma unroll 8
    for (int chunk = 0; chunk < p.chunks; ++chunk) {
        const long long index = (head * p.chunks + chunk) * kColumns + column;
        largest = fmaxf(largest, fmaxf(mean - p.value_smallest[index], p.value_largest[index] - mean));
    }
    return largest;
}
