/* The workspace of the FP4 path: arrays one after the other, each on a multiple of 128 bytes. */
#include "check.h"
#include "fp4.h"
#include "workspace.h"

/* At most so many bytes of delta_S, unless a single unit needs more. */
static const int64_t delta_bytes = INT64_C(256) << 20;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Bytes of a unit's delta_S. */
static int64_t unit_bytes(const sageattn_fp4_counts* n) {
    return n->unit_means * n->blocks[SAGEATTN_FP4_KEY] * SAGEATTN_FP4_BLOCK * (int64_t)sizeof(float);
}

static void count_units(sageattn_fp4_counts* n, int per_block_mean) {
    const int64_t blocks = n->blocks[SAGEATTN_FP4_QUERY];
    n->means = per_block_mean ? blocks : 1;
    n->unit_blocks = per_block_mean ? smaller(blocks, SAGEATTN_FP4_UNIT_BLOCKS) : blocks;
    n->unit_means = per_block_mean ? n->unit_blocks : 1;
    n->head_units = n->unit_blocks == 0 ? 0 : sageattn_divide_up(blocks, n->unit_blocks);
    n->units = n->heads[SAGEATTN_FP4_QUERY] * n->head_units;
    const int64_t bytes = unit_bytes(n);
    n->launch_units = bytes == 0 ? n->units : smaller(n->units, delta_bytes > bytes ? delta_bytes / bytes : 1);
}

sageattn_fp4_counts sageattn_fp4_count(const sageattn_fp4_params* p) {
    sageattn_fp4_counts n;
    for (int role = 0; role < SAGEATTN_FP4_ROLES; ++role) {
        const int query = role == SAGEATTN_FP4_QUERY;
        n.heads[role] = p->batch * (query ? p->query_heads : p->key_heads);
        n.rows[role] = query ? p->query_rows : p->key_rows;
        n.blocks[role] = sageattn_divide_up(n.rows[role], SAGEATTN_FP4_BLOCK);
        n.slices[role] = sageattn_divide_up(n.rows[role], SAGEATTN_FP4_SLICE);
    }
    n.columns = p->head_dim <= 64 ? 64 : 128;
    count_units(&n, p->per_block_mean);
    return n;
}

sageattn_fp4_layout sageattn_fp4_lay_out(const sageattn_fp4_counts* n) {
    const int64_t number = sizeof(float), vector = n->columns * number;
    sageattn_fp4_layout at;
    at.size = 0;
    for (int role = 0; role < SAGEATTN_FP4_ROLES; ++role) {
        const int64_t heads = n->heads[role];
        at.packed[role] =
            sageattn_workspace_take(&at.size, heads * n->blocks[role] * SAGEATTN_FP4_BLOCK_BYTES * n->columns);
        at.mean[role] = sageattn_workspace_take(&at.size, heads * vector);
        at.multiplier[role] = sageattn_workspace_take(&at.size, heads * number);
        at.statistics[role] =
            sageattn_workspace_take(&at.size, heads * n->slices[role] * SAGEATTN_FP4_STATISTICS * vector);
    }
    const int64_t query_heads = n->heads[SAGEATTN_FP4_QUERY];
    at.query_mean = sageattn_workspace_take(&at.size, query_heads * n->means * vector);
    at.rest_dot = sageattn_workspace_take(&at.size, query_heads * n->rows[SAGEATTN_FP4_QUERY] * number);
    at.delta = sageattn_workspace_take(&at.size, n->launch_units * unit_bytes(n));
    return at;
}
