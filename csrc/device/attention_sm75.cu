// INT8 QK, FP16 PV attention for Turing: m8n8k16 and m16n8k8, copies through registers. Sixteen rows a warp, so
// that the one block an SM holds has eight warps to hide latency with.
#include "attention.cuh"
#include "fragments_m16n8.cuh"

struct Sm75 {
    static constexpr int kWarps = 8;
    static constexpr int kWarpRows = 16;
    static constexpr bool kNativeBfloat16 = false;
    template <int kHeadDim, int kRows, class Value>
    using Fragments = FragmentsM16N8<kHeadDim, kRows, Value>;
    static constexpr int blocks_per_sm(int head_dim) { return head_dim == 64 ? 2 : 1; }
};

ATTENTION_KERNELS(64, Sm75)
ATTENTION_KERNELS(128, Sm75)
