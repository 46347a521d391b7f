// Attention by wgmma without a mask.
#include "kernel.cuh"

WGMMA_KERNELS(fp8_wgmma, WgmmaVariant::kPlain)
