// Attention by wgmma with sequences of different lengths behind each other.
#include "kernel.cuh"

WGMMA_KERNELS(fp8_wgmma_varlen, WgmmaVariant::kStarts)
