// Which part of the keys and values a block packs.
#pragma once

#include "rows.cuh"
#include "schedule.cuh"
#include "seen.cuh"
#include "ptx/grid.cuh"

// A head of a batch, and the block's number among those of the head's values or keys. Head by head: blocks of values,
// which wait for each other, run at the same time, and blocks of keys keep the memory busy meanwhile.
class BatchPlace {
    const sageattn_wgmma_quantize_arguments& p;
    int block;

  public:
    int head;  // counted through all batches

    DEVICE explicit BatchPlace(const sageattn_wgmma_quantize_arguments& arguments) : p(arguments) {
        const u32 blocks = p.parts + p.key_tiles;
        head = blockIdx.x / blocks, block = blockIdx.x - head * blocks;
    }

    DEVICE bool any() const { return true; }
    DEVICE bool values() const { return block < p.parts; }  // or keys
    DEVICE int index() const { return values() ? block : block - p.parts; }
    DEVICE int batch() const { return head / p.key_heads; }
    DEVICE int key_head() const { return head - batch() * p.key_heads; }
    DEVICE int start() const { return 0; }
    DEVICE int rows() const { return p.key_rows; }
    DEVICE int tiles() const { return p.key_tiles; }
    DEVICE int parts() const { return p.parts; }  // blocks that share the values
    DEVICE long long tile(int index) const { return static_cast<long long>(head) * p.key_tiles + index; }

    // Where the scales of a tile lie: the attention reads them in the order of the tiles that somebody sees.
    DEVICE long long scales(int index) const {
        return tile(p.tile_rank == nullptr ? index : load_l2(p.tile_rank + batch() * p.key_tiles + index));
    }

    DEVICE SeenTile seen(int tile) const {
        const u32* const bits = p.seen == nullptr ? nullptr : p.seen + (batch() * p.key_tiles + tile) * 4;
        return SeenTile::of(bits, rows() - tile * SAGEATTN_WGMMA_KEY_TILE);
    }

    DEVICE bool weighed() const { return p.weights != nullptr; }

    // The weight of a key of a tile; from SAGEATTN_WGMMA_KEY_TILE on, what the scores of 32 keys get added, as a
    // factor.
    DEVICE float weight(int tile, int key) const {
        const int index = batch() * p.key_tiles + tile, group = key - SAGEATTN_WGMMA_KEY_TILE;
        if (group < 0) return load_l2(p.weights + (index * SAGEATTN_WGMMA_KEY_TILE + key));
        return exp2_fast(load_l2(p.groups + (index * SAGEATTN_WGMMA_KEY_SCALES + group)));
    }

    // How many keys are seen, or the sum of their weights.
    DEVICE float total() const {
        if (p.weights != nullptr) return load_l2(p.weight_total + batch());
        return p.seen == nullptr ? p.key_rows : max(1, load_l2(p.seen_count + batch()));
    }
};

// The same of sequences behind each other. A head has as many blocks for values as for keys: one for each tile that
// its sequences can have.
class SequencePlace {
    const sageattn_wgmma_quantize_arguments& p;
    int first, start_row, row_count;  // first tile and row of the sequence, and its rows
    int tile_index, of_head, sequence;
    bool of_values;

  public:
    int head;  // counted through all sequences

    DEVICE explicit SequencePlace(const sageattn_wgmma_quantize_arguments& arguments) : p(arguments) {
        of_head = blockIdx.x / (2u * p.key_tiles);
        tile_index = blockIdx.x - of_head * 2 * p.key_tiles;
        of_values = tile_index < p.key_tiles;
        if (!of_values) tile_index -= p.key_tiles;
        int low = 0, high = p.batch - 1;  // the last sequence that begins at or before the tile
        while (low < high) {
            const int middle = (low + high + 1) / 2;
            if (first_tile(load_l2(p.starts + middle), middle) <= tile_index) low = middle;
            else high = middle - 1;
        }
        sequence = low, head = low * p.key_heads + of_head;
        start_row = load_l2(p.starts + low), row_count = min(p.key_rows, load_l2(p.starts + low + 1) - start_row);
        first = first_tile(start_row, low);
    }

    // There may be more blocks than tiles.
    DEVICE bool any() const { return index() < (of_values ? parts() : tiles()); }
    DEVICE bool values() const { return of_values; }
    DEVICE int index() const { return tile_index - first; }
    DEVICE int batch() const { return sequence; }
    DEVICE int key_head() const { return of_head; }
    DEVICE int start() const { return start_row; }
    DEVICE int rows() const { return row_count; }
    DEVICE int tiles() const { return divide_up(row_count, SAGEATTN_WGMMA_KEY_TILE); }
    DEVICE int parts() const { return min(p.parts, tiles()); }
    DEVICE long long tile(int index) const { return static_cast<long long>(of_head) * p.key_tiles + first + index; }
    DEVICE long long scales(int index) const { return tile(index); }
    DEVICE SeenTile seen(int tile) const { return SeenTile::of(nullptr, row_count - tile * SAGEATTN_WGMMA_KEY_TILE); }
    DEVICE bool weighed() const { return false; }
    DEVICE float weight(int, int) const { return 1.0f; }
    DEVICE float total() const { return row_count; }
};

// For the shifts and the zeroed counters that wgmma_sample leaves. The attention, which reads the counters, may begin
// when all blocks have come here or ended: it keeps none of them from beginning.
DEVICE void wait_for_sample() {
    grid_wait();
    grid_let_next_begin();
}

// Whoever waits for a head sees what the block's threads wrote before the last barrier. One of them calls this.
DEVICE void count_tiles(const sageattn_wgmma_quantize_arguments& p, int head) {
    if (p.tiles_done != nullptr) add_release(p.tiles_done + head);
}

// The head's rows of a tensor, from a column on.
template <int kWords, class Place>
DEVICE WgmmaRows<kWords> rows_of(const sageattn_view& view, const Place& at, int head_dim, int column) {
    // Sequences share one batch, whose stride is 0.
    return {view, at.batch(), at.key_head(), at.start(), at.rows(), head_dim, column};
}
