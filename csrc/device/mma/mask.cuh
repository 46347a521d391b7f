// Scores with an attention mask to base-2 logits.
#pragma once

#include "block.cuh"
#include "ptx/number.cuh"
#include "softmax.cuh"

template <class F>
class Mask {
    static constexpr int kCount = F::kGroups * F::kGroupSize;  // of a row, in a thread

  public:
    DEVICE Mask(const sageattn_attention_arguments& arguments, const BlockState& block_state, int first_row)
        : p(arguments), state(block_state), warp_row(first_row) {}

    // Keys that the causal limit or the end of the sequence hides become -infinity, without a look at the mask.
    DEVICE void apply(F& f, const Scales<F>& scales, int tile) const {
        const int lane = opaque(lane_index());
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const int row = warp_row + F::row(lane, r), visible = state.visible(row) - tile * SAGEATTN_KEY_ROWS;
            float added[kCount];
            load(added, row, visible, tile);
#pragma unroll
            for (int i = 0; i < kCount; ++i) {
                const int g = i / F::kGroupSize, j = i % F::kGroupSize;
                f.set(r, g, j, fmaf(f.score(r, g, j) - F::kBias, scales(r, g), added[i]));
            }
        }
    }

  private:
    const sageattn_attention_arguments& p;
    const BlockState& state;
    const int warp_row;

    DEVICE void load(float (&added)[kCount], int row, int visible, int tile) const {
        const int last = BlockState::load(state.rows) - 1;  // rows beyond it are not written
        const char* first = BlockState::load(state.mask) + min(row, last) * p.mask.row_stride +
                            tile * static_cast<long long>(SAGEATTN_KEY_ROWS) * p.mask_column_stride;
        switch (p.mask_dtype) {
            case 3:
                load<u8>(added, first, visible);
                break;
            case 2:
                load<float>(added, first, visible);
                break;
            default:
                load<u16>(added, first, visible);
                break;
        }
    }

    template <class T>
    DEVICE void load(float (&added)[kCount], const char* first, int visible) const {
        const int lane = opaque(lane_index());
#pragma unroll
        for (int i = 0; i < kCount; ++i) {
            const int column = F::column(lane, i / F::kGroupSize, i % F::kGroupSize);
            added[i] = minus_infinity();
            if (column < visible)
                added[i] = logit(*reinterpret_cast<const T*>(first + column * p.mask_column_stride));
        }
    }

    DEVICE float logit(u8 seen) const { return seen ? 0.0f : minus_infinity(); }
    DEVICE float logit(u16 bits) const { return logit(to_float(bits, p.mask_dtype == 1)); }

    // The most negative finite numbers must not become -infinity: they hide a key from rows that see other keys, but
    // not from rows that see no other.
    DEVICE float logit(float x) const {
        return x == minus_infinity() ? x : fmaxf(x * SAGEATTN_LOG2_E, -3.402823466e38f);
    }
};
