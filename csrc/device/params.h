/* What the host passes to each kernel, by value: plain C, read by the C library and by the device code, so
 * that the two cannot drift. No standard headers: the device compiler has none. Strides count bytes.
 */
#ifndef SAGEATTN_DEVICE_PARAMS_H
#define SAGEATTN_DEVICE_PARAMS_H

/* Rows that share scales: the same numbers as in sageattn.h, which kernels do not include. */
#define SAGEATTN_QUERY_ROWS 128      /* of a query block */
#define SAGEATTN_QUERY_WARP_ROWS 32  /* of a warp of a query block */
#define SAGEATTN_KEY_ROWS 64         /* of a key block */
#define SAGEATTN_QUERY_BLOCK_SCALES 32 /* per thread: 8 for each of 4 warps */
#define SAGEATTN_KEY_BLOCK_SCALES 4    /* per thread */

/* A [batch, heads, rows, head_dim] view. vectors: every row starts on a 16-byte boundary. */
typedef struct sageattn_view {
    void *data;
    long long batch_stride, head_stride, row_stride;
    int bfloat16; /* 16-bit views: bfloat16 rather than float16 */
    int vectors;
} sageattn_view;

typedef struct sageattn_attention_arguments {
    sageattn_view query, key, value, output;
    const float *query_scale, *key_scale;
    const float *mean_dot; /* or null */
    float *lse;            /* or null */
    long long query_scale_stride, key_scale_stride; /* scales per head */
    float scale_log2;      /* sm_scale * log2(e) */
    float sm_scale;
    int query_rows, key_rows;
    int query_heads, key_heads;
    int query_tiles;       /* blocks per head */
    /* A block's finest scale index, shifted right by this, is the index that the granularity uses. */
    int query_scale_shift; /* of block * 32 + warp * 8 + row mod 8: 0 per thread, 3 per warp, 5 per block */
    int key_scale_shift;   /* of block * 4 + (column mod 8) / 2: 0 per thread, 2 otherwise */
} sageattn_attention_arguments;

typedef struct sageattn_quantize_arguments {
    sageattn_view input, output;
    float *scale;
    const float *mean; /* or null */
    float *mean_dot;   /* or null: queries only */
    long long scale_stride; /* scales per head */
    int rows, heads, key_heads, head_dim;
    int blocks;        /* row blocks per head */
    int block_rows;    /* SAGEATTN_QUERY_ROWS or SAGEATTN_KEY_ROWS: tells queries from keys */
    int scale_shift;   /* as in sageattn_attention_arguments */
    int reserved;
} sageattn_quantize_arguments;

typedef struct sageattn_mean_arguments {
    sageattn_view input;
    float *mean; /* [batch, heads, head_dim] */
    int rows, heads, head_dim;
    int reserved;
} sageattn_mean_arguments;

/* How an attention kernel wants to be launched. Each image holds its own, since only the driver knows which
 * image it chose: a global constant named after the kernel's head dim (attention_hd64_traits). */
typedef struct sageattn_traits {
    int threads;       /* per block */
    int shared_memory; /* dynamic bytes per block */
} sageattn_traits;

/* Launch shape of the quantisers: no family changes it. */
#define SAGEATTN_QUANTIZE_ELEMENTS 32 /* per thread: threads = block_rows * head_dim / 32 */
#define SAGEATTN_MEAN_THREADS 256
#define SAGEATTN_MEAN_COLUMNS 32      /* of the head dim, per block */

#endif
