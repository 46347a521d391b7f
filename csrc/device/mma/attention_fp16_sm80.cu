// INT8 QK, 16-bit PV attention for Ampere and later: m16n8k32 and m16n8k16, asynchronous copies. The value's own
// type enters the second product, so bfloat16 values keep their range.
#include "attention.cuh"
#include "family_sm80.cuh"

ATTENTION_KERNELS(fp16, Sm80)
