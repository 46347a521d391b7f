// A warpgroup that attends to 64 query rows.
//
// Per tile of 128 keys: first product, softmax, second product, one after the other; the other two warpgroups of the
// block keep the tensor cores busy meanwhile. The second product goes into registers of its own (those of the first,
// which are free by then) and is added in float32: the tensor core truncates what it adds to an accumulator, which
// over a row of thousands of keys would lose percents of a sum of one sign.
#pragma once

#include "bias.cuh"
#include "classes.cuh"
#include "output.cuh"
#include "queries.cuh"
#include "ptx/grid.cuh"
#include "ptx/wgmma.cuh"

template <class Shape>
class WgmmaConsumer : WgmmaOutput<Shape> {
    using Base = WgmmaOutput<Shape>;
    using Base::barriers, Base::kOutputs, Base::output, Base::p, Base::ring, Base::shared, Base::warpgroup;
    using Base::finish, Base::first_query, Base::key_rows, Base::lane_row, Base::load_floats, Base::offset;
    using Base::kBatch, Base::kFirstTile, Base::kHead, Base::kKeyHead, Base::kTiles;
    using Base::query_rows, Base::query_start, Base::sums, Base::work, Base::work_field;

    static constexpr int kPartials = kOutputs + 4;  // and those of the row sums
    using Hidden = typename Either<Shape::kMasked, SeenBits, SeenCounts>::Type;

  public:
    DEVICE WgmmaConsumer(const sageattn_wgmma_attention_arguments& arguments, u32 shared_memory, int index)
        : Base(arguments, shared_memory, index) {}

    DEVICE void run() {
        while (true) {
            const int stage = ring.work_stage();
            barrier_wait(barriers.work_full(stage), ring.work_parity());
            if (work(kHead) < 0) break;
            quantize_queries();
            finish(attend());
            release(barriers.work_empty(stage));
            ring.advance_work();
        }
    }

  private:
    // Gives a buffer back, once every lane of the warp has read it.
    DEVICE static void release(u32 barrier) {
        __syncwarp();
        if (thread_index() % 32 == 0) barrier_arrive(barrier);
    }

    // Quantises the warpgroup's rows into shared memory, 16 a warp. After the first barrier nobody reads the
    // previous rows; after the second, these are complete. The launch before this one may still run, unless the LSE
    // needs the keys' shift, which an earlier launch writes, or there is a mask.
    DEVICE void quantize_queries() const {
        const WgmmaQueries<Shape::kColumns> queries;
        Words<4> fetched[queries.kSteps];
        queries.fetch(fetched, p, work(kBatch), work(kHead), query_start(), query_rows(), first_query());
        if (p.lse != nullptr) grid_wait();
        warpgroup_sync(warpgroup);
        const u32 scales = warpgroup * SAGEATTN_WGMMA_QUERY_BLOCK * 4;
        queries.quantize(fetched, p, work(kKeyHead), shared + Shape::kQueryAt + warpgroup * Shape::kQueryBlock,
                         shared + Shape::kQueryScaleAt + scales, shared + Shape::kQueryDotAt + scales);
        publish_shared();
        warpgroup_sync(warpgroup);
        if (Shape::kMasked || Shape::kBiased) grid_wait();
    }

    // kExact: probabilities are also summed up before they are rounded, for the LSE. kWeighed: weights in the tiles
    // stand for biases of keys. Loops of their own, so that the usual one keeps its registers.
    enum class Loop { kUsual, kExact, kWeighed };

    DEVICE WgmmaSoftmaxRows attend() {
        using Softmax = WgmmaSoftmax<(Shape::kConsumers < 4)>;
        if constexpr (Shape::kBiased) {
            const bool weighed = p.weighed != nullptr && load_l2(p.weighed + work(kBatch)) != 0;
            if (weighed) return attend<Loop::kWeighed, Softmax>();
            return attend<Loop::kUsual, WgmmaBiasedSoftmax>();
        } else {
            if (Shape::kExactSums && p.lse != nullptr) return attend<Loop::kExact, Softmax>();
            return attend<Loop::kUsual, Softmax>();
        }
    }

