// The kernels of attention_fp16_sm70.cu with a mask of floats.
#include "attention.cuh"
#include "family_sm70.cuh"

struct Sm70Biased : Sm70 {
    static constexpr bool kBiased = true;
    // Logits and a row of the mask leave registers for 64 columns.
    static constexpr Shape shape(int head_dim) { return {4, 32, 2, head_dim == 96 ? 2 : head_dim / 64, 1}; }
};

ATTENTION_KERNELS(fp16_biased, Sm70Biased)
