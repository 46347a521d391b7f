// Blocks of 128 rows into their records: first in shared memory, since words of a row lie far apart, then in one
// piece.
#pragma once

#include "group.cuh"
#include "power.cuh"
#include "records.cuh"
#include "rows.cuh"

template <int kColumns>
struct Fp4PackMemory {
    uint4 packed[Fp4Records<kColumns>::kBytes / 16];
    float mean[kColumns];  // queries, times the multiplier
    float part[SAGEATTN_FP4_THREADS * 2 / kColumns][kColumns];
};

// A block of threads packs the rows of one block.
template <int kColumns>
class Fp4Packer {
    using Records = Fp4Records<kColumns>;
    static constexpr int kGroups = kColumns / 16;

    const sageattn_fp4_operand& p;
    const int head, block, columns;
    const float multiplier;
    const Fp4Rows rows;
    Fp4PackMemory<kColumns>& memory;

  public:
    DEVICE Fp4Packer(const sageattn_fp4_operand& operand, int head_dim, int index, Fp4PackMemory<kColumns>& shared)
        : p(operand),
          head(index / operand.blocks),
          block(index % operand.blocks),
          columns(head_dim),
          multiplier(operand.multiplier[head]),
          rows(operand.view, head / operand.batch_heads, head % operand.batch_heads, operand.rows, head_dim),
          memory(shared) {}

    DEVICE void queries(const sageattn_fp4_quantize_arguments& a) {
        if (a.block_mean) take_block_mean(a);
        else if (threadIdx.x < kColumns) memory.mean[threadIdx.x] = mean_of(threadIdx.x) * multiplier;
        __syncthreads();
        const float* key_mean = a.operand[SAGEATTN_FP4_KEY].mean + static_cast<long long>(head / a.group) * kColumns;
        for (int item = threadIdx.x; item < SAGEATTN_FP4_BLOCK * kGroups; item += SAGEATTN_FP4_THREADS) {
            const int row = item / kGroups, group = item % kGroups;
            float x[16];
            load_group(x, row, group);
            subtract_block_mean(x, row, group);
            if (a.rest_dot != nullptr) write_rest_dot(a, x, row, group, key_mean);
            store_query(Fp4Group::of(x), row, group);
        }
        write();
    }

    DEVICE void keys() {
        for (int item = threadIdx.x; item < SAGEATTN_FP4_BLOCK * kGroups; item += SAGEATTN_FP4_THREADS) {
            const int row = item / kGroups, group = item % kGroups;
            float x[16];
            load_group(x, row, group);
            if (is_row(row)) {
#pragma unroll
                for (int i = 0; i < 16; ++i) x[i] = (x[i] - mean_of(group * 16 + i)) * multiplier;
            }
            store_key(Fp4Group::of(x), position(row), group);
        }
        write();
    }

    // A thread takes two channels of 16 keys.
    DEVICE void values() {
        constexpr int kPairs = kColumns / 2;
        for (int item = threadIdx.x; item < kPairs * (SAGEATTN_FP4_BLOCK / 16); item += SAGEATTN_FP4_THREADS) {
            const int channel = item % kPairs * 2, group = item / kPairs;
            const float mean[2] = {mean_of(channel), mean_of(channel + 1)};
            float low[16], high[16];
#pragma unroll
            for (int i = 0; i < 16; ++i) {
                const int row = group * 16 + i;
                u32 word[1];
                rows.load(word, first_row() + row, channel);
                rows.widen(low[i], high[i], word[0]);
                if (is_row(row)) low[i] = (low[i] - mean[0]) * multiplier, high[i] = (high[i] - mean[1]) * multiplier;
            }
            store_value(Fp4Group::of(low), position(channel), group);
            store_value(Fp4Group::of(high), position(channel + 1), group);
        }
        write();
    }

  private:
    DEVICE int first_row() const { return block * SAGEATTN_FP4_BLOCK; }
    DEVICE bool is_row(int row) const { return first_row() + row < p.rows; }
    DEVICE float mean_of(int column) const { return p.mean[static_cast<long long>(head) * kColumns + column]; }

