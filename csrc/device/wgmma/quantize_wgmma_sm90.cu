// Quantisation into the tiles of the wgmma kernels: a sample of keys and values, then everything once through.
// Correct and repeatable first; memory bound.
#include "keys.cuh"
#include "sample.cuh"
#include "values.cuh"

// The kernels' bodies for so many columns and a type of numbers.
#define WGMMA_DISPATCH(p, function, memory)                           \
    if (p.columns == 64) {                                            \
        if (p.key.bfloat16) function<64, bfloat16>(p, memory.narrow); \
        else function<64, float16>(p, memory.narrow);                 \
    } else {                                                          \
        if (p.key.bfloat16) function<128, bfloat16>(p, memory.wide);  \
        else function<128, float16>(p, memory.wide);                  \
    }

// Grid: values and keys of every head. Also clears what the next launches count in.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_THREADS)
    wgmma_sample(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {
    __shared__ union {
        SampleMemory<64> narrow;
        SampleMemory<128> wide;
    } memory;
    grid_wait();  // for whoever wrote the input, or reads the workspace
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

// Head by head, so that the blocks of values that wait for each other run at the same time, and those of keys keep
// the memory busy meanwhile.
template <int kColumns, class Number>
DEVICE void pack_tile(const sageattn_wgmma_quantize_arguments& p, PackMemory<kColumns>& memory) {
    const u32 blocks = p.parts + p.key_tiles, head = blockIdx.x / blocks, index = blockIdx.x - head * blocks;
    if (index < p.parts) pack_values<kColumns, Number>(p, head, index, memory.values);
    else pack_keys<kColumns, Number>(p, head, index - p.parts, memory.largest);
}

// Blocks of a multiprocessor: older compilers than CUDA 12.8's need more registers than a third leaves.
#if __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1208
constexpr int kPackBlocks = 3;
#else
constexpr int kPackBlocks = 2;
#endif

// Grid: of every head the parts of its values, then the tiles of its keys.
extern "C" __global__ void __launch_bounds__(SAGEATTN_WGMMA_THREADS, kPackBlocks)
    wgmma_pack(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {
    __shared__ union {
        PackMemory<64> narrow;
        PackMemory<128> wide;
    } memory;
    grid_let_next_begin();
    WGMMA_DISPATCH(p, pack_tile, memory)
}
