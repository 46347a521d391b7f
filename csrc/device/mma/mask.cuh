// An attention mask, a tile at a time.
//
// Each warp has its rows of the next tile's mask on the way to shared memory while it multiplies, as the block has
// the next keys. A tile that no row of the block sees is left out, and where a warp's rows see a tile without a
// change, the mask costs them no more than a look, which packs booleans to bits as well. Two cases wait for memory:
// masks whose keys are not beside each other, and the second half of a tile of float32 rows.
#pragma once

#include "block.cuh"
#include "ptx/copy.cuh"
#include "ptx/ldmatrix.cuh"
#include "ptx/number.cuh"
#include "softmax.cuh"

// What of a tile the rows of a warp see: none, some keys, those behind biases, or all without a bias.
enum Seen { kNone, kSome, kBiased, kAll };

// A base-2 logit and a bias. The sum rounds towards zero: the most negative finite numbers must not become -infinity,
// since they hide a key from rows that see other keys, but not from rows that see no other.
DEVICE float behind_bias(float logit, float bias) { return __fmaf_rz(bias, SAGEATTN_LOG2_E, logit); }

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
    static constexpr int kBits = 96;         // where a line of booleans, of 80 bytes, has its bits
    static constexpr int kPitch = 128 + 16;  // of lines: eight rows read at one column touch all 32 banks

    const sageattn_attention_arguments& p;
    const BlockState& state;
    const u32 lines;  // of all warps

  public:
    static constexpr int kWarpBytes = kWarpRows * kPitch;

    DEVICE Mask(const sageattn_attention_arguments& arguments, const BlockState& block_state, u32 shared)
        : p(arguments), state(block_state), lines(shared) {}

    // Starts loading a tile, if the block sees it. There after copy_wait and __syncwarp.
    DEVICE void load(int tile) const {
        const int tiles = BlockState::load(state.key_tiles);
        const bool whole = is_whole(tile);
        if (tile >= tiles) return;
        if (!whole) load_any(tile, 0);
        else if (p.mask_dtype == kBoolean) load_whole<4>(tile, 0);
        else load_whole<8>(tile, 0);
    }

    // What the warp sees of the tile that is there, as far as a look is possible: if in doubt, some or biased.
    DEVICE Seen look() const {
        if (p.mask_dtype == kBoolean)
            return p.mask.vectors || p.mask_column_stride != 1 ? pack<false>() : pack<true>();
        align();
        if (halves()) return kBiased;
        const u32 hidden = hidden_word();
        u32 differs_from_hidden = 0, differs_from_zero = 0;
        const int step = line_step(), end = line_count();
        int line = lane_line();
        u32 source = place(min(line, end - 1), lane_chunk());
        const auto compare = [&] {
            const uint4 v = load_shared_16(source);
            differs_from_hidden |= (v.x ^ hidden) | (v.y ^ hidden) | (v.z ^ hidden) | (v.w ^ hidden);
            differs_from_zero |= v.x | v.y | v.z | v.w;
        };
        const auto seen = [&] {
            if (!__any_sync(0xFFFFFFFFu, differs_from_hidden != 0)) return kNone;
            return __any_sync(0xFFFFFFFFu, differs_from_zero != 0) ? kBiased : kAll;
        };
        compare();
        if (seen() == kBiased) return kBiased;  // as most masks show at once
#pragma unroll 2
        for (line += step, source += step * kPitch; line < end; line += step, source += step * kPitch) compare();
        return seen();
    }

    // What a warp that may not leave a tile out sees of it.
    DEVICE Seen doubt() const { return p.mask_dtype == kBoolean ? kSome : kBiased; }

    // Hides scores. seen: some keys, or those behind biases, which make base-2 logits of scores. Each comparison
    // reads the dtype anew: a compiler that sees one value makes a table of jumps, whose targets the check of machine
    // code cannot read.
    DEVICE void apply(F& f, const Scales<F>& scales, int tile, Seen seen) const {
        if (seen == kSome) {
            hide(f);
        } else if (opaque(p.mask_dtype) == kFloat32) {
            add_float32<0>(f, scales);
            if (halves()) load_second_half(tile);
            add_float32<1>(f, scales);
        } else if (opaque(p.mask_dtype) == kBfloat16) {
            add_16bit<true>(f, scales);
        } else {
            add_16bit<false>(f, scales);
        }
    }

  private:
    // Whether the warp's lines of a tile may be copied as if neither rows nor keys ended there. Lines that begin
    // beside a multiple of 16 want 16 bytes more.
    DEVICE bool is_whole(int tile) const {
        const int rows = BlockState::load(state.rows) - opaque(threadIdx.x) / 32 * kWarpRows;
        const int keys = BlockState::load(state.key_rows) - tile * SAGEATTN_KEY_ROWS;
        const bool vectors = p.mask.vectors;
        return SM >= 800 && !broadcast() && (vectors || neighbours()) && rows >= kWarpRows &&
               keys >= SAGEATTN_KEY_ROWS + (vectors ? 0 : 16);
    }

    template <int kUnits>
    DEVICE void load_whole(int tile, int half) const {
        constexpr int kStep = 32 / kUnits;
        const int lane = opaque(lane_index()), line = lane / kUnits, chunk = lane % kUnits;
        const int row = opaque(threadIdx.x) / 32 * kWarpRows + line, column = (half * 8 + chunk) * 16;
        const char* source = BlockState::load(state.mask) + tile * (SAGEATTN_KEY_ROWS * p.mask_column_stride) +
                             column + row * p.mask.row_stride;
        const bool one_more = !p.mask.vectors && chunk == kUnits - 1;
        const u32 target = place(line, chunk);
#pragma unroll
        for (int i = 0; i < kWarpRows / kStep; ++i) {
            const char* unit = reinterpret_cast<const char*>(reinterpret_cast<unsigned long long>(source) & ~15ull);
            copy(target + i * kStep * kPitch, unit);
            if (one_more) copy(target + i * kStep * kPitch + 16, unit + 16);
            source = advance(source, kStep * p.mask.row_stride);
        }
    }

    DEVICE void load_any(int tile, int half) const {
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

    // Moves lines that are there to their places, from where load has put them, a line a lane.
    DEVICE void align() const {
        if (!shifted()) return;
        const int line = opaque(lane_index());
        if (line < line_count()) {
            const u32 begin = line_begin(line);
            u32 unit = place(line, 0);
            uint4 low = load_shared_16(unit);
#pragma unroll 4
            for (int i = 0; i < 8; ++i, unit += 16) {
                const uint4 high = load_shared_16(unit + 16);
                store_shared_16(unit, bytes_from(begin, low, high));
                low = high;
            }
        }
        __syncwarp();
    }

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

    // How many bytes behind a multiple of 16 a line begins.
    DEVICE u32 line_begin(int line) const {
        const int row = opaque(threadIdx.x) / 32 * kWarpRows + line, last = BlockState::load(state.rows) - 1;
        const u32 mask = static_cast<u32>(reinterpret_cast<unsigned long long>(BlockState::load(state.mask)));
        return mask + min(row, last) * static_cast<u32>(p.mask.row_stride) & 15;
    }

    // A word of additive elements that hide their keys: -infinity.
    DEVICE u32 hidden_word() const {
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
        return bits_from(begin % 4 * 8, v);
    }

    // 16 bytes, from bit `begin` < 32 on.
    static DEVICE uint4 bits_from(u32 begin, const u32 (&w)[5]) {
        return make_uint4(__funnelshift_r(w[0], w[1], begin), __funnelshift_r(w[1], w[2], begin),
                          __funnelshift_r(w[2], w[3], begin), __funnelshift_r(w[3], w[4], begin));
    }

    // The same, from a word of shared memory on.
    static DEVICE uint4 bits_from(u32 begin, u32 address) {
        u32 w[5];
#pragma unroll
        for (int i = 0; i < 5; ++i) w[i] = load_shared_4(address + i * 4);
        return bits_from(begin, w);
    }

    DEVICE void load_second_half(int tile) const {
        __syncwarp();  // the first half is read
        if (is_whole(tile)) load_whole<8>(tile, 1);
        else load_any(tile, 1);
        copy_commit();
        copy_wait<0>();
        __syncwarp();
        align();
    }

    // Each byte of four: 1, or 0 if it is 0.
    static DEVICE u32 ones(u32 bytes) { return ((bytes & 0x7F7F7F7Fu) + 0x7F7F7F7Fu | bytes) >> 7 & 0x01010101u; }

    // Booleans to bits, a line a lane: bit n of byte c is that of key 8 n + c. What the warp sees, too.
    template <bool kShifted>
    DEVICE Seen pack() const {
        const int lane = opaque(lane_index()), line = broadcast() ? 0 : lane % kWarpRows;
        const u32 begin = kShifted ? line_begin(line) : 0, source = place(line, 0) + (begin & ~3u);
        const auto unit = [&](int index) {
            return kShifted ? bits_from(begin % 4 * 8, source + index * 16) : load_shared_16(source + index * 16);
        };
        u32 low = 0, high = 0, bytes = 0;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const uint4 v = unit(i);
            bytes |= v.x | v.y | v.z | v.w;
            low += (v.x << 2 * i) + (v.z << 2 * i + 1);
            high += (v.y << 2 * i) + (v.w << 2 * i + 1);
        }
        if (__any_sync(0xFFFFFFFFu, bytes & 0xFEFEFEFEu)) {  // any value but 0 shows a key
            low = high = 0;
#pragma unroll 1
            for (int i = 0; i < 4; ++i) {
                const uint4 v = unit(i);
                low |= ones(v.x) << 2 * i | ones(v.z) << 2 * i + 1;
                high |= ones(v.y) << 2 * i | ones(v.w) << 2 * i + 1;
            }
        }
        if (lane < kWarpRows) store_shared_8(place(line, 0) + kBits, make_uint2(low, high));
        if (!__any_sync(0xFFFFFFFFu, low | high)) return kNone;
        return __all_sync(0xFFFFFFFFu, (low & high) == 0xFFFFFFFFu) ? kAll : kSome;
    }

    // x if `seen` is not 0, else -infinity. By an addition, where the compiler would select: tests of bits that guard
    // one instruction each become one test of seven bits, and additions have a wider pipe.
    static DEVICE float infinite_unless(float x, u32 seen) {
        asm("{ .reg .pred hidden; setp.eq.u32 hidden, %1, 0; @hidden add.f32 %0, %0, 0fFF800000; }"
            : "+f"(x)
            : "r"(seen));
        return x;
    }

    DEVICE void hide(F& f) const {
        static_assert(F::kGroupSize == 16, "a byte has a bit for each eight keys of a tile");
        const int lane = opaque(lane_index()), pitch = broadcast() ? 0 : kPitch;
        const u32 bits = warp_lines() + kBits + F::column(lane, 0, 0);
#pragma unroll
        for (int r = 0; r < F::kRows; ++r)
#pragma unroll
            for (int g = 0; g < F::kGroups; ++g) {
                const u32 seen = load_shared_2(bits + F::row(lane, r) * pitch + F::column(0, g, 0));
#pragma unroll
                for (int bit = 0; bit < F::kGroupSize; ++bit) {
                    const int j = bit % 8 * 2 + bit / 8;
                    f.set(r, g, j, infinite_unless(f.score(r, g, j), seen & 1u << bit));
                }
            }
    }

    // Makes a logit behind a bias of a score.
    static DEVICE void add(F& f, const Scales<F>& scales, int r, int g, int j, float bias) {
        const float logit = fmaf(f.score(r, g, j), scales(r, g), -scales.origin(r, g, 0.0f));
        f.set(r, g, j, behind_bias(logit, bias));
    }

    template <bool kIsBfloat16>
    DEVICE void add_16bit(F& f, const Scales<F>& scales) const {
        const int lane = opaque(lane_index()), pitch = broadcast() ? 0 : kPitch;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r)
