/* The parts of a call of the wgmma path: what follows from its parameters, and its launches. */
#ifndef SAGEATTN_WGMMA_INTERNAL_H
#define SAGEATTN_WGMMA_INTERNAL_H

#include <stddef.h>

#include "../device/wgmma/arguments.h"
#include "device.h"
#include "kind.h"
#include "sageattn_wgmma.h"

/* Counts that follow from the parameters. */
typedef struct sageattn_wgmma_counts {
    int64_t query_heads, key_heads; /* times batch */
    int64_t columns;                /* head_dim padded to what a kernel takes */
    int64_t tiled_heads, key_tiles; /* heads that have tiles of their own; the tiles of each */
    int64_t parts;
    int64_t mask_batch, mask_heads; /* of a mask: those that differ */
    int64_t mask_rows, query_tiles; /* of a boolean mask: rows that differ, and tiles of them, at most */
    int64_t seen_tiles;             /* of a mask of one row for all heads and queries */
    int64_t bias_keys;              /* of a mask of floats of one row for all queries, padded */
    int64_t weighed_tiles;          /* of such a mask for all heads, too */
    int64_t sequences;              /* with starts */
} sageattn_wgmma_counts;

/* Offsets of the arrays in bytes; size is the end of the last. */
typedef struct sageattn_wgmma_layout {
    int64_t key, value, key_scale, value_scale, value_mean, schedule;
    int64_t key_shift, key_mean, value_shift, value_residual, value_largest, parts_seen, parts_done, tiles_done;
    int64_t seen_count, tile_list, tile_rank, tile_count, tiles_bits, bits, classes, bias, order, order_end;
    int64_t weights, groups, tiles_groups, weight_total, top, weighed;
    int64_t size;
} sageattn_wgmma_layout;

/* A call, and what follows from its parameters. */
typedef struct sageattn_wgmma_call {
    const sageattn_wgmma_params* p;
    sageattn_wgmma_counts n;
    sageattn_wgmma_layout at;
    int32_t device;
    void* stream;
} sageattn_wgmma_call;

sageattn_wgmma_counts sageattn_wgmma_count(const sageattn_wgmma_params* params);
sageattn_wgmma_layout sageattn_wgmma_lay_out(const sageattn_wgmma_counts* counts);

/* The kind whose kernels compute the call. What a mask of keys alone hides is left out of the tiles, unless there is
 * a causal limit: the attention then needs no mask. */
enum sageattn_kind sageattn_wgmma_kind(const sageattn_wgmma_params* params);

int sageattn_wgmma_check_mask(const sageattn_wgmma_params* params);

/* Launches what reads the mask or the starts before the quantisers do; query_tile: rows of the attention's. */
int sageattn_wgmma_prepare(const sageattn_wgmma_call* call, int query_tile);

/* Enters what sageattn_wgmma_prepare left, for the quantisers and for the attention. */
void sageattn_wgmma_seen(const sageattn_wgmma_call* call, int query_tile,
                         sageattn_wgmma_quantize_arguments* arguments);
int sageattn_wgmma_mask(const sageattn_wgmma_call* call, int query_tile,
                        sageattn_wgmma_attention_arguments* arguments);

/* Enters which rows an item of the attention has, and in which order items come. */
void sageattn_wgmma_schedule(const sageattn_wgmma_call* call, const sageattn_loaded* kernel,
                             sageattn_wgmma_attention_arguments* arguments);

/* Heads that have rows of queries of their own: with starts of a sequence, else of all batches. */
static inline int64_t sageattn_wgmma_heads(const sageattn_wgmma_call* call) {
    return call->p->query_starts != NULL ? call->p->query_heads : call->n.query_heads;
}

/* Query i sees keys 0 … i + this. */
static inline int64_t sageattn_wgmma_causal_offset(const sageattn_wgmma_params* p) {
    if (p->causal == SAGEATTN_NOT_CAUSAL) return SAGEATTN_WGMMA_NO_LIMIT;
    return p->causal == SAGEATTN_CAUSAL_TOP_LEFT ? 0 : p->key_rows - p->query_rows;
}

/* A mask of one row for all queries, or for all queries and heads; and one whose hidden keys the tiles leave out. */
static inline int sageattn_wgmma_one_row(const sageattn_wgmma_params* p) { return p->mask.row_stride == 0; }
static inline int sageattn_wgmma_of_keys(const sageattn_wgmma_params* p) {
    return sageattn_wgmma_one_row(p) && (p->mask.head_stride == 0 || p->query_heads == 1);
}
static inline int sageattn_wgmma_left_out(const sageattn_wgmma_params* p) {
    return p->mask.data != NULL && sageattn_wgmma_of_keys(p) && p->causal == SAGEATTN_NOT_CAUSAL;
}

#endif
