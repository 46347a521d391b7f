// Attention for SM 12.0 and 12.1 in FP4, on records that quantize_fp4_sm120.cu wrote. A warp has 16 query rows; one
// thread of the block loads keys, values and delta_S for all. docs/blackwell.md says why and how fast.
#include "attention.cuh"

extern __shared__ __align__(128) unsigned char fp4_memory[];

template <int kColumns>
DEVICE void run_fp4(const sageattn_fp4_attention_arguments& p) {
    using Shape = Fp4Shape<kColumns>;
    const Fp4Work<Shape> work = Fp4Work<Shape>::at(p, blockIdx.x);
    if (work.first >= work.end) return;  // the head has fewer rows than its last unit
    Fp4Attention<Shape> attention(p, work, shared_address(fp4_memory));
    if (threadIdx.x == 0) attention.prepare();
    __syncthreads();
    if (threadIdx.x / 32 < work.warps()) attention.run();
}

#define FP4_KERNEL(columns)                                                                             \
    extern "C" __constant__ sageattn_traits attention_fp4_hd##columns##_traits = {                      \
        Fp4Shape<columns>::kWarps * 32, Fp4Shape<columns>::kSharedMemory, Fp4Shape<columns>::kRows, 1}; \
    extern "C" __global__ void __launch_bounds__(Fp4Shape<columns>::kWarps * 32, 1)                     \
        attention_fp4_hd##columns(const __grid_constant__ sageattn_fp4_attention_arguments p) {         \
        run_fp4<columns>(p);                                                                            \
    }

FP4_KERNEL(64)
FP4_KERNEL(128)
