// The attention main loop, for every family: one block computes a block of query rows of one head, for all or a part
// of the value's columns, over all key tiles that they see.
//
// Keys are double-buffered where shared memory allows, values are not: a value tile arrives while its scores are
// computed. 48 KB at head dim 128 let two blocks share the SMs that have 100 KB; on an H100 a second value stage made
// no difference.
//
// The head dim of a kernel is an upper bound: columns beyond the true one are zeros in shared memory and are not
// written. A Family names the shape for each head dim, the fragments (which matrix instructions), whether they take
// bfloat16, and whether there is a mask of booleans (kMasked) or of floats (kBiased).
#pragma once

#include "bias.cuh"
#include "block.cuh"
#include "output.cuh"
#include "params.h"
#include "softmax.cuh"
#include "tile.cuh"

// How a block works at one head dim.
struct Shape {
    int warps, warp_rows;
    int key_stages;     // buffers of a key tile
    int splits;         // blocks that share the value's columns
    int blocks_per_sm;  // that registers must allow
};

// What the blocks of a family share.
template <class Family>
using StateOf = typename Either<Family::kMasked, MaskedBlockState,
                                typename Either<Family::kBiased, BiasedBlockState, BlockState>::Type>::Type;

template <class Family, int kHeadDim>
class Attention {
    static constexpr Shape kShape = Family::shape(kHeadDim);
    static constexpr int kQueryRows = kShape.warps * kShape.warp_rows;
    static constexpr int kColumns = kHeadDim / kShape.splits;
    using F = typename Family::template Fragments<kHeadDim, kColumns, kQueryRows, kShape.warp_rows>;
    using State = StateOf<Family>;
    using QueryTile = typename F::QueryTile;
    using KeyTile = typename F::KeyTile;
    using ValueTile = typename F::ValueTile;
    using OutputRows = Output<F, kShape.warp_rows, kColumns, Family::kBiased>;  // of one warp
    using BiasRows = Biases<F, kShape.warp_rows>;                               // of one warp

    static constexpr u32 kKeyOffset = QueryTile::kBytes;
    static constexpr u32 kValueOffset = kKeyOffset + kShape.key_stages * KeyTile::kBytes;
    static constexpr u32 kBiasOffset = kValueOffset + ValueTile::kBytes;
    static constexpr int kLoadsAhead = (kShape.key_stages > 1) + Family::kBiased;
    static constexpr bool kBehindMask = Family::kMasked || Family::kBiased;
    static constexpr bool kConvert = SM < 800 && !Family::kNativeBfloat16 && !F::kTransposedValues;

  public:
    static constexpr int kThreads = kShape.warps * 32;
    static constexpr int kSharedMemory = kBiasOffset + (Family::kBiased ? kShape.warps * BiasRows::kWarpBytes : 0);
    static constexpr sageattn_traits kTraits = {kThreads, kSharedMemory, kQueryRows, kShape.splits};
    static_assert(kShape.warps * OutputRows::kWarpBytes <= kSharedMemory, "the output is staged where tiles were");
    static constexpr int kLargestBlock = (SM < 750 ? 96 : SM < 800 ? 64 : 99) << 10;  // on the smallest of the family
    static_assert(kSharedMemory + sizeof(State) <= kLargestBlock, "a block is launched");

    DEVICE Attention(const sageattn_attention_arguments& arguments, u32 shared_memory, State& block_state)
        : p(arguments), shared(shared_memory), state(block_state) {}

    DEVICE void run() {
        const BlockIndex block(p, kQueryRows, kShape.splits);
        if (block.first_query >= block.query_rows) return;  // a shorter sequence than others
        F f;
        OnlineSoftmax<F> softmax;
        int shown = 0;
        const bool more = start(block, shown);
        if constexpr (Family::kNativeBfloat16 && !kBehindMask) {
            if (p.value.bfloat16) see_keys<bfloat16>(f, softmax, more, shown);
            else see_keys<float16>(f, softmax, more, shown);
        } else {
            see_keys<float16>(f, softmax, more, shown);
        }
        copy_wait<0>();
        __syncthreads();  // all tiles are read: the output may be staged over them
        OutputRows(p, state, shared).finish(f, softmax);
    }

