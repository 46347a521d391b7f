// Threads and shared memory of an attention kernel; sizes count bytes.
#pragma once

#include "records.cuh"

// Warps of 16 query rows: as many as have the registers that they need without spills.
template <int kColumns>
constexpr int kFp4Warps = kColumns == 64 ? 16 : 12;

// Lanes that say that their warp is done with a block of keys. One can say it for all, but compute-sanitizer does not
// see that the others have read before; so in kernels for tests, each says it.
#if defined(SAGEATTN_EMULATE_FP4)
constexpr int kFp4Arrivals = 32;
#else
constexpr int kFp4Arrivals = 1;
#endif

template <int kColumnCount>
struct Fp4Shape {
    static constexpr int kColumns = kColumnCount;
    static constexpr int kWarps = kFp4Warps<kColumns>;
    static constexpr int kRows = kWarps * 16;
    static constexpr int kStages = 4;
    static constexpr int kAhead = 2;  // a warp may be so many blocks of keys ahead of the slowest

    static constexpr int kTile = Fp4Records<kColumns>::kBytes;  // 128 keys or values
    static constexpr int kDelta = SAGEATTN_FP4_BLOCK * 4;
    static constexpr int kDeltas =
        (kRows + SAGEATTN_FP4_BLOCK - 1) / SAGEATTN_FP4_BLOCK;  // means of the rows, at most

    // Offsets of arrays that have an element a stage.
    static constexpr int kKeyAt = 0;
    static constexpr int kValueAt = kKeyAt + kStages * kTile;
    static constexpr int kDeltaAt = kValueAt + kStages * kTile;
    static constexpr int kBarrierAt = kDeltaAt + kStages * kDeltas * kDelta;
    static constexpr int kSharedMemory = kBarrierAt + 8 * 2 * kStages;
};

// Where the current block of keys lies in shared memory, and the barriers that say that it has come, and that all
// warps are done with it.
template <class Shape>
struct Fp4Stage {
    u32 shared;
    int tile;

    DEVICE int index() const { return tile % Shape::kStages; }
    DEVICE int parity() const { return tile / Shape::kStages % 2; }
    DEVICE u32 full() const { return shared + Shape::kBarrierAt + 8 * index(); }
    DEVICE u32 empty() const { return full() + 8 * Shape::kStages; }
    DEVICE u32 key() const { return shared + Shape::kKeyAt + index() * Shape::kTile; }
    DEVICE u32 value() const { return shared + Shape::kValueAt + index() * Shape::kTile; }
    DEVICE u32 delta(int mean) const {
        return shared + Shape::kDeltaAt + (index() * Shape::kDeltas + mean) * Shape::kDelta;
    }
};
