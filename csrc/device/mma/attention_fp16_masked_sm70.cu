// The kernels of attention_fp16_sm70.cu with a boolean mask.
#include "attention.cuh"
#include "family_sm70.cuh"

struct Sm70Masked : Sm70 {
    static constexpr bool kMasked = true;
};

ATTENTION_KERNELS(fp16_masked, Sm70Masked)
