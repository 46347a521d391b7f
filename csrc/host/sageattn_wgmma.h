/* Attention in one call for SM 9.0: INT8 queries and keys, FP8 (E4M3) values, warpgroup matrix instructions (wgmma).
 * sageattn_has answers for its kinds whether a device has them: SAGEATTN_KIND_FP8_WGMMA without a mask, …_MASKED with
 * a boolean one, …_BIASED with floats, …_VARLEN with starts.
 *
 * The call quantises 16-bit tensors into a workspace of the caller's, in a tile format of its own, and attends.
 * Everything happens on the stream: nothing synchronises or allocates, and a capture takes it. The same input gives
 * the same bits; with an lse the output may differ in its last bits from that without one. Rows that see no key give
 * output 0 and lse -infinity. Query head h reads key head h / (query_heads / key_heads).
 */
#ifndef SAGEATTN_WGMMA_H
#define SAGEATTN_WGMMA_H

#include "sageattn.h"

/* What a call does with the workspace. Quantising does not read the query. Attending alone takes what an earlier call
 * left there for the same keys and values, which it does not read: they may be NULL. Mask and causal are the same. */
enum sageattn_wgmma_steps { SAGEATTN_WGMMA_ALL = 0, SAGEATTN_WGMMA_QUANTIZE = 1, SAGEATTN_WGMMA_ATTEND = 2 };

/* Sequences behind each other: as the fields named starts in sageattn.h, for queries and keys both, without a mask.
 * A mask: as in sageattn_attention_params, boolean or of floats. A float mask whose rows differ has keys beside each
 * other, key_rows and its other strides are multiples of 4, and its address is one of 4 floats; else it is refused.
 */
typedef struct sageattn_wgmma_params {
    uint64_t size;
    sageattn_tensor query;      /* [batch, query heads, query rows, head_dim], of dtype */
    sageattn_tensor key, value; /* [batch, key heads, key rows, head_dim], of dtype */
    sageattn_tensor output;     /* as query, of output_dtype */
    sageattn_tensor mask;       /* [batch, query heads, query rows, key rows], strides may be 0; data NULL: none */
    int64_t mask_column_stride;
    const int32_t *query_starts, *key_starts; /* both or neither */
    void* workspace;        /* device memory, aligned to 128 bytes; its contents need not survive the call */
    int64_t workspace_size; /* at least sageattn_wgmma_workspace(params) bytes */
    float* lse;             /* [batch, query heads, query rows], contiguous, natural logarithm; or NULL */
    int64_t batch, query_heads, key_heads, query_rows, key_rows, head_dim; /* head_dim 1 … 128 */
    int64_t total_query_rows, total_key_rows;                              /* with starts */
    float sm_scale;                                                        /* above 0 and finite */
    int32_t causal;                                                        /* sageattn_causal */
    int32_t smooth_k;            /* 1: the mean over rows is taken from keys before quantisation; lse includes it */
    int32_t dtype, output_dtype; /* SAGEATTN_FLOAT16 or SAGEATTN_BFLOAT16 */
    int32_t steps;               /* sageattn_wgmma_steps */
    int32_t mask_dtype;          /* SAGEATTN_BOOL, SAGEATTN_FLOAT16, SAGEATTN_BFLOAT16 or SAGEATTN_FLOAT32 */
    int32_t reserved;
} sageattn_wgmma_params;

/* Bytes of workspace for these parameters (their counts, head_dim, and the mask's and starts' fields are
 * read), or -1 if they are refused. */
SAGEATTN_API int64_t sageattn_wgmma_workspace(const sageattn_wgmma_params* params);

/* device: ordinal of the device that owns the pointers; stream: a CUstream of that device, or NULL. */
SAGEATTN_API int sageattn_wgmma_attention(const sageattn_wgmma_params* params, int32_t device, void* stream);

#endif
