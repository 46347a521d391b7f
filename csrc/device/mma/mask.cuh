// An attention mask, a tile at a time.
//
// Each warp has its rows of the next tile's mask on the way to shared memory while it multiplies, as the block has
// the next keys. A tile that no row of the block sees is left out, and where a warp's rows see a tile without a
// change, the mask costs them no more than a look. Two cases wait for memory: masks whose keys are not beside each
// other, and the second half of a tile of float32 rows.
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
// once. Lanes share lines in units of 16 bytes: neighbouring lanes have those of one line, and go from line to line.
//
// Rows may begin at any byte: a line is copied from the multiple of 16 before its first byte on, with one unit more,
// and moved to its place when it is there. What is read before a row shares 16 bytes with it, and so its allocation;
// behind a row nothing is read.
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

    // Starts loading a tile, or the second half of its keys. There after copy_wait, __syncwarp and align.
    DEVICE void load(int tile, int half = 0) const {
        const int size_log2 = element_size_log2(), step = line_step(), chunk = lane_chunk(), end = line_count();
        const int warp_row = opaque(threadIdx.x) / 32 * kWarpRows, last = BlockState::load(state.rows) - 1;
        int line = lane_line();
        const int column = ((broadcast() ? line : half) * 8 + chunk) * 16;
        const int bytes = (BlockState::load(state.key_rows) - tile * SAGEATTN_KEY_ROWS << size_log2) - column;
        const long long key = tile * static_cast<long long>(SAGEATTN_KEY_ROWS) + (column >> size_log2);
        const char* first = BlockState::load(state.mask) + key * p.mask_column_stride;
        const auto row = [&](int index) {  // lines beyond the last row are not written: they hold that
            const u32 existing = min(warp_row + index, last);
            return first + existing * static_cast<unsigned long long>(p.mask.row_stride);
        };
        u32 target = place(line, chunk);
#if SM >= 800
        if (p.mask.vectors && bytes >= 16) {  // as most units are
#pragma unroll 1
            for (; line < end; line += step, target += step * kPitch) copy_16(target, row(line));
        }
#endif
        const bool copied = neighbours();
        const int size = shifted() && chunk == line_units() - 1 ? 32 : 16;  // a line's last lane has one unit more
#pragma unroll 1
        for (; line < end; line += step, target += step * kPitch) {
            if (!copied) {
                gather(target, row(line), size_log2, bytes);
                continue;
            }
            const int begin = reinterpret_cast<unsigned long long>(row(line)) & 15;
            fetch(target, row(line) - begin, size, begin + bytes);
        }
    }

    // Moves lines that are there to their places, from where load has put them.
    DEVICE void align() const {
        if (!shifted()) return;
        const int warp_row = opaque(threadIdx.x) / 32 * kWarpRows, last = BlockState::load(state.rows) - 1;
        const u32 mask = static_cast<u32>(reinterpret_cast<unsigned long long>(BlockState::load(state.mask)));
        const int end = line_count(), step = line_step();
#pragma unroll 1
        for (int line = lane_line(); __any_sync(0xFFFFFFFFu, line < end); line += step) {
            const u32 source = place(min(line, end - 1), lane_chunk());
            const uint4 low = load_shared_16(source), high = load_shared_16(source + 16);
            __syncwarp();
            const u32 begin = mask + min(warp_row + line, last) * static_cast<u32>(p.mask.row_stride) & 15;
            if (line < end) store_shared_16(source, bytes_from(begin, low, high));
        }
        __syncwarp();
    }

    // What the warp sees of the tile that is there, as far as a look is possible: if in doubt, some.
    DEVICE Seen look() const {
        if (halves()) return kSome;
        const u32 hidden = hidden_word(), plain = p.mask_dtype == kBoolean ? 0x01010101u : 0u;
        u32 differs_from_hidden = 0, differs_from_plain = 0;
        const int step = line_step(), end = line_count();
        int line = lane_line();
        u32 source = place(line, lane_chunk());
#pragma unroll 2
        for (; line < end; line += step, source += step * kPitch) {
            const uint4 v = load_shared_16(source);
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
    DEVICE bool neighbours() const { return p.mask_column_stride == 1 << element_size_log2(); }
    DEVICE bool shifted() const { return neighbours() && !p.mask.vectors; }

    DEVICE int line_count() const { return !broadcast() ? kWarpRows : p.mask_dtype == kFloat32 ? 2 : 1; }
    DEVICE int line_units_log2() const { return p.mask_dtype == kBoolean ? 2 : 3; }
    DEVICE int line_units() const { return 1 << line_units_log2(); }
    // A lane's first line, how far its next one is, and which unit of each it has.
    DEVICE int lane_line() const { return opaque(lane_index()) >> line_units_log2(); }
    DEVICE int line_step() const { return 32 >> line_units_log2(); }
    DEVICE int lane_chunk() const { return opaque(lane_index()) & line_units() - 1; }
    DEVICE u32 warp_lines() const { return lines + opaque(threadIdx.x) / 32 * kWarpBytes; }
    DEVICE u32 place(int line, int chunk) const { return warp_lines() + line * kPitch + chunk * 16; }

    // A word of elements that hide their keys: zeros, or -infinity.
    DEVICE u32 hidden_word() const {
        if (p.mask_dtype == kBoolean) return 0;
        return p.mask_dtype == kFloat32 ? 0xFF800000u : p.mask_dtype == kBfloat16 ? 0xFF80FF80u : 0xFC00FC00u;
    }

    // Starts fetching 16 or 32 bytes, of which `count` exist, from a multiple of 16 on; the others become zeros. Only
    // whole units are copied: an asynchronous copy of fewer bytes counts as a read of 16, also where an allocation
    // ends.
    DEVICE void fetch(u32 target, const char* source, int size, int count) const {
        const int whole = min(max(count, 0), size) & ~15;
        if (whole < size) {
            store_shared_16(target + size - 16, make_uint4(0, 0, 0, 0));
            gather(target + whole, source + whole, element_size_log2(), count - whole);
        }
        if (whole >= 16) copy(target, source);
        if (whole >= 32) copy(target + 16, source + 16);
    }

    static DEVICE void copy(u32 target, const char* source) {
#if SM >= 800
        copy_16(target, source);
#else
        store_shared_16(target, __ldg(reinterpret_cast<const uint4*>(source)));
#endif
    }

    // Fetches 16 bytes of a row of any strides, from an element on, of which `count` exist. The address goes from
    // byte to byte: sixteen of them at once do not fit the registers at head dim 128.
    DEVICE void gather(u32 target, const char* source, int size_log2, int count) const {
        const int last = (1 << size_log2) - 1;  // byte of an element
        u32 word[4] = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < 16; ++i) {
            if (i < count) word[i / 4] |= static_cast<u32>(__ldg(reinterpret_cast<const u8*>(source))) << i % 4 * 8;
            source = advance(source, (i & last) == last ? p.mask_column_stride - last : 1);
        }
        store_shared_16(target, make_uint4(word[0], word[1], word[2], word[3]));
    }

    // 16 bytes of 32, from byte `begin` < 16 on.
    static DEVICE uint4 bytes_from(u32 begin, uint4 low, uint4 high) {
        const bool two = begin & 8, one = begin & 4;
        const u32 w[6] = {two ? low.z : low.x,  two ? low.w : low.y,   two ? high.x : low.z,
                          two ? high.y : low.w, two ? high.z : high.x, two ? high.w : high.y};
        u32 v[5];
#pragma unroll
        for (int i = 0; i < 5; ++i) v[i] = one ? w[i + 1] : w[i];
        const u32 bits = begin % 4 * 8;
        return make_uint4(__funnelshift_r(v[0], v[1], bits), __funnelshift_r(v[1], v[2], bits),
                          __funnelshift_r(v[2], v[3], bits), __funnelshift_r(v[3], v[4], bits));
    }

    DEVICE void load_second_half(int tile) const {
        __syncwarp();  // the first half is read
        load(tile, 1);
        copy_commit();
        copy_wait<0>();
        __syncwarp();
        align();
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