    template <Loop kLoop, class Softmax>
    DEVICE WgmmaSoftmaxRows attend() {
        Softmax softmax;
#pragma unroll
        for (int i = 0; i < kOutputs; ++i) output[i] = 0.0f;
        if (kLoop == Loop::kExact) store_shared_16(sums(), make_uint4(0, 0, 0, 0));
        if constexpr (Shape::kMasked) attend_seen<kLoop>(softmax);
        else attend_all<kLoop>(softmax);
        if (kLoop == Loop::kExact) load_floats(softmax.sum, sums() + 8);
        if (Shape::kBiased && p.weighed != nullptr) unweigh(softmax);
        return softmax;
    }

    // The ones that were summed up were larger, and what all scores get added was left out.
    DEVICE void unweigh(WgmmaSoftmaxRows& softmax) const {
        const float top = load_l2(p.top + work(kBatch));
#pragma unroll
        for (int r = 0; r < 2; ++r) softmax.sum[r] *= 1.0f / SAGEATTN_WGMMA_ONE, softmax.maximum[r] += top;
    }

    template <Loop kLoop, class Softmax>
    DEVICE void attend_all(Softmax& softmax) {
        const WgmmaRowsSeen rows = {query_rows(), key_rows(), offset()};
        int tiles = rows.visible_tiles(first_query(), SAGEATTN_WGMMA_QUERY_BLOCK);
        if (Shape::kListed) tiles = min(tiles, work(kTiles));  // others may be left out
#pragma unroll 1
        for (int tile = work(kTiles); tile > tiles; --tile) skip();
        // Tiles that a causal limit cuts come first. Those that all rows see have a loop of their own, which asks for
        // no limit: without branches the compiler orders all instructions of a tile. Where registers do not suffice
        // for that, one loop attends to all.
        constexpr bool kOwnLoop = kLoop == Loop::kWeighed || (kLoop == Loop::kUsual && !Shape::kBiased);
        const int whole = min(tiles, max(0, first_query() + offset() + 1) / SAGEATTN_WGMMA_KEY_TILE);
        int tile = tiles - 1;
#pragma unroll 1
        for (; tile >= (kOwnLoop ? whole : 0); --tile) attend_next<kLoop>(softmax, tile, tile >= whole);
        if (!kOwnLoop) return;
#pragma unroll 1
        for (; tile >= 0; --tile) attend_next<kLoop>(softmax, tile, false);
    }

    template <Loop kLoop, class Softmax>
    DEVICE void attend_next(Softmax& softmax, int tile, bool limited) {
        int s[64];
        multiply_keys(s);
        attend_tile<kLoop>(softmax, s, tile, limited);
    }

    // The tiles that the loading thread found.
    template <Loop kLoop, class Softmax>
    DEVICE void attend_seen(Softmax& softmax) {
        ring.set_ended(work(kTiles) == 0);
#pragma unroll 1
        while (!ring.ended()) {
            int s[64];
            multiply_keys(s);  // before the class is known: most tiles are seen
            const WgmmaTile tile = read_tile(0);
            const int seen = tile.seen_by(warpgroup);
            if (seen == SAGEATTN_WGMMA_NONE) {
                wgmma_wait<0>(s);
                skip();
            } else {
                attend_tile<kLoop>(softmax, s, tile.index(), seen == SAGEATTN_WGMMA_SOME);
            }
        }
    }

    // at: 0 while the keys are there, 4 while the values are. One lane reads for all of the warp: the one that gives
    // the buffer back.
    DEVICE WgmmaTile read_tile(int at) const {
        const u32 word = shared + Shape::kTileAt + ring.stage() * Shape::kTile + at;
        return WgmmaTile(__reduce_or_sync(0xFFFFFFFFu, lane_index() == 0 ? load_shared_4(word) : 0));
    }

    // Gives the values back. Whether more tiles follow is read here and not with the keys, because the softmax
    // between them has no register to spare.
    DEVICE void release_values() {
        if constexpr (Shape::kMasked) ring.set_ended(read_tile(4).last());
        release(barriers.value_empty(ring.stage()));
        ring.advance();
    }

    // Passes over a tile that other warpgroups of the block see and this one does not.
    DEVICE void skip() {
        barrier_wait(barriers.key_full(ring.stage()), ring.parity());
        release(barriers.key_empty(ring.stage()));
        barrier_wait(barriers.value_full(ring.stage()), ring.parity());
        release_values();
    }

