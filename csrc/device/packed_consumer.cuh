// A warpgroup that attends to 64 query rows.
//
// Per tile of 128 keys: first product, softmax, second product, one after the other; the other two warpgroups of the
// block keep the tensor cores busy meanwhile. The second product goes into registers of its own (those of the first,
// which are free by then) and is added in float32: the tensor core truncates what it adds to an accumulator, which
// over a row of thousands of keys would lose percents of a sum of one sign.
#pragma once

#include "packed_shape.cuh"
#include "packed_softmax.cuh"
#include "ptx/wgmma.cuh"

template <class Shape>
class PackedConsumer {
    static constexpr int kOutputs = Shape::kColumns / 2;  // accumulators of a lane
    static constexpr int kPartials = kOutputs + 4;        // and those of the row sums

    const sageattn_packed_attention_arguments& p;
    const u32 shared;
    const PackedBarriers<Shape> barriers;
    const int warpgroup;
    Rings<Shape::kStages> ring;
    float output[kOutputs];

  public:
    DEVICE PackedConsumer(const sageattn_packed_attention_arguments& arguments, u32 shared_memory, int index)
        : p(arguments),
          shared(shared_memory),
          barriers{shared_memory + Shape::kBarrierAt},
          warpgroup(uniform(index)) {}

    DEVICE void run(const volatile int* work_index) {
        while (true) {
            barrier_wait(barriers.query_full(ring.query_stage()), ring.query_parity());
            if (uniform(work_index[ring.query_stage()]) < 0) break;
            PackedSoftmax softmax;
            attend(softmax, PackedWork(p, uniform(work_index[ring.query_stage()])), ring.query_stage());
            // The work is read again, rather than kept through the loop: registers are scarce there.
            finish(softmax, PackedWork(p, uniform(work_index[ring.query_stage()])));
            release(barriers.query_empty(ring.query_stage()));
            ring.advance_query();
        }
    }

  private:
    // The same in all lanes, known as such to the compiler: what depends on it takes uniform registers.
    DEVICE static int uniform(int x) { return __reduce_max_sync(0xFFFFFFFFu, x); }

    DEVICE static int lane_row() { return opaque(threadIdx.x) / 32 % 4 * 16 + lane_index() / 4; }

    DEVICE static void release(u32 barrier) {
        if (lane_index() == 0) barrier_arrive(barrier);
    }

    DEVICE int first_query(const PackedWork& work) const {
        return work.first_query + warpgroup * SAGEATTN_PACKED_QUERY_BLOCK;
    }

    DEVICE void attend(PackedSoftmax& softmax, const PackedWork& work, int query_stage) {
        const int first = first_query(work);
        const int tiles = visible_tiles(p, first, SAGEATTN_PACKED_QUERY_BLOCK);
        const unsigned long long queries = wgmma_operand<Shape::kColumns>(
            shared + Shape::kQueryAt + query_stage * Shape::kQuery + warpgroup * Shape::kQueryBlock);
        float scale[2] = {0.0f, 0.0f};
        if (tiles > 0) load_query_scales(scale, work, first);
#pragma unroll
        for (int i = 0; i < kOutputs; ++i) output[i] = 0.0f;
#pragma unroll 1
        for (int tile = visible_tiles(p, work.first_query, SAGEATTN_PACKED_QUERY_TILE); tile > tiles; --tile) skip();
        const int unmasked = visible_keys(p, first) / SAGEATTN_PACKED_KEY_TILE;
#pragma unroll 1
        for (int tile = tiles - 1; tile >= 0; --tile) {
            attend_tile(softmax, scale, queries, first, tile, tile >= unmasked);
            ring.advance();
        }
    }

    DEVICE void load_query_scales(float (&scale)[2], const PackedWork& work, int first) const {
        const long long row = static_cast<long long>(work.head) * p.query_blocks * SAGEATTN_PACKED_QUERY_BLOCK + first;
        scale[0] = p.query_scale[row + lane_row()];
        scale[1] = p.query_scale[row + lane_row() + 8];
    }

    // A tile that other warpgroups see, this one not.
    DEVICE void skip() {
        barrier_wait(barriers.key_full(ring.stage()), ring.parity());
        release(barriers.key_empty(ring.stage()));
        barrier_wait(barriers.value_full(ring.stage()), ring.parity());
        release(barriers.value_empty(ring.stage()));
        ring.advance();
    }

    DEVICE void attend_tile(PackedSoftmax& softmax, const float (&query_scale)[2], unsigned long long queries,
                            int first, int tile, bool masked) {
        int s[64];
        u32 packed[16];
        barrier_wait(barriers.key_full(ring.stage()), ring.parity());
        multiply_keys(s, queries);
        const float key_scale = __uint_as_float(load_shared_4(
            shared + Shape::kKeyScaleAt + ring.stage() * Shape::kKeyScale + lane_index() % 4 * 4));
        release(barriers.key_empty(ring.stage()));

        const float scale[2] = {query_scale[0] * key_scale, query_scale[1] * key_scale};
        int seen[2] = {0, 0};
        if (masked) {
            first = opaque(first);
            const int lane_keys = tile * SAGEATTN_PACKED_KEY_TILE + lane_index() % 4 * 32;
            seen[0] = visible_keys(p, first + lane_row()) - lane_keys;
            seen[1] = visible_keys(p, first + lane_row() + 8) - lane_keys;
        }
        softmax.probabilities(packed, s, scale, masked, seen);
        barrier_wait(barriers.value_full(ring.stage()), ring.parity());
        multiply_values(softmax, packed);
    }

