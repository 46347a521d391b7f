// Attention with float16 sums within a key tile, for the GPUs from SM 8.6 on that halve the rate of float32 sums.
#include "family_sm80_tiles.cuh"

ATTENTION_KERNELS(_tiles16, Sm80Tiles<Float16Product>)
