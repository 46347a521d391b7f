// Attention for Turing with float16 sums within a key tile: GeForce halves the rate of float32 sums.
#include "family_sm75.cuh"
#include "fragments_m16n8_tiles.cuh"

struct Sm75Tiles16 : Sm75 {
    template <int kHeadDim, int kColumns, int kQueryRows, int kWarpRows, class>
    using Fragments = FragmentsM16N8Tiles<kHeadDim, kColumns, kQueryRows, kWarpRows, Float16Product>;
};

ATTENTION_KERNELS(_tiles16, Sm75Tiles16)
