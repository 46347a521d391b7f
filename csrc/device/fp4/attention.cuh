// Attention of a warp's 16 query rows, 64 keys at a time.
#pragma once

#include "power.cuh"
#include "softmax.cuh"
#include "work.cuh"
#include "ptx/barrier.cuh"
#include "ptx/bulk.cuh"
#include "ptx/row.cuh"

template <class Shape>
class Fp4Attention {
    static constexpr int kColumns = Shape::kColumns, kSteps = kColumns / 64, kOutputs = kColumns / 8;
    using Records = Fp4Records<kColumns>;

    const sageattn_fp4_attention_arguments& p;
    const Fp4Work<Shape> work;
    const u32 shared;
    const int lane, g, t;
    const int row;      // the lane's first; the other is row + 8
    const float scale;  // of scores, to base 2
    u32 query[kSteps][4], query_scale;
    float output[kOutputs][4], sum[4];
    Fp4Softmax softmax;

  public:
    DEVICE Fp4Attention(const sageattn_fp4_attention_arguments& arguments, const Fp4Work<Shape>& part, u32 memory)
        : p(arguments),
          work(part),
          shared(memory),
          lane(lane_index()),
          g(lane / 4),
          t(lane % 4),
          row(part.first + threadIdx.x / 32 * 16 + lane / 4),
          scale(arguments.sm_scale * SAGEATTN_LOG2_E * inverse_of_power(arguments.query_multiplier[part.head]) *
                inverse_of_power(arguments.key_multiplier[part.key_head])) {}

    // For one thread of the block, before the others come.
    DEVICE void prepare() const {
        for (int i = 0; i < Shape::kStages; ++i) {
            barrier_init(stage(i).full(), 1);
            barrier_init(stage(i).empty(), work.warps() * kFp4Arrivals);
        }
        barrier_init_done();
        for (int i = 0; i < min(Shape::kStages, work.tiles); ++i) load(i);
    }

    DEVICE void run() {
        load_queries();
#pragma unroll
        for (int j = 0; j < kOutputs; ++j)
#pragma unroll
            for (int i = 0; i < 4; ++i) output[j][i] = 0.0f;
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[i] = 0.0f;
#pragma unroll 1
        for (int tile = 0; tile < work.tiles; ++tile) {
            if (threadIdx.x == 0) reload(tile);
            barrier_wait(stage(tile).full(), stage(tile).parity());
            attend_tile(tile);
            __syncwarp();
            if (lane < kFp4Arrivals) barrier_arrive(stage(tile).empty());
        }
#pragma unroll
        for (int r = 0; r < 2; ++r) write_row(r);
    }

  private:
    DEVICE Fp4Stage<Shape> stage(int tile) const { return {shared, tile}; }

    DEVICE void load(int tile) const {
        const Fp4Stage<Shape> at = stage(tile);
        const int means = work.mean(p, min(work.first + Shape::kRows, work.end) - 1) + 1;
        barrier_expect(at.full(), 2 * Shape::kTile + means * Shape::kDelta);
        bulk_load(at.key(), work.keys(p) + static_cast<long long>(tile) * Shape::kTile, Shape::kTile, at.full());
        bulk_load(at.value(), work.values(p) + static_cast<long long>(tile) * Shape::kTile, Shape::kTile, at.full());
        for (int i = 0; i < means; ++i)
            bulk_load(at.delta(i), work.delta(p, i) + static_cast<long long>(tile) * SAGEATTN_FP4_BLOCK,
                      Shape::kDelta, at.full());
    }

    // Replaces the block of keys that lies kAhead blocks back, once all warps are done with it.
    DEVICE void reload(int tile) const {
        const int done = tile - Shape::kAhead;
        if (done < 0 || done + Shape::kStages >= work.tiles) return;
        barrier_wait(stage(done).empty(), stage(done).parity());
        load(done + Shape::kStages);
    }

