// The layout of shared memory for a number of columns; sizes count bytes.
#pragma once

#include "schedule.cuh"
#include "ptx/barrier.cuh"

template <int kColumnCount, WgmmaVariant kVariant>
struct WgmmaShape : WgmmaGroups<kColumnCount, kVariant> {
    using Groups = WgmmaGroups<kColumnCount, kVariant>;
    using Groups::kConsumers;
    using Groups::kQueryTile;
    static constexpr int kColumns = kColumnCount;
    static constexpr bool kPlain = kVariant == WgmmaVariant::kPlain;
    static constexpr bool kMasked = kVariant == WgmmaVariant::kMasked;
    static constexpr bool kBiased = kVariant == WgmmaVariant::kBiased;
    static constexpr bool kStarts = kVariant == WgmmaVariant::kStarts;
    // Whether a list of tiles may leave out those that a mask of keys hides.
    static constexpr bool kListed = kPlain || kBiased;
    // Whether the LSE takes sums of probabilities that were not rounded: a mask leaves those no registers.
    static constexpr bool kExactSums = kPlain || kStarts;
    static constexpr int kStages = kColumns == 128 ? 2 : 4;
    static constexpr int kQueryBlock = SAGEATTN_WGMMA_QUERY_BLOCK * kColumns;
    static constexpr int kQuery = kConsumers * kQueryBlock;
    static constexpr int kQueryScale = kQueryTile * 4;
    static constexpr int kKey = SAGEATTN_WGMMA_KEY_TILE * kColumns;
    static constexpr int kValue = (kColumns + 8) * SAGEATTN_WGMMA_KEY_TILE;  // with the rows of ones

    // Offsets of arrays. Keys and values have an element a stage; queries have one, of which each warpgroup writes
    // its part.
    static constexpr int kKeyAt = 0;
    static constexpr int kValueAt = kKeyAt + kStages * kKey;
    static constexpr int kQueryAt = kValueAt + kStages * kValue;
    static constexpr int kQueryScaleAt = kQueryAt + kQuery;
    static constexpr int kQueryDotAt = kQueryScaleAt + kQueryScale;
    static constexpr int kSumAt = kQueryDotAt + kQueryScale;  // four float32 of each thread that attends
    static constexpr int kChannelAt = kSumAt + (kExactSums ? kConsumers * 128 * 16 : 0);
    static constexpr int kChannel = 2 * kColumns * 4;  // scale and mean of a work's channels; as many as works
    static constexpr int kWorkAt = kChannelAt + 2 * kChannel;
    static constexpr int kWork = 48;  // a WgmmaWork; there are two
    static constexpr int kTileAt = kWorkAt + 2 * kWork;
    static constexpr int kTile = kMasked ? 8 : 0;  // a WgmmaTile, and again as long as the values are there
    static constexpr int kBarrierAt = kTileAt + kStages * kTile;
    static constexpr int kSharedMemory = kBarrierAt + 8 * (4 * kStages + 6);
};

// Each buffer has two barriers: one says that it is full, one that its readers are done.
template <class Shape>
struct WgmmaBarriers {
    u32 first;

    DEVICE u32 key_full(int stage) const { return first + 8 * stage; }
    DEVICE u32 key_empty(int stage) const { return key_full(Shape::kStages + stage); }
    DEVICE u32 value_full(int stage) const { return key_full(2 * Shape::kStages + stage); }
    DEVICE u32 value_empty(int stage) const { return key_full(3 * Shape::kStages + stage); }
    DEVICE u32 work_full(int stage) const { return key_full(4 * Shape::kStages + stage); }
    DEVICE u32 work_empty(int stage) const { return key_full(4 * Shape::kStages + 2 + stage); }
    DEVICE u32 channels_full(int stage) const { return key_full(4 * Shape::kStages + 4 + stage); }

    // Each warp that attends arrives once at an `empty`.
    DEVICE void init() const {
        for (int i = 0; i < Shape::kStages; ++i) {
            barrier_init(key_full(i), 1);
            barrier_init(value_full(i), 1);
            barrier_init(key_empty(i), Shape::kConsumers * 4);
            barrier_init(value_empty(i), Shape::kConsumers * 4);
        }
        for (int i = 0; i < 2; ++i) {
            barrier_init(work_full(i), 1);
            barrier_init(channels_full(i), 1);
            barrier_init(work_empty(i), Shape::kConsumers * 4);
        }
    }
};

// Two rings of buffers, one of keys and values and one of work, counted in one register: which buffer is in turn, and
// the parity of its phase. The register also remembers whether the work has no further tile.
template <int kStages>
struct Rings {
    static_assert((kStages & (kStages - 1)) == 0, "a power of two");
    u32 turns = 0;  // of keys in the low 8 bits, of work above; at the top: no further tile

    DEVICE int stage() const { return turns % kStages; }
    DEVICE int parity() const { return turns / kStages % 2; }
    DEVICE void advance() { turns = (turns & ~0xFFu) | ((turns + 1) & 0xFFu); }

    DEVICE int work_stage() const { return turns / 256 % 2; }
    DEVICE int work_parity() const { return turns / 512 % 2; }
    DEVICE void advance_work() { turns += 256; }

    DEVICE bool ended() const { return turns >> 31; }
    DEVICE void set_ended(bool ended) { turns = (turns & 0x7FFFFFFFu) | static_cast<u32>(ended) << 31; }
};