    // The mean of the block's rows, two columns a thread.
    DEVICE void take_block_mean(const sageattn_fp4_quantize_arguments& a) {
        constexpr int kPairs = kColumns / 2, kParts = SAGEATTN_FP4_THREADS / kPairs;
        const int column = threadIdx.x % kPairs * 2, count = min(SAGEATTN_FP4_BLOCK, p.rows - first_row());
        float sum[2] = {0.0f, 0.0f};
#pragma unroll 8
        for (int row = threadIdx.x / kPairs; row < count; row += kParts) {
            u32 word[1];
            float low, high;
            rows.load(word, first_row() + row, column);
            rows.widen(low, high, word[0]);
            sum[0] += finite_or_zero(low), sum[1] += finite_or_zero(high);
        }
        memory.part[threadIdx.x / kPairs][column] = sum[0];
        memory.part[threadIdx.x / kPairs][column + 1] = sum[1];
        __syncthreads();
        if (threadIdx.x >= kColumns) return;
        float mean = 0.0f;
        for (int i = 0; i < kParts; ++i) mean += memory.part[i][threadIdx.x];
        mean /= static_cast<float>(count);
        memory.mean[threadIdx.x] = mean * multiplier;
        a.query_mean[(static_cast<long long>(head) * p.blocks + block) * kColumns + threadIdx.x] = mean;
    }

    DEVICE void load_group(float (&x)[16], int row, int group) const {
#pragma unroll
        for (int part = 0; part < 2; ++part) {
            u32 word[4];
            rows.load(word, first_row() + row, group * 16 + part * 8);
#pragma unroll
            for (int i = 0; i < 4; ++i) rows.widen(x[part * 8 + 2 * i], x[part * 8 + 2 * i + 1], word[i]);
        }
    }

    DEVICE void subtract_block_mean(float (&x)[16], int row, int group) const {
        if (!is_row(row)) return;
#pragma unroll
        for (int i = 0; i < 16; ++i) x[i] = x[i] * multiplier - memory.mean[group * 16 + i];
    }

    // The lanes of a row are neighbours.
    DEVICE void write_rest_dot(const sageattn_fp4_quantize_arguments& a, const float (&x)[16], int row, int group,
                               const float* key_mean) const {
        float dot = 0.0f;
#pragma unroll
        for (int i = 0; i < 16; ++i) dot = fmaf(x[i], key_mean[group * 16 + i], dot);
#pragma unroll
        for (int mask = 1; mask < kGroups; mask *= 2) dot += __shfl_xor_sync(0xFFFFFFFFu, dot, mask);
        if (group == 0 && is_row(row))
            a.rest_dot[static_cast<long long>(head) * p.rows + first_row() + row] =
                dot * inverse_of_power(multiplier);
    }

    DEVICE void store_query(const Fp4Group& group, int row, int index) {
        const int record = row / 16 * Records::kQueryBytes, step = index / 4;
        const int scale = Records::kQueryScales + 4 * Records::query_scale_word(row % 16, step) + index % 4;
#pragma unroll
        for (int i = 0; i < 2; ++i)
            words()[record / 4 + Records::query_word(row % 16, step, index % 4 * 2 + i)] = group.code[i];
        bytes()[record + scale] = static_cast<u8>(group.scale);
    }

    DEVICE void store_key(const Fp4Group& group, int column, int index) {
        const int step = index / 4;
#pragma unroll
        for (int i = 0; i < 2; ++i) words()[Records::key_word(column, step, index % 4 * 2 + i)] = group.code[i];
        bytes()[Records::kScales + 4 * Records::key_scale_word(column, step) + index % 4] =
            static_cast<u8>(group.scale);
    }

    DEVICE void store_value(const Fp4Group& group, int column, int index) {
        const int step = index / 4;
#pragma unroll
        for (int i = 0; i < 2; ++i) words()[Records::value_word(column, step, index % 4 * 2 + i)] = group.code[i];
        bytes()[Records::kScales + 4 * Records::value_scale_word(column, step) + index % 4] =
            static_cast<u8>(group.scale);
    }

    DEVICE u32* words() { return reinterpret_cast<u32*>(memory.packed); }
    DEVICE u8* bytes() { return reinterpret_cast<u8*>(memory.packed); }

    DEVICE void write() {
        constexpr int kVectors = Records::kBytes / 16;
        __syncthreads();
        uint4* target =
            reinterpret_cast<uint4*>(p.packed) + (static_cast<long long>(head) * p.blocks + block) * kVectors;
        for (int i = threadIdx.x; i < kVectors; i += SAGEATTN_FP4_THREADS) target[i] = memory.packed[i];
    }
};
