// What a warp does with its output once all keys are seen: rows are divided by their sums, staged in shared memory
// and written whole, with their LSE.
#pragma once

#include "block.cuh"
#include "ptx/base.cuh"
#include "ptx/number.cuh"
#include "ptx/row.cuh"
#include "softmax.cuh"
#include "tile.cuh"

// kColumns: of the block. kBiased: scores are logits, not yet times log2(e).
template <class F, int kWarpRows, int kColumns, bool kBiased>
class Output {
    using Staged = Tile<kWarpRows, 2 * kColumns>;

    const sageattn_attention_arguments& p;
    const BlockState& state;
    const int warp_row;
    const u32 staged;

  public:
    static constexpr int kWarpBytes = Staged::kBytes;

    // shared: where all warps stage their rows.
    DEVICE Output(const sageattn_attention_arguments& arguments, const BlockState& block_state, u32 shared)
        : p(arguments),
          state(block_state),
          warp_row(threadIdx.x / 32 * kWarpRows),
          staged(shared + threadIdx.x / 32 * kWarpBytes) {}

    DEVICE void finish(const F& f, const OnlineSoftmax<F>& softmax) const {
        const int lane = lane_index();
        float inverse[F::kRows];
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const float sum = f.row_sum(r);
            inverse[r] = sum == 0.0f ? 0.0f : 1.0f / sum;  // a row that sees no key gives 0
            write_lse(warp_row + F::row(lane, r), softmax.maximum[r], sum);
        }
        stage(f, inverse);
        __syncwarp();
        write();
    }

  private:
    DEVICE void stage(const F& f, const float (&inverse)[F::kRows]) const {
        const int lane = lane_index();
        const bool to_bfloat16 = p.output.bfloat16;
#pragma unroll
        for (int j = 0; j < F::kPairs; ++j) {
            const int column = F::output_column(lane, j);
            Channels channels;
            if constexpr (F::kTransposedValues) channels = load_channels(column);
#pragma unroll
            for (int r = 0; r < F::kRows; ++r) {
                float2 o = f.output_pair(r, j);
                o = make_float2(o.x * inverse[r], o.y * inverse[r]);
                if constexpr (F::kTransposedValues) o = channels.restore(o, inverse[r] != 0.0f && is_centred());
                store_shared_4(staged + Staged::offset(F::row(lane, r), column / 8) + column % 8 * 2,
                               pack(o.x, o.y, to_bfloat16));
            }
        }
    }

    // Of two columns of values that were quantised with a scale and perhaps a mean for each.
    struct Channels {
        float2 scale, mean;

        DEVICE float2 restore(float2 o, bool add_mean) const {
            return make_float2(fmaf(o.x, scale.x, add_mean ? mean.x : 0.0f),
                               fmaf(o.y, scale.y, add_mean ? mean.y : 0.0f));
        }
    };
    DEVICE bool is_centred() const { return p.value_mean != nullptr; }

    // Columns that do not exist, and are not written, have what the last one has.
    DEVICE Channels load_channels(int column) const {
        const int last = BlockState::load(state.columns) - 1;
        const long long channel = state.channel;
        const long long first = channel + min(column, last), second = channel + min(column + 1, last);
        const float* const mean = is_centred() ? p.value_mean : p.value_scale;  // which is not added
        return {make_float2(p.value_scale[first], p.value_scale[second]), make_float2(mean[first], mean[second])};
    }

    // All splits compute it; the first writes it, several lanes the same value.
    DEVICE void write_lse(int row, float maximum, float sum) const {
        if (p.lse == nullptr || !state.first_split || row >= state.rows) return;
        const long long index = state.lse + row;
        const float correction = p.mean_dot == nullptr ? 0.0f : p.sm_scale * p.mean_dot[index];
        const float rest = log2_fast(sum) - F::kExponentOffset;
        const float lse = kBiased ? fmaf(SAGEATTN_LN_2, rest, maximum) : SAGEATTN_LN_2 * (maximum + rest);
        p.lse[index] = lse + correction;
    }

    DEVICE void write() const {
        const int rows = state.rows - warp_row, columns = state.columns;
        char* const output = state.output + warp_row * p.output.row_stride;
        const bool whole = p.output.vectors && columns % 8 == 0;
        if (whole) {
#pragma unroll 4
            for (int i = lane_index(); i < kWarpBytes / 16; i += 32) {
                const Chunk chunk(i);
                if (chunk.row >= rows) break;
                const uint4 v = load_shared_16(staged + chunk.offset());
                if (chunk.column < columns) *reinterpret_cast<uint4*>(chunk.of(output, p.output)) = v;
            }
            return;
        }
#pragma unroll 1
        for (int i = lane_index(); i < kWarpBytes / 16; i += 32) {
            const Chunk chunk(i);
            if (chunk.row >= rows) break;
            const uint4 v = load_shared_16(staged + chunk.offset());
            const u32 word[4] = {v.x, v.y, v.z, v.w};
            write_eight(chunk.of(output, p.output), word, columns - chunk.column, p.output.vectors);
        }
    }

    // 16 bytes of the warp's rows.
    struct Chunk {
        int row, column;

        explicit DEVICE Chunk(int index) : row(index / Staged::kChunks), column(index % Staged::kChunks * 8) {}
        DEVICE u32 offset() const { return Staged::offset(row, column / 8); }
        DEVICE u16* of(char* first, const sageattn_view& view) const {
            return reinterpret_cast<u16*>(first + row * view.row_stride) + column;
        }
    };
};
