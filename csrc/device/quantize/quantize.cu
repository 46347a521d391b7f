// mean and quantize: what attention needs before it, for every SM. Memory bound; no family differs.
//
// The arithmetic is float32 with every operation rounded once (the _rn intrinsics forbid fusing), so that the
// same expression in PyTorch gives the same bits: largest = max(1e-7, max|x - mean|), scale = largest * (1 / 127),
// output = rint((x - mean) * ((1 / largest) * 127)). That is how PyTorch itself divides a tensor on a GPU by 127,
// and 127 by a tensor anywhere.
#include "rows.cuh"

// One block per (head, 32 columns): mean over all rows, summed in an order that depends on nothing but their
// number. mean is zero for a sequence without rows.
extern "C" __global__ void __launch_bounds__(SAGEATTN_MEAN_THREADS, 4)
    mean(const __grid_constant__ sageattn_mean_arguments p) {
    constexpr int kLanes = SAGEATTN_MEAN_COLUMNS / 8;  // threads of a row
    constexpr int kRows = SAGEATTN_MEAN_THREADS / kLanes;
    __shared__ float partial[kRows][SAGEATTN_MEAN_COLUMNS + 1];

    const int slice = blockIdx.x % p.slices, head = blockIdx.x / p.slices % p.heads,
              batch = blockIdx.x / p.slices / p.heads;
    const Sequence sequence(p.starts, batch, p.rows);
    const int column = threadIdx.x % kLanes * 8, first = threadIdx.x / kLanes;
    const int first_column = slice * SAGEATTN_MEAN_COLUMNS + column;

    float x[8], sum[8] = {0};
    const int count = p.head_dim - first_column;
    if (p.input.vectors && count >= 8) {  // a loop of its own, so that loads of several rows are in flight
#pragma unroll 4
        for (int row = first; row < sequence.rows; row += kRows) {
            const u16* source = row_pointer(p.input, batch, head, sequence.start + row) + first_column;
            widen(x, __ldg(reinterpret_cast<const uint4*>(source)), p.input.bfloat16);
#pragma unroll
            for (int i = 0; i < 8; ++i) sum[i] += x[i];
        }
    } else {
        for (int row = first; row < sequence.rows; row += kRows) {
            load_eight(x, row_pointer(p.input, batch, head, sequence.start + row) + first_column, p.input, count);
#pragma unroll
            for (int i = 0; i < 8; ++i) sum[i] += x[i];
        }
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) partial[first][column + i] = sum[i];
#pragma unroll
    for (int half = kRows / 2; half > 0; half /= 2) {
        __syncthreads();
        for (int i = threadIdx.x; i < half * SAGEATTN_MEAN_COLUMNS; i += SAGEATTN_MEAN_THREADS)
            partial[i / SAGEATTN_MEAN_COLUMNS][i % SAGEATTN_MEAN_COLUMNS] +=
                partial[i / SAGEATTN_MEAN_COLUMNS + half][i % SAGEATTN_MEAN_COLUMNS];
    }
    __syncthreads();
    if (threadIdx.x < min(SAGEATTN_MEAN_COLUMNS, p.head_dim - slice * SAGEATTN_MEAN_COLUMNS)) {
        const long long row = static_cast<long long>(batch) * p.heads + head;
        p.mean[row * p.head_dim + slice * SAGEATTN_MEAN_COLUMNS + threadIdx.x] =
            sequence.rows <= 0 ? 0.0f : partial[0][threadIdx.x] / sequence.rows;
    }
}

// One block of queries or keys: kLanes threads of a row hold eight columns each, of kRows rows.
template <int kLanes, int kRows>
class Quantizer {
  public:
    DEVICE explicit Quantizer(const sageattn_quantize_arguments& arguments, u32* group_maxima)
        : p(arguments),
          maxima(group_maxima),
          first(blockIdx.x % p.blocks * p.block_rows),
          head(blockIdx.x / p.blocks % p.heads),
          batch(blockIdx.x / p.blocks / p.heads),
          column(threadIdx.x % kLanes * 8),
          sequence(p.starts, batch, p.rows) {}

    DEVICE void run() {
        float x[kRows][8];
        if (p.starts != nullptr && first >= sequence.rows) return;
        if (threadIdx.x < p.block_scales) maxima[threadIdx.x] = 0;
        load(x);
        __syncthreads();
#pragma unroll
        for (int i = 0; i < kRows; ++i) collect(x[i], row(i));
        __syncthreads();
        write_scales();
#pragma unroll
        for (int i = 0; i < kRows; ++i)
            if (exists(row(i))) write(x[i], row(i));
    }

  private:
    const sageattn_quantize_arguments& p;
    u32* const maxima;  // bits of the largest |x| of each group: as integers they compare as they do as floats
    const int first, head, batch, column;
    const Sequence sequence;

    DEVICE int row(int i) const { return threadIdx.x / kLanes + i * (p.block_rows / kRows); }
    DEVICE bool exists(int row) const { return first + row < sequence.rows; }

