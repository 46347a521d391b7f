/* The workspace of the wgmma path: arrays one after the other, each on a multiple of 128 bytes. */
#include "check.h"
#include "wgmma.h"
#include "workspace.h"

sageattn_wgmma_counts sageattn_wgmma_count(const sageattn_wgmma_params* p) {
    sageattn_wgmma_counts n;
    n.query_heads = p->batch * p->query_heads;
    n.key_heads = p->batch * p->key_heads;
    n.columns = p->head_dim <= 64 ? 64 : 128;
    n.key_tiles = sageattn_divide_up(p->key_rows, SAGEATTN_WGMMA_KEY_TILE);
    n.parts = n.key_tiles < SAGEATTN_WGMMA_PARTS ? n.key_tiles : SAGEATTN_WGMMA_PARTS;
    return n;
}

sageattn_wgmma_layout sageattn_wgmma_lay_out(const sageattn_wgmma_counts* n) {
    const int64_t number = sizeof(float);
    const int64_t key_rows = n->key_heads * n->key_tiles * SAGEATTN_WGMMA_KEY_TILE;
    const int64_t channels = n->key_heads * n->columns * number;
    sageattn_wgmma_layout at;
    at.size = 0;
    at.schedule = sageattn_workspace_take(&at.size, 2 * sizeof(int32_t));
    at.key = sageattn_workspace_take(&at.size, key_rows * n->columns);
    at.value = sageattn_workspace_take(&at.size, key_rows * n->columns);
    at.key_scale =
        sageattn_workspace_take(&at.size, n->key_heads * n->key_tiles * SAGEATTN_WGMMA_KEY_SCALES * number);
    at.value_scale = sageattn_workspace_take(&at.size, channels);
    at.value_mean = sageattn_workspace_take(&at.size, channels);
    at.key_shift = sageattn_workspace_take(&at.size, channels);
    at.value_shift = sageattn_workspace_take(&at.size, channels);
    at.value_largest = sageattn_workspace_take(&at.size, channels);
    at.parts_seen = sageattn_workspace_take(&at.size, n->key_heads * sizeof(int32_t));
    at.parts_done = sageattn_workspace_take(&at.size, n->key_heads * sizeof(int32_t));
    at.value_residual = sageattn_workspace_take(&at.size, channels * n->key_tiles);
    return at;
}
