// Attention for SM 9.0 by wgmma: INT8 QK, FP8 PV, on tiles that quantize_wgmma_sm90.cu wrote. One block of threads a
// multiprocessor stays for the whole launch; most warpgroups attend, one thread of the last one loads. docs/hopper.md
// says why and how fast.
#pragma once

#include "consumer.cuh"
#include "params.h"
#include "producer.cuh"

template <class Shape>
DEVICE void run_wgmma(const sageattn_wgmma_attention_arguments& p) {
    extern __shared__ __align__(1024) unsigned char memory[];
    const u32 shared = shared_address(memory);
    if (threadIdx.x == 0) WgmmaBarriers<Shape>{shared + Shape::kBarrierAt}.init();
    barrier_init_done();
    __syncthreads();
    grid_let_next_begin();
    if (threadIdx.x / 128 == Shape::kConsumers) {
        give_registers<Shape::kProducerRegisters>();
        if (threadIdx.x == Shape::kConsumers * 128) WgmmaProducer<Shape>(p, shared).run();
    } else {
        take_registers<Shape::kConsumerRegisters>();
        WgmmaConsumer<Shape>(p, shared, threadIdx.x / 128).run();
    }
}

// Defines the kernel of a kind for a number of columns, and its traits.
#define WGMMA_KERNEL(kind, columns, variant)                                                           \
    using Shape##columns = WgmmaShape<columns, variant>;                                               \
    extern "C" __constant__ sageattn_traits attention_##kind##_hd##columns##_traits = {                \
        Shape##columns::kThreads, Shape##columns::kSharedMemory, Shape##columns::kQueryTile, 1};       \
    extern "C" __global__ void __launch_bounds__(Shape##columns::kThreads, 1)                          \
        attention_##kind##_hd##columns(const __grid_constant__ sageattn_wgmma_attention_arguments p) { \
        run_wgmma<Shape##columns>(p);                                                                  \
    }

#define WGMMA_KERNELS(kind, variant) \
    WGMMA_KERNEL(kind, 64, variant)  \
    WGMMA_KERNEL(kind, 128, variant)
