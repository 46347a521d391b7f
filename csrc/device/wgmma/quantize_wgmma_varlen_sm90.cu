// wgmma_pack of quantize_wgmma_sm90.cu for sequences behind each other.
#include "pack.cuh"

WGMMA_PACK_KERNELS(wgmma_pack_varlen, SequencePlace)
