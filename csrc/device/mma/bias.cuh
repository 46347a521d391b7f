// An attention mask of floats, a tile at a time.
//
// Each warp has its rows of the next tile's mask on the way to shared memory while it multiplies, as the block has
// the next keys. A tile that no row of the block sees is left out, and where a warp's rows see a tile without a
// change, the mask costs them no more than a look. Two cases wait for memory: masks whose keys are not beside each
// other, and the second half of a tile of float32 rows.
#pragma once

#include "block.cuh"
#include "bytes.cuh"
#include "ptx/copy.cuh"
#include "ptx/ldmatrix.cuh"
#include "ptx/number.cuh"
#include "softmax.cuh"

// What of a tile the rows of a warp see: none, all without a bias, or keys behind biases.
enum Seen { kNone, kAll, kBiased };

// Most masks have biases everywhere. The more looks in a row have found some, the more tiles a warp takes for such
// without a look, up to seven. What is seen of a tile is kBiased plus bits: the next look is at a tile without them.
struct Patience {
    static DEVICE int bits(int seen) { return max(seen - kBiased, 0); }
    static DEVICE bool looks(int seen, int tile) { return (tile & bits(seen)) == 0; }
    static DEVICE int more(int seen) { return kBiased + min(2 * bits(seen) + 1, 7); }
};

// One warp's rows. A line of shared memory holds 128 bytes of a row: all 64 keys, or half of them where an element
// has four bytes. Such halves come one after the other; of a mask that has one row for all queries both are there at
// once. Lanes share lines in units of 16 bytes: neighbouring lanes have those of one line, and go from line to line.
//
// Rows may begin at any byte: a line is copied from the multiple of 16 before its first byte on, with one unit more,
// and moved to its place when it is there. What is read before a row shares 16 bytes with it, and so its allocation;
// behind a row nothing is read.
template <class F, int kWarpRows>
class Biases {
    static constexpr u32 kUnits = 8;         // of 16 bytes, in a line
    static constexpr int kPitch = 128 + 16;  // of lines: eight rows read at one column touch all 32 banks

    const sageattn_attention_arguments& p;
    const BiasedBlockState& state;
    const u32 lines;  // of all warps

  public:
    static constexpr int kWarpBytes = kWarpRows * kPitch;

    DEVICE Biases(const sageattn_attention_arguments& arguments, const BiasedBlockState& block_state, u32 shared)
        : p(arguments), state(block_state), lines(shared) {}

    // Whether the warp's lines of a tile may be copied as if neither rows nor keys ended there.
    DEVICE bool is_whole(int tile) const {
        return tile < BlockState::load(state.whole_tiles[opaque(threadIdx.x) / 32]);
    }

    // Starts loading a tile, if the block sees it. There after copy_wait and __syncwarp.
    DEVICE void load(int tile, bool whole) const {
        if (whole) load_whole(tile, 0);
        else if (tile < BlockState::load(state.key_tiles)) load_any(tile, 0);
    }

    // Waits for a tile, and for the block, and says what the warp sees of it. seen: what it saw of the one before.
    DEVICE int wait(int tile, int seen) const {
        const int form = BlockState::load(state.form), before = seen;
        const bool shifted = form & BiasedBlockState::kShifted, looks = Patience::looks(before, tile);
        copy_wait<0>();
        __syncwarp();
        if (shifted || looks) {  // one jump where neither is so
            if (shifted) align();
            if (looks) seen = look(form & ~BiasedBlockState::kShifted);
            if (looks && seen == kBiased) seen = Patience::more(before);
        }
        if (!__syncthreads_or(seen != kNone)) return kNone;
        return seen == kNone ? kBiased : seen;  // a warp may not leave a tile out alone
    }

    // Adds biases to scores times their factors. Bits of the dtype are tested: of comparisons the compiler makes a
    // table of jumps, whose targets the check of machine code cannot read.
    DEVICE void apply(F& f, const Scales<F>& scales, int tile) const {
        if (p.mask_dtype & kFloat32) {
            add_float32<0>(f, scales);
            if (halves()) load_second_half(tile);
            add_float32<1>(f, scales);
        } else if (p.mask_dtype & kBfloat16) {
            add_16bit<true>(f, scales);
        } else {
            add_16bit<false>(f, scales);
        }
    }

  private:
    // What the warp sees of the tile that is there, by its first lines; of none, biased.
    DEVICE Seen look(int end) const {
        const u32 hidden = BlockState::load(state.hidden);
        u32 differs_from_hidden = 0, differs_from_zero = 0;
        const int step = line_step();
        int line = lane_line();
        u32 source = place(min(line, end - 1), lane_chunk());
        if (end == 0) return kBiased;
        const auto compare = [&] {
            const uint4 v = load_shared_16(source);
            differs_from_hidden |= (v.x ^ hidden) | (v.y ^ hidden) | (v.z ^ hidden) | (v.w ^ hidden);
            differs_from_zero |= v.x | v.y | v.z | v.w;
        };
        compare();
        if (__any_sync(0xFFFFFFFFu, differs_from_hidden != 0 && differs_from_zero != 0)) return kBiased;
#pragma unroll 2
        for (line += step, source += step * kPitch; line < end; line += step, source += step * kPitch) compare();
        if (!__any_sync(0xFFFFFFFFu, differs_from_hidden != 0)) return kNone;
        return __any_sync(0xFFFFFFFFu, differs_from_zero != 0) ? kBiased : kAll;
    }

