// The kernels of attention_fp16_sm75.cu with a boolean mask.
#include "attention.cuh"
#include "family_sm75.cuh"

struct Sm75Masked : Sm75 {
    static constexpr bool kMasked = true;
};

ATTENTION_KERNELS(fp16_masked, Sm75Masked)
