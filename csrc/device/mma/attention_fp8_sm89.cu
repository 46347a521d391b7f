// Attention of E4M3 values, sums within a key tile by the matrix instruction. SM 9.0 emulates that with float16.
#include "family_sm80_tile_sums.cuh"

ATTENTION_KERNELS(fp8, Sm80TileSums<E4m3Product<AccumF32>>)
