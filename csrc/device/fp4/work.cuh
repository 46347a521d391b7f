// The query rows that a block of threads attends to, and what they need.
#pragma once

#include "shape.cuh"

template <class Shape>
struct Fp4Work {
    static constexpr int kColumns = Shape::kColumns;

    int unit, head, key_head;  // unit of the launch; heads of all batches
    int first;                 // query row
    int end;                   // of the unit's rows
    int tiles;                 // blocks of keys that any row sees

    // Units of a head follow each other, so that its keys stay in the L2 cache; with a causal mask the rows that see
    // most keys come first.
    DEVICE static Fp4Work at(const sageattn_fp4_attention_arguments& p, int index) {
        const int unit_rows = p.unit_blocks * SAGEATTN_FP4_BLOCK,
                  unit_tiles = (unit_rows + Shape::kRows - 1) / Shape::kRows;
        if (p.causal) index = p.units * unit_tiles - 1 - index;
        Fp4Work w;
        w.unit = index / unit_tiles;
        w.head = (p.first_unit + w.unit) / p.head_units;
        const int batch = w.head / p.query_heads, query_head = w.head - batch * p.query_heads;
        w.key_head = batch * p.key_heads + query_head / (p.query_heads / p.key_heads);
        const int unit_first = (p.first_unit + w.unit) % p.head_units * unit_rows;
        w.first = unit_first + index % unit_tiles * Shape::kRows;
        w.end = min(unit_first + unit_rows, p.query_rows);
        w.tiles =
            (visible_keys(p, min(w.first + Shape::kRows, w.end) - 1) + SAGEATTN_FP4_BLOCK - 1) / SAGEATTN_FP4_BLOCK;
        return w;
    }

    // A query row sees keys 0 … visible_keys - 1.
    DEVICE static int visible_keys(const sageattn_fp4_attention_arguments& p, int query) {
        return max(0, min(p.key_rows, query + p.causal_offset + 1));
    }

    // Warps that have a row.
    DEVICE int warps() const { return min(Shape::kWarps, (end - first + 15) / 16); }

    DEVICE const unsigned char* keys(const sageattn_fp4_attention_arguments& p) const {
        return p.packed_key + static_cast<long long>(key_head) * p.key_blocks * Shape::kTile;
    }

    DEVICE const unsigned char* values(const sageattn_fp4_attention_arguments& p) const {
        return p.packed_value + static_cast<long long>(key_head) * p.key_blocks * Shape::kTile;
    }

    // The row of delta_S that a query row uses, counted from the one of `first`.
    DEVICE int mean(const sageattn_fp4_attention_arguments& p, int query) const {
        return mean_in_unit(p, query) - mean_in_unit(p, first);
    }

    DEVICE const float* delta(const sageattn_fp4_attention_arguments& p, int mean) const {
        const long long row = static_cast<long long>(unit) * p.unit_means + mean_in_unit(p, first) + mean;
        return p.delta + row * p.key_blocks * SAGEATTN_FP4_BLOCK;
    }

  private:
    DEVICE static int mean_in_unit(const sageattn_fp4_attention_arguments& p, int query) {
        return p.unit_means == 1 ? 0 : query / SAGEATTN_FP4_BLOCK % p.unit_means;
    }
};
