// Which part of the work a block does, and the state that it keeps.
#pragma once

#include "params.h"
#include "ptx/base.cuh"

DEVICE char* view_pointer(const sageattn_view& view, int batch, int head, int row) {
    return static_cast<char*>(view.data) + batch * view.batch_stride + head * view.head_stride +
           row * view.row_stride;
}

// Which queries a block computes. Causal tiles grow with their index: the longest first, so that the grid ends
// evenly.
struct BlockIndex {
    int first_query, head, batch, key_head, split;
    int query_start, key_start;  // first rows of the sequence in the views
    int query_rows, key_rows;    // of the sequence

    DEVICE BlockIndex(const sageattn_attention_arguments& p, int block_rows, int splits) {
        u32 index = blockIdx.x;
        split = splits == 1 ? 0 : index % splits;
        index /= splits;
        const int tile = index % p.query_tiles;
        index /= p.query_tiles;
        head = index % p.query_heads;
        batch = index / p.query_heads;
        first_query = (p.causal ? p.query_tiles - 1 - tile : tile) * block_rows;
        key_head = head / (p.query_heads / p.key_heads);
        query_start = key_start = 0;
        query_rows = p.query_rows, key_rows = p.key_rows;
        if (p.query_starts == nullptr) return;
        query_start = p.query_starts[batch], key_start = p.key_starts[batch];
        query_rows = min(query_rows, p.query_starts[batch + 1] - query_start);
        key_rows = min(key_rows, p.key_starts[batch + 1] - key_start);
    }

    // How many keys the block's first row sees; each further row sees one more. Without a causal limit, more than
    // there are.
    DEVICE int limit(const sageattn_attention_arguments& p) const {
        if (p.causal == 0) return 0x7FFFFFFF - 1024;  // a block has fewer rows
        return first_query + 1 + (p.causal == 1 ? 0 : key_rows - query_rows);
    }

    DEVICE int key_tiles(const sageattn_attention_arguments& p, int block_rows) const {
        const int last = min(block_rows, query_rows - first_query) - 1;
        const int visible = max(min(limit(p) + last, key_rows), 0);
        return (visible + SAGEATTN_KEY_ROWS - 1) / SAGEATTN_KEY_ROWS;
    }

    // Index of the block's head among those of a tensor's scales or LSE. With starts, all sequences share one batch.
    static DEVICE long long head_index(int batch, int heads, int head, const int* starts) {
        return starts != nullptr ? head : static_cast<long long>(batch) * heads + head;
    }

    // Row of a head's scales at which the sequence begins.
    DEVICE int scale_start(const int* starts, int start, int block_shift) const {
        return starts == nullptr ? 0 : ((start >> block_shift) + batch) << block_shift;
    }
};

// What the whole block shares, parked in shared memory between uses: the main loop has no registers to spare.
struct BlockState {
    const char *key, *value;  // row 0 of the key head's sequence; values from the block's first column on
    const float* key_scale;   // of the sequence
    const char* mask;         // the block's first row
    char* output;             // the block's first row and column
    long long lse;            // index of the block's first row
    long long channel;        // index of the block's first column in [batch, key heads, head_dim]
    int key_tiles;            // that the block sees
    int key_rows;
    int rows, columns;       // of the block, that exist
    int limit;               // keys that the first row sees: see BlockIndex
    int first_split;         // this block writes what all splits compute
    float query_scale[128];  // of each row, with sm_scale * log2(e)

