// INT8 QK, 16-bit PV attention for Ampere and later: m16n8k32 and m16n8k16, asynchronous copies. The value's own
// type enters the second product, so bfloat16 values keep their range.
#include "attention.cuh"
#include "fragments_m16n8.cuh"

struct Sm80 {
    static constexpr int kWarps = 4;
    static constexpr int kWarpRows = 32;
    static constexpr bool kNativeBfloat16 = true;
    template <int kHeadDim, int kRows, class Value>
    using Fragments = FragmentsM16N8<kHeadDim, kRows, Value>;
    static constexpr int blocks_per_sm(int) { return 2; }
};

ATTENTION_KERNELS(64, Sm80)
ATTENTION_KERNELS(128, Sm80)
