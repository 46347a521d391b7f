// Which rows a block of threads attends to next, and which keys they see.
#pragma once

#include "arguments.h"
#include "ptx/base.cuh"

// Warpgroups that attend, 64 rows each. Three keep the tensor cores busy best, but compilers before CUDA 12.8 need
// more registers than three leave each other.
#if __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1208
constexpr int kConsumers = 3, kConsumerRegisters = 160, kProducerRegisters = 32;
#else
constexpr int kConsumers = 2, kConsumerRegisters = 240, kProducerRegisters = 24;
#endif
constexpr int kWgmmaThreads = (kConsumers + 1) * 128;  // one more warpgroup loads
constexpr int kQueryTile =
    kConsumers * SAGEATTN_WGMMA_QUERY_BLOCK;  // rows that a block of threads attends to at a time

// A query row sees keys 0 … visible_keys - 1.
DEVICE int visible_keys(const sageattn_wgmma_attention_arguments& p, int query) {
    return max(0, min(p.key_rows, query + p.causal_offset + 1));
}

// How many tiles of keys any of the `rows` rows from `first` on sees.
DEVICE int visible_tiles(const sageattn_wgmma_attention_arguments& p, int first, int rows) {
    if (first >= p.query_rows) return 0;
    const int keys = visible_keys(p, min(first + rows, p.query_rows) - 1);
    return (keys + SAGEATTN_WGMMA_KEY_TILE - 1) / SAGEATTN_WGMMA_KEY_TILE;
}

// kQueryTile query rows of a head. The loading thread fills it in and hands it on in shared memory.
struct WgmmaWork {
    int head, batch, key_head, first_query;  // head: -1 if there is no more work
    int tiles;                               // of keys that any of the rows sees

    DEVICE static int count(const sageattn_wgmma_attention_arguments& p) { return p.heads * tiles_per_head(p); }

    // Groups of heads come one after the other, so that their keys stay in the cache; in a group, the rows that see
    // most keys come first.
    DEVICE static WgmmaWork at(const sageattn_wgmma_attention_arguments& p, int index) {
        const int per_group = p.group * tiles_per_head(p);
        const int group = index / per_group, rest = index - group * per_group;
        const int members = min(p.group, p.heads - group * p.group);
        const int turn = rest / members;
        const int head = group * p.group + rest - turn * members, batch = head / p.query_heads;
        const int key_head = batch * p.key_heads + (head - batch * p.query_heads) / (p.query_heads / p.key_heads);
        const int first = (tiles_per_head(p) - 1 - turn) * kQueryTile;
        return {head, batch, key_head, first, visible_tiles(p, first, kQueryTile)};
    }

    DEVICE static WgmmaWork none() { return {-1, 0, 0, 0, 0}; }

  private:
    DEVICE static int tiles_per_head(const sageattn_wgmma_attention_arguments& p) {
        return (p.query_rows + kQueryTile - 1) / kQueryTile;
    }
};
