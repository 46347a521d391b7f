// What is subtracted from a head's rows, and the power of two that they are multiplied by: two launches, the first of
// which reads the tensors once.
#pragma once

#include "power.cuh"
#include "rows.cuh"

// Sum, smallest and largest number of a column.
struct Fp4Column {
    float sum, smallest, largest;

    DEVICE static Fp4Column none() { return {0.0f, infinity(), -infinity()}; }

    DEVICE void add(float x) {
        const float finite = finite_or_zero(x);
        sum += finite;
        smallest = fminf(smallest, finite);
        largest = fmaxf(largest, finite);
    }

    DEVICE void add(const Fp4Column& other) {
        sum += other.sum;
        smallest = fminf(smallest, other.smallest);
        largest = fmaxf(largest, other.largest);
    }
};

template <int kColumns>
struct Fp4StatisticsMemory {
    Fp4Column column[SAGEATTN_FP4_THREADS * 8 / kColumns][kColumns];
};

// A slice of a head's rows. A thread reads eight columns of every so many rows.
template <int kColumns>
DEVICE void take_statistics(const sageattn_fp4_operand& p, int head_dim, int head, int slice,
                            Fp4StatisticsMemory<kColumns>& memory) {
    constexpr int kLanes = kColumns / 8, kRows = SAGEATTN_FP4_THREADS / kLanes;
    const Fp4Rows rows(p.view, head / p.batch_heads, head % p.batch_heads, p.rows, head_dim);
    const int column = threadIdx.x % kLanes * 8, part = threadIdx.x / kLanes;
    const int first = slice * SAGEATTN_FP4_SLICE, end = min(first + SAGEATTN_FP4_SLICE, p.rows);
    Fp4Column mine[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) mine[i] = Fp4Column::none();
#pragma unroll 4
    for (int row = first + part; row < end; row += kRows) {
        u32 word[4];
        rows.load(word, row, column);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            float low, high;
            rows.widen(low, high, word[i]);
            mine[2 * i].add(low);
            mine[2 * i + 1].add(high);
        }
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) memory.column[part][column + i] = mine[i];
    __syncthreads();
    if (threadIdx.x >= kColumns) return;
    Fp4Column all = Fp4Column::none();
    for (int i = 0; i < kRows; ++i) all.add(memory.column[i][threadIdx.x]);
    float* target = p.statistics +
                    (static_cast<long long>(head) * p.slices + slice) * SAGEATTN_FP4_STATISTICS * kColumns +
                    threadIdx.x;
    target[0] = all.sum;
    target[kColumns] = all.smallest;
    target[2 * kColumns] = all.largest;
}

// Block of threads: one for each of a head's columns.
template <int kColumns>
DEVICE void finish_statistics(const sageattn_fp4_quantize_arguments& p, int role, int head,
                              float (&memory)[kColumns]) {
    const sageattn_fp4_operand& operand = p.operand[role];
    const float* source = operand.statistics +
                          static_cast<long long>(head) * operand.slices * SAGEATTN_FP4_STATISTICS * kColumns +
                          threadIdx.x;
    Fp4Column all = Fp4Column::none();
    for (int i = 0; i < operand.slices; ++i, source += SAGEATTN_FP4_STATISTICS * kColumns) {
        all.add(Fp4Column{source[0], source[kColumns], source[2 * kColumns]});
    }
    const bool any = operand.rows > 0;
    const float mean = operand.smooth && any ? all.sum / static_cast<float>(operand.rows) : 0.0f;
    float spread = any ? fmaxf(all.largest - mean, mean - all.smallest) : 0.0f;
    // A block's mean lies between the smallest and the largest number.
    if (role == SAGEATTN_FP4_QUERY && p.block_mean) spread = any ? all.largest - all.smallest : 0.0f;
    memory[threadIdx.x] = spread;
    __syncthreads();
    for (int i = 0; i < kColumns; ++i) spread = fmaxf(spread, memory[i]);
    const long long at = static_cast<long long>(head) * kColumns + threadIdx.x;
    operand.mean[at] = mean;
    if (threadIdx.x == 0) operand.multiplier[head] = power_for(spread);
    if (role == SAGEATTN_FP4_QUERY && !p.block_mean) p.query_mean[at] = mean;
}
