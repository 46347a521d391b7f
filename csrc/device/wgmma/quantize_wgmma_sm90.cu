// Quantisation into the tiles of the wgmma kernels: wgmma_sample reads a sample of keys and values, wgmma_pack reads
// all of them once. Correct and repeatable first; memory bound.
#include "order.cuh"
#include "pack.cuh"
#include "sample.cuh"

// Grid: two blocks a head, for its values and its keys, and one that orders sequences. Clears the counters of the
// next launches too.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_THREADS)
    wgmma_sample(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {
    __shared__ union {
        SampleMemory<64> narrow;
        SampleMemory<128> wide;
    } memory;
    grid_wait();  // for the launches that write the input or read the workspace
    grid_let_next_begin();
    if (blockIdx.x == gridDim.x - 1 && p.order.batch > 0) return order_sequences(p.order);
    if (threadIdx.x == 0 && blockIdx.x % 2 == 0) {
        p.parts_seen[blockIdx.x / 2] = p.parts_done[blockIdx.x / 2] = 0;
        if (p.tiles_done != nullptr) p.tiles_done[blockIdx.x / 2] = 0;
    }
    if (blockIdx.x == 0 && threadIdx.x < 2) p.schedule[threadIdx.x] = 0;
    if (p.columns == 64) {
        if (p.key.bfloat16) sample_rows<64, bfloat16>(p, memory.narrow);
        else sample_rows<64, float16>(p, memory.narrow);
    } else {
        if (p.key.bfloat16) sample_rows<128, bfloat16>(p, memory.wide);
        else sample_rows<128, float16>(p, memory.wide);
    }
}

WGMMA_PACK_KERNELS(wgmma_pack, BatchPlace)
