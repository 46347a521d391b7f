// Attention by wgmma with a boolean mask, by classes of tiles and bits.
#include "kernel.cuh"

WGMMA_KERNELS(fp8_wgmma_masked, WgmmaVariant::kMasked)