  private:
    const sageattn_attention_arguments& p;
    const u32 shared;
    State& state;

    // The loop over tiles. Value: the type of the values, where they enter the product as what they are. Behind a
    // mask each tile asks for that instead, so that the compiler has all code but the product once; kernels without a
    // mask took 2 to 10 % longer so. shown: the first tile, behind a boolean mask.
    template <class Value>
    DEVICE void see_keys(F& f, OnlineSoftmax<F>& softmax, bool more, int shown) {
        Scales<F> scales;
        int next_shown = 0;
        int seen = kNone;  // of the tile

#pragma unroll 1
        for (int turn = 0; more; ++turn) {
            const int tile = tile_of(turn, shown);
            typename F::Bits bits;
            if constexpr (Family::kMasked) load_bits(bits, tile);
            seen = synchronize(turn, seen);  // the tile is there, and nobody reads the buffers that are filled next
            if constexpr (Family::kMasked) next_shown = shown_from(tile + 1);
            more = tile_of(turn + 1, next_shown) < BlockState::load(state.key_tiles);
            if (seen != kNone) {
                load_key_scales(scales, tile);
                load_value(tile);
            }
            copy_commit();
            if (kShape.key_stages > 1) {
                if (more) load_key(turn + 1, next_shown);
                copy_commit();
            }

            const bool whole = is_whole_bias(turn + 1);  // early, since the answer takes a while; as below
            if (seen != kNone) {
                if constexpr (Family::kMasked) f.begin(bits);
                f.template multiply_keys<Family::kMasked>(shared, warp_row(), key_stage(turn));
                weigh(f, softmax, scales, tile, seen);
            } else {
                forget(f);
            }
            load_bias(turn + 1, whole);
            copy_wait<kLoadsAhead>();  // the values, not what is for the next tile
            __syncthreads();
            if (kShape.key_stages == 1) {
                if (more) load_key(turn + 1, next_shown);
                copy_commit();
            }
            if (Family::kBiased) more = turn + 1 < BlockState::load(state.key_tiles);  // anew: it had no register
            if (seen != kNone) take_values<Value>(f, softmax, scales, seen);
            shown = next_shown;
        }
    }

    static DEVICE int warp_row() { return opaque(threadIdx.x) / 32 * kShape.warp_rows; }

    // The block's turn-th tile: behind a boolean mask, that which it shows.
    static DEVICE int tile_of(int turn, int shown) { return Family::kMasked ? shown : turn; }

    DEVICE u32 key_stage(int turn) const { return shared + kKeyOffset + turn % kShape.key_stages * KeyTile::kBytes; }

    // The first tile from `tile` on that the block sees; beyond the last, any.
    DEVICE int shown_from(int tile) const {
        if constexpr (Family::kMasked) {
            const int end = BlockState::load(state.key_tiles);
            const u32* const words = BlockState::load(state.seen_tiles);
#pragma unroll 1
            for (; tile < end; tile = (tile | 31) + 1) {
                const u32 seen = __ldg(words + tile / 32) << tile % 32;
                if (seen != 0) return tile + __clz(seen);
            }
        }
        return tile;
    }

    DEVICE void load_bits(typename F::Bits& bits, int tile) const {
        const int row = warp_row(), first = row / SAGEATTN_MASK_ROWS * SAGEATTN_MASK_ROWS;
        F::load_bits(bits, BlockState::load(state.mask) + first * p.mask.row_stride + tile * SAGEATTN_MASK_TILE, row);
    }

    DEVICE BiasRows bias() const { return BiasRows(p, state, shared + kBiasOffset); }

    DEVICE bool is_whole_bias(int tile) const {
        if constexpr (Family::kBiased) return bias().is_whole(tile);
        return false;
    }

    DEVICE void load_bias(int tile, bool whole) const {
        if constexpr (Family::kBiased) {
            __syncwarp();  // the tile before is read
            bias().load(tile, whole);
            copy_commit();
        }
    }

    // Waits for the tile. A barrier, and what the warp sees of it: none if no warp of the block does.
    DEVICE int synchronize(int turn, int seen) const {
        if constexpr (Family::kBiased) return bias().wait(turn, seen);
        copy_wait<0>();
        __syncthreads();
        return kAll;
    }

