// Attention for Volta, which multiplies float16 only: INT8 queries and keys become float16 without loss.
#include "attention.cuh"
#include "fragments_m8n8k4.cuh"

struct Sm70 {
    static constexpr int kWarps = 4;
    static constexpr int kWarpRows = 32;
    static constexpr bool kNativeBfloat16 = false;
    template <int kHeadDim, int kRows, class Value>
    using Fragments = FragmentsM8N8K4<kHeadDim, kRows, Value>;
    static constexpr int blocks_per_sm(int) { return 2; }
};

ATTENTION_KERNELS(64, Sm70)
ATTENTION_KERNELS(128, Sm70)
