/* What the host passes to the wgmma kernels of SM 9.0, by value: plain C, read by both. Strides count bytes.
 *
 * Tiles lie in memory as the matrix instructions read shared memory: chunk c (16 bytes) of row r is at c ^ (r mod 8)
 * in rows of 128 bytes, at c ^ (r / 2 mod 4) in rows of 64. Zeros fill the last tile:
 *   key    int8 [batch * key heads, tiles of 128 keys][128][columns]
 *   value  E4M3 [batch * key heads, tiles of 128 keys][columns][128]: transposed
 * columns is 64 or 128, whatever the head dim. tiles.cuh says which key is which row of a tile.
 */
#ifndef SAGEATTN_WGMMA_PARAMS_H
#define SAGEATTN_WGMMA_PARAMS_H

#include "../params.h"

#define SAGEATTN_WGMMA_QUERY_BLOCK 64
#define SAGEATTN_WGMMA_KEY_TILE 128
#define SAGEATTN_WGMMA_KEY_SCALES 4 /* scales of a tile: one for every 32 keys */
#define SAGEATTN_WGMMA_PARTS 128    /* blocks that share the values of a head, at most: they wait for each other */
#define SAGEATTN_WGMMA_THREADS 256  /* of a block that quantises, at most: 2 for each of the columns */

typedef struct sageattn_wgmma_quantize_arguments {
    sageattn_view key, value;
    unsigned char *tiled_key, *tiled_value;
    float* key_scale;      /* [batch * key heads, key_tiles, 4] */
    float* key_shift;      /* [batch * key heads, columns]: subtracted from keys; zeros unless they are smoothed */
    float* value_shift;    /* as key_shift */
    float* value_residual; /* [batch * key heads, key_tiles, columns]: what rounding lost, in units of the scale */
    float *value_scale, *value_mean; /* as key_shift; mean: value_shift plus the mean of what rounding lost */
    unsigned* value_largest;         /* as key_shift: bits of the largest |value - value_shift| */
    int* parts_seen;                 /* [batch * key heads]: blocks of values that published their largest */
    int* parts_done;                 /* the same: those that packed their tiles */
    int* schedule;                   /* [2], zeroed for the attention */
    int batch, key_heads, key_rows, head_dim, columns;
    int key_tiles;
    int parts; /* blocks that share the values of a head */
    int smooth_k;
} sageattn_wgmma_quantize_arguments;

typedef struct sageattn_wgmma_attention_arguments {
    sageattn_view query, output;
    const unsigned char *key, *value;
    const float *key_scale, *value_scale, *value_mean;
    const float* key_shift; /* read for the LSE alone */
    float* lse;             /* or null */
    float scale_log2, sm_scale;
    int* schedule; /* the next tile, and how many blocks have ended: zeros between launches */
    int heads;     /* batch * query heads */
    int query_heads, key_heads, query_rows, key_rows, head_dim;
    int key_tiles;
    int causal_offset; /* query i sees keys up to i + causal_offset */
    int group;         /* heads whose rows are taken in turn, so that their keys stay in the L2 cache */
} sageattn_wgmma_attention_arguments;

#endif
