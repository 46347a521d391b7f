// The kernels of attention_fp16_sm80.cu with a mask.
#include "attention.cuh"
#include "family_sm80.cuh"

struct Sm80Masked : Sm80 {
    static constexpr bool kMasked = true;
    // Sixteen rows a warp: logits and a row of the mask take the registers of the others.
    static constexpr Shape shape(int) { return {8, 16, 2, 1, 1}; }
};

ATTENTION_KERNELS(fp16_masked, Sm80Masked)