    // Sets what the loop needs and starts loading the queries and the first tile; false if there is none.
    DEVICE bool start(const BlockIndex& block, int& shown) {
        if (threadIdx.x == 0) state.set(p, block, kColumns, kQueryRows, F::kTransposedValues);
        set_query_scales(block);
        load_tile<QueryTile, kThreads, false>(shared, p.query,
                                              view_pointer(p.query, block.batch, block.head, block.query_start),
                                              block.first_query, block.query_rows, p.head_dim);
        if constexpr (Family::kMasked) {
            __syncthreads();  // the state is there
            shown = shown_from(0);
        }
        load_key(view_pointer(p.key, block.batch, block.key_head, block.key_start), 0, shown, block.key_rows);
        copy_commit();
        if (Family::kBiased) __syncthreads();  // the state is there
        load_bias(0, is_whole_bias(0));
        return block.key_tiles(p, kQueryRows) > shown;
    }

    DEVICE void load_key(const char* base, int turn, int shown, int rows) const {
        load_tile<KeyTile, kThreads, false>(key_stage(turn), p.key, base, tile_of(turn, shown) * SAGEATTN_KEY_ROWS,
                                            rows, p.head_dim);
    }
    DEVICE void load_key(int turn, int shown) const {
        load_key(BlockState::load(state.key), turn, shown, BlockState::load(state.key_rows));
    }
    DEVICE void load_value(int tile) const {
        const char* base = BlockState::load(state.value);
        const int columns = BlockState::load(state.columns), first = tile * SAGEATTN_KEY_ROWS;
        if constexpr (F::kTransposedValues)  // padded to whole tiles
            load_tile<ValueTile, kThreads, false>(shared + kValueOffset, p.value, base + first, 0, columns,
                                                  SAGEATTN_KEY_ROWS);
        else
            load_tile<ValueTile, kThreads, kConvert>(shared + kValueOffset, p.value, base, first,
                                                     BlockState::load(state.key_rows), columns * 2);
    }

