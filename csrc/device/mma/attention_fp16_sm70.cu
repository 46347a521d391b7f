// Attention for Volta, which multiplies float16 only: INT8 queries and keys become float16 without loss.
#include "attention.cuh"
#include "family_sm70.cuh"

ATTENTION_KERNELS(fp16, Sm70)
