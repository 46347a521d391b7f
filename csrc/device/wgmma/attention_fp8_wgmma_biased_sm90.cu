// Attention by wgmma with an additive mask.
#include "kernel.cuh"

WGMMA_KERNELS(fp8_wgmma_biased, WgmmaVariant::kBiased)
