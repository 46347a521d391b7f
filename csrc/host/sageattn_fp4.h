/* Attention in one call for SM 12.0 and 12.1: queries, keys, values and probabilities in FP4 (E2M1 with an E4M3 scale
 * for every 16 numbers), by the arithmetic of SageAttention3. sageattn_has answers for SAGEATTN_KIND_FP4 whether a
 * device has it. The output is rough, a cosine of .984 to the exact one on random inputs: docs/blackwell.md.
 *
 * The call quantises 16-bit tensors into a workspace of the caller's and attends. The means of keys, of queries and,
 * if asked for, of values are kept out of FP4. Everything happens on the stream: nothing synchronises or allocates,
 * and a capture takes it. The same input gives the same bits. Rows that see no key give output 0 and lse -infinity.
 * Query head h reads key head h / (query_heads / key_heads).
 */
#ifndef SAGEATTN_FP4_H
#define SAGEATTN_FP4_H

#include "sageattn.h"

typedef struct sageattn_fp4_params {
    uint64_t size;
    sageattn_tensor query;      /* [batch, query heads, query rows, head_dim], of dtype */
    sageattn_tensor key, value; /* [batch, key heads, key rows, head_dim], of dtype */
    sageattn_tensor output;     /* as query, of output_dtype */
    const float* bias; /* a number for every key, contiguous, added to sm_scale * query . key; -infinity hides
                          the key; or NULL */
    int64_t bias_batch_stride, bias_head_stride; /* elements, of query heads; 0: the same for all */
    void* workspace;        /* device memory, aligned to 128 bytes; its contents need not survive the call */
    int64_t workspace_size; /* at least sageattn_fp4_workspace(params) bytes */
    float* lse;             /* [batch, query heads, query rows], contiguous, natural logarithm; or NULL */
    int64_t batch, query_heads, key_heads, query_rows, key_rows, head_dim; /* head_dim 1 … 128 */
    float sm_scale;                                                        /* above 0 and finite */
    int32_t causal;                                                        /* sageattn_causal */
    int32_t per_block_mean; /* 1: a mean for every 128 query rows; 0: one for all rows of a head, which costs less */
    int32_t smooth_v;       /* 1: the mean over rows is taken from values before quantisation, and put back */
    int32_t dtype, output_dtype; /* SAGEATTN_FLOAT16 or SAGEATTN_BFLOAT16 */
} sageattn_fp4_params;

/* Bytes of workspace for these parameters (only their counts, head_dim and per_block_mean are read), or -1 if they
 * are refused: the operands in FP4, and at most 256 MiB more up to a million keys. */
SAGEATTN_API int64_t sageattn_fp4_workspace(const sageattn_fp4_params* params);

/* device: ordinal of the device that owns the pointers; stream: a CUstream of that device, or NULL. */
SAGEATTN_API int sageattn_fp4_attention(const sageattn_fp4_params* params, int32_t device, void* stream);

/* A test of the hardware: one product of 16 x 64 by 64 x 8 with each of the eight choices of lanes that scales come
 * from. operands, [32 lanes][8]: four words of the left factor's codes, two of the right one's, the scales of either;
 * sums: [8][32 lanes][4], by 4 * choice of the left + choice of the right factor; csrc/device/ptx/fp4.cuh says which
 * lane holds what. */
SAGEATTN_API int sageattn_fp4_product(const uint32_t* operands, float* sums, int32_t device, void* stream);

#endif
