/* Attention in one call for SM 9.0: INT8 queries and keys, FP8 (E4M3) values, warpgroup matrix instructions (wgmma).
 * sageattn_has answers for SAGEATTN_KIND_FP8_WGMMA whether a device has it.
 *
 * The call quantises 16-bit tensors into a workspace of the caller's, in a tile format of its own, and attends.
 * Everything happens on the stream: nothing synchronises or allocates, and a capture takes it. The same input gives
 * the same bits. Rows that see no key give output 0 and lse -infinity. Query head h reads key head
 * h / (query_heads / key_heads).
 */
#ifndef SAGEATTN_WGMMA_H
#define SAGEATTN_WGMMA_H

#include "sageattn.h"

/* What a call does with the workspace. Quantising does not read the query. Attending alone takes what an earlier call
 * left there for the same keys and values, which it does not read: they may be NULL. */
enum sageattn_wgmma_steps { SAGEATTN_WGMMA_ALL = 0, SAGEATTN_WGMMA_QUANTIZE = 1, SAGEATTN_WGMMA_ATTEND = 2 };

typedef struct sageattn_wgmma_params {
    uint64_t size;
    sageattn_tensor query;      /* [batch, query heads, query rows, head_dim], of dtype */
    sageattn_tensor key, value; /* [batch, key heads, key rows, head_dim], of dtype */
    sageattn_tensor output;     /* as query, of output_dtype */
    void* workspace;            /* device memory, aligned to 128 bytes; its contents need not survive the call */
    int64_t workspace_size;     /* at least sageattn_wgmma_workspace(params) bytes */
    float* lse;                 /* [batch, query heads, query rows], contiguous, natural logarithm; or NULL */
    int64_t batch, query_heads, key_heads, query_rows, key_rows, head_dim; /* head_dim 1 … 128 */
    float sm_scale;                                                        /* above 0 and finite */
    int32_t causal;                                                        /* sageattn_causal */
    int32_t smooth_k;            /* 1: the mean over rows is taken from keys before quantisation; lse includes it */
    int32_t dtype, output_dtype; /* SAGEATTN_FLOAT16 or SAGEATTN_BFLOAT16 */
    int32_t steps;               /* sageattn_wgmma_steps */
} sageattn_wgmma_params;

/* Bytes of workspace for these parameters (only their counts and head_dim are read), or -1 if they are refused. */
SAGEATTN_API int64_t sageattn_wgmma_workspace(const sageattn_wgmma_params* params);

/* device: ordinal of the device that owns the pointers; stream: a CUstream of that device, or NULL. */
SAGEATTN_API int sageattn_wgmma_attention(const sageattn_wgmma_params* params, int32_t device, void* stream);

#endif
