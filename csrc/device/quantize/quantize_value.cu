// Values to E4M3 with a scale per channel, transposed, keys in the order in which attention's fragments hold
// probabilities: three kernels. value_finish corrects the mean, and runs only if there is a mean. The wgmma path has
// a quantiser of its own: wgmma/values.cuh says why.
//
// The arithmetic is float32 with every operation rounded once: sageattn.h has the expressions. Sums run in an order
// that depends on nothing but the number of rows, so that two calls give the same bits.
#include "column_statistics.cuh"
#include "ptx/e4m3.cuh"
#include "rows.cuh"
#include "value_arguments.h"

constexpr int kColumns = SAGEATTN_VALUE_COLUMNS;
constexpr int kThreads = SAGEATTN_VALUE_THREADS;
constexpr int kLanes = kColumns / 8;            // threads of a row, eight channels each
constexpr int kRowThreads = kThreads / kLanes;  // threads of a column
static_assert(SAGEATTN_VALUE_ROWS == 4 * kRowThreads, "each thread takes four rows of a tile");

// The head, slice of channels and part of the rows that a block works on.
struct Slice {
    int part, first_channel, channels, head, batch;
    long long row;  // of head_dim channels in the arrays [batch, heads, head_dim]

    DEVICE Slice(const sageattn_value_arguments& p, int parts) {
        part = blockIdx.x % parts;
        const u32 slice = blockIdx.x / parts;
        first_channel = slice % p.slices * kColumns;
        channels = min(kColumns, p.head_dim - first_channel);
        head = slice / p.slices % p.heads;
        batch = slice / p.slices / p.heads;
        row = static_cast<long long>(batch) * p.heads + head;
    }
};

// The eight channels of a row that a thread reads.
struct Columns {
    const char* first;  // of row 0
    int count;          // that exist

    DEVICE Columns(const sageattn_value_arguments& p, const Slice& s, int column)
        : first(reinterpret_cast<const char*>(row_pointer(p.input, s.batch, s.head, 0) + s.first_channel + column)),
          count(s.channels - column) {}
    DEVICE const u16* row(const sageattn_view& view, int index) const {
        return reinterpret_cast<const u16*>(first + index * view.row_stride);
    }
    // Loads of 16 bytes, apart from other loops so that several are in flight.
    DEVICE bool whole(const sageattn_view& view) const { return view.vectors && count >= 8; }
};

DEVICE float infinity() { return __int_as_float(0x7F800000); }

// Sum, smallest and largest of each channel over one chunk of rows. 0, infinity and -infinity without rows.
extern "C" __global__ void __launch_bounds__(SAGEATTN_VALUE_THREADS, 3)
    value_statistics(const __grid_constant__ sageattn_value_arguments p) {
    __shared__ float partial[SAGEATTN_VALUE_STATISTICS][kRowThreads][kColumns + 1];
    const Slice s(p, p.chunks);
    const int column = threadIdx.x % kLanes * 8, first = threadIdx.x / kLanes;
    const Columns columns(p, s, column);
    const int begin = s.part * p.chunk_rows + first, end = min(p.rows, (s.part + 1) * p.chunk_rows);
    ColumnStatistics found(infinity());
    float x[8];
    if (columns.whole(p.input)) {
#pragma unroll 4
        for (int row = begin; row < end; row += kRowThreads) {
            widen(x, __ldg(reinterpret_cast<const uint4*>(columns.row(p.input, row))), p.input.bfloat16);
            found.add(x);
        }
    } else {
        for (int row = begin; row < end; row += kRowThreads) {
            load_eight(x, columns.row(p.input, row), p.input, columns.count);
            found.add(x);
        }
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        partial[0][first][column + i] = found.sum[i];
        partial[1][first][column + i] = found.smallest[i];
        partial[2][first][column + i] = found.largest[i];
    }
#pragma unroll
    for (int half = kRowThreads / 2; half > 0; half /= 2) {
        __syncthreads();
        for (int i = threadIdx.x; i < half * kColumns; i += kThreads) {
            const int row = i / kColumns, c = i % kColumns;
            partial[0][row][c] += partial[0][row + half][c];
            partial[1][row][c] = fminf(partial[1][row][c], partial[1][row + half][c]);
            partial[2][row][c] = fmaxf(partial[2][row][c], partial[2][row + half][c]);
        }
    }
    __syncthreads();
    float* target = p.workspace + s.row * p.workspace_stride +
                    static_cast<long long>(s.part) * SAGEATTN_VALUE_STATISTICS * p.head_dim + s.first_channel;
    if (threadIdx.x >= s.channels) return;
#pragma unroll
    for (int i = 0; i < SAGEATTN_VALUE_STATISTICS; ++i)
        target[i * p.head_dim + threadIdx.x] = partial[i][0][threadIdx.x];
}

