// Attention for Turing with float16 sums within a key tile: GeForce halves the rate of float32 sums.
#include "family_sm75.cuh"
#include "fragments_m16n8_tile_sums.cuh"

struct Sm75AccumF16 : Sm75 {
    template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows>
    using Fragments = FragmentsM16N8TileSums<kHeadDim, kColumns, kQueryRows, kWarpRows, Float16Product>;
};

ATTENTION_KERNELS(fp16_accum_f16, Sm75AccumF16)
