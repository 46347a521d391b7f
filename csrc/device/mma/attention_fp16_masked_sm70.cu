// The kernels of attention_fp16_sm70.cu with a mask.
#include "attention.cuh"
#include "family_sm70.cuh"

struct Sm70Masked : Sm70 {
    static constexpr bool kMasked = true;
    // Logits and a row of the mask leave registers for 64 columns.
    static constexpr Shape shape(int head_dim) { return {4, 32, 2, head_dim == 96 ? 2 : head_dim / 64, 1}; }
};

ATTENTION_KERNELS(fp16_masked, Sm70Masked)
