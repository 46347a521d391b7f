// The rows of a warpgroup: which they are, what they have summed up, and writing them.
#pragma once

#include "shape.cuh"
#include "softmax.cuh"
#include "ptx/global.cuh"
#include "ptx/row.cuh"

template <class Shape>
class WgmmaOutput {
  protected:
    static constexpr int kOutputs = Shape::kColumns / 2;  // accumulators of a lane

    const sageattn_wgmma_attention_arguments& p;
    const u32 shared;
    const WgmmaBarriers<Shape> barriers;
    const int warpgroup;
    Rings<Shape::kStages> ring;
    float output[kOutputs];

    DEVICE WgmmaOutput(const sageattn_wgmma_attention_arguments& arguments, u32 shared_memory, int index)
        : p(arguments),
          shared(shared_memory),
          barriers{shared_memory + Shape::kBarrierAt},
          warpgroup(uniform(index)) {}

    // Tells the compiler that x is the same in all lanes: numbers that depend on it then take uniform registers.
    DEVICE static int uniform(int x) { return __reduce_max_sync(0xFFFFFFFFu, x); }

    DEVICE static int lane_row() {
        const u32 thread = thread_index();
        return thread / 32 % 4 * 16 + thread % 32 / 4;
    }

    // Reads a field of the WgmmaWork each time it is needed: registers are scarce in the loop over tiles.
    enum Field {
        kHead,
        kBatch,
        kFirstQuery,
        kKeyHead,
        kTiles,
        kFirstTile,
        kQueryStart,
        kQueryRows,
        kKeyRows,
        kLimit
    };
    DEVICE u32 work_field(Field field) const {
        return load_shared_4(shared + Shape::kWorkAt + ring.work_stage() * Shape::kWork + field * 4);
    }
    DEVICE int work(Field field) const { return uniform(work_field(field)); }

    DEVICE int first_query() const { return work(kFirstQuery) + warpgroup * SAGEATTN_WGMMA_QUERY_BLOCK; }

    // Of the sequence, or of all. Rows of queries end with the work; with a mask, no work ends before them.
    DEVICE int query_start() const { return Shape::kStarts ? work(kQueryStart) : 0; }
    DEVICE int query_rows() const { return Shape::kMasked ? p.query_rows : work(kQueryRows); }
    DEVICE int key_rows() const { return Shape::kStarts ? work(kKeyRows) : p.key_rows; }
    DEVICE int offset() const { return Shape::kStarts ? work(kLimit) : p.causal_offset; }

    // Where the lane's sums lie for the LSE, of probabilities that were not rounded, and behind them softmax.sum: in
    // the loop it has no register then.
    DEVICE u32 sums() const { return shared + Shape::kSumAt + thread_index() * 16; }

    DEVICE static void load_floats(float (&x)[2], u32 address) {
        const uint2 bits = load_shared_8(address);
        x[0] = __uint_as_float(bits.x), x[1] = __uint_as_float(bits.y);
    }

    DEVICE void finish(const WgmmaSoftmaxRows& softmax) const {
        barrier_wait(barriers.channels_full(ring.work_stage()), ring.work_parity());
        const int first = first_query();
        if (p.output.vectors && p.head_dim % 8 == 0) write_rows<true>(softmax, first + lane_row());
        else write_rows<false>(softmax, first + lane_row());
        if (p.lse == nullptr) return;
        float sum[2] = {softmax.sum[0], softmax.sum[1]};
        if (Shape::kExactSums) add_lanes(sum);
#pragma unroll
        for (int r = 0; r < 2; ++r) write_lse(softmax.maximum[r], sum[r], r, first + lane_row() + 8 * r);
    }

  private:
    // The lane's rows, `query` and 8 behind it. Channels 32 c + 8 t … 32 c + 8 t + 7 lie in its accumulators 16 c …,
    // two of every four. Without branches: one for every word would take longer than all the rest.
    template <bool kVectors>
    DEVICE void write_rows(const WgmmaSoftmaxRows& softmax, int query) const {
        const int rows = query_rows(), t = thread_index() % 4;
        char* row = static_cast<char*>(p.output.data) + work(kBatch) * p.output.batch_stride +
                    work(kHead) * p.output.head_stride + (query_start() + query) * p.output.row_stride + t * 16;
        u32 seen[2];  // a row that sees no key is 0
        float inverse[2];
#pragma unroll
        for (int r = 0; r < 2; ++r)
            seen[r] = opaque(softmax.sum[r] > 0.0f ? ~0u : 0u), inverse[r] = __fdividef(1.0f, softmax.sum[r]);
#pragma unroll
        for (int c = 0; c < Shape::kColumns / 32; ++c) {
            u32 scale[8], mean[8], word[4];
            load_channels(scale, 32 * c + 8 * t);
            load_channels(mean, Shape::kColumns + 32 * c + 8 * t);
            const int count = p.head_dim - 32 * c - 8 * t;
#pragma unroll
            for (int r = 0; r < 2; ++r) {
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    word[i] = seen[r] &
                              channels_of(output + 16 * c + 4 * i + 2 * r, inverse[r], scale + 2 * i, mean + 2 * i);
                u16* const target = reinterpret_cast<u16*>(row + 8 * r * p.output.row_stride + 64 * c);
                const bool there = query + 8 * r < rows;
                if (kVectors) write_eight(target, word, there && count > 0);
                else write_eight(target, word, there ? count : 0, false);
            }
        }
    }

    DEVICE void load_channels(u32 (&x)[8], int channel) const {
        const u32 at = shared + Shape::kChannelAt + ring.work_stage() * Shape::kChannel + channel * 4;
        const uint4 first = load_shared_16(at), second = load_shared_16(at + 16);
        x[0] = first.x, x[1] = first.y, x[2] = first.z, x[3] = first.w;
        x[4] = second.x, x[5] = second.y, x[6] = second.z, x[7] = second.w;
    }

    // Two neighbouring channels of the output.
    DEVICE u32 channels_of(const float* x, float inverse, const u32* scale, const u32* mean) const {
        const float low = fmaf(x[0] * inverse, __uint_as_float(scale[0]), __uint_as_float(mean[0]));
        const float high = fmaf(x[1] * inverse, __uint_as_float(scale[1]), __uint_as_float(mean[1]));
        return pack(low, high, p.output.bfloat16);
    }

    // The exact sums of the rows, of those of their lanes.
    DEVICE void add_lanes(float (&sum)[2]) const {
        load_floats(sum, sums());
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            sum[r] += __shfl_xor_sync(0xFFFFFFFFu, sum[r], 1);
            sum[r] += __shfl_xor_sync(0xFFFFFFFFu, sum[r], 2);
        }
    }

    DEVICE void write_lse(float maximum, float sum, int r, int query) const {
        const long long index = work(kBatch) * p.lse_batch_stride + work(kHead) * p.lse_head_stride + query_start();
        const int rows = query_rows();
        if (lane_index() % 4 != 0 || query >= rows) return;
        const u32 dots = shared + Shape::kQueryDotAt + (warpgroup * SAGEATTN_WGMMA_QUERY_BLOCK + lane_row()) * 4;
        const float rest = __uint_as_float(load_shared_4(dots + 8 * 4 * r));
        const float log2_sum = maximum - kOffset + log2_fast(sum);
        p.lse[index + query] = sum > 0.0f ? fmaf(SAGEATTN_LN_2, log2_sum, rest) : minus_infinity();
    }
};
