// Quantises queries, keys and values into the tiles of attention_fp8_wgmma, in three kernels: statistics of keys and
// values; the tiles; the scales and means of the values, for which the statistics of all tiles are needed. Correct
// and repeatable first; memory bound.
#include "pack.cuh"

// Grid: every chunk of every head of keys, then of values.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_THREADS)
    wgmma_statistics(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {
    __shared__ union {
        StatisticsMemory<64> narrow;
        StatisticsMemory<128> wide;
    } memory;
    if (p.columns == 64) take_statistics(p, memory.narrow);
    else take_statistics(p, memory.wide);
}

template <int kColumns>
DEVICE void pack_tile(const sageattn_wgmma_quantize_arguments& p, PackMemory<kColumns>& memory) {
    const int queries = p.batch * p.query_heads * p.query_blocks, keys = p.batch * p.key_heads * p.key_tiles;
    const int index = blockIdx.x;
    if (index < keys) pack_values<kColumns>(p, index, memory);  // the longest first
    else if (index < 2 * keys) pack_keys<kColumns>(p, index - keys, memory);
    else if (index < 2 * keys + queries) pack_queries<kColumns>(p, index - 2 * keys, memory);
}

// Grid: every tile of values, of keys, every block of queries.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_THREADS, 3)
    wgmma_pack(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {
    __shared__ union {
        PackMemory<64> narrow;
        PackMemory<128> wide;
    } memory;
    if (p.columns == 64) pack_tile(p, memory.narrow);
    else pack_tile(p, memory.wide);
}

template <int kColumns>
DEVICE void finish_values(const sageattn_wgmma_quantize_arguments& p) {
    const long long head = blockIdx.x;
    const int column = threadIdx.x;
    if (column >= kColumns) return;
    const float mean = column_mean<kColumns>(p, p.value_sum, head, column);
    float residual = 0.0f;
#pragma unroll 16
    for (int tile = 0; tile < p.key_tiles; ++tile)
        residual += p.value_residual[(head * p.key_tiles + tile) * kColumns + column];
    p.value_scale[head * kColumns + column] = column_largest<kColumns>(p, head, column, mean) * (1.0f / 448.0f);
    p.value_mean[head * kColumns + column] = p.key_rows == 0 ? 0.0f : mean + __fdiv_rn(residual, p.key_rows);
}

// Grid: heads of values. The mean of what rounding lost goes back in with the mean: it is a constant offset of every
// output row, and the largest error of long rows. Also clears the schedule of the attention.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_THREADS)
    wgmma_finish(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {
    if (blockIdx.x == 0 && threadIdx.x < 2) p.schedule[threadIdx.x] = 0;
    if (p.columns == 64) finish_values<64>(p);
    else finish_values<128>(p);
}
