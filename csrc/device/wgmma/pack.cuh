// The kernels that read all keys and values once and write their tiles: one for each number of columns and type of
// number, because compilers give a kernel of all four more registers than each needs.
#pragma once

#include "keys.cuh"
#include "values.cuh"

// Blocks of 128 columns on a multiprocessor; twice as many of 64. Compilers before CUDA 12.8 need more registers than
// three blocks leave each other.
#if __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1208
constexpr int kPackBlocks = 3;
#else
constexpr int kPackBlocks = 2;
#endif

// For sequences behind each other CUDA 13.2 needs more, too.
template <class Place>
constexpr int kPlaceBlocks = kPackBlocks;
#if __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1302
template <>
constexpr int kPlaceBlocks<SequencePlace> = 2;
#endif

template <int kColumns>
union PackMemory {
    ValueMemory<kColumns> values;
    u32 largest[kPackThreads<kColumns> / 32];
};

template <class Place, int kColumns, class Number>
DEVICE void pack(const sageattn_wgmma_quantize_arguments& p, PackMemory<kColumns>& memory) {
    if (p.tiles_done == nullptr) grid_let_next_begin();  // the attention reads none of the counters
    const Place place(p);
    if (!place.any()) return grid_wait();
    if (place.values()) pack_values<kColumns, Number>(p, place, memory.values);
    else pack_keys<kColumns, Number>(p, place, place.index(), memory.largest);
}

#define WGMMA_PACK_KERNEL(name, Place, columns, number, Number)                                              \
    extern "C" __global__ void __launch_bounds__(kPackThreads<columns>, kPlaceBlocks<Place> * 128 / columns) \
        name##_hd##columns##_##number(const __grid_constant__ sageattn_wgmma_quantize_arguments p) {         \
        __shared__ PackMemory<columns> memory;                                                               \
        pack<Place, columns, Number>(p, memory);                                                             \
    }

// Grid: the blocks of a Place.
#define WGMMA_PACK_KERNELS(name, Place)                \
    WGMMA_PACK_KERNEL(name, Place, 64, fp16, float16)  \
    WGMMA_PACK_KERNEL(name, Place, 64, bf16, bfloat16) \
    WGMMA_PACK_KERNEL(name, Place, 128, fp16, float16) \
    WGMMA_PACK_KERNEL(name, Place, 128, bf16, bfloat16)
