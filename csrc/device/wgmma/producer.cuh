// The thread that takes work from the schedule and loads its tiles.
#pragma once

#include "shape.cuh"
#include "ptx/bulk.cuh"

template <class Shape>
class WgmmaProducer {
    const sageattn_wgmma_attention_arguments& p;
    const u32 shared;
    const WgmmaBarriers<Shape> barriers;
    Rings<Shape::kStages> ring;

  public:
    DEVICE WgmmaProducer(const sageattn_wgmma_attention_arguments& arguments, u32 shared_memory)
        : p(arguments), shared(shared_memory), barriers{shared_memory + Shape::kBarrierAt} {}

    DEVICE void run() {
        const int end = WgmmaWork::count(p);
#pragma unroll 1
        for (int index = blockIdx.x; index < end; index = gridDim.x + atomicAdd(p.schedule, 1)) {
            const WgmmaWork work = WgmmaWork::at(p, index);
            hand_on(work);
            load_queries(work);
            load_keys(work);
            ring.advance_query();
        }
        hand_on(WgmmaWork::none());
        barrier_arrive(barriers.query_full(ring.query_stage()));
        leave();
    }

  private:
    DEVICE void hand_on(const WgmmaWork& work) const {
        const int stage = ring.query_stage();
        barrier_wait(barriers.query_empty(stage), ring.query_parity() ^ 1);
        store_shared_16(shared + Shape::kWorkAt + stage * 16,
                        make_uint4(work.head, work.key_head, work.first_query, work.tiles));
    }

    DEVICE void load_queries(const WgmmaWork& work) const {
        const int stage = ring.query_stage(), block = work.first_query / SAGEATTN_WGMMA_QUERY_BLOCK;
        const int blocks = min(kConsumers, p.query_blocks - block);
        const long long first = static_cast<long long>(work.head) * p.query_blocks + block;
        const u32 full = barriers.query_full(stage);
        constexpr int kScales = SAGEATTN_WGMMA_QUERY_BLOCK * 4;  // bytes of a block's
        barrier_expect(full, blocks * (Shape::kQueryBlock + kScales));
        bulk_load(shared + Shape::kQueryAt + stage * Shape::kQuery, p.query + first * Shape::kQueryBlock,
                  blocks * Shape::kQueryBlock, full);
        bulk_load(shared + Shape::kQueryScaleAt + stage * Shape::kQueryScale,
                  p.query_scale + first * SAGEATTN_WGMMA_QUERY_BLOCK, blocks * kScales, full);
    }

    // The last tile first: it is the one that may need a mask.
    DEVICE void load_keys(const WgmmaWork& work) {
        const long long first = static_cast<long long>(work.key_head) * p.key_tiles;
#pragma unroll 1
        for (int tile = work.tiles - 1; tile >= 0; --tile) {
            load_tile(first + tile);
            ring.advance();
        }
    }

    DEVICE void load_tile(long long tile) const {
        const int stage = ring.stage();
        const u32 key = barriers.key_full(stage), value = barriers.value_full(stage);
        barrier_wait(barriers.key_empty(stage), ring.parity() ^ 1);
        barrier_expect(key, Shape::kKey + Shape::kKeyScale);
        bulk_load(shared + Shape::kKeyAt + stage * Shape::kKey, p.key + tile * Shape::kKey, Shape::kKey, key);
        bulk_load(shared + Shape::kKeyScaleAt + stage * Shape::kKeyScale,
                  p.key_scale + tile * SAGEATTN_WGMMA_KEY_SCALES, Shape::kKeyScale, key);
        barrier_wait(barriers.value_empty(stage), ring.parity() ^ 1);
        barrier_expect(value, Shape::kValue);
        bulk_load(shared + Shape::kValueAt + stage * (Shape::kValue + Shape::kOnes), p.value + tile * Shape::kValue,
                  Shape::kValue, value);
    }

    // The last block leaves the schedule as it found it, so that a launch needs no memset before it.
    DEVICE void leave() const {
        __threadfence();
        if (atomicAdd(p.schedule + 1, 1) != static_cast<int>(gridDim.x) - 1) return;
        p.schedule[0] = 0;
        p.schedule[1] = 0;
    }
};
