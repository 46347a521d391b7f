// With a boolean mask: the tiles that a block's rows see, and how much of each they see.
#pragma once

#include "schedule.cuh"

// A tile and what each warpgroup sees of it (sageattn_wgmma_class), in a word: the tile in the low 24 bits, two bits
// a warpgroup, and at the top whether it is the last one of the work. none: there is no such tile.
class WgmmaTile {
    u32 word;

  public:
    DEVICE explicit WgmmaTile(u32 packed) : word(packed) {}
    DEVICE WgmmaTile(int tile, u32 classes) : word(static_cast<u32>(tile & 0xFFFFFF) | classes << 24) {}

    DEVICE bool none() const { return word >> 24 == 0; }
    DEVICE int index() const { return none() ? -1 : static_cast<int>(word & 0xFFFFFF); }
    DEVICE u32 packed(bool last) const { return word | static_cast<u32>(last) << 31; }
    DEVICE int seen_by(int warpgroup) const { return word >> (24 + 2 * warpgroup) & 3; }
    DEVICE bool last() const { return word >> 31; }
};

// Reads the classes of four tiles at a time.
template <int kConsumers>
class WgmmaClasses {
    const sageattn_wgmma_attention_arguments& p;
    const u32* const classes;
    const int first_query;
    int fetched = -1;  // which four
    u32 four = 0;

  public:
    DEVICE WgmmaClasses(const sageattn_wgmma_attention_arguments& arguments, const WgmmaWork& work)
        : p(arguments),
          classes(reinterpret_cast<const u32*>(
              p.classes + work.batch * p.class_batch_stride + work.head * p.class_head_stride +
              work.first_query / (kConsumers * SAGEATTN_WGMMA_QUERY_BLOCK) * p.class_tile_stride)),
          first_query(work.first_query) {}

    // The last tile before `end` that any of the rows sees.
    DEVICE WgmmaTile before(int end) {
#pragma unroll 1
        for (int tile = end - 1; tile >= 0; --tile) {
            if (tile / 4 != fetched) fetched = tile / 4, four = load_l2(classes + fetched);
            const u32 seen = within_limit(four >> (tile % 4 * 8) & 0xFF, tile);
            if (seen != 0) return {tile, seen};
        }
        return {0, 0};
    }

  private:
    // The classes less what the causal limit hides.
    DEVICE u32 within_limit(u32 seen, int tile) const {
        const int first = tile * SAGEATTN_WGMMA_KEY_TILE, end = first + SAGEATTN_WGMMA_KEY_TILE;
#pragma unroll
        for (int w = 0; w < kConsumers; ++w) {
            const int visible = first_query + w * SAGEATTN_WGMMA_QUERY_BLOCK + p.causal_offset + 1;
            if (visible + SAGEATTN_WGMMA_QUERY_BLOCK - 1 <= first) seen &= ~(3u << 2 * w);
            else if (visible < end && (seen >> 2 * w & 3) != 0)
                seen = (seen & ~(3u << 2 * w)) | SAGEATTN_WGMMA_SOME << 2 * w;
        }
        return seen;
    }
};
