// Attention of SM 9.0 on packed operands: INT8 QK, FP8 PV, wgmma. One block of threads a multiprocessor stays for the
// whole launch; most warpgroups attend, one thread of the last loads. docs/hopper.md says why and how fast.
#include "packed_consumer.cuh"
#include "params.h"
#include "packed_producer.cuh"

// Barriers, and the rows of ones behind each value tile.
template <class Shape>
DEVICE void prepare_shared(unsigned char* memory, const PackedBarriers<Shape>& barriers) {
    constexpr u32 kFourOnes = 0x38383838;
    if (threadIdx.x == 0) barriers.init();
    for (int i = threadIdx.x; i < Shape::kStages * Shape::kOnes / 4; i += kPackedThreads) {
        const int stage = i / (Shape::kOnes / 4), word = i % (Shape::kOnes / 4);
        const int at = Shape::kValueAt + stage * (Shape::kValue + Shape::kOnes) + Shape::kValue;
        reinterpret_cast<u32*>(memory + at)[word] = kFourOnes;
    }
    barrier_init_done();
    __syncthreads();
}

template <int kColumns>
DEVICE void run_packed(const sageattn_packed_attention_arguments& p) {
    using Shape = PackedShape<kColumns>;
    extern __shared__ __align__(1024) unsigned char memory[];
    const u32 shared = shared_address(memory);
    prepare_shared<Shape>(memory, {shared + Shape::kBarrierAt});
    if (threadIdx.x / 128 == kConsumers) {
        give_registers<kProducerRegisters>();
        if (threadIdx.x == kConsumers * 128) PackedProducer<Shape>(p, shared).run();
    } else {
        take_registers<kConsumerRegisters>();
        PackedConsumer<Shape>(p, shared, threadIdx.x / 128).run();
    }
}

#define PACKED_KERNEL(columns)                                                                                   \
    extern "C" __constant__ sageattn_traits packed_hd##columns##_traits = {kPackedThreads,                       \
                                                                           PackedShape<columns>::kSharedMemory}; \
    extern "C" __global__ void __launch_bounds__(kPackedThreads, 1)                                              \
        packed_hd##columns(const __grid_constant__ sageattn_packed_attention_arguments p) {                      \
        run_packed<columns>(p);                                                                                  \
    }

PACKED_KERNEL(64)
PACKED_KERNEL(128)
