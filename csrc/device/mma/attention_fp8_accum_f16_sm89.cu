// Attention of E4M3 values that are 2.25 at most, float16 sums within a key tile: at twice the rate on GeForce. CUDA
// before 12.8 has no instruction for it: there the sums are float32, which is slower and more exact.
#include "family_sm80_tiles.cuh"

#if E4M3_HALF_SUMS
using TileSum = HalfSum;
#else
using TileSum = FloatSum;
#endif

ATTENTION_KERNELS(_fp8_tiles16, Sm80Tiles<E4m3Product<TileSum>>)
