// An attention mask, a tile at a time.
//
// Each warp has its rows of the next tile's mask on the way to shared memory while it multiplies, as the block has
// the next keys. A tile that no row of the block sees is left out, and where a warp's rows see a tile without a
// change, the mask costs them no more than a look. Two cases wait for memory: masks whose rows do not lie on
// multiples of 16 bytes, and the second half of a tile of float32 rows.
#pragma once

#include "block.cuh"
#include "ptx/copy.cuh"
#include "ptx/number.cuh"
#include "softmax.cuh"

// What of a tile the rows of a warp see: all is without a bias, too.
enum Seen { kNone, kSome, kAll };

// What two neighbouring elements of a mask make of base-2 logits. A sum rounds towards zero: the most negative finite
// numbers must not become -infinity, since they hide a key from rows that see other keys, but not from rows that see
// no other.
struct BooleanMask {
    static constexpr int kSize = 1;
    static DEVICE float2 apply(float2 x, u32 elements) {
        const u32 seen = load_shared_2(elements);
        return make_float2(seen & 0xFF ? x.x : minus_infinity(), seen >> 8 ? x.y : minus_infinity());
    }
};

struct Float32Mask {
    static constexpr int kSize = 4;
    static DEVICE float add(float x, float bias) { return __fmaf_rz(bias, SAGEATTN_LOG2_E, x); }
    static DEVICE float2 apply(float2 x, u32 elements) {
        const uint2 bias = load_shared_8(elements);
        return make_float2(add(x.x, __uint_as_float(bias.x)), add(x.y, __uint_as_float(bias.y)));
    }
};

template <bool kBfloat16>
struct HalfMask {
    static constexpr int kSize = 2;
    static DEVICE float2 apply(float2 x, u32 elements) {
        const u32 bias = load_shared_4(elements);
        return make_float2(Float32Mask::add(x.x, to_float(bias & 0xFFFF, kBfloat16)),
                           Float32Mask::add(x.y, to_float(bias >> 16, kBfloat16)));
    }
};

// One warp's rows. A line of shared memory holds 128 bytes of a row: all 64 keys, or half of them where an element
// has four bytes. Such halves come one after the other; of a mask that has one row for all queries both are there at
// once.
template <class F, int kWarpRows>
class Mask {
    static constexpr int kBoolean = 3, kFloat32 = 2, kBfloat16 = 1;
    static constexpr int kPitch = 128 + 16;  // of lines: eight rows read at one column touch all 32 banks

    const sageattn_attention_arguments& p;
    const BlockState& state;
    const u32 lines;  // of all warps

  public:
    static constexpr int kWarpBytes = kWarpRows * kPitch;

    DEVICE Mask(const sageattn_attention_arguments& arguments, const BlockState& block_state, u32 shared)
        : p(arguments), state(block_state), lines(shared) {}

    // Starts loading a tile, or the second half of its keys. Complete after copy_wait and __syncwarp.
    DEVICE void load(int tile, int half = 0) const {
        const char* first =
            BlockState::load(state.mask) + tile * static_cast<long long>(SAGEATTN_KEY_ROWS) * p.mask_column_stride;
        const int size_log2 = element_size_log2();
        const int bytes = (BlockState::load(state.key_rows) - tile * SAGEATTN_KEY_ROWS) << size_log2;  // of a row
        const int warp_row = opaque(threadIdx.x) / 32 * kWarpRows, last = BlockState::load(state.rows) - 1;
#pragma unroll 1
        for (int i = opaque(lane_index()); i < units(); i += 32) {
            const int column = ((broadcast() ? line(i) : half) * 8 + chunk(i)) * 16;
            // Rows beyond the last one are not written: they read that.
            const char* row = first + min(warp_row + line(i), last) * p.mask.row_stride;
#if SM >= 800
            if (p.mask.vectors) {
                copy_16(place(i), row + column, min(max(bytes - column, 0), 16));
                continue;
            }
#endif
            const int count = bytes - column;
            store_shared_16(place(i), p.mask.vectors && count >= 16
                                          ? __ldg(reinterpret_cast<const uint4*>(row + column))
                                          : gather(row, column, size_log2, count));
        }
    }

    // What the warp sees of the tile that is there, as far as a look is possible: if in doubt, some.
    DEVICE Seen look() const {
        if (halves()) return kSome;
        const u32 hidden = hidden_word(), plain = p.mask_dtype == kBoolean ? 0x01010101u : 0u;
        u32 differs_from_hidden = 0, differs_from_plain = 0;
#pragma unroll 1
        for (int i = opaque(lane_index()); i < units(); i += 32) {
            const uint4 v = load_shared_16(place(i));
            differs_from_hidden |= (v.x ^ hidden) | (v.y ^ hidden) | (v.z ^ hidden) | (v.w ^ hidden);
            differs_from_plain |= (v.x ^ plain) | (v.y ^ plain) | (v.z ^ plain) | (v.w ^ plain);
        }
        if (!__any_sync(0xFFFFFFFFu, differs_from_hidden != 0)) return kNone;
        return __any_sync(0xFFFFFFFFu, differs_from_plain != 0) ? kSome : kAll;
    }