    // Index of the row's scale within the block, as the granularity counts.
    DEVICE int group(int row) const {
        const int finest = p.queries ? (row >> p.warp_shift) * 8 + row % 8 : row % 8 / 2;
        return finest >> p.scale_shift;
    }

    DEVICE void load(float (&x)[kRows][8]) const {
        float mean[8];
        if (p.mean != nullptr) {
            const long long heads = p.queries ? p.key_heads : p.heads;
            const int mean_head = p.queries ? head / (p.heads / p.key_heads) : head;
            load_eight(mean, p.mean + (batch * heads + mean_head) * p.head_dim + column, p.head_dim - column);
        }
        load_rows(x);
        if (p.mean == nullptr) return;
        if (p.queries) {
            if (p.mean_dot != nullptr) write_mean_dot(x, mean);
            return;
        }
#pragma unroll
        for (int i = 0; i < kRows; ++i)
#pragma unroll
            for (int c = 0; c < 8; ++c)
                if (exists(row(i))) x[i][c] = __fsub_rn(x[i][c], mean[c]);
    }

    DEVICE const u16* source(int i) const {
        return row_pointer(p.input, batch, head, sequence.start + first + row(i)) + column;
    }

    DEVICE void load_rows(float (&x)[kRows][8]) const {
        const int count = p.head_dim - column;
        if (!p.input.vectors || count < 8) {
#pragma unroll
            for (int i = 0; i < kRows; ++i) load_eight(x[i], source(i), p.input, exists(row(i)) ? count : 0);
            return;
        }
        uint4 v[kRows];  // all loads in flight before the first use
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            v[i] = make_uint4(0, 0, 0, 0);
            if (exists(row(i))) v[i] = __ldg(reinterpret_cast<const uint4*>(source(i)));
        }
#pragma unroll
        for (int i = 0; i < kRows; ++i) widen(x[i], v[i], p.input.bfloat16);
    }

    DEVICE void write_mean_dot(const float (&x)[kRows][8], const float (&mean)[8]) const {
        float* const dots =
            p.mean_dot + batch * p.dot_batch_stride + head * p.dot_head_stride + sequence.start + first;
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            float dot = 0.0f;
#pragma unroll
            for (int c = 0; c < 8; ++c) dot = fmaf(x[i][c], mean[c], dot);
            dot = lanes_sum<kLanes>(dot);
            if (column == 0 && exists(row(i))) dots[row(i)] = dot;
        }
    }

    // Largest |x| of a row into the maximum of its group; the order of the atomics does not matter.
    DEVICE void collect(const float (&x)[8], int row) const {
        const float largest = row_largest<kLanes>(x);
        if (column == 0) atomicMax(maxima + group(row), __float_as_uint(largest));
    }

    DEVICE float largest(int group) const { return fmaxf(1e-7f, __uint_as_float(maxima[group])); }

    // The scales of a sequence begin at its own block: see sageattn.h.
    DEVICE void write_scales() const {
        const int before = p.starts == nullptr ? 0 : sequence.start / p.block_rows + batch;
        float* const scales = p.scale + batch * p.scale_batch_stride + head * p.scale_head_stride +
                              static_cast<long long>(before + first / p.block_rows) * p.block_scales;
        if (threadIdx.x < p.block_scales) scales[threadIdx.x] = __fmul_rn(largest(threadIdx.x), 1.0f / 127.0f);
    }

    DEVICE void write(const float (&x)[8], int row) const {
        const float inverse = __fmul_rn(__frcp_rn(largest(group(row))), 127.0f);
        u32 word[2];
        round_int8(word, x, inverse);
        u8* output = static_cast<u8*>(p.output.data) + batch * p.output.batch_stride + head * p.output.head_stride +
                     static_cast<long long>(sequence.start + first + row) * p.output.row_stride + column;
        const int count = p.head_dim - column;
        if (p.output.vectors && count >= 8) {
            *reinterpret_cast<uint2*>(output) = make_uint2(word[0], word[1]);
        } else {
#pragma unroll
            for (int c = 0; c < 8; ++c)
                if (c < count) output[c] = static_cast<u8>(word[c / 4] >> (c % 4 * 8));
        }
    }
};

// Head dims up to 128.
extern "C" __global__ void __launch_bounds__(SAGEATTN_QUANTIZE_THREADS, 1)
    quantize(const __grid_constant__ sageattn_quantize_arguments p) {
    __shared__ u32 group_maxima[64];  // per thread, of eight warps of 16 rows
    if (p.head_dim <= 64) Quantizer<8, 4>(p, group_maxima).run();
    else Quantizer<16, 4>(p, group_maxima).run();
}

// Head dims above 128, which take more registers.
extern "C" __global__ void __launch_bounds__(SAGEATTN_QUANTIZE_THREADS, 1)
    quantize_wide(const __grid_constant__ sageattn_quantize_arguments p) {
    __shared__ u32 group_maxima[64];
    Quantizer<32, 8>(p, group_maxima).run();
}
