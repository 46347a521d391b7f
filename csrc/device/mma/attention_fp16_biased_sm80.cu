// The kernels of attention_fp16_sm80.cu with a mask of floats.
#include "attention.cuh"
#include "family_sm80.cuh"

struct Sm80Biased : Sm80 {
    static constexpr bool kBiased = true;
    // Two blocks of 32 rows a warp, where an SM has shared memory for them, else sixteen rows for more warps; from
    // SM 10.0 on the compiler of CUDA 12.9 spills with 32 rows.
    static constexpr bool kWide = SM != 860 && SM != 890 && SM < 1000;
    static constexpr Shape shape(int head_dim) {
        if (head_dim == 64 || (head_dim <= 128 && kWide)) return {4, 32, 2, 1, 2};
        return {8, 16, head_dim == 256 ? 1 : 2, 1, 1};
    }
};

ATTENTION_KERNELS(fp16_biased, Sm80Biased)
