// Attention of E4M3 values, sums within a key tile by the matrix instruction. SM 9.0 emulates that with float16.
#include "family_sm80_tiles.cuh"

ATTENTION_KERNELS(_fp8, Sm80Tiles<E4m3Product<FloatSum>>)
