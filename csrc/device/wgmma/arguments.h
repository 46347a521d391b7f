/* What the host passes to the wgmma kernels of SM 9.0, by value: plain C, read by both. Strides count bytes.
 *
 * Tiles lie in memory as the matrix instructions read shared memory: chunk c (16 bytes) of row r is at c ^ (r mod 8)
 * in rows of 128 bytes, at c ^ (r / 2 mod 4) in rows of 64. Zeros fill the last tile:
 *   key    int8 [batch * key heads, tiles of 128 keys][128][columns]
 *   value  E4M3 [batch * key heads, tiles of 128 keys][columns + 8][128]: transposed. The last 8 rows are ones, which
 *          sum the probabilities up, but for keys that do not exist or that nobody sees: those have zeros in all rows
 * columns is 64 or 128, whatever the head dim. tiles.cuh says which key is which row of a tile. A key that does not
 * exist or that nobody sees is a copy of one that somebody sees: its score is never a maximum of its own.
 * With weights the values of a key are multiplied by its own, and so are its ones: SAGEATTN_WGMMA_ONE times the
 * weight, rounded, in the even rows, and what that rounding lost in the odd ones.
 *
 * starts, or null, are those of sageattn.h: tensors have one batch, in which sequences lie behind each other. A
 * head's tiles are those of all sequences: sequence b begins at tile starts[b] / 128 + b.
 */
#ifndef SAGEATTN_WGMMA_PARAMS_H
#define SAGEATTN_WGMMA_PARAMS_H

#include "../params.h"

#define SAGEATTN_WGMMA_QUERY_BLOCK 64
#define SAGEATTN_WGMMA_KEY_TILE 128
#define SAGEATTN_WGMMA_KEY_SCALES 4 /* scales of a tile: one for every 32 keys */
#define SAGEATTN_WGMMA_PARTS 128    /* blocks that share the values of a head, at most: they wait for each other */
#define SAGEATTN_WGMMA_THREADS 256  /* of a block that quantises, at most: 2 for each of the columns */
#define SAGEATTN_WGMMA_MASK_THREADS 1024  /* of wgmma_order, wgmma_see_keys, wgmma_weigh_keys and wgmma_bias_keys */
#define SAGEATTN_WGMMA_MEAN_THREADS 1024  /* of wgmma_key_mean */
#define SAGEATTN_WGMMA_SEE_THREADS 256    /* of wgmma_see */
#define SAGEATTN_WGMMA_ONE 256.0f         /* a weight of 1 in the rows of ones */
#define SAGEATTN_WGMMA_NO_LIMIT (1 << 30) /* causal_offset of rows that see all keys */

/* What the rows of a block of 64 see of a tile. A byte holds the classes of a query tile: the rows that a block of
 * threads of the attention takes, two bits for each 64. */
enum sageattn_wgmma_class { SAGEATTN_WGMMA_NONE = 0, SAGEATTN_WGMMA_SOME = 1, SAGEATTN_WGMMA_WHOLE = 2 };

/* A boolean mask [batch, heads, rows, keys], its strides in bytes, as bits and classes. Batch and heads are those
 * that differ. Bit i of word w of a tile is key 32 w + i; beyond the last key it is that of the last key. */
typedef struct sageattn_wgmma_mask_arguments {
    sageattn_view mask;
    long long column_stride;
    unsigned* bits;         /* [batch, heads, rows, tiles, 4] */
    unsigned char* classes; /* [batch, heads, query tiles, tiles padded to a multiple of 4] */
    /* By wgmma_see_keys and wgmma_weigh_keys alone: */
    int* count;           /* [batch]: keys that are seen */
    int* tile_list;       /* [batch, tiles]: the tiles of which a key is seen, in order */
    int* tile_rank;       /* [batch, tiles]: where such a tile is in the list */
    int* tile_count;      /* [batch]: how many they are */
    unsigned* tiles_bits; /* [batch, tiles, 4]: the bits of those tiles, in the order of the list */
    int heads, rows, keys;
    int tiles, query_tiles;
} sageattn_wgmma_mask_arguments;

/* Additive masks of one row for all queries, [batch, heads, keys], as float32 that wgmma kernels read. */
typedef struct sageattn_wgmma_bias_arguments {
    sageattn_view bias;
    long long column_stride; /* bytes */
    float* output;           /* [batch, heads, padded_keys] */
    int dtype;               /* sageattn_dtype: 0 float16, 1 bfloat16, 2 float32 */
    int heads, keys, padded_keys;
} sageattn_wgmma_bias_arguments;

/* An additive mask of one row for all queries and heads. Where a batch's biases allow it, they become weights 2^b of
 * the keys, so that the attention adds nothing to single scores: see key_weights.cuh. */
typedef struct sageattn_wgmma_weight_arguments {
    sageattn_wgmma_mask_arguments seen; /* but for the mask: keys whose weight is 0 are not seen */
    sageattn_wgmma_bias_arguments bias; /* with one head for all */
    float* weights;                     /* [batch, tiles, 128] */
    float* groups;                      /* [batch, tiles, 4]: what the scores of 32 keys get added, times log2(e) */
    float* tiles_groups;                /* the same in the order of the list */
    float* total;                       /* [batch]: the sum of 2^group * weight */
    float* top;                         /* [batch]: what all scores get added, times log2(e) */
    int* weighed;                       /* [batch]: whether they did; else weights are 1, groups and top 0 */
    int causal;
} sageattn_wgmma_weight_arguments;

