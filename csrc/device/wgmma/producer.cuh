// The thread that takes work from the schedule and loads its tiles.
#pragma once

#include "shape.cuh"
#include "ptx/bulk.cuh"
#include "ptx/grid.cuh"

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
            prefetch_queries(work);
            hand_on(work);
            load_keys(work);
            ring.advance_work();
        }
        hand_on(WgmmaWork::none());
        leave();
    }

  private:
    DEVICE void hand_on(const WgmmaWork& work) const {
        const int stage = ring.work_stage();
        barrier_wait(barriers.work_empty(stage), ring.work_parity() ^ 1);
        const u32 at = shared + Shape::kWorkAt + stage * Shape::kWork;
        store_shared_16(at, make_uint4(work.head, work.batch, work.key_head, work.first_query));
        store_shared_4(at + 16, work.tiles);
        barrier_arrive(barriers.work_full(stage));
        grid_wait();  // the launch before writes the tiles that are loaded next
    }

    // Brings the rows into the L2 cache; each warpgroup reads its own when it comes to them.
    DEVICE void prefetch_queries(const WgmmaWork& work) const {
        if (!p.query.vectors) return;
        const int batch = work.batch, rows = min(kQueryTile, p.query_rows - work.first_query);
        const char* row = static_cast<const char*>(p.query.data) + batch * p.query.batch_stride +
                          (work.head - batch * p.query_heads) * p.query.head_stride +
                          work.first_query * p.query.row_stride;
        const int bytes = p.head_dim * 2 & ~15;
        if (bytes == 0) return;
        if (bytes == p.query.row_stride) return bulk_prefetch(row, rows * bytes);
#pragma unroll 1
        for (int i = 0; i < rows; ++i) bulk_prefetch(row + i * p.query.row_stride, bytes);
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
        barrier_expect(key, Shape::kKey);
        bulk_load(shared + Shape::kKeyAt + stage * Shape::kKey, p.key + tile * Shape::kKey, Shape::kKey, key);
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
