// Attention of E4M3 values, float32 sums within a key tile, by the product with scales: on GeForce cards of SM 12.0
// at twice the rate of the one without.
#include "ptx/mma_scaled.cuh"

#include "family_sm80_tile_sums.cuh"

struct ScaledProduct : E4m3Product<AccumScaled> {
    static DEVICE void add_ones(AccumF32& d, const u32 (&a)[4]) {
        AccumScaled sum = {d};
        mma_e4m3(sum, a, kOnes, kOnes, sum);
        d = sum;
    }
};

ATTENTION_KERNELS(fp8_scaled, Sm80TileSums<ScaledProduct>)
