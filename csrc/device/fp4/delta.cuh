// delta_S: the means of queries times all keys, and what the caller adds to a key's scores. In 16 bits: a mean is two
// numbers of the keys' type, which together have twice their precision, and keys are what they are.
//
// The product sums over the head dim in any order, so that lane t takes columns 32 c + 8 t … 32 c + 8 t + 7 of rows
// and of keys alike: a vector of 16 bytes instead of single words.
#pragma once

#include "rows.cuh"
#include "ptx/mma_m16n8.cuh"

constexpr int kDeltaTiles = SAGEATTN_FP4_UNIT_BLOCKS / 16;

// Means, as fragments: [tile][32 columns][leading and remaining parts of rows g, of rows g + 8][lane].
template <int kColumns>
struct Fp4DeltaMemory {
    uint4 fragment[kDeltaTiles][kColumns / 32][4][32];
};

template <int kColumns, class Number>
class Fp4Delta {
    static constexpr int kChunks = kColumns / 32;

    const sageattn_fp4_attention_arguments& p;
    const int unit, head, batch, key_head;  // heads of all batches
    const int first_mean, means;            // of the unit
    Fp4DeltaMemory<kColumns>& memory;

  public:
    DEVICE Fp4Delta(const sageattn_fp4_attention_arguments& arguments, int index, Fp4DeltaMemory<kColumns>& shared)
        : p(arguments),
          unit(index),
          head((arguments.first_unit + index) / arguments.head_units),
          batch(head / arguments.query_heads),
          key_head(batch * arguments.key_heads +
                   head % arguments.query_heads / (arguments.query_heads / arguments.key_heads)),
          first_mean((arguments.first_unit + index) % arguments.head_units * arguments.unit_means),
          means(min(arguments.unit_means, arguments.means - first_mean)),
          memory(shared) {}

    DEVICE void run(int part) {
        for (int i = threadIdx.x; i < (means + 15) / 16 * 16 * (kColumns / 8); i += SAGEATTN_FP4_THREADS)
            fetch_mean(i / (kColumns / 8), i % (kColumns / 8));
        __syncthreads();
        const Fp4Rows keys(p.key, batch, key_head % p.key_heads, p.key_rows, p.head_dim);
        const int first = part * SAGEATTN_FP4_UNIT_KEYS, end = p.key_blocks * SAGEATTN_FP4_BLOCK;
#pragma unroll 1
        for (int key = first + threadIdx.x / 32 * 16; key < min(first + SAGEATTN_FP4_UNIT_KEYS, end);
             key += SAGEATTN_FP4_THREADS / 2)
            multiply(keys, key);
    }

  private:
    // Columns 8 i … 8 i + 7 of a mean; rows that the unit does not have are zeros.
    DEVICE void fetch_mean(int row, int eighth) {
        float x[8] = {};
        if (row < means) {
            const float4* source = reinterpret_cast<const float4*>(
                p.query_mean + (static_cast<long long>(head) * p.means + first_mean + row) * kColumns + eighth * 8);
            const float4 a = source[0], b = source[1];
            x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w, x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
        }
        u32 leading[4], remaining[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            leading[i] = pack(x[2 * i], x[2 * i + 1], Number::kIsBfloat16);
            remaining[i] = pack(x[2 * i] - to_float(static_cast<u16>(leading[i]), Number::kIsBfloat16),
                                x[2 * i + 1] - to_float(static_cast<u16>(leading[i] >> 16), Number::kIsBfloat16),
                                Number::kIsBfloat16);
        }
        const int lane = row % 8 * 4 + eighth % 4, part = row / 8 % 2;
        uint4(&target)[4][32] = memory.fragment[row / 16][eighth / 4];
        target[part][lane] = make_uint4(leading[0], leading[1], leading[2], leading[3]);
        target[2 + part][lane] = make_uint4(remaining[0], remaining[1], remaining[2], remaining[3]);
    }

    // A warp's 16 keys, in two tiles of 8.
    DEVICE void multiply(const Fp4Rows& keys, int first) const {
        const int g = lane_index() / 4, t = lane_index() % 4;
        u32 key[2][kChunks][4];
#pragma unroll
        for (int tile = 0; tile < 2; ++tile)
#pragma unroll
            for (int c = 0; c < kChunks; ++c) keys.load(key[tile][c], first + tile * 8 + g, 32 * c + 8 * t);
        float added[2][2];
        const float unit_of_scores = p.query_multiplier[head] * p.key_multiplier[key_head];
#pragma unroll
        for (int i = 0; i < 4; ++i) added[i / 2][i % 2] = added_to(first + i / 2 * 8 + 2 * t + i % 2, unit_of_scores);
#pragma unroll 1
        for (int tile = 0; tile * 16 < means; ++tile) {
            float sum[2][4] = {};
            multiply_tile(sum, key, tile);
            write(sum, added, unit_of_scores, tile * 16 + g, first + 2 * t);
        }
    }

    DEVICE void multiply_tile(float (&sum)[2][4], const u32 (&key)[2][kChunks][4], int tile) const {
#pragma unroll
        for (int c = 0; c < kChunks; ++c)
#pragma unroll
            for (int part = 0; part < 2; ++part) {
                const uint4 low = memory.fragment[tile][c][2 * part][lane_index()];
                const uint4 high = memory.fragment[tile][c][2 * part + 1][lane_index()];
                const u32 a[2][4] = {{low.x, high.x, low.y, high.y}, {low.z, high.z, low.w, high.w}};
#pragma unroll
                for (int step = 0; step < 2; ++step)
#pragma unroll
                    for (int i = 0; i < 2; ++i)
                        mma_16bit<Number>(sum[i], a[step], key[i][c][2 * step], key[i][c][2 * step + 1]);
            }
    }

    // What is added to a key's scores, in units of the scaled product.
    DEVICE float added_to(int key, float unit_of_scores) const {
        if (key >= p.key_rows) return -infinity();
        if (p.bias == nullptr) return 0.0f;
        const float* bias = p.bias + batch * p.bias_batch_stride + head % p.query_heads * p.bias_head_stride;
        return bias[key] / p.sm_scale * unit_of_scores;
    }

    DEVICE void write(const float (&sum)[2][4], const float (&added)[2][2], float unit_of_scores, int row,
                      int key) const {
        const long long padded = static_cast<long long>(p.key_blocks) * SAGEATTN_FP4_BLOCK;
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            if (row + 8 * r >= means) continue;
            float* target = p.delta + (static_cast<long long>(unit) * p.unit_means + row + 8 * r) * padded + key;
#pragma unroll
            for (int i = 0; i < 2; ++i)
                *reinterpret_cast<float2*>(target + 8 * i) =
                    make_float2(fmaf(sum[i][2 * r], unit_of_scores, added[i][0]),
                                fmaf(sum[i][2 * r + 1], unit_of_scores, added[i][1]));
        }
    }
};
