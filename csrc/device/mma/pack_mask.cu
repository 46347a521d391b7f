// Boolean masks to bits, before the attention: each byte is read once for all heads that share it. Says which tiles
// of keys each block of query rows sees, too.
#include "bytes.cuh"
#include "params.h"
#include "ptx/base.cuh"

// 16 bytes that begin anywhere, by loads of the one or two aligned units that they lie in.
class MaskBytes {
    const char* const first;
    const u32 begin;  // bytes behind a multiple of 16

  public:
    DEVICE explicit MaskBytes(const char* source)
        : first(source), begin(static_cast<u32>(reinterpret_cast<unsigned long long>(source)) & 15) {}

    DEVICE uint4 low() const { return __ldg(reinterpret_cast<const uint4*>(first - begin)); }
    DEVICE uint4 high() const {
        return begin == 0 ? make_uint4(0, 0, 0, 0) : __ldg(reinterpret_cast<const uint4*>(first - begin) + 1);
    }
    DEVICE uint4 join(uint4 low, uint4 high) const { return bytes_from(begin, low, high); }
};

// Each byte of four: 1, or 0 if it is 0.
DEVICE u32 ones(u32 bytes) { return ((bytes & 0x7F7F7F7Fu) + 0x7F7F7F7Fu | bytes) >> 7 & 0x01010101u; }

// Of eight rows, one for four lanes, each of which has 16 keys: the words of a tile that they make, one for a lane.
DEVICE u32 word_of(uint4 keys, int lane) {
    const int unit = lane % 4, bit = 2 * unit;
    u32 low = ones(keys.x) << bit | ones(keys.z) << bit + 1;  // words 0 and 1 of a row
    u32 high = ones(keys.y) << bit | ones(keys.w) << bit + 1;
    const bool second = unit & 2;
    const u32 received = __shfl_xor_sync(0xFFFFFFFFu, second ? low : high, 2);
    const u32 half = (second ? high : low) | received;
    const u32 both = half | __shfl_xor_sync(0xFFFFFFFFu, half, 1);
    return unit & 1 ? both >> 16 : both & 0xFFFF;
}

// A tile of the mask. A lane reads 16 keys of every eighth row, and has the words of those rows.
class MaskTile {
    const sageattn_pack_mask_arguments& p;
    const char* const mask;  // of the batch and head
    const int first_row, first_key, lane = lane_index();

    // The lane's i-th row; those beyond the last are that.
    DEVICE const char* row(int i) const {
        const int row = min(first_row + i * 8 + lane / 4, p.rows - 1);
        return mask + row * p.mask.row_stride + (first_key + lane % 4 * 16) * p.column_stride;
    }

    // Whether all units that the tile's rows touch end inside the rows.
    DEVICE bool whole() const {
        return p.column_stride == 1 && p.keys - first_key >= SAGEATTN_KEY_ROWS + (p.mask.vectors ? 0 : 16);
    }

    // The keys that exist, one by one; zeros for others.
    DEVICE uint4 gather(int i) const {
        const int count = p.keys - first_key - lane % 4 * 16;
        const char* source = row(i);
        u32 word[4] = {0, 0, 0, 0};
#pragma unroll
        for (int j = 0; j < 16; ++j, source += p.column_stride)
            if (j < count) word[j / 4] |= static_cast<u32>(static_cast<u8>(*source)) << j % 4 * 8;
        return make_uint4(word[0], word[1], word[2], word[3]);
    }

  public:
    DEVICE MaskTile(const sageattn_pack_mask_arguments& arguments, const char* of_head, int row_tile, int key_tile)
        : p(arguments),
          mask(of_head),
          first_row(row_tile * SAGEATTN_MASK_ROWS),
          first_key(key_tile * SAGEATTN_KEY_ROWS) {}

    // The lane's words: 16 bits of each of its rows.
    DEVICE unsigned long long pack() const {
        unsigned long long words = 0;
        const auto append = [&](u32 word) { words = words >> 16 | static_cast<unsigned long long>(word) << 48; };
        if (whole()) {
            uint4 low[4], high[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {  // all loads before the first use
                const MaskBytes bytes(row(i));
                low[i] = bytes.low(), high[i] = bytes.high();
            }
#pragma unroll
            for (int i = 0; i < 4; ++i) append(word_of(MaskBytes(row(i)).join(low[i], high[i]), lane));
        } else {
#pragma unroll 1
            for (int i = 0; i < 4; ++i) append(word_of(gather(i), lane));
        }
        return words;
    }
};

// Grid: for each batch, head and block of query rows that differ a block for each 32 tiles of keys.
extern "C" __global__ void __launch_bounds__(SAGEATTN_PACK_MASK_THREADS)
    pack_mask(const __grid_constant__ sageattn_pack_mask_arguments p) {
    __shared__ u32 seen;
    const int key_tiles = (p.keys + SAGEATTN_KEY_ROWS - 1) / SAGEATTN_KEY_ROWS, words = (key_tiles + 31) / 32;
    const int first_tile = blockIdx.x % words * 32, block = blockIdx.x / words;
    const int query_block = block % p.query_blocks, batch_head = block / p.query_blocks;
    const int warp = threadIdx.x / 32, sides = p.query_rows / SAGEATTN_MASK_ROWS;  // tiles beside each other
    const int row_tile = query_block * sides + warp % sides;
    const char* const mask = static_cast<const char*>(p.mask.data) + batch_head / p.heads * p.mask.batch_stride +
                             batch_head % p.heads * p.mask.head_stride;
    unsigned char* const bits =
        p.bits + (batch_head * static_cast<long long>(p.row_tiles) + row_tile) * key_tiles * SAGEATTN_MASK_TILE;
    if (threadIdx.x == 0) seen = 0;
    __syncthreads();
    const int end = row_tile < p.row_tiles ? min(key_tiles, first_tile + 32) : 0;
#pragma unroll 1
    for (int tile = first_tile + warp / sides; tile < end; tile += SAGEATTN_PACK_MASK_THREADS / 32 / sides) {
        const unsigned long long of_lane = MaskTile(p, mask, row_tile, tile).pack();
        reinterpret_cast<unsigned long long*>(bits + tile * SAGEATTN_MASK_TILE)[lane_index()] = of_lane;
        if (__any_sync(0xFFFFFFFFu, of_lane != 0) && lane_index() == 0) atomicOr(&seen, 0x80000000u >> tile % 32);
    }
    __syncthreads();
    if (threadIdx.x == 0) p.seen_tiles[blockIdx.x] = seen;
}