    DEVICE void load_queries() {
        const int record = (row - g) / 16;  // of the head: all warps have rows
        const unsigned char* source = p.packed_query +
                                      static_cast<long long>(work.head) * p.query_blocks * Records::kBytes +
                                      static_cast<long long>(record) * Records::kQueryBytes;
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
            const uint4 v = reinterpret_cast<const uint4*>(source)[step * 32 + lane];
            query[step][0] = v.x, query[step][1] = v.y, query[step][2] = v.z, query[step][3] = v.w;
        }
        const u32* scales = reinterpret_cast<const u32*>(source + Records::kQueryScales);
        query_scale = scales[kSteps == 2 ? lane : 2 * g + t % 2];
    }

    // Unrolled, the halves take twenty registers more.
    DEVICE void attend_tile(int tile) {
        const u32 delta = stage(tile).delta(work.mean(p, row - g));
        const int last = row - g + 15;
#pragma unroll 1
        for (int half = 0; half < 2; ++half) {
            const int first = tile * SAGEATTN_FP4_BLOCK + half * 64;
            if (first >= Fp4Work<Shape>::visible_keys(p, last)) break;
            float s[8][4];
            load_delta(s, delta + half * 256);
            multiply_keys(s, stage(tile).key(), half);
            if (p.causal && first + 64 > row - g + p.causal_offset + 1) hide(s, first);
            u32 a[4], scale_a;
            if (softmax.probabilities(a, scale_a, s, scale)) rescale();
            multiply_values(a, scale_a, stage(tile).value(), half);
        }
    }

    // The scores' first summand. Keys past the end have -infinity there.
    DEVICE void load_delta(float (&s)[8][4], u32 delta) const {
#pragma unroll
        for (int j = 0; j < 8; j += 2) {
            const uint4 v = load_shared_16(delta + 4 * (j / 4 * 32 + 8 * t + 2 * (j % 4)));
            s[j][0] = s[j][2] = __uint_as_float(v.x), s[j][1] = s[j][3] = __uint_as_float(v.y);
            s[j + 1][0] = s[j + 1][2] = __uint_as_float(v.z), s[j + 1][1] = s[j + 1][3] = __uint_as_float(v.w);
        }
    }

    DEVICE void multiply_keys(float (&s)[8][4], u32 record, int half) const {
        uint2 scale_b[kSteps];
#pragma unroll
        for (int step = 0; step < kSteps; ++step)
            scale_b[step] = load_shared_8(record + Records::kScales + 4 * ((step * 32 + lane) * 4 + half * 2));
        multiply_keys_4<0>(s, record, half, scale_b);
        multiply_keys_4<4>(s, record, half, scale_b);
    }

    // Tiles kFirst … kFirst + 3, which share words of scales.
    template <int kFirst>
    DEVICE void multiply_keys_4(float (&s)[8][4], u32 record, int half, const uint2 (&scale_b)[kSteps]) const {
        u32 scales[kSteps];
#pragma unroll
        for (int step = 0; step < kSteps; ++step) scales[step] = kFirst ? scale_b[step].y : scale_b[step].x;
        multiply_keys_1<kFirst, 0>(s, record, half, scales);
        multiply_keys_1<kFirst, 1>(s, record, half, scales);
        multiply_keys_1<kFirst, 2>(s, record, half, scales);
        multiply_keys_1<kFirst, 3>(s, record, half, scales);
    }

    template <int kFirst, int kSelect>
    DEVICE void multiply_keys_1(float (&s)[8][4], u32 record, int half, const u32 (&scales)[kSteps]) const {
        constexpr int kTile = kFirst + kSelect;
        if constexpr (kSteps == 2) {
            const uint4 b = load_shared_16(record + 16 * ((half * 8 + kTile) * 32 + lane));
            mma_fp4<0, kSelect>(s[kTile], query[0], b.x, b.y, query_scale, scales[0]);
            mma_fp4<1, kSelect>(s[kTile], query[1], b.z, b.w, query_scale, scales[1]);
        } else {
            const uint2 b = load_shared_8(record + 8 * (((half * 8 + kTile) / 2 * 32 + lane) * 2 + kTile % 2));
            mma_fp4<0, kSelect>(s[kTile], query[0], b.x, b.y, query_scale, scales[0]);
        }
    }

    DEVICE void hide(float (&s)[8][4], int first) const {
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int key = first + j / 4 * 32 + 8 * t + j % 4 * 2 + i % 2;
                if (key > row + i / 2 * 8 + p.causal_offset) s[j][i] = -infinity();
            }
    }

    DEVICE void rescale() {
#pragma unroll
        for (int j = 0; j < kOutputs; ++j)
#pragma unroll
            for (int i = 0; i < 4; ++i) output[j][i] *= softmax.rescale[i / 2];
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[i] *= softmax.rescale[i / 2];
    }

    DEVICE void multiply_values(const u32 (&a)[4], u32 scale_a, u32 record, int half) {
        const u32 scales = record + Records::kScales + (half * 32 + lane) * (kColumns / 8);
#pragma unroll
        for (int quad = 0; quad < kColumns / 32; ++quad) {
            const u32 scale_b = load_shared_4(scales + 4 * quad);
            const u32 at = record + 16 * ((half * (kColumns / 16) + 2 * quad) * 32 + lane);
            const uint4 b = load_shared_16(at), c = load_shared_16(at + 16 * 32);
            mma_fp4<0, 0>(output[4 * quad], a, b.x, b.y, scale_a, scale_b);
            mma_fp4<0, 1>(output[4 * quad + 1], a, b.z, b.w, scale_a, scale_b);
            mma_fp4<0, 2>(output[4 * quad + 2], a, c.x, c.y, scale_a, scale_b);
            mma_fp4<0, 3>(output[4 * quad + 3], a, c.z, c.w, scale_a, scale_b);
        }
        // A column of ones sums the probabilities as they were rounded.
        constexpr u32 kOnes = 0x22222222u, kScalesOfOne = 0x38383838u;
        mma_fp4<0, 0>(sum, a, kOnes, kOnes, scale_a, kScalesOfOne);
    }

    // The lane's channels 32 c + 8 t … 32 c + 8 t + 7 are in its outputs 4 c … 4 c + 3.
    DEVICE void write_row(int r) const {
        const int query_row = row + 8 * r;
        if (query_row >= work.end) return;
        const float total = sum[2 * r], inverse = total == 0.0f ? 0.0f : __fdividef(1.0f, total);
        const float unit = inverse * inverse_of_power(p.value_multiplier[work.key_head]);
        const int batch = work.head / p.query_heads;
        char* target = static_cast<char*>(p.output.data) + batch * p.output.batch_stride +
                       (work.head - batch * p.query_heads) * p.output.head_stride + query_row * p.output.row_stride;
        const float* mean = p.value_mean + static_cast<long long>(work.key_head) * kColumns + 8 * t;
#pragma unroll
        for (int c = 0; c < kColumns / 32; ++c) {
            u32 word[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const float* x = output[4 * c + i] + 2 * r;
                const float shift[2] = {mean[32 * c + 2 * i], mean[32 * c + 2 * i + 1]};
                word[i] = total == 0.0f
                              ? 0u
                              : pack(fmaf(x[0], unit, shift[0]), fmaf(x[1], unit, shift[1]), p.output.bfloat16 != 0);
            }
            write_eight(reinterpret_cast<u16*>(target) + 32 * c + 8 * t, word, p.head_dim - 32 * c - 8 * t,
                        p.output.vectors);
        }
        if (p.lse != nullptr && t == 0) write_lse(r, query_row, total);
    }

    // Puts back what keys have in common; that of the means is in delta_S.
    DEVICE void write_lse(int r, int query_row, float total) const {
        const long long at = static_cast<long long>(work.head) * p.query_rows + query_row;
        const float log2_sum = softmax.maximum[r] * scale + log2_fast(total) - kFp4Range;
        p.lse[at] = total == 0.0f ? -infinity() : fmaf(SAGEATTN_LN_2, log2_sum, p.sm_scale * p.rest_dot[at]);
    }
};