// Mean and scale of a slice's channels.
struct Scales {
    float mean[kColumns], scale[kColumns], inverse[kColumns];
};

// Combines the chunks of value_statistics: one thread a channel.
DEVICE void find_scales(Scales& scales, const sageattn_value_arguments& p, const Slice& s) {
    const int c = threadIdx.x;
    if (c >= kColumns) return;
    const float* source = p.workspace + s.row * p.workspace_stride + s.first_channel + c;
    float part[SAGEATTN_VALUE_CHUNKS][SAGEATTN_VALUE_STATISTICS];
#pragma unroll
    for (int chunk = 0; chunk < SAGEATTN_VALUE_CHUNKS; ++chunk)  // all loads in flight at once
#pragma unroll
        for (int i = 0; i < SAGEATTN_VALUE_STATISTICS; ++i) {
            const bool exists = c < s.channels && chunk < p.chunks;
            const float none = i == 0 ? 0.0f : i == 1 ? infinity() : -infinity();
            part[chunk][i] = exists ? source[(chunk * SAGEATTN_VALUE_STATISTICS + i) * p.head_dim] : none;
        }
    float sum = 0.0f, smallest = infinity(), largest = -infinity();
#pragma unroll
    for (int chunk = 0; chunk < SAGEATTN_VALUE_CHUNKS; ++chunk) {
        sum += part[chunk][0];
        smallest = fminf(smallest, part[chunk][1]);
        largest = fmaxf(largest, part[chunk][2]);
    }
    const bool any = p.rows > 0 && c < s.channels;
    const float mean = any && p.mean != nullptr ? __fdiv_rn(sum, static_cast<float>(p.rows)) : 0.0f;
    // Rounding keeps the order, so that this is the largest rounded difference too.
    const float distance = any ? fmaxf(__fsub_rn(largest, mean), __fsub_rn(mean, smallest)) : 0.0f;
    const float scale = __fdiv_rn(distance, p.scale_max);
    scales.mean[c] = mean;
    scales.scale[c] = scale < 1.17549435e-38f ? 1.0f : scale;  // below that its inverse may be infinite
    scales.inverse[c] = __frcp_rn(scales.scale[c]);
}

// A tile of E4M3 bytes, channel by channel: chunks of 16 keys, swizzled so that neither side meets bank conflicts.
struct Transposed {
    static constexpr int kChunks = SAGEATTN_VALUE_ROWS / 16;
    static constexpr int kBytes = kColumns * SAGEATTN_VALUE_ROWS;

    static DEVICE u32 offset(int channel, int chunk) {
        return channel * SAGEATTN_VALUE_ROWS + ((chunk ^ (channel / 8 * 2)) << 4);
    }
};

// Writes the tile's chunks, up to padded_rows: that is a multiple of 64 keys, hence of whole chunks.
DEVICE void write_tile(const sageattn_value_arguments& p, const Slice& s, u32 tile) {
    for (int i = threadIdx.x; i < s.channels * Transposed::kChunks; i += kThreads) {
        const int channel = i / Transposed::kChunks, chunk = i % Transposed::kChunks;
        const long long key = static_cast<long long>(s.part) * SAGEATTN_VALUE_ROWS + chunk * 16;
        if (key >= p.padded_rows) continue;
        const uint4 v = load_shared_16(tile + Transposed::offset(channel, chunk));
        u8* target = p.output + s.batch * p.batch_stride + s.head * p.head_stride +
                     (s.first_channel + channel) * p.channel_stride + key;
        if (p.vectors) {
            *reinterpret_cast<uint4*>(target) = v;
        } else {
            const u32 word[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int k = 0; k < 16; ++k) target[k] = static_cast<u8>(word[k / 4] >> (k % 4 * 8));
        }
    }
}

// How many tiles hold keys: padding may add more.
DEVICE int tiles_of_keys(const sageattn_value_arguments& p) {
    return (p.rows + SAGEATTN_VALUE_ROWS - 1) / SAGEATTN_VALUE_ROWS;
}

// Adds up a tile's residuals: over the lanes that share channels, then over the warps.
DEVICE void write_residuals(const sageattn_value_arguments& p, const Slice& s, float (&residual)[8], int column) {
    __shared__ float of_warp[kThreads / 32][kColumns];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int distance = 16; distance >= kLanes; distance /= 2)
            residual[i] += __shfl_xor_sync(0xFFFFFFFFu, residual[i], distance);
        if (lane_index() < kLanes) of_warp[threadIdx.x / 32][column + i] = residual[i];
    }
    __syncthreads();
    if (threadIdx.x >= s.channels || s.part >= tiles_of_keys(p)) return;
    float sum = 0.0f;