    DEVICE void set(const sageattn_attention_arguments& p, const BlockIndex& b, int split_columns, int block_rows,
                    bool transposed_values) {
        const int first_column = b.split * split_columns,
                  scale_row = b.scale_start(p.key_starts, b.key_start, p.key_block_shift);
        key = view_pointer(p.key, b.batch, b.key_head, b.key_start);
        value = transposed_values ? view_pointer(p.value, b.batch, b.key_head, first_column)
                                  : view_pointer(p.value, b.batch, b.key_head, b.key_start) + first_column * 2;
        key_scale = p.key_scale +
                    BlockIndex::head_index(b.batch, p.key_heads, b.key_head, p.key_starts) * p.key_scale_stride +
                    ((scale_row >> p.key_block_shift) * 4LL >> p.key_scale_shift);
        mask = view_pointer(p.mask, b.batch, b.head, b.first_query);
        output = view_pointer(p.output, b.batch, b.head, b.query_start) + b.first_query * p.output.row_stride +
                 first_column * 2;
        lse = b.batch * p.lse_batch_stride + b.head * p.lse_head_stride + b.query_start + b.first_query;
        channel = (static_cast<long long>(b.batch) * p.key_heads + b.key_head) * p.head_dim + first_column;
        key_tiles = b.key_tiles(p, block_rows);
        key_rows = b.key_rows;
        rows = min(block_rows, b.query_rows - b.first_query);
        columns = max(min(split_columns, p.head_dim - first_column), 0);
        limit = b.limit(p);
        first_split = b.split == 0;
    }

    // A field, read afresh each time.
    static DEVICE u32 load(const u32& field) { return load_shared_4(shared_address(&field)); }
    static DEVICE int load(const int& field) { return load_shared_4(shared_address(&field)); }
    static DEVICE float load(const float& field) { return __int_as_float(load_shared_4(shared_address(&field))); }
    template <class T>
    static DEVICE const T* load(const T* const& field) {
        const uint2 v = load_shared_8(shared_address(&field));
        return reinterpret_cast<const T*>(static_cast<unsigned long long>(v.y) << 32 | v.x);
    }

    // Keys that a row of the block sees.
    DEVICE int visible(int row) const { return min(load(key_rows), load(limit) + row); }
};

// With a boolean mask, whose tiles begin at `mask`.
struct MaskedBlockState : BlockState {
    const u32* seen_tiles;  // a bit for each tile of keys, from the top one on

    DEVICE void set(const sageattn_attention_arguments& p, const BlockIndex& b, int split_columns, int block_rows,
                    bool transposed_values) {
        BlockState::set(p, b, split_columns, block_rows, transposed_values);
        seen_tiles = p.seen_tiles + b.batch * p.seen_batch_stride + b.head * p.seen_head_stride +
                     b.first_query / block_rows * p.seen_block_stride;
    }
};

// The dtypes of a mask of floats, as in sageattn.h.
enum MaskDtype { kFloat16, kBfloat16, kFloat32 };

// With a mask of floats. A look at a tile goes through `form` lines; kShifted: they are not where they belong.
struct BiasedBlockState : BlockState {
    static constexpr int kShifted = 1 << 16;
    u32 hidden;  // a word of elements that hide their keys: -infinity
    int form;
    int whole_tiles[8];     // of keys, for each warp: whose lines are copied as if neither rows nor keys ended
    const char* source[8];  // of each warp: its first row

    DEVICE void set(const sageattn_attention_arguments& p, const BlockIndex& b, int split_columns, int block_rows,
                    bool transposed_values) {
        BlockState::set(p, b, split_columns, block_rows, transposed_values);
        const bool wide = p.mask_dtype == kFloat32, one_row = p.mask.row_stride == 0;
        const bool neighbours = p.mask_column_stride == (wide ? 4 : 2), shifted = neighbours && !p.mask.vectors;
        const int warps = blockDim.x / 32, warp_rows = block_rows / warps;
        hidden = wide ? 0xFF800000u : p.mask_dtype == kBfloat16 ? 0xFF80FF80u : 0xFC00FC00u;
        form = (one_row ? 1 + wide : wide ? 0 : warp_rows) | (shifted ? kShifted : 0);
        const int end = key_rows - (shifted ? 16 : 0);  // such lines want 16 bytes more
        const int tiles = SM < 800 || one_row || !neighbours ? 0 : min(end / SAGEATTN_KEY_ROWS, key_tiles);
        for (int i = 0; i < warps; ++i) {
            whole_tiles[i] = rows < (i + 1) * warp_rows ? 0 : tiles;
            source[i] = mask + i * warp_rows * p.mask.row_stride;
        }
    }
};
