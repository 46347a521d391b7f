// Quantisation into the records of the FP4 kernels: fp4_statistics and fp4_finish find means and ranges, fp4_pack
// writes codes and scales, fp4_delta what the means of queries add to the scores. docs/blackwell.md says why.
#include "delta.cuh"
#include "pack.cuh"
#include "statistics.cuh"

// Which part of a grid, whose blocks are those of queries, keys and values one after the other, a block belongs to.
struct Fp4Share {
    int role, index;

    template <class Blocks>
    DEVICE static Fp4Share of(int index, Blocks blocks) {
        int role = 0;
        while (index >= blocks(role)) index -= blocks(role++);
        return {role, index};
    }
};

__shared__ union {
    Fp4StatisticsMemory<64> narrow;
    Fp4StatisticsMemory<128> wide;
} statistics_memory;

// Grid: a block for each slice of each head.
extern "C" __global__ void __launch_bounds__(SAGEATTN_FP4_THREADS)
    fp4_statistics(const __grid_constant__ sageattn_fp4_quantize_arguments p) {
    const Fp4Share share =
        Fp4Share::of(blockIdx.x, [&](int role) { return p.operand[role].heads * p.operand[role].slices; });
    const sageattn_fp4_operand& operand = p.operand[share.role];
    const int head = share.index / operand.slices, slice = share.index % operand.slices;
    if (p.columns == 64) take_statistics<64>(operand, p.head_dim, head, slice, statistics_memory.narrow);
    else take_statistics<128>(operand, p.head_dim, head, slice, statistics_memory.wide);
}

__shared__ union {
    float narrow[64], wide[128];
} finish_memory;

// Grid: a block for each head, with a thread for each column.
extern "C" __global__ void __launch_bounds__(128)
    fp4_finish(const __grid_constant__ sageattn_fp4_quantize_arguments p) {
    const Fp4Share share = Fp4Share::of(blockIdx.x, [&](int role) { return p.operand[role].heads; });
    if (p.columns == 64) finish_statistics<64>(p, share.role, share.index, finish_memory.narrow);
    else finish_statistics<128>(p, share.role, share.index, finish_memory.wide);
}

__shared__ union {
    Fp4PackMemory<64> narrow;
    Fp4PackMemory<128> wide;
} pack_memory;

template <int kColumns>
DEVICE void pack_block(const sageattn_fp4_quantize_arguments& p, Fp4Share share, Fp4PackMemory<kColumns>& memory) {
    Fp4Packer<kColumns> packer(p.operand[share.role], p.head_dim, share.index, memory);
    if (share.role == SAGEATTN_FP4_QUERY) packer.queries(p);
    else if (share.role == SAGEATTN_FP4_KEY) packer.keys();
    else packer.values();
}

// Grid: a block for each 128 rows of each head.
extern "C" __global__ void __launch_bounds__(SAGEATTN_FP4_THREADS)
    fp4_pack(const __grid_constant__ sageattn_fp4_quantize_arguments p) {
    const Fp4Share share =
        Fp4Share::of(blockIdx.x, [&](int role) { return p.operand[role].heads * p.operand[role].blocks; });
    if (p.columns == 64) pack_block<64>(p, share, pack_memory.narrow);
    else pack_block<128>(p, share, pack_memory.wide);
}

__shared__ union {
    Fp4DeltaMemory<64> narrow;
    Fp4DeltaMemory<128> wide;
} delta_memory;

template <class Number>
DEVICE void make_delta(const sageattn_fp4_attention_arguments& p) {
    const int unit = blockIdx.x % p.units, part = blockIdx.x / p.units;
    if (p.columns == 64) Fp4Delta<64, Number>(p, unit, delta_memory.narrow).run(part);
    else Fp4Delta<128, Number>(p, unit, delta_memory.wide).run(part);
}

// Grid: for every 512 keys a block for each unit.
extern "C" __global__ void __launch_bounds__(SAGEATTN_FP4_THREADS)
    fp4_delta(const __grid_constant__ sageattn_fp4_attention_arguments p) {
    if (p.key.bfloat16) make_delta<bfloat16>(p);
    else make_delta<float16>(p);
}

template <int kSelector>
DEVICE void multiply_by(const sageattn_fp4_product_arguments& p, const u32 (&a)[4], const u32* rest) {
    float sum[4] = {};
    mma_fp4<kSelector / 4, kSelector % 4>(sum, a, rest[0], rest[1], rest[2], rest[3]);
    for (int i = 0; i < 4; ++i) p.sums[(kSelector * 32 + lane_index()) * 4 + i] = sum[i];
}

// One warp: a product with each selector, for a test of the hardware. Lanes that a selector does not name may hold
// other scales.
extern "C" __global__ void __launch_bounds__(32)
    fp4_product(const __grid_constant__ sageattn_fp4_product_arguments p) {
    const u32* source = p.operands + 8 * lane_index();
    const u32 a[4] = {source[0], source[1], source[2], source[3]};
    const u32 rest[4] = {source[4], source[5], source[6], source[7]};
    multiply_by<0>(p, a, rest);
    multiply_by<1>(p, a, rest);
    multiply_by<2>(p, a, rest);
    multiply_by<3>(p, a, rest);
    multiply_by<4>(p, a, rest);
    multiply_by<5>(p, a, rest);
    multiply_by<6>(p, a, rest);
    multiply_by<7>(p, a, rest);
}
