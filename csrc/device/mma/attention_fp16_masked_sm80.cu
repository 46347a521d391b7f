// The kernels of attention_fp16_sm80.cu with a boolean mask.
#include "attention.cuh"
#include "family_sm80.cuh"

struct Sm80Masked : Sm80 {
    static constexpr bool kMasked = true;
};

ATTENTION_KERNELS(fp16_masked, Sm80Masked)