#pragma unroll
    for (int warp = 0; warp < kThreads / 32; ++warp) sum += of_warp[warp][threadIdx.x];
    p.workspace[s.row * p.workspace_stride +
                (static_cast<long long>(SAGEATTN_VALUE_STATISTICS) * p.chunks + s.part) * p.head_dim +
                s.first_channel + threadIdx.x] = sum;
}

// The four rows of a thread: see value_quantize.
DEVICE int row_of(int first, int k) { return first + k / 2 * 8 + k % 2; }
DEVICE bool exists(const sageattn_value_arguments& p, int first, int k) { return row_of(first, k) < p.rows; }

DEVICE void load_rows(float (&x)[4][8], const sageattn_value_arguments& p, const Columns& columns, int first) {
    if (!columns.whole(p.input)) {
#pragma unroll
        for (int k = 0; k < 4; ++k)
            load_eight(x[k], columns.row(p.input, row_of(first, k)), p.input,
                       exists(p, first, k) ? columns.count : 0);
        return;
    }
    uint4 v[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        v[k] = make_uint4(0, 0, 0, 0);
        if (exists(p, first, k)) v[k] = __ldg(reinterpret_cast<const uint4*>(columns.row(p.input, row_of(first, k))));
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) widen(x[k], v[k], p.input.bfloat16);
}

// One tile of keys of a slice of channels. A thread takes keys 2t, 2t + 1, 2t + 8 and 2t + 9 of 16, which are
// neighbours in the output: lane t of a quad holds just those columns of the scores.
extern "C" __global__ void __launch_bounds__(SAGEATTN_VALUE_THREADS, 3)
    value_quantize(const __grid_constant__ sageattn_value_arguments p) {
    __shared__ __align__(128) unsigned char transposed[Transposed::kBytes];
    __shared__ Scales scales;
    const Slice s(p, p.tiles);
    const u32 tile = shared_address(transposed);
    const int column = threadIdx.x % kLanes * 8, quad = threadIdx.x / kLanes;
    const int first = s.part * SAGEATTN_VALUE_ROWS + quad / 4 * 16 + quad % 4 * 2;

    float x[4][8];
    load_rows(x, p, Columns(p, s, column), first);
    find_scales(scales, p, s);
    __syncthreads();

    float residual[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const float mean = scales.mean[column + i], scale = scales.scale[column + i];
        float distance[4], rounded[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) distance[k] = exists(p, first, k) ? __fsub_rn(x[k][i], mean) : 0.0f;
        const float inverse = scales.inverse[column + i];
        const u32 four = pack_e4m3(__fmul_rn(distance[0], inverse), __fmul_rn(distance[1], inverse),
                                   __fmul_rn(distance[2], inverse), __fmul_rn(distance[3], inverse));
        store_shared_4(tile + Transposed::offset(column + i, quad / 4) + quad % 4 * 4, four);
        unpack_e4m3(rounded, four);
        residual[i] = 0.0f;
#pragma unroll
        for (int k = 0; k < 4; ++k) residual[i] += __fsub_rn(distance[k], __fmul_rn(rounded[k], scale));
    }
    __syncthreads();
    write_tile(p, s, tile);
    if (p.mean != nullptr) write_residuals(p, s, residual, column);
    if (s.part == 0 && threadIdx.x < s.channels) {
        const long long at = s.row * p.head_dim + s.first_channel + threadIdx.x;
        p.scale[at] = scales.scale[threadIdx.x];
        if (p.mean != nullptr) p.mean[at] = scales.mean[threadIdx.x];
    }
}

// Adds the mean of the residuals to the mean: after value_quantize, if smooth.
extern "C" __global__ void __launch_bounds__(SAGEATTN_VALUE_THREADS, 1)
    value_finish(const __grid_constant__ sageattn_value_arguments p) {
    constexpr int kParts = kThreads / kColumns;
    __shared__ float partial[kParts][kColumns];
    const Slice s(p, 1);
    const int c = threadIdx.x % kColumns, part = threadIdx.x / kColumns;
    const float* source = p.workspace + s.row * p.workspace_stride +
                          static_cast<long long>(SAGEATTN_VALUE_STATISTICS) * p.chunks * p.head_dim + s.first_channel;
    const int tiles = tiles_of_keys(p);
    float sum = 0.0f;
    if (c < s.channels)
#pragma unroll 4
        for (int tile = part; tile < tiles; tile += kParts)
            sum += source[static_cast<long long>(tile) * p.head_dim + c];
    partial[part][c] = sum;
    __syncthreads();
    if (threadIdx.x >= s.channels || p.rows == 0) return;
#pragma unroll
    for (int i = 1; i < kParts; ++i) sum += partial[i][c];
    float* mean = p.mean + s.row * p.head_dim + s.first_channel + c;
    *mean = __fadd_rn(*mean, __fdiv_rn(sum, static_cast<float>(p.rows)));
}
