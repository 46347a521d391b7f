// Attention for SM 9.0 by wgmma: INT8 QK, FP8 PV, on tiles that quantize_wgmma_sm90.cu wrote. One block of threads a
// multiprocessor stays for the whole launch; most warpgroups attend, one thread of the last one loads. docs/hopper.md
// says why and how fast.
#include "consumer.cuh"
#include "params.h"
#include "producer.cuh"

// Barriers, and the rows of ones behind each value tile.
template <class Shape>
DEVICE void prepare_shared(unsigned char* memory, const WgmmaBarriers<Shape>& barriers) {
    constexpr u32 kFourOnes = 0x38383838;
    if (threadIdx.x == 0) barriers.init();
    for (int i = threadIdx.x; i < Shape::kStages * Shape::kOnes / 4; i += kWgmmaThreads) {
        const int stage = i / (Shape::kOnes / 4), word = i % (Shape::kOnes / 4);
        const int at = Shape::kValueAt + stage * (Shape::kValue + Shape::kOnes) + Shape::kValue;
        reinterpret_cast<u32*>(memory + at)[word] = kFourOnes;
    }
    barrier_init_done();
    __syncthreads();
}

template <int kColumns>
DEVICE void run_wgmma(const sageattn_wgmma_attention_arguments& p) {
    using Shape = WgmmaShape<kColumns>;
    extern __shared__ __align__(1024) unsigned char memory[];
    const u32 shared = shared_address(memory);
    prepare_shared<Shape>(memory, {shared + Shape::kBarrierAt});
    grid_let_next_begin();
    if (threadIdx.x / 128 == kConsumers) {
        give_registers<kProducerRegisters>();
        if (threadIdx.x == kConsumers * 128) WgmmaProducer<Shape>(p, shared).run();
    } else {
        take_registers<kConsumerRegisters>();
        WgmmaConsumer<Shape>(p, shared, threadIdx.x / 128).run();
    }
}

#define WGMMA_KERNEL(columns)                                                                           \
    extern "C" __constant__ sageattn_traits attention_fp8_wgmma_hd##columns##_traits = {                \
        kWgmmaThreads, WgmmaShape<columns>::kSharedMemory};                                             \
    extern "C" __global__ void __launch_bounds__(kWgmmaThreads, 1)                                      \
        attention_fp8_wgmma_hd##columns(const __grid_constant__ sageattn_wgmma_attention_arguments p) { \
        run_wgmma<columns>(p);                                                                          \
    }

WGMMA_KERNEL(64)
WGMMA_KERNEL(128)
