/* Where the packed path keeps what in its workspace. */
#ifndef SAGEATTN_PACKED_INTERNAL_H
#define SAGEATTN_PACKED_INTERNAL_H

#include "../device/packed_params.h"
#include "sageattn_packed.h"

/* Counts that follow from the parameters. */
typedef struct sageattn_packed_counts {
    int64_t query_heads, key_heads; /* times batch */
    int64_t columns;                /* head_dim padded to what a kernel takes */
    int64_t query_blocks, key_tiles;
    int64_t chunks, chunk_rows;
} sageattn_packed_counts;

/* Offsets in bytes, and the end of it all. */
typedef struct sageattn_packed_layout {
    int64_t query, key, value, query_scale, key_scale, value_scale, value_mean, mean_dot, schedule;
    int64_t key_sum, value_sum, value_smallest, value_largest, value_residual;
    int64_t size;
} sageattn_packed_layout;

sageattn_packed_counts sageattn_packed_count(const sageattn_packed_params* params);
sageattn_packed_layout sageattn_packed_lay_out(const sageattn_packed_params* params);

#endif
