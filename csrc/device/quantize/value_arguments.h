/* What the host passes to the kernels of quantize_value.cu, by value: see params.h. */
#ifndef SAGEATTN_DEVICE_VALUE_PARAMS_H
#define SAGEATTN_DEVICE_VALUE_PARAMS_H

#include "../params.h"

#define SAGEATTN_VALUE_THREADS 256
#define SAGEATTN_VALUE_COLUMNS 32   /* channels of a block */
#define SAGEATTN_VALUE_ROWS 256     /* keys of a block of value_quantize */
#define SAGEATTN_VALUE_CHUNKS 8     /* into which value_statistics divides the rows of a head, at most */
#define SAGEATTN_VALUE_STATISTICS 3 /* sum, smallest, largest */

/* workspace, per head of head_dim channels: chunks * SAGEATTN_VALUE_STATISTICS rows of channels that value_statistics
 * writes; then, smooth only, a row of residual sums for every tile that holds keys, which value_quantize writes. */
typedef struct sageattn_value_arguments {
    sageattn_view input;
    unsigned char* output; /* E4M3, keys contiguous; strides count bytes */
    long long batch_stride, head_stride, channel_stride;
    float *scale, *mean, *workspace; /* mean: null unless smooth */
    long long workspace_stride;      /* floats per head */
    float scale_max;
    int rows, padded_rows, heads, head_dim;
    int slices; /* of SAGEATTN_VALUE_COLUMNS channels, per head */
    int chunks; /* of rows, per head */
    int chunk_rows;
    int tiles;   /* of SAGEATTN_VALUE_ROWS padded rows, per head: at least one */
    int vectors; /* every channel of the output starts on a 16-byte boundary */
} sageattn_value_arguments;

#endif
