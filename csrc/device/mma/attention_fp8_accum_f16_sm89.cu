// Attention of E4M3 values that are 2.25 at most, float16 sums within a key tile: at twice the rate on GeForce. CUDA
// before 12.8 has no instruction for it: there the sums are float32, which is slower and more exact.
#include "family_sm80_tile_sums.cuh"

#if E4M3_ACCUM_F16
using Accum = AccumF16;
#else
using Accum = AccumF32;
#endif

ATTENTION_KERNELS(fp8_accum_f16, Sm80TileSums<E4m3Product<Accum>>)
