// The thread that takes work from the schedule and loads its tiles.
#pragma once

#include "packed_shape.cuh"
#include "ptx/bulk.cuh"

template <class Shape>
class PackedProducer {
    const sageattn_packed_attention_arguments& p;
    const u32 shared;
    volatile int* const work_index;  // [2], -1: no more
    const PackedBarriers<Shape> barriers;
    Rings<Shape::kStages> ring;

  public:
    DEVICE PackedProducer(const sageattn_packed_attention_arguments& arguments, u32 shared_memory, volatile int* work)
        : p(arguments), shared(shared_memory), work_index(work), barriers{shared_memory + Shape::kBarrierAt} {}

    DEVICE void run() {
        const int end = p.heads * p.query_tiles;
#pragma unroll 1
        for (int index = blockIdx.x; index < end; index = gridDim.x + atomicAdd(p.schedule, 1)) {
            const PackedWork work(p, index);
            barrier_wait(barriers.query_empty(ring.query_stage()), ring.query_parity() ^ 1);
            work_index[ring.query_stage()] = index;
            load_queries(work, ring.query_stage());
            load_keys(work);
            ring.advance_query();
        }
        barrier_wait(barriers.query_empty(ring.query_stage()), ring.query_parity() ^ 1);
        work_index[ring.query_stage()] = -1;
        barrier_arrive(barriers.query_full(ring.query_stage()));
        leave();
    }

  private:
    DEVICE void load_queries(const PackedWork& work, int stage) const {
        const int block = work.first_query / SAGEATTN_PACKED_QUERY_BLOCK;
        const int bytes = min(kConsumers, p.query_blocks - block) * Shape::kQueryBlock;
        const long long first = static_cast<long long>(work.head) * p.query_blocks + block;
        barrier_expect(barriers.query_full(stage), bytes);
        bulk_load(shared + Shape::kQueryAt + stage * Shape::kQuery, p.query + first * Shape::kQueryBlock, bytes,
                  barriers.query_full(stage));
    }

    // The last tile first: it is the one that may need a mask.
    DEVICE void load_keys(const PackedWork& work) {
        const int tiles = visible_tiles(p, work.first_query, SAGEATTN_PACKED_QUERY_TILE);
        const long long first = static_cast<long long>(work.key_head) * p.key_tiles;
#pragma unroll 1
        for (int tile = tiles - 1; tile >= 0; --tile) {
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
                  p.key_scale + tile * SAGEATTN_PACKED_KEY_SCALES, Shape::kKeyScale, key);
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
