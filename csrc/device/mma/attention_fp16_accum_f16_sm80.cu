// Attention with float16 sums within a key tile, for the GPUs from SM 8.6 on that halve the rate of float32 sums.
#include "family_sm80_tile_sums.cuh"

ATTENTION_KERNELS(fp16_accum_f16, Sm80TileSums<Float16Product>)