    // s: the scores, on their way. limited: not every row sees all of the tile.
    template <Loop kLoop, class Softmax>
    DEVICE void attend_tile(Softmax& softmax, int (&s)[64], int tile, bool limited) {
        u32 weights[16];
        weigh<kLoop>(softmax, weights, s, tile, limited);
        float partial[kPartials];
        multiply_values(partial, weights);
        wgmma_wait<0>(partial, weights);
        release_values();
        add<kLoop>(softmax, partial);
    }

    // The probabilities of the scores; the values are there at its end.
    template <Loop kLoop, class Softmax>
    DEVICE void weigh(Softmax& softmax, u32 (&weights)[16], int (&s)[64], int tile, bool limited) {
        const float scale = key_scale(tile);
        const u32 there = kLoop == Loop::kExact ? keys_there(tile) : ~0u;
        const auto added = of_keys<kLoop>(tile);
        const auto wait_for_values = [&] { barrier_wait(barriers.value_full(ring.stage()), ring.parity()); };
        Hidden hidden;
        if constexpr (Shape::kMasked) hidden = mask_bits(tile, limited);
        wgmma_wait<0>(s);
        release(barriers.key_empty(ring.stage()));
        if constexpr (Shape::kBiased && kLoop == Loop::kUsual) {
            float x[64];
            add_bias(x, s, scale, tile);
            limit(hidden, tile, limited);
            softmax.probabilities(weights, x, limited, hidden);
            wait_for_values();
        } else {
            float scales[2];
            multiply_scales(scales, scale);
            limit(hidden, tile, limited);
            if constexpr (kLoop == Loop::kExact) {
                float exact[2] = {0.0f, 0.0f};
                softmax.probabilities(weights, s, scales, limited, hidden, there, exact, wait_for_values);
                add_to_sums(sums(), softmax, exact[0], exact[1]);
            } else {
                softmax.probabilities(weights, s, scales, limited, hidden, added, wait_for_values);
            }
        }
    }

    DEVICE void add_bias(float (&x)[64], const int (&s)[64], float key_scale, int tile) const {
        float scales[2];
        multiply_scales(scales, key_scale);
        const WgmmaBias bias(p, work(kBatch), work(kHead), opaque(first_query()) + lane_row(), tile);
        ::add_bias(x, s, scales, bias);
    }

    // sum = sum * rescale + addend
    DEVICE static void add_to_sums(u32 address, const WgmmaSoftmaxRows& softmax, float first, float second) {
        float sum[2];
        load_floats(sum, address);
        first = fmaf(sum[0], softmax.rescale[0], first), second = fmaf(sum[1], softmax.rescale[1], second);
        store_shared_8(address, make_uint2(__float_as_uint(first), __float_as_uint(second)));
    }

    // How many of the lane's 32 keys of a tile the causal limit leaves each of its two rows.
    DEVICE void limit(SeenCounts& seen, int tile, bool limited) const {
        seen = {{0, 0}};
        if (!limited) return;
        seen.count[0] = opaque(first_query()) + lane_row() + offset() + 1 - tile * SAGEATTN_WGMMA_KEY_TILE -
                        lane_index() % 4 * 32;
        seen.count[1] = seen.count[0] + 8;
    }

    DEVICE void limit(SeenBits& seen, int tile, bool limited) const {
        SeenCounts counts;
        limit(counts, tile, limited);
#pragma unroll
        for (int r = 0; r < 2; ++r) seen.bits[r] &= first_bits(counts.count[r]);
    }

    // Those that the mask leaves.
    DEVICE SeenBits mask_bits(int tile, bool limited) const {
        SeenBits seen = {{~0u, ~0u}};
        if (!limited || p.bits == nullptr) return seen;
        const u32* const head = p.bits + work(kBatch) * p.bits_batch_stride + work(kHead) * p.bits_head_stride +
                                tile * 4 + lane_index() % 4;
        const int row = opaque(first_query()) + lane_row(), last = p.query_rows - 1;
#pragma unroll
        for (int r = 0; r < 2; ++r) seen.bits[r] = load_l2(head + min(row + 8 * r, last) * p.bits_row_stride);
        return seen;
    }