/* The order of sequences, by the work of a query tile: those that take longest come first. */
typedef struct sageattn_wgmma_order_arguments {
    const int *query_starts, *key_starts;
    int* sequence;                   /* [batch]: the sequences in order */
    int* end;                        /* [batch]: query tiles of the sequences up to this one, in order */
    int batch, query_rows, key_rows; /* rows: at most */
    int query_tile;                  /* rows of one */
} sageattn_wgmma_order_arguments;

typedef struct sageattn_wgmma_quantize_arguments {
    sageattn_view key, value;
    unsigned char *tiled_key, *tiled_value;
    float* key_scale;      /* [batch * key heads, key_tiles, 4]; with a tile_list in its order */
    float* key_shift;      /* [batch * key heads, columns]: subtracted from keys; zeros unless they are smoothed */
    float* value_shift;    /* as key_shift */
    float* value_residual; /* [batch * key heads, key_tiles, columns]: what rounding lost, in units of the scale */
    float *value_scale, *value_mean; /* as key_shift; mean: value_shift plus the mean of what rounding lost */
    unsigned* value_largest;         /* as key_shift: bits of the largest |value - value_shift| */
    int* parts_seen;                 /* [batch * key heads]: blocks of values that published their largest */
    int* parts_done;                 /* the same: those that packed their tiles */
    int* tiles_done;       /* the same: tiles of keys that are packed, and 1 when all of the values are; or null */
    int* schedule;         /* [2], zeroed for the attention */
    float* key_mean;       /* as key_shift: the mean of the packed keys, by wgmma_key_mean alone */
    const unsigned* seen;  /* [batch, key_tiles, 4]: bits of the keys that somebody sees; or null: all */
    const int* seen_count; /* [batch], with seen */
    /* Of sageattn_wgmma_mask_arguments, if the attention takes those tiles alone; else null. */
    const int *tile_list, *tile_rank, *tile_count;
    const unsigned* tiles_bits;
    /* Of sageattn_wgmma_weight_arguments, or null. */
    const float *weights, *groups, *weight_total;
    const int* starts;                    /* or null */
    sageattn_wgmma_order_arguments order; /* with starts, for a block more of wgmma_sample; else its batch is 0 */
    int batch, key_heads, key_rows, head_dim, columns; /* key_rows: with starts at most */
    int key_tiles;                                     /* of a head */
    int parts;                                         /* blocks that share the values of a head */
    int smooth_k;
} sageattn_wgmma_quantize_arguments;

typedef struct sageattn_wgmma_attention_arguments {
    sageattn_view query, output;
    const unsigned char *key, *value;
    const float *key_scale, *value_scale, *value_mean;
    float* lse; /* or null */
    long long lse_batch_stride, lse_head_stride;
    const float *key_shift, *key_mean; /* read for the LSE alone */
    /* If a mask hides keys from all queries, and for weights: the tiles that the kernel takes. Else null. */
    const int *tile_list, *tile_count;
    const unsigned* tiles_bits; /* read for the LSE alone */
    /* The kernel with a boolean mask: what sageattn_wgmma_mask_arguments describes. */
    const unsigned* bits;
    const unsigned char* classes;
    long long bits_batch_stride, bits_head_stride, bits_row_stride;     /* words */
    long long class_batch_stride, class_head_stride, class_tile_stride; /* bytes */
    /* The kernel with an additive mask. Four keys from a multiple of 4 on lie in aligned memory that may be read. */
    sageattn_view bias;
    int bias_dtype; /* sageattn_dtype: 0 float16, 1 bfloat16, 2 float32 */
    /* The same, if there are weights: of sageattn_wgmma_weight_arguments, groups in the order of the list. Else null.
     */
    const float *groups, *top;
    const int* weighed;
    /* The kernel with starts. */
    const int *query_starts, *key_starts;
    const int *order, *order_end; /* as order.cuh wrote them */
    int batch;
    float scale_log2, sm_scale;
    int* schedule;         /* the next tile, and how many blocks have ended: zeros between launches */
    const int* tiles_done; /* of sageattn_wgmma_quantize_arguments, or null */
    int heads;             /* batch * query heads */
    int query_heads, key_heads, query_rows, key_rows, head_dim; /* rows: with starts at most */
    int key_tiles;                                              /* of a head */
    int causal;                                                 /* sageattn_causal */
    int causal_offset; /* query i sees keys up to i + causal_offset; with starts it follows from the sequence */
    /* A head's rows are taken in so many items of so many blocks of 64 rows, but for the last heads: theirs in items
     * of fewer, so that all multiprocessors are busy to the end. Without starts. */
    int long_items, long_blocks, late_heads, late_blocks;
    int group; /* heads (of a sequence) whose rows are taken in turn, so that their keys stay in the L2 cache */
} sageattn_wgmma_attention_arguments;

#endif
