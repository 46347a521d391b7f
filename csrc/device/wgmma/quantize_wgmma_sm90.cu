// Quantisation into the tiles of the wgmma kernels: wgmma_sample reads a sample of keys and values, wgmma_pack reads
// all of them once. Correct and repeatable first; memory bound.
#include "keys.cuh"
#include "sample.cuh"
#include "values.cuh"

// Calls a kernel's body for the number of columns and the type of the input.
#define WGMMA_DISPATCH(p, function, memory)                           \
    if (p.columns == 64) {                                            \
        if (p.key.bfloat16) function<64, bfloat16>(p, memory.narrow); \
        else function<64, float16>(p, memory.narrow);                 \
    } else {                                                          \
        if (p.key.bfloat16) function<128, bfloat16>(p, memory.wide);  \
        else function<128, float16>(p, memory.wide);                  \
    }

// Grid: two blocks a head, for its values and its keys. Clears the counters of the next launches too.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_THREADS)
    wgmma_sample(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {
    __shared__ union {
        SampleMemory<64> narrow;
        SampleMemory<128> wide;
    } memory;
    grid_wait();  // for the launches that write the input or read the workspace
    grid_let_next_begin();
    if (threadIdx.x == 0 && blockIdx.x % 2 == 0) p.parts_seen[blockIdx.x / 2] = p.parts_done[blockIdx.x / 2] = 0;
    if (blockIdx.x == 0 && threadIdx.x < 2) p.schedule[threadIdx.x] = 0;
    WGMMA_DISPATCH(p, sample_rows, memory)
}

template <int kColumns>
struct PackMemory {
    union {
        ValueMemory<kColumns> values;
        u32 largest[SAGEATTN_WGMMA_THREADS / 32];
    };
};

// Head by head: blocks of values, which wait for each other, run at the same time, and blocks of keys keep the memory
// busy meanwhile.
template <int kColumns, class Number>
DEVICE void pack_tile(const sageattn_wgmma_quantize_arguments& p, PackMemory<kColumns>& memory) {
    const u32 blocks = p.parts + p.key_tiles, head = blockIdx.x / blocks, index = blockIdx.x - head * blocks;
    if (index < p.parts) pack_values<kColumns, Number>(p, head, index, memory.values);
    else pack_keys<kColumns, Number>(p, head, index - p.parts, memory.largest);
}

// Blocks of a multiprocessor. Compilers before CUDA 12.8 need more registers than three blocks leave each other.
#if __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1208
constexpr int kPackBlocks = 3;
#else
constexpr int kPackBlocks = 2;
#endif

// Grid: for every head a block for each part of its values, then one for each tile of its keys.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_THREADS, kPackBlocks)
    wgmma_pack(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {
    __shared__ union {
        PackMemory<64> narrow;
        PackMemory<128> wide;
    } memory;
    grid_let_next_begin();
    WGMMA_DISPATCH(p, pack_tile, memory)
}
