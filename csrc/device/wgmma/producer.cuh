// The thread that takes work from the schedule and loads its tiles.
#pragma once

#include "classes.cuh"
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
        // Earlier launches write the order of sequences, the classes of tiles and how many there are. The order is
        // there when wgmma_pack, which counts its tiles, lets this launch begin.
        const bool ordered = !Shape::kStarts || p.tiles_done != nullptr;
        if (Shape::kMasked || Shape::kBiased || p.tile_count != nullptr || !ordered) grid_wait();
        if constexpr (Shape::kStarts) take_work(WgmmaSequences<Shape::kQueryTile>(p));
        else take_work(WgmmaSchedule<Shape::kQueryTile, Shape::kMasked>(p));
        hand_on(WgmmaWork::none());
        leave();
    }

  private:
    template <class Schedule>
    DEVICE void take_work(const Schedule& schedule) {
        const int end = schedule.count();
#pragma unroll 1
        for (int index = blockIdx.x; index < end; index = gridDim.x + atomicAdd(p.schedule, 1)) {
            const WgmmaWork work = schedule.at(index);
            prefetch_queries(work);
            if constexpr (Shape::kMasked) {
                load_seen_keys(work);
            } else {
                hand_on(work);
                if (index == static_cast<int>(blockIdx.x)) wait_for_tiles(work);
                load_keys(work);
            }
            grid_wait();  // the launch before writes the channels' scales last
            load_channels(work.key_head, ring.work_stage());
            ring.advance_work();
        }
    }

    // The launch before this one may still pack other heads. Who waits in vain waits for its end: about a
    // millisecond, as in wgmma_pack.
    DEVICE void wait_for_tiles(const WgmmaWork& work) const {
        constexpr int kPatience = 1000;
        const int tiles = divide_up(work.rows.key_rows, SAGEATTN_WGMMA_KEY_TILE);
        const bool counted = p.tiles_done != nullptr && tiles > 0;
        int i = counted ? 0 : kPatience;
        while (i < kPatience && load_acquire(p.tiles_done + work.key_head) <= tiles) ++i;
        if (i == kPatience) grid_wait();
        bulk_acquire();
    }

    DEVICE void hand_on(const WgmmaWork& work) const {
        const int stage = ring.work_stage();
        barrier_wait(barriers.work_empty(stage), ring.work_parity() ^ 1);
        const u32 at = shared + Shape::kWorkAt + stage * Shape::kWork;
        store_shared_16(at, make_uint4(work.head, work.batch, work.first_query, work.key_head));
        store_shared_16(at + 16, make_uint4(work.tiles, work.first_tile, work.query_start, work.rows.query_rows));
        if constexpr (Shape::kStarts) store_shared_8(at + 32, make_uint2(work.rows.key_rows, work.rows.offset));
        barrier_arrive(barriers.work_full(stage));
    }

    DEVICE void load_channels(int key_head, int stage) const {
        const u32 target = shared + Shape::kChannelAt + stage * Shape::kChannel,
                  barrier = barriers.channels_full(stage);
        constexpr int kHalf = Shape::kChannel / 2;
        barrier_expect(barrier, Shape::kChannel);
        bulk_load(target, p.value_scale + key_head * Shape::kColumns, kHalf, barrier);
        bulk_load(target + kHalf, p.value_mean + key_head * Shape::kColumns, kHalf, barrier);
    }

    // Brings the rows into the L2 cache; each warpgroup reads its own when it comes to them.
    DEVICE void prefetch_queries(const WgmmaWork& work) const {
        if (!p.query.vectors) return;
        const int rows = min(Shape::kQueryTile, work.rows.query_rows - work.first_query);
        const char* row = static_cast<const char*>(p.query.data) + work.batch * p.query.batch_stride +
                          work.head * p.query.head_stride +
                          (work.query_start + work.first_query) * p.query.row_stride;
        const int bytes = p.head_dim * 2 & ~15;
        if (bytes == 0) return;
        if (bytes == p.query.row_stride) return bulk_prefetch(row, rows * bytes);
#pragma unroll 1
        for (int i = 0; i < rows; ++i) bulk_prefetch(row + i * p.query.row_stride, bytes);
    }

    // The last tile first: it is the one that may need a limit.
    DEVICE void load_keys(const WgmmaWork& work) {
        const int* const list =
            Shape::kListed && p.tile_list != nullptr ? p.tile_list + work.batch * p.key_tiles : nullptr;
#pragma unroll 1
        for (int i = work.tiles - 1; i >= 0; --i)
            load_tile(work.first_tile + (list == nullptr ? i : load_l2(list + i)));
    }

    // The tiles that some warpgroup sees, with what each sees of them.
    DEVICE void load_seen_keys(WgmmaWork work) {
        WgmmaClasses<Shape::kConsumers> classes(p, work);
        WgmmaTile tile = classes.before(work.tiles);
        work.tiles = tile.index() + 1;
        hand_on(work);
#pragma unroll 1
        while (!tile.none()) {
            const WgmmaTile next = classes.before(tile.index());
            load_tile(work.first_tile + tile.index(), tile.packed(next.none()));
            tile = next;
        }
    }

    // packed: for the kernel with a mask.
    DEVICE void load_tile(long long tile, u32 packed = 0) {
        const int stage = ring.stage();
        const u32 key = barriers.key_full(stage), value = barriers.value_full(stage);
        barrier_wait(barriers.key_empty(stage), ring.parity() ^ 1);
        if constexpr (Shape::kMasked) store_shared_4(shared + Shape::kTileAt + stage * Shape::kTile, packed);
        barrier_expect(key, Shape::kKey);
        bulk_load(shared + Shape::kKeyAt + stage * Shape::kKey, p.key + tile * Shape::kKey, Shape::kKey, key);
        barrier_wait(barriers.value_empty(stage), ring.parity() ^ 1);
        if constexpr (Shape::kMasked) store_shared_4(shared + Shape::kTileAt + stage * Shape::kTile + 4, packed);
        barrier_expect(value, Shape::kValue);
        bulk_load(shared + Shape::kValueAt + stage * Shape::kValue, p.value + tile * Shape::kValue, Shape::kValue,
                  value);
        ring.advance();
    }

    // The last block leaves the schedule as it found it, so that a launch needs no memset before it.
    DEVICE void leave() const {
        grid_wait();  // what waits for this launch takes the one before for ended, too
        __threadfence();
        if (atomicAdd(p.schedule + 1, 1) != static_cast<int>(gridDim.x) - 1) return;
        p.schedule[0] = 0;
        p.schedule[1] = 0;
    }
};
