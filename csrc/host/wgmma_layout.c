/* The workspace of the wgmma path: arrays one after the other, each on a multiple of 128 bytes. */
#include "check.h"
#include "wgmma.h"
#include "workspace.h"

enum { LEAST_QUERY_TILE = 2 * SAGEATTN_WGMMA_QUERY_BLOCK };

static int64_t at_most(int64_t count, int64_t most) { return count < most ? count : most; }

static void count_mask(const sageattn_wgmma_params* p, sageattn_wgmma_counts* n) {
    n->mask_batch = sageattn_different(p->batch, p->mask.batch_stride);
    n->mask_heads = sageattn_different(p->query_heads, p->mask.head_stride);
    if (sageattn_wgmma_of_keys(p)) {
        n->seen_tiles = n->key_tiles;
        n->mask_batch = p->batch, n->mask_heads = n->mask_rows = 1;
    }
    if (p->mask_dtype != SAGEATTN_BOOL) {
        n->bias_keys = sageattn_wgmma_one_row(p) ? n->key_tiles * SAGEATTN_WGMMA_KEY_TILE : 0;
        n->weighed_tiles = n->seen_tiles;
    } else if (n->seen_tiles == 0) {
        n->mask_rows = sageattn_different(p->query_rows, p->mask.row_stride);
    }
    n->query_tiles = sageattn_divide_up(n->mask_rows, LEAST_QUERY_TILE);
}

sageattn_wgmma_counts sageattn_wgmma_count(const sageattn_wgmma_params* p) {
    sageattn_wgmma_counts n = {0};
    const int64_t tiles = sageattn_divide_up(p->key_rows, SAGEATTN_WGMMA_KEY_TILE);
    n.query_heads = p->batch * p->query_heads;
    n.key_heads = p->batch * p->key_heads;
    n.columns = p->head_dim <= 64 ? 64 : 128;
    n.tiled_heads = n.key_heads;
    n.key_tiles = tiles;
    n.parts = at_most(tiles, SAGEATTN_WGMMA_PARTS);
    if (p->key_starts != NULL) {
        n.tiled_heads = p->key_heads;
        n.key_tiles = p->total_key_rows / SAGEATTN_WGMMA_KEY_TILE + p->batch;
        n.sequences = p->batch;
    }
    if (p->mask.data != NULL) count_mask(p, &n);
    return n;
}

static void lay_out_mask(const sageattn_wgmma_counts* n, sageattn_wgmma_layout* at) {
    const int64_t masks = n->mask_batch * n->mask_heads;
    const int64_t padded_tiles = sageattn_divide_up(n->key_tiles, 4) * 4;
    const int64_t counts = n->seen_tiles > 0 ? n->mask_batch * (int64_t)sizeof(int32_t) : 0;
    const int64_t number = sizeof(float), tile = SAGEATTN_WGMMA_KEY_TILE * number;
    const int64_t groups = SAGEATTN_WGMMA_KEY_SCALES * number, weighed = n->weighed_tiles > 0 ? n->mask_batch : 0;
    at->seen_count = sageattn_workspace_take(&at->size, counts);
    at->tile_count = sageattn_workspace_take(&at->size, counts);
    at->tile_list = sageattn_workspace_take(&at->size, counts * n->seen_tiles);
    at->tile_rank = sageattn_workspace_take(&at->size, counts * n->seen_tiles);
    at->tiles_bits =
        sageattn_workspace_take(&at->size, n->mask_batch * n->seen_tiles * (SAGEATTN_WGMMA_KEY_TILE / 8));
    at->bits =
        sageattn_workspace_take(&at->size, masks * n->mask_rows * n->key_tiles * (SAGEATTN_WGMMA_KEY_TILE / 8));
    at->classes = sageattn_workspace_take(&at->size, masks * n->query_tiles * padded_tiles);
    at->bias = sageattn_workspace_take(&at->size, masks * n->bias_keys * number);
    at->weights = sageattn_workspace_take(&at->size, n->mask_batch * n->weighed_tiles * tile);
    at->groups = sageattn_workspace_take(&at->size, n->mask_batch * n->weighed_tiles * groups);
    at->tiles_groups = sageattn_workspace_take(&at->size, n->mask_batch * n->weighed_tiles * groups);
    at->weight_total = sageattn_workspace_take(&at->size, weighed * number);
    at->top = sageattn_workspace_take(&at->size, weighed * number);
    at->weighed = sageattn_workspace_take(&at->size, weighed * (int64_t)sizeof(int32_t));
    at->order = sageattn_workspace_take(&at->size, n->sequences * (int64_t)sizeof(int32_t));
    at->order_end = sageattn_workspace_take(&at->size, n->sequences * (int64_t)sizeof(int32_t));
}

sageattn_wgmma_layout sageattn_wgmma_lay_out(const sageattn_wgmma_counts* n) {
    const int64_t number = sizeof(float);
    const int64_t tiles = n->tiled_heads * n->key_tiles;
    const int64_t channels = n->key_heads * n->columns * number;
    sageattn_wgmma_layout at;
    at.size = 0;
    at.schedule = sageattn_workspace_take(&at.size, 2 * sizeof(int32_t));
    at.key = sageattn_workspace_take(&at.size, tiles * SAGEATTN_WGMMA_KEY_TILE * n->columns);
    at.value = sageattn_workspace_take(&at.size, tiles * SAGEATTN_WGMMA_KEY_TILE * (n->columns + 8));
    at.key_scale = sageattn_workspace_take(&at.size, tiles * SAGEATTN_WGMMA_KEY_SCALES * number);
    at.value_scale = sageattn_workspace_take(&at.size, channels);
    at.value_mean = sageattn_workspace_take(&at.size, channels);
    at.key_shift = sageattn_workspace_take(&at.size, channels);
    at.key_mean = sageattn_workspace_take(&at.size, channels);
    at.value_shift = sageattn_workspace_take(&at.size, channels);
    at.value_largest = sageattn_workspace_take(&at.size, channels);
    at.parts_seen = sageattn_workspace_take(&at.size, n->key_heads * sizeof(int32_t));
    at.parts_done = sageattn_workspace_take(&at.size, n->key_heads * sizeof(int32_t));
    at.tiles_done = sageattn_workspace_take(&at.size, n->key_heads * sizeof(int32_t));
    at.value_residual = sageattn_workspace_take(&at.size, tiles * n->columns * number);
    lay_out_mask(n, &at);
    return at;
}
