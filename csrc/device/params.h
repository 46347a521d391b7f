/* What the host passes to each kernel, by value: plain C, read by the C library and by the device code, so
 * that the two cannot drift. No standard headers: the device compiler has none. Strides count bytes.
 */
#ifndef SAGEATTN_DEVICE_PARAMS_H
#define SAGEATTN_DEVICE_PARAMS_H

/* Kernels exponentiate and take logarithms to base 2: scores are scaled by log2(e), logarithms by ln(2). */
#define SAGEATTN_LOG2_E 1.44269504f
#define SAGEATTN_LN_2 0.69314718056f

/* Rows that an attention kernel takes of the keys at a time. */
#define SAGEATTN_KEY_ROWS 64

/* Rows of a tile of a boolean mask, which SAGEATTN_KEY_ROWS keys wide has a bit for each pair: 16-bit words
 * [row mod 8][key mod 8 / 2][row / 8], whose bit key mod 2 * 8 + key / 8 says whether the row sees the key. So a
 * thread of an m16n8 matrix instruction finds what its scores need side by side. */
#define SAGEATTN_MASK_ROWS 32
#define SAGEATTN_MASK_TILE (SAGEATTN_MASK_ROWS * SAGEATTN_KEY_ROWS / 8) /* bytes */

/* A [batch, heads, rows, head_dim] view. vectors: every row starts on a 16-byte boundary. */
typedef struct sageattn_view {
    void* data;
    long long batch_stride, head_stride, row_stride;
    int bfloat16; /* 16-bit views: bfloat16 rather than float16 */
    int vectors;
} sageattn_view;

/* Finest scale index of query row i of a head: (i >> warp_shift) * 8 + i mod 8; of key row i: (i >> block_shift) * 4
 * + i mod 8 / 2. Shifted right by scale_shift (0 per thread) it is the index that the granularity uses.
 *
 * starts, or null: int [batch + 1], rows of a view whose batch stride is then zero. Sequence b's scales are those of
 * rows from (starts[b] >> block_shift) + b blocks on. */
typedef struct sageattn_attention_arguments {
    sageattn_view query, key, value, output, mask;
    long long mask_column_stride;
    const float *query_scale, *key_scale;
    const float* mean_dot;                 /* or null */
    const float *value_scale, *value_mean; /* [batch, key heads, head_dim]: E4M3 values only; the mean or null */
    const int *query_starts, *key_starts;  /* or null */
    float* lse;                            /* or null */
    long long query_scale_stride, key_scale_stride; /* scales per head */
    long long lse_head_stride, lse_batch_stride;    /* of mean_dot too; the latter is zero with starts */
    float scale_log2;                               /* sm_scale * log2(e) */
    float sm_scale;
    int query_rows, key_rows; /* with starts at most */
    int query_heads, key_heads, head_dim;
    int query_tiles; /* blocks per head and split of the value's columns */
    int causal;      /* sageattn_causal: 1 top left, 2 bottom right */
    int mask_dtype;  /* sageattn_dtype: 0 float16, 1 bfloat16, 2 float32. Of booleans, mask has the tiles that
                        pack_mask wrote, and its row stride is a 32nd of the distance between rows of tiles */
    int query_warp_shift, query_block_shift, query_scale_shift;
    int key_block_shift, key_scale_shift;
    /* Behind a boolean mask: bits of the key tiles that a block of query rows sees, in words; so are the strides. */
    const unsigned* seen_tiles;
    long long seen_batch_stride, seen_head_stride, seen_block_stride;
} sageattn_attention_arguments;

/* A boolean mask, of which only what differs is read: a batch, head or row of stride 0 once. */
typedef struct sageattn_pack_mask_arguments {
    sageattn_view mask; /* bytes: 0 or not; vectors: keys beside each other, too */
    long long column_stride;
    unsigned char* bits;  /* tiles [batch, heads, row tiles, key tiles] */
    unsigned* seen_tiles; /* [batch, heads, query blocks, words of 32 key tiles] */
    int heads, rows, keys;
    int row_tiles;                /* a mask of one row has the row in all of its tile's */
    int query_blocks, query_rows; /* of the attention, and rows of each */
} sageattn_pack_mask_arguments;

typedef struct sageattn_quantize_arguments {
    sageattn_view input, output;
    float* scale;
    const float* mean;                               /* or null */
    float* mean_dot;                                 /* or null: queries only */
    const int* starts;                               /* or null */
    long long scale_batch_stride, scale_head_stride; /* scales */
    long long dot_batch_stride, dot_head_stride;     /* of mean_dot; with starts, batch strides are zero */
    int rows, heads, key_heads, head_dim;
    int queries;                 /* or keys */
    int blocks;                  /* row blocks per head */
    int block_rows;              /* 64 or 128 */
    int warp_shift, scale_shift; /* as in sageattn_attention_arguments */
    int block_scales;            /* of the granularity */
} sageattn_quantize_arguments;

typedef struct sageattn_mean_arguments {
    sageattn_view input;
    float* mean; /* [batch, heads, head_dim] */
    const int* starts;
    int rows, heads, head_dim;
    int slices; /* blocks per head */
} sageattn_mean_arguments;

/* How an attention kernel wants to be launched. Each image holds its own, since only the driver knows which
 * image it chose: a global constant named after the kernel (attention_fp16_hd64_traits). */
typedef struct sageattn_traits {
    int threads;       /* per block */
    int shared_memory; /* dynamic bytes per block */
    int query_rows;    /* per block */
    int splits;        /* blocks that share the query rows, each computing a part of the value's columns */
} sageattn_traits;

/* Launch shape of the quantisers: no family changes it. A row takes 8, 16 or 32 threads of eight columns each,
 * a thread four rows, or eight of the longest. */
#define SAGEATTN_QUANTIZE_THREADS 512 /* at most */
#define SAGEATTN_MEAN_THREADS 256
#define SAGEATTN_PACK_MASK_THREADS 512
#define SAGEATTN_MEAN_COLUMNS 32 /* of the head dim, per block */

#endif