    // Finest scale indices as in params.h; the first row of a sequence begins a block of scales.
    DEVICE void set_query_scales(const BlockIndex& block) {
        const float* head =
            p.query_scale +
            BlockIndex::head_index(block.batch, p.query_heads, block.head, p.query_starts) * p.query_scale_stride;
        const int first =
            block.first_query + block.scale_start(p.query_starts, block.query_start, p.query_block_shift);
        const float scale = Family::kBiased ? p.sm_scale : p.scale_log2;
#pragma unroll 1
        for (int i = threadIdx.x; i < kQueryRows; i += kThreads) {
            const int row = first + i;
            const long long index = ((row >> p.query_warp_shift) * 8LL + row % 8) >> p.query_scale_shift;
            state.query_scale[i] = block.first_query + i < block.query_rows ? head[index] * scale : 0.0f;
            if (kBehindMask)
                state.query_scale[i] = fmaxf(state.query_scale[i], 1e-20f);  // a hidden score times 0 would count
        }
    }
    DEVICE void load_query_scales(Scales<F>& scales) const {
#pragma unroll
        for (int i = 0; i < F::kQueryScales; ++i)
            scales.query[i] = BlockState::load(state.query_scale[warp_row() + F::query_scale_row(lane_index(), i)]);
    }
    DEVICE void load_key_scales(Scales<F>& scales, int tile) const {
        const float* head = BlockState::load(state.key_scale);
        const int first = (tile * SAGEATTN_KEY_ROWS >> p.key_block_shift) * 4;
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g)
            scales.key[g] = head[(first + F::key_scale_index(lane_index(), g)) >> p.key_scale_shift];
    }

    // Hides scores of a tile and takes them into the maximum. seen: what the mask leaves of it.
    DEVICE void weigh(F& f, OnlineSoftmax<F>& softmax, Scales<F>& scales, int tile, int seen) const {
        load_query_scales(scales);
        const bool limited = needs_limit(tile);
        if constexpr (Family::kBiased)
            if (seen != kAll) bias().apply(f, scales, tile);
        if (limited) limit(f, tile);
        softmax.raise(f, factors(scales, seen));
        if constexpr (!kBehindMask) softmax.exponentiate(f, scales);
    }

    // What makes base-2 logits of a tile's scores.
    static DEVICE decltype(auto) factors(const Scales<F>& scales, int seen) {
        if constexpr (Family::kBiased) return BiasedScales<F>{scales, seen >= kBiased};
        else return (scales);
    }

    // Else the scores of the last tile that was seen would stay in registers.
    static DEVICE void forget(F& f) {
#pragma unroll
        for (int i = 0; i < F::kRows * F::kGroups * F::kGroupSize; ++i)
            f.set(i / F::kGroupSize / F::kGroups, i / F::kGroupSize % F::kGroups, i % F::kGroupSize, 0.0f);
    }

    template <class Value>
    DEVICE void take_values(F& f, const OnlineSoftmax<F>& softmax, const Scales<F>& scales, int seen) const {
        if constexpr (!kBehindMask || !Family::kNativeBfloat16) multiply_values<Value>(f, softmax, scales, seen);
        else if (p.value.bfloat16) multiply_values<bfloat16>(f, softmax, scales, seen);
        else multiply_values<float16>(f, softmax, scales, seen);
    }

    // Behind a mask the scores become probabilities only here, since the compiler mixes that with the product where
    // no branch is between them. It would move what the two types begin alike before the branch: they begin with a
    // comment.
    template <class Type>
    DEVICE void multiply_values(F& f, const OnlineSoftmax<F>& softmax, const Scales<F>& scales, int seen) const {
        if constexpr (kBehindMask) {
            asm volatile("// bfloat16: %0" ::"n"(Type::kIsBfloat16));
            softmax.exponentiate(f, factors(scales, seen));
        }
        if constexpr (Family::kNativeBfloat16) f.template multiply_values<Type>(shared + kValueOffset);
        else f.multiply_values(shared + kValueOffset);
    }

    // Does a row of the warp not see all of the tile?
    DEVICE bool needs_limit(int tile) const {
        const int end = (tile + 1) * SAGEATTN_KEY_ROWS;
        return end > state.visible(warp_row());
    }

    DEVICE void limit(F& f, int tile) const {
        const int lane = opaque(lane_index()), first = warp_row();
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const int visible = state.visible(first + F::row(lane, r)) - tile * SAGEATTN_KEY_ROWS;
#pragma unroll
            for (int g = 0; g < F::kGroups; ++g)
#pragma unroll
                for (int j = 0; j < F::kGroupSize; ++j)
                    if (F::column(lane, g, j) >= visible) f.set(r, g, j, minus_infinity());
        }
    }
};

template <class Family, int kHeadDim>
DEVICE void run_attention(const sageattn_attention_arguments& p) {
    extern __shared__ __align__(128) unsigned char shared_memory[];
    static __shared__ StateOf<Family> state;  // static where blocks run on the CPU, too
    const u32 shared = shared_address(shared_memory);
    Attention<Family, kHeadDim>(p, shared, state).run();
}

// Defines the kernel of a kind (fp16, fp16_masked, …) for a head dim, and its traits.
#define ATTENTION_KERNEL(kind, head_dim, Family)                                                  \
    extern "C" __constant__ sageattn_traits attention_##kind##_hd##head_dim##_traits =            \
        Attention<Family, head_dim>::kTraits;                                                     \
    extern "C" __global__ void __launch_bounds__(Family::shape(head_dim).warps * 32,              \
                                                 Family::shape(head_dim).blocks_per_sm)           \
        attention_##kind##_hd##head_dim(const __grid_constant__ sageattn_attention_arguments p) { \
        run_attention<Family, head_dim>(p);                                                       \
    }

#define ATTENTION_KERNELS(kind, Family) \
    ATTENTION_KERNEL(kind, 64, Family)  \
    ATTENTION_KERNEL(kind, 96, Family)  \
    ATTENTION_KERNEL(kind, 128, Family) \
    ATTENTION_KERNEL(kind, 192, Family) \
    ATTENTION_KERNEL(kind, 256, Family)