    DEVICE void load_whole(int tile, int half) const {
        constexpr int kStep = 32 / kUnits;
        const u32 lane = opaque(lane_index()), chunk = lane % kUnits;
        const u32 tile_bytes = SAGEATTN_KEY_ROWS << element_size_log2();
        const unsigned long long rows = p.mask.row_stride;
        const char* base = BlockState::load(state.source[opaque(threadIdx.x) / 32]) + half * kUnits * 16 +
                           static_cast<u32>(tile) * static_cast<unsigned long long>(tile_bytes);
        const char* source = base + lane / kUnits * rows + chunk * 16;
        const u32 target = place(lane / kUnits, chunk);
#pragma unroll
        for (int i = 0; i < kWarpRows / kStep; ++i) {
            copy(target + i * kStep * kPitch, unit(source));
            source = advance(source, kStep * rows);
        }
        if (p.mask.vectors || lane >= kWarpRows) return;
        copy(place(lane, kUnits), unit(base + lane * rows + kUnits * 16));
    }

    // Where the 16 bytes begin in which a byte lies.
    static DEVICE const char* unit(const char* byte) {
        return reinterpret_cast<const char*>(reinterpret_cast<unsigned long long>(byte) & ~15ull);
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
        const int size = shifted() && chunk == kUnits - 1 ? 32 : 16;  // a line's last lane has one unit more
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

    DEVICE int element_size_log2() const { return p.mask_dtype == kFloat32 ? 2 : 1; }
    DEVICE bool broadcast() const { return p.mask.row_stride == 0; }
    DEVICE bool halves() const { return p.mask_dtype == kFloat32 && !broadcast(); }
    DEVICE bool neighbours() const { return p.mask_column_stride == 1 << element_size_log2(); }
    DEVICE bool shifted() const { return neighbours() && !p.mask.vectors; }

    DEVICE int line_count() const { return !broadcast() ? kWarpRows : p.mask_dtype == kFloat32 ? 2 : 1; }
    // A lane's first line, how far its next one is, and which unit of each it has.
    DEVICE int lane_line() const { return opaque(lane_index()) / kUnits; }
    DEVICE int line_step() const { return opaque(32 / kUnits); }  // known, it would cost registers around the loop
    DEVICE int lane_chunk() const { return opaque(lane_index()) % kUnits; }
    DEVICE u32 warp_lines() const { return lines + opaque(threadIdx.x) / 32 * kWarpBytes; }
    DEVICE u32 place(int line, int chunk) const { return warp_lines() + line * kPitch + chunk * 16; }

    // How many bytes behind a multiple of 16 a line begins.
    DEVICE u32 line_begin(int line) const {
        const int row = opaque(threadIdx.x) / 32 * kWarpRows + line, last = BlockState::load(state.rows) - 1;
        const u32 mask = static_cast<u32>(reinterpret_cast<unsigned long long>(BlockState::load(state.mask)));
        return mask + min(row, last) * static_cast<u32>(p.mask.row_stride) & 15;
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

    // Fetches 16 bytes of a row of any strides, from an element on, of which `count` exist, two at a time. The
    // address goes from pair to pair: all at once do not fit the registers at head dim 128.
    DEVICE void gather(u32 target, const char* source, int size_log2, int count) const {
        const int last = size_log2 - 1;  // pair of an element
        u32 word[4] = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            if (2 * i < count)
                word[i / 2] |= static_cast<u32>(__ldg(reinterpret_cast<const u16*>(source))) << i % 2 * 16;
            source = advance(source, (i & last) == last ? p.mask_column_stride - 2 * last : 2);
        }
        store_shared_16(target, make_uint4(word[0], word[1], word[2], word[3]));
    }

    DEVICE void load_second_half(int tile) const {
        __syncwarp();  // the first half is read
        if (is_whole(tile)) load_whole(tile, 1);
        else load_any(tile, 1);
        copy_commit();
        copy_wait<0>();
        __syncwarp();
        if (shifted()) align();
    }

    // The most negative finite numbers stay finite, since scores are above zero (on Volta, far too near it to count).
    static DEVICE void add(F& f, const Scales<F>& scales, int r, int g, int j, float bias) {
        f.set(r, g, j, fmaf(f.score(r, g, j), scales(r, g), bias));
    }

    template <bool kIsBfloat16>
    DEVICE void add_16bit(F& f, const Scales<F>& scales) const {
        const int lane = opaque(lane_index()), pitch = broadcast() ? 0 : kPitch;
#if SM >= 750  // matrices of eight rows and keys, whose row lane % 8 is what lane % 8 * 4 has of the fragment
        u32 lines = warp_lines() + F::row(lane % 8 * 4, 0) * pitch + lane / 8 * 16;
#else
        u32 lines = warp_lines() + F::row(lane, 0) * pitch;
#endif
#pragma unroll
        for (int r = 0; r < F::kRows; ++r, lines += F::row(0, 1) * pitch)
#pragma unroll
            for (int j = 0; j < F::kGroups * F::kGroupSize; j += 8) {
                u32 pairs[4];  // of keys that are eight apart
                const int g = j / F::kGroupSize, first = j % F::kGroupSize;
#if SM >= 750
                load_matrices(pairs, lines + first * 8);
#else
#pragma unroll
                for (int i = 0; i < 4; ++i) pairs[i] = load_shared_4(lines + F::column(lane, g, first + 2 * i) * 2);
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
