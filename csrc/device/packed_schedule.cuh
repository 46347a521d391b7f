// Which rows a block of threads attends to next, and which keys they see.
#pragma once

#include "packed_params.h"
#include "ptx/base.cuh"

// 192 query rows of a head.
struct PackedWork {
    int head, key_head, first_query;

    // Groups of heads, whose keys stay in the cache; in a group the rows that see most keys first.
    DEVICE PackedWork(const sageattn_packed_attention_arguments& p, int index) {
        const int per_group = p.group * p.query_tiles;
        const int group = index / per_group, rest = index - group * per_group;
        const int members = min(p.group, p.heads - group * p.group);
        const int turn = rest / members;
        head = group * p.group + rest - turn * members;
        first_query = (p.query_tiles - 1 - turn) * SAGEATTN_PACKED_QUERY_TILE;
        const int batch = head / p.query_heads;
        key_head = batch * p.key_heads + (head - batch * p.query_heads) / (p.query_heads / p.key_heads);
    }
};

// Keys that a query row sees: 0 … this - 1.
DEVICE int visible_keys(const sageattn_packed_attention_arguments& p, int query) {
    return max(0, min(p.key_rows, query + p.causal_offset + 1));
}

// Tiles of keys that `rows` rows from `first` on see, at least one of them.
DEVICE int visible_tiles(const sageattn_packed_attention_arguments& p, int first, int rows) {
    if (first >= p.query_rows) return 0;
    const int keys = visible_keys(p, min(first + rows, p.query_rows) - 1);
    return (keys + SAGEATTN_PACKED_KEY_TILE - 1) / SAGEATTN_PACKED_KEY_TILE;
}