    // The scale of the lane's 32 keys of the tile. It does not go through shared memory, because one lane of a warp
    // gives a buffer back for all. The index fits 32 bits: more tiles fit no memory.
    DEVICE float key_scale(int tile) const {
        const u32 first = (work_field(kFirstTile) + tile) * SAGEATTN_WGMMA_KEY_SCALES;
        return load_l2(p.key_scale + (first + thread_index() % 4));
    }

    // What the scores of the lane's 32 keys of the tile get added.
    template <Loop kLoop>
    DEVICE auto of_keys(int tile) const {
        if constexpr (kLoop == Loop::kWeighed) {
            const u32 first = (work_field(kBatch) * p.key_tiles + tile) * SAGEATTN_WGMMA_KEY_SCALES;
            return GroupAdded{load_l2(p.groups + (first + thread_index() % 4))};
        } else {
            return NothingAdded();
        }
    }

    // Which of the lane's 32 keys of the tile do not stand for others.
    DEVICE u32 keys_there(int tile) const {
        const u32 group = thread_index() % 4;
        if (Shape::kPlain && p.tiles_bits != nullptr)
            return load_l2(p.tiles_bits + ((work_field(kBatch) * p.key_tiles + tile) * 4 + group));
        return first_bits(key_rows() - tile * SAGEATTN_WGMMA_KEY_TILE - static_cast<int>(group) * 32);
    }

    // For each of the lane's two rows.
    DEVICE void multiply_scales(float (&scale)[2], float key) const {
        const u32 queries =
            shared + Shape::kQueryScaleAt + (opaque(warpgroup) * SAGEATTN_WGMMA_QUERY_BLOCK + lane_row()) * 4;
        scale[0] = key * __uint_as_float(load_shared_4(queries));
        scale[1] = key * __uint_as_float(load_shared_4(queries + 8 * 4));
    }

    // Starts s = queries . keys of the tile in turn, once it is there.
    DEVICE void multiply_keys(int (&s)[64]) const {
        barrier_wait(barriers.key_full(ring.stage()), ring.parity());
        const unsigned long long queries =
            wgmma_operand<Shape::kColumns>(shared + Shape::kQueryAt + opaque(warpgroup) * Shape::kQueryBlock);
        const unsigned long long keys = wgmma_operand<Shape::kColumns>(shared + Shape::kKeyAt) +
                                        static_cast<u32>(ring.stage() * (Shape::kKey / 16));
        wgmma_fence();
        wgmma_int8<true>(s, queries, keys);
#pragma unroll
        for (int k = 1; k < Shape::kColumns / 32; ++k) wgmma_int8<false>(s, queries + 2 * k, keys + 2 * k);
        wgmma_commit();
        __syncwarp();  // the compiler would put other work between the products, which then end later
    }

    // Starts partial = probabilities . [values, ones].
    DEVICE void multiply_values(float (&partial)[kPartials], const u32 (&weights)[16]) const {
        const unsigned long long values =
            wgmma_operand<128>(shared + Shape::kValueAt) + static_cast<u32>(ring.stage() * (Shape::kValue / 16));
        wgmma_fence();
        wgmma_e4m3<true>(partial, weights, values);
#pragma unroll
        for (int k = 1; k < 4; ++k) wgmma_e4m3<false>(partial, weights + 4 * k, values + 2 * k);
        wgmma_commit();
    }

    template <Loop kLoop>
    DEVICE void add(WgmmaSoftmaxRows& softmax, const float (&partial)[kPartials]) {
#pragma unroll
        for (int i = 0; i < kOutputs; ++i) output[i] = fmaf(output[i], softmax.rescale[i / 2 % 2], partial[i]);
        if constexpr (kLoop == Loop::kExact)
            return add_to_sums(sums() + 8, softmax, partial[kOutputs], partial[kOutputs + 2]);
#pragma unroll
        for (int r = 0; r < 2; ++r)
            softmax.sum[r] = fmaf(softmax.sum[r], softmax.rescale[r], row_sum<kLoop>(partial, kOutputs + 2 * r));
    }

    // Weights are in two columns.
    template <Loop kLoop>
    DEVICE static float row_sum(const float (&partial)[kPartials], int i) {
        return kLoop == Loop::kWeighed ? partial[i] + partial[i + 1] : partial[i];
    }
};
