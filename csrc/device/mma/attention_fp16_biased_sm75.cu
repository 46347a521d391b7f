// The kernels of attention_fp16_sm75.cu with a mask of floats.
#include "attention.cuh"
#include "family_sm75.cuh"

struct Sm75Biased : Sm75 {
    static constexpr bool kBiased = true;
    static constexpr Shape shape(int head_dim) {
        if (head_dim <= 128) return {8, 16, head_dim == 128 ? 1 : 2, 1, 1};
        return {4, 16, 1, head_dim == 256 ? 2 : 1, 1};
    }
};

ATTENTION_KERNELS(fp16_biased, Sm75Biased)
