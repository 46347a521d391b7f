/* What the host passes to the wgmma kernels of SM 9.0, by value: plain C, read by both. Strides count bytes.
 *
 * Tiles, in 16-byte chunks of which chunk c of row r lies at c ^ (r mod 8) (rows of 128 bytes) or at
 * c ^ (r / 2 mod 4) (rows of 64 bytes), as the matrix instructions read shared memory; padded to whole tiles by
 * zeros:
 *   query  int8 [batch * query heads, blocks of 64 rows][64][columns]
 *   key    int8 [batch * key heads, tiles of 128 keys][128][columns]
 *   value  E4M3 [batch * key heads, tiles of 128 keys][columns][128]: transposed
 * columns is 64 or 128, whatever the head dim. tiles.cuh says which key is which row of a tile.
 */
#ifndef SAGEATTN_WGMMA_PARAMS_H
#define SAGEATTN_WGMMA_PARAMS_H

#include "../params.h"

#define SAGEATTN_WGMMA_QUERY_BLOCK 64
#define SAGEATTN_WGMMA_KEY_TILE 128
#define SAGEATTN_WGMMA_KEY_SCALES 4 /* of a tile: one for every 32 keys */
#define SAGEATTN_WGMMA_THREADS 256  /* of a block that quantises */

typedef struct sageattn_wgmma_quantize_arguments {
    sageattn_view query, key, value;
    unsigned char *tiled_query, *tiled_key, *tiled_value;
    float* query_scale; /* [batch * query heads, query_blocks * 64]: includes sm_scale * log2(e) */
    float* key_scale;   /* [batch * key heads, key_tiles, 4] */
    float* mean_dot;    /* [batch * query heads, query rows]: sm_scale * query . mean key; or null */
    float* key_sum;     /* [batch * key heads, chunks, columns], or null: keys are not smoothed */
    float *value_sum, *value_smallest, *value_largest; /* as key_sum */
    float* value_residual;                             /* [batch * key heads, key_tiles, columns] */
    float *value_scale, *value_mean;                   /* [batch * key heads, columns] */
    int* schedule;                                     /* [2], zeroed for the attention */
    float scale_log2, sm_scale;
    int batch, query_heads, key_heads, query_rows, key_rows, head_dim, columns;
    int query_blocks, key_tiles;
    int chunks, chunk_rows; /* a head's keys in parts: each has statistics of its own */
} sageattn_wgmma_quantize_arguments;

typedef struct sageattn_wgmma_attention_arguments {
    const unsigned char *query, *key, *value;
    const float *query_scale, *key_scale, *value_scale, *value_mean;
    const float* mean_dot; /* or null */
    float* lse;            /* or null */
    sageattn_view output;
    int* schedule; /* next tile, blocks that are done: zero between launches */
    int heads;     /* batch * query heads */
    int query_heads, key_heads, query_rows, key_rows, head_dim;
    int query_blocks, key_tiles;
    int causal_offset; /* query i sees keys up to i + causal_offset */
    int group;         /* heads that are worked on together, so that their keys stay in the L2 cache */
} sageattn_wgmma_attention_arguments;

#endif
