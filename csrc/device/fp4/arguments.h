/* What the host passes to the FP4 kernels, by value: plain C, read by both. Strides of views count bytes.
 *
 * Queries, keys and values lie in blocks of 128 rows and 72 bytes a column: E2M1 codes and an E4M3 scale for every 16
 * of them, in the order in which the matrix instruction takes them (records.cuh). columns is 64 or 128, whatever the
 * head dim. Rows and columns that the tensor does not have are zeros.
 *
 * A query row is its block's mean plus a rest, and the rest alone is in FP4. What the means contribute to the scores,
 * delta_S, is computed in 16 bits and kept in float32: a row of it for every mean, a number for every key. Units
 * bound the memory for it: a unit is up to 48 blocks of a head's queries, and a launch takes as many units as the
 * workspace has room for.
 */
#ifndef SAGEATTN_FP4_PARAMS_H
#define SAGEATTN_FP4_PARAMS_H

#include "../params.h"

#define SAGEATTN_FP4_BLOCK 128      /* rows of a block, of queries, keys and values */
#define SAGEATTN_FP4_BLOCK_BYTES 72 /* of a block, for each column */
#define SAGEATTN_FP4_THREADS 256    /* of a block of threads that quantises */
#define SAGEATTN_FP4_UNIT_BLOCKS 48 /* at most: three tiles of the matrix instruction that makes delta_S */
#define SAGEATTN_FP4_UNIT_KEYS 512  /* keys for which a block of threads makes delta_S */
#define SAGEATTN_FP4_SLICE 512      /* rows of which a block of threads takes statistics */
#define SAGEATTN_FP4_STATISTICS 3   /* sum, smallest and largest number of a column */

enum sageattn_fp4_role { SAGEATTN_FP4_QUERY, SAGEATTN_FP4_KEY, SAGEATTN_FP4_VALUE, SAGEATTN_FP4_ROLES };

/* Queries, keys or values. Heads are those of all batches. */
typedef struct sageattn_fp4_operand {
    sageattn_view view;
    float* statistics;      /* [heads, slices][3][columns] */
    float* mean;            /* [heads, columns]: subtracted from each row; zeros if nothing is */
    float* multiplier;      /* [heads]: a power of two, so that the largest magnitude is in (1344, 2688] */
    unsigned char* packed;  /* [heads, blocks][72 * columns] */
    int heads, batch_heads; /* of all batches; of one */
    int rows, blocks, slices;
    int smooth; /* 1: the mean of all rows is subtracted */
} sageattn_fp4_operand;

typedef struct sageattn_fp4_quantize_arguments {
    sageattn_fp4_operand operand[SAGEATTN_FP4_ROLES];
    float* query_mean; /* [query heads, means][columns]; means: query blocks, or 1 */
    float* rest_dot;   /* [query heads, query rows]: (query - its mean) . key mean, for the LSE; or null */
    int columns, head_dim;
    int group;      /* query heads of a key head */
    int block_mean; /* 1: a mean for each block of queries; 0: one for all rows */
} sageattn_fp4_quantize_arguments;

/* For delta_S and for attention. */
typedef struct sageattn_fp4_attention_arguments {
    sageattn_view key, output;
    const unsigned char *packed_query, *packed_key, *packed_value;
    const float *query_multiplier, *key_multiplier, *value_multiplier; /* [heads] */
    const float* query_mean;
    const float* value_mean;                       /* [key heads, columns] */
    const float* rest_dot;                         /* with lse */
    const float* bias;                             /* added to sm_scale * query . key, a number a key; or null */
    long long bias_batch_stride, bias_head_stride; /* elements */
    float* delta; /* [units of the launch, means][padded keys], in the units of the scaled product; -infinity past the
                     end */
    float* lse;   /* [query heads, query rows], or null */
    float sm_scale;
    int query_heads, key_heads; /* of a batch */
    int query_rows, key_rows, head_dim, columns;
    int query_blocks, key_blocks; /* of a head */
    int means;                    /* of a head: query_blocks, or 1 */
    int unit_blocks, unit_means;  /* of a unit that is full */
    int head_units;
    int first_unit, units; /* of the launch */
    int causal_offset;     /* query i sees keys up to i + causal_offset */
    int causal;            /* 0: every row sees all keys */
} sageattn_fp4_attention_arguments;

typedef struct sageattn_fp4_product_arguments {
    const unsigned* operands; /* [32 lanes][8] */
    float* sums;              /* [8 selectors][32 lanes][4] */
} sageattn_fp4_product_arguments;

#endif
