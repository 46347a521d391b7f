// Which rows a block of threads attends to next, and which keys they see.
#pragma once

#include "arguments.h"
#include "ptx/base.cuh"
#include "ptx/global.cuh"

// What a kernel takes besides a causal limit: nothing; a boolean mask; an additive one; sequences behind each other.
enum class WgmmaVariant { kPlain, kMasked, kBiased, kStarts };

// Warpgroups that attend, 64 rows each, and the registers of a thread in them and in the one that loads. The more
// attend, the better they keep the tensor cores busy; registers limit how many. Compilers before CUDA 12.8 need more,
// and masks do.
template <int kColumns, WgmmaVariant kVariant>
struct WgmmaGroups {
#if __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ >= 1208
    static constexpr bool kFour =
        kColumns == 64 && (kVariant == WgmmaVariant::kPlain || kVariant == WgmmaVariant::kStarts);
    static constexpr int kConsumers = kFour ? 4 : 3;
    static constexpr int kConsumerRegisters = kFour ? 112 : 160, kProducerRegisters = kFour ? 24 : 32;
#else
    static constexpr int kConsumers = 2, kConsumerRegisters = 232, kProducerRegisters = 40;
#endif
    static constexpr int kThreads = (kConsumers + 1) * 128;
    static constexpr int kQueryTile = kConsumers * SAGEATTN_WGMMA_QUERY_BLOCK;  // rows at a time
};

DEVICE int divide_up(int count, int size) { return (count + size - 1) / size; }

// Tiles of a head before those of a sequence that begins at this row.
DEVICE int first_tile(int start, int sequence) { return start / SAGEATTN_WGMMA_KEY_TILE + sequence; }

// The rows of one attention. Query row i sees keys 0 … i + offset.
struct WgmmaRowsSeen {
    int query_rows, key_rows, offset;

    DEVICE int visible_keys(int query) const { return max(0, min(key_rows, query + offset + 1)); }

    // How many tiles of keys any of the `rows` rows from `first` on sees.
    DEVICE int visible_tiles(int first, int rows) const {
        if (first >= query_rows) return 0;
        return divide_up(visible_keys(min(first + rows, query_rows) - 1), SAGEATTN_WGMMA_KEY_TILE);
    }
};

// At most a query tile of a head's rows: from first_query to rows.query_rows. The loading thread fills it in and
// hands it on in shared memory.
struct WgmmaWork {
    int head, batch, first_query;  // head: -1 if there is no more work
    int key_head;                  // counted through all batches
    int tiles, first_tile;         // of keys that any of the rows sees; where they begin
    int query_start;               // the first row of the sequence, with starts
    WgmmaRowsSeen rows;

    DEVICE static WgmmaWork none() { return {-1, 0, 0, 0, 0, 0, 0, {0, 0, 0}}; }
};

// Which item of which head comes at an index. Groups of heads come one after the other, so that their keys stay in
// the cache; in a group, the rows that see most keys come first.
struct WgmmaTurn {
    int head, item;

    DEVICE WgmmaTurn(int index, int group, int heads, int items) {
        const int first = index / (group * items) * group, rest = index - first * items;
        const int members = min(group, heads - first), turn = rest / members;
        head = first + rest - turn * members;
        item = items - 1 - turn;
    }
};

// The work of a call, numbered. kWhole: items are query tiles, whose classes of a mask are known.
template <int kQueryTile, bool kWhole>
class WgmmaSchedule {
    const sageattn_wgmma_attention_arguments& p;

  public:
    DEVICE WgmmaSchedule(const sageattn_wgmma_attention_arguments& arguments) : p(arguments) {}

    DEVICE int count() const { return early_heads() * p.long_items + p.late_heads * late_items(); }

    DEVICE WgmmaWork at(int index) const {
        const int longs = early_heads() * p.long_items;
        return index < longs ? long_item(index) : late_item(index - longs);
    }

  private:
    DEVICE int early_heads() const { return p.heads - p.late_heads; }
    DEVICE int long_rows() const { return kWhole ? kQueryTile : p.long_blocks * SAGEATTN_WGMMA_QUERY_BLOCK; }
    DEVICE int late_rows() const { return p.late_blocks * SAGEATTN_WGMMA_QUERY_BLOCK; }
    DEVICE int late_items() const { return p.late_heads == 0 ? 0 : divide_up(p.query_rows, late_rows()); }

    DEVICE WgmmaWork long_item(int index) const {
        const WgmmaTurn turn(index, p.group, early_heads(), p.long_items);
        return item(turn.head, turn.item * long_rows(), long_rows());
    }

    DEVICE WgmmaWork late_item(int index) const {
        const int head = index / late_items(), turn = index - head * late_items();
        return item(early_heads() + head, turn * late_rows(), late_rows());
    }

    // of_all: the head, counted through all batches.
    DEVICE WgmmaWork item(int of_all, int first, int count) const {
        const int batch = of_all / p.query_heads, head = of_all - batch * p.query_heads;
        const int key_head = batch * p.key_heads + head / (p.query_heads / p.key_heads);
        const WgmmaRowsSeen rows = {min(p.query_rows, first + count), p.key_rows, p.causal_offset};
        const int tiles = p.tile_count == nullptr ? rows.visible_tiles(first, count) : load_l2(p.tile_count + batch);
        return {head, batch, first, key_head, tiles, key_head * p.key_tiles, 0, rows};
    }
};

// The same for sequences behind each other: those of most keys first.
template <int kQueryTile>
class WgmmaSequences {
    const sageattn_wgmma_attention_arguments& p;

  public:
    DEVICE WgmmaSequences(const sageattn_wgmma_attention_arguments& arguments) : p(arguments) {}

    DEVICE int count() const { return end(p.batch - 1) * p.query_heads; }

    DEVICE WgmmaWork at(int index) const {
        int low = 0, high = p.batch - 1;  // the first sequence in order that ends after `index`
        while (low < high) {
            const int middle = (low + high) / 2;
            if (index < end(middle) * p.query_heads) high = middle;
            else low = middle + 1;
        }
        const int before = low == 0 ? 0 : end(low - 1), tiles = end(low) - before;
        const WgmmaTurn turn(index - before * p.query_heads, p.group, p.query_heads, tiles);
        const int sequence = load_l2(p.order + low);
        const int query_start = load_l2(p.query_starts + sequence), key_start = load_l2(p.key_starts + sequence);
        WgmmaRowsSeen rows;
        rows.query_rows = min(p.query_rows, load_l2(p.query_starts + sequence + 1) - query_start);
        rows.key_rows = min(p.key_rows, load_l2(p.key_starts + sequence + 1) - key_start);
        rows.offset = p.causal == 0 ? SAGEATTN_WGMMA_NO_LIMIT : p.causal == 1 ? 0 : rows.key_rows - rows.query_rows;
        const int first = turn.item * kQueryTile;
        const int key_head = turn.head / (p.query_heads / p.key_heads);
        return {turn.head,
                sequence,
                first,
                sequence * p.key_heads + key_head,
                rows.visible_tiles(first, kQueryTile),
                key_head * p.key_tiles + first_tile(key_start, sequence),
                query_start,
                rows};
    }

  private:
    DEVICE int end(int rank) const { return load_l2(p.order_end + rank); }
};