#pragma unroll
            for (int j = 0; j < F::kGroups * F::kGroupSize; j += 8) {
                u32 pairs[4];  // of keys that are eight apart
                const int g = j / F::kGroupSize, first = j % F::kGroupSize;
#if SM >= 750  // matrices of eight rows and keys, whose row lane % 8 is what lane % 8 * 4 has of the fragment
                load_matrices(pairs, warp_lines() + F::row(lane % 8 * 4, r) * pitch + (first / 2 + lane / 8) * 16);
#else
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    pairs[i] =
                        load_shared_4(warp_lines() + F::row(lane, r) * pitch + F::column(lane, g, first + 2 * i) * 2);
#endif
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    add(f, scales, r, g, first + 2 * i, to_float(pairs[i] & 0xFFFF, kIsBfloat16));
                    add(f, scales, r, g, first + 2 * i + 1, to_float(pairs[i] >> 16, kIsBfloat16));
                }
            }
    }

    // kHalf: of the keys.
    template <int kHalf>
    DEVICE void add_float32(F& f, const Scales<F>& scales) const {
        constexpr int kKeys = 32, kFirst = kHalf * kKeys;
        const int lane = opaque(lane_index()), pitch = broadcast() ? 0 : kPitch;
        const u32 elements = warp_lines() + (kHalf != 0 && broadcast() ? kPitch : 0) + F::column(lane, 0, 0) * 4;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const u32 row = elements + F::row(lane, r) * pitch;
#pragma unroll
            for (int i = 0; i < F::kGroups * F::kGroupSize; i += 2) {
                const int g = i / F::kGroupSize, j = i % F::kGroupSize, key = F::column(0, g, j) - kFirst;
                if (key < 0 || key >= kKeys) continue;
                const uint2 bias = load_shared_8(row + key * 4);
                add(f, scales, r, g, j, __uint_as_float(bias.x));
                add(f, scales, r, g, j + 1, __uint_as_float(bias.y));
            }
        }
    }
};
