// INT8 QK, 16-bit PV attention for Ampere and later: m16n8k32 and m16n8k16, asynchronous copies. The value's own
// type enters the second product, so bfloat16 values keep their range.
#include "attention.cuh"
#include "fragments_m16n8.cuh"

struct Sm80 {
    static constexpr int kWarps = 4;
    static constexpr int kWarpRows = 32;
    static constexpr bool kNativeBfloat16 = true;
    // 8.6, 8.9 and 12.x have 100 KB of shared memory: one value stage lets two blocks of head dim 128 share it.
    // 10.0 has more, but with two stages its compiler spills.
    static constexpr int kValueStages = SM == 860 || SM == 890 || SM >= 1000 ? 1 : 2;
    template <int kHeadDim, int kRows, class Value>
    using Fragments = FragmentsM16N8<kHeadDim, kRows, Value>;
    static constexpr int blocks_per_sm(int) { return 2; }
};

ATTENTION_KERNELS(64, Sm80)
ATTENTION_KERNELS(128, Sm80)
