// The kernels of attention_fp16_sm75.cu with a mask.
#include "attention.cuh"
#include "family_sm75.cuh"

struct Sm75Masked : Sm75 {
    static constexpr bool kMasked = true;
    static constexpr Shape shape(int head_dim) {
        Shape shape = Sm75::shape(head_dim);
        shape.blocks_per_sm = 1;
        return shape;
    }
};

ATTENTION_KERNELS(fp16_masked, Sm75Masked)