    DEVICE void multiply_keys(int (&s)[64], unsigned long long queries) const {
        const unsigned long long keys = wgmma_operand<Shape::kColumns>(shared + Shape::kKeyAt) +
                                        static_cast<u32>(ring.stage() * (Shape::kKey / 16));
        wgmma_fence();
        wgmma_int8<true>(s, queries, keys);
#pragma unroll
        for (int k = 1; k < Shape::kColumns / 32; ++k) wgmma_int8<false>(s, queries + 2 * k, keys + 2 * k);
        wgmma_commit();
        wgmma_wait<0>(s);
    }

    DEVICE void multiply_values(PackedSoftmax& softmax, u32 (&packed)[16]) {
        float partial[kPartials];
        const unsigned long long values = wgmma_operand<128>(shared + Shape::kValueAt) +
                                          static_cast<u32>(ring.stage() * ((Shape::kValue + Shape::kOnes) / 16));
        wgmma_fence();
        wgmma_e4m3<true>(partial, packed, values);
#pragma unroll
        for (int k = 1; k < 4; ++k) wgmma_e4m3<false>(partial, packed + 4 * k, values + 2 * k);
        wgmma_commit();
        wgmma_wait<0>(partial, packed);
        release(barriers.value_empty(ring.stage()));
#pragma unroll
        for (int i = 0; i < kOutputs; ++i) output[i] = fmaf(output[i], softmax.rescale[i / 2 % 2], partial[i]);
#pragma unroll
        for (int r = 0; r < 2; ++r)
            softmax.sum[r] = fmaf(softmax.sum[r], softmax.rescale[r], partial[kOutputs + 2 * r]);
    }

    DEVICE void finish(const PackedSoftmax& softmax, const PackedWork& work) const {
        const int first = first_query(work);
        const int batch = work.head / p.query_heads;
        char* const base = static_cast<char*>(p.output.data) + batch * p.output.batch_stride +
                           (work.head - batch * p.query_heads) * p.output.head_stride;
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const int query = first + lane_row() + 8 * r;
            if (query >= p.query_rows) break;
            write_row(r, softmax.sum[r], work.key_head, base + query * p.output.row_stride);
            if (p.lse != nullptr && lane_index() % 4 == 0) write_lse(softmax, r, work.head, query);
        }
    }

    // A lane's channels 32 c + 8 t … 32 c + 8 t + 7 lie in its accumulators 16 c …, two of every four.
    DEVICE void write_row(int r, float sum, int key_head, char* row) const {
        const float inverse = sum > 0.0f ? __fdividef(1.0f, sum) : 0.0f;
#pragma unroll
        for (int c = 0; c < Shape::kColumns / 32; ++c) {
            const int column = 32 * c + 8 * (lane_index() % 4);
            const float* scale = p.value_scale + key_head * Shape::kColumns + column;
            const float* mean = p.value_mean + key_head * Shape::kColumns + column;
            u32 word[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const float* x = output + 16 * c + 4 * i + 2 * r;
                const float2 s = __ldg(reinterpret_cast<const float2*>(scale) + i);
                const float2 m = __ldg(reinterpret_cast<const float2*>(mean) + i);
                const float low = fmaf(x[0] * inverse, s.x, m.x), high = fmaf(x[1] * inverse, s.y, m.y);
                word[i] = sum > 0.0f ? pack(low, high, p.output.bfloat16) : 0;
            }
            write_eight(reinterpret_cast<u16*>(row) + column, word, p.head_dim - column);
        }
    }

    DEVICE void write_eight(u16* target, const u32 (&word)[4], int count) const {
        if (p.output.vectors && count >= 8) {
            *reinterpret_cast<uint4*>(target) = make_uint4(word[0], word[1], word[2], word[3]);
            return;
        }
#pragma unroll
        for (int i = 0; i < 8; ++i)
            if (i < count) target[i] = static_cast<u16>(word[i / 2] >> (i % 2 * 16));
    }

    DEVICE void write_lse(const PackedSoftmax& softmax, int r, int head, int query) const {
        const long long index = static_cast<long long>(head) * p.query_rows + query;
        const float mean_dot = p.mean_dot == nullptr ? 0.0f : p.mean_dot[index];
        const float log2_sum = softmax.maximum[r] - kOffset + log2_fast(softmax.sum[r]);
        p.lse[index] = softmax.sum[r] > 0.0f ? fmaf(0.69314718056f, log2_sum, mean_dot) : __int_as_float(0xFF800000);
    }
};