    // Scores to base-2 logits behind the mask. Each comparison reads the dtype anew: a compiler that sees one value
    // makes a table of jumps, whose targets the check of machine code cannot read.
    DEVICE void apply(F& f, const Scales<F>& scales, int tile) const {
        if (opaque(p.mask_dtype) == kBoolean) {
            apply<BooleanMask, 0>(f, scales);
        } else if (opaque(p.mask_dtype) == kFloat32) {
            apply<Float32Mask, 0>(f, scales);
            if (halves()) load_second_half(tile);
            apply<Float32Mask, 1>(f, scales);
        } else if (opaque(p.mask_dtype) == kBfloat16) {
            apply<HalfMask<true>, 0>(f, scales);
        } else {
            apply<HalfMask<false>, 0>(f, scales);
        }
    }

  private:
    DEVICE int element_size_log2() const { return p.mask_dtype == kBoolean ? 0 : p.mask_dtype == kFloat32 ? 2 : 1; }
    DEVICE bool broadcast() const { return p.mask.row_stride == 0; }
    DEVICE bool halves() const { return p.mask_dtype == kFloat32 && !broadcast(); }

    // Lanes share a tile in units of 16 bytes.
    DEVICE int units() const {
        const int rows = broadcast() ? 1 : kWarpRows;
        return p.mask_dtype == kBoolean ? rows * 4 : halves() || p.mask_dtype != kFloat32 ? rows * 8 : 16;
    }
    DEVICE int line(int unit) const { return p.mask_dtype == kBoolean ? unit / 4 : unit / 8; }
    DEVICE int chunk(int unit) const { return p.mask_dtype == kBoolean ? unit % 4 : unit % 8; }
    DEVICE u32 warp_lines() const { return lines + opaque(threadIdx.x) / 32 * kWarpBytes; }
    DEVICE u32 place(int unit) const { return warp_lines() + line(unit) * kPitch + chunk(unit) * 16; }

    // A word of elements that hide their keys: zeros, or -infinity.
    DEVICE u32 hidden_word() const {
        if (p.mask_dtype == kBoolean) return 0;
        return p.mask_dtype == kFloat32 ? 0xFF800000u : p.mask_dtype == kBfloat16 ? 0xFF80FF80u : 0xFC00FC00u;
    }

    // 16 bytes of a row of any strides, from byte `column` of its packed form on, of which `count` exist.
    DEVICE uint4 gather(const char* row, int column, int size_log2, int count) const {
        u32 word[4] = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < 16; ++i) {
            const int byte = column + i, element = byte >> size_log2;
            if (i >= count) continue;
            const char* source = row + element * p.mask_column_stride + (byte - (element << size_log2));
            word[i / 4] |= static_cast<u32>(static_cast<u8>(*source)) << i % 4 * 8;
        }
        return make_uint4(word[0], word[1], word[2], word[3]);
    }

    DEVICE void load_second_half(int tile) const {
        __syncwarp();  // the first half is read
        load(tile, 1);
        copy_commit();
        copy_wait<0>();
        __syncwarp();
    }

    // kHalf: of the keys, where an element has four bytes.
    template <class Element, int kHalf>
    DEVICE void apply(F& f, const Scales<F>& scales) const {
        constexpr int kKeys = 128 / Element::kSize, kFirst = kHalf * kKeys;
        const int lane = opaque(lane_index()), pitch = broadcast() ? 0 : kPitch;
        const u32 elements =
            warp_lines() + (kHalf != 0 && broadcast() ? kPitch : 0) + F::column(lane, 0, 0) * Element::kSize;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const u32 row = elements + F::row(lane, r) * pitch;
#pragma unroll
            for (int i = 0; i < F::kGroups * F::kGroupSize; i += 2) {
                const int g = i / F::kGroupSize, j = i % F::kGroupSize, key = F::column(0, g, j) - kFirst;
                if (key < 0 || key >= kKeys) continue;
                const float scale = scales(r, g), origin = -scales.origin(r, g, 0.0f);
                const float2 logits =
                    make_float2(fmaf(f.score(r, g, j), scale, origin), fmaf(f.score(r, g, j + 1), scale, origin));
                const float2 behind = Element::apply(logits, row + key * Element::kSize);
                f.set(r, g, j, behind.x);
                f.set(r, g, j + 1, behind.y);
            }
        }
    }
};
