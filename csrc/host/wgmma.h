/* The workspace of the wgmma path: sizes of its arrays, and where they lie. */
#ifndef SAGEATTN_WGMMA_INTERNAL_H
#define SAGEATTN_WGMMA_INTERNAL_H

#include "../device/wgmma/arguments.h"
#include "sageattn_wgmma.h"

/* Counts that follow from the parameters. */
typedef struct sageattn_wgmma_counts {
    int64_t query_heads, key_heads; /* times batch */
    int64_t columns;                /* head_dim padded to what a kernel takes */
    int64_t key_tiles, parts;
} sageattn_wgmma_counts;

/* Offsets of the arrays in bytes; size is the end of the last. */
typedef struct sageattn_wgmma_layout {
    int64_t key, value, key_scale, value_scale, value_mean, schedule;
    int64_t key_shift, value_shift, value_residual, value_largest, parts_seen, parts_done;
    int64_t size;
} sageattn_wgmma_layout;

sageattn_wgmma_counts sageattn_wgmma_count(const sageattn_wgmma_params* params);
sageattn_wgmma_layout sageattn_wgmma_lay_out(const sageattn_wgmma_counts* counts);

#endif
