// wgmma_pack of quantize_wgmma_sm90.cu for sequences behind each other.
#define WGMMA_RECOMPUTE
#include "pack.cuh"

WGMMA_PACK_KERNELS(wgmma_pack_varlen, SequencePlace)
