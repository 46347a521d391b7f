// The kernels with a mask of floats on the CPU, from their own sources, against float64. Prints a line for each case;
// fails if an error is larger than rounding makes it.
#include <stdio.h>
#include <stdlib.h>

#include "block.h"
#include "ptx/base.cuh"

#if SM >= 800
#include "mma/attention_fp16_biased_sm80.cu"
#else
#include "mma/attention_fp16_biased_sm75.cu"
#endif

alignas(1024) unsigned char fp4_memory[cpu::kSharedMemory];

namespace {

const int kHeads = 2;
const float kInfinity = INFINITY, kLowest = -131072.0f;  // as in softmax.cuh

// Of zeros. zig would build its C++ library for std::vector, for a minute.
template <class T>
struct Array {
    const int count;
    T* const first;

    explicit Array(int size) : count(size), first(static_cast<T*>(calloc(size, sizeof(T)))) {}
    Array(const Array&) = delete;
    ~Array() { free(first); }
    T& operator[](int i) const { return first[i]; }
    T* begin() const { return first; }
    T* end() const { return first + count; }
};

u32 random_bits() {  // of a linear congruence, those that repeat late
    static unsigned long long state = 1;
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<u32>(state >> 33);
}

float normal() {
    const float u = (random_bits() + 0.5f) / 2147483648.0f, angle = random_bits() / 2147483648.0f;
    return sqrtf(-2 * logf(u)) * cosf(6.2831853f * angle);
}

// Rows begin at multiples of 16 bytes; what lies behind their columns is NaN, or the largest integer.
int pitch_of(int dim) { return (dim + 15) / 16 * 16; }

// Rows of numbers as the quantisers make them: integers, and a scale for the rows that share one.
struct Quantised {
    int rows, dim, pitch, per_head;  // scales
    int (*index)(int row);
    Array<signed char> numbers;
    Array<float> scales;

    Quantised(int row_count, int head_dim, int count, int (*scale_index)(int), float amplitude)
        : rows(row_count),
          dim(head_dim),
          pitch(pitch_of(dim)),
          per_head(count),
          index(scale_index),
          numbers(kHeads * rows * pitch),
          scales(kHeads * count) {
        memset(numbers.first, 127, numbers.count);
        for (auto& scale : scales) scale = amplitude * (3.5f + random_bits() % 100 * 0.03f) / 127;
        for (int i = 0; i < kHeads * rows; ++i)
            for (int d = 0; d < dim; ++d) numbers[i * pitch + d] = round_of(amplitude * normal() / scale_of(i));
    }

    static signed char round_of(float x) { return static_cast<signed char>(lrintf(fminf(fmaxf(x, -127), 127))); }
    float scale_of(int i) const { return scales[i / rows * per_head + index(i % rows)]; }
    const signed char* row(int i) const { return numbers.first + i * pitch; }
};

int query_index(int row) { return row / 32 * 8 + row % 8; }
int key_index(int row) { return row / 64 * 4 + row % 8 / 2; }

using Element = float (*)(int row, int key);

struct Case {
    const char* name;
    int dim, rows, keys;
    Element element;
    float amplitude = 1;      // of the queries
    int gap = 0, stride = 1;  // elements behind each row, and from key to key
    bool one_row = false, causal = false;
    bool vectors = true;  // whether the kernel may know that rows begin at multiples of 16 bytes
};

// As a dtype of the interface has it, between bytes that are NaN.
struct Mask {
    int size, rows, keys, pitch, stride;  // pitch: elements from row to row
    bool bfloat16;
    Array<uint4> storage;
    unsigned char* first;

    Mask(const Case& c, int dtype)
        : size(dtype == kFloat32 ? 4 : 2),
          rows(c.one_row ? 1 : c.rows),
          keys(c.keys),
          pitch((c.keys + c.gap) * c.stride),
          stride(c.stride),
          bfloat16(dtype == kBfloat16),
          storage(rows * pitch * size / 16 + 2),
          first(reinterpret_cast<unsigned char*>(storage.first) + c.gap % 2 * size) {
        memset(storage.first, 0xFF, storage.count * sizeof(uint4));
        for (int i = 0; i < rows * keys; ++i) set(i / keys, i % keys, c.element(i / keys, i % keys));
    }

    unsigned char* at(int row, int key) const { return first + (row * pitch + key * stride) * size; }
    void set(int row, int key, float x) {
        const u32 bits = size == 4 ? __float_as_uint(x) : bfloat16 ? round_to_bfloat16(x) : round_to_float16(x);
        memcpy(at(row, key), &bits, size);
    }
    float get(int row, int key) const {
        u32 bits = 0;
        memcpy(&bits, at(row % rows, key), size);
        return size == 4 ? __uint_as_float(bits) : to_float(static_cast<u16>(bits), bfloat16);
    }
    bool vectors() const {
        return stride == 1 && pitch * size % 16 == 0 && reinterpret_cast<unsigned long long>(first) % 16 == 0;
    }
};

struct Call {
    const Case& c;
    const float sm_scale;
    Quantised query, key;
    const int pitch;
    Array<u16> value, output;
    Array<float> lse;
    Mask mask;
    double difference = 0, total = 0, lse_error = 0;

    Call(const Case& of, int dtype)
        : c(of),
          sm_scale(1 / sqrtf(c.dim)),
          query(c.rows, c.dim, (c.rows + 127) / 128 * 32, query_index, c.amplitude),
          key(c.keys, c.dim, (c.keys + 63) / 64 * 4, key_index, 1),
          pitch(pitch_of(c.dim)),
          value(kHeads * c.keys * pitch),
          output(kHeads * c.rows * pitch),
          lse(kHeads * c.rows),
          mask(c, dtype) {
        for (int i = 0; i < value.count; ++i)
            value[i] = static_cast<u16>(i % pitch < c.dim ? round_to_bfloat16(normal() + 0.3f) : 0xFFFF);
    }

    sageattn_attention_arguments arguments(int dtype, const sageattn_traits& traits) {
        sageattn_attention_arguments a = {};
        const auto view = [&](void* data, int rows, int bytes) {
            return sageattn_view{data, 0, rows * pitch * bytes, pitch * bytes, 1, c.vectors};
        };
        a.query = view(query.numbers.first, c.rows, 1), a.key = view(key.numbers.first, c.keys, 1);
        a.value = view(value.first, c.keys, 2), a.output = view(output.first, c.rows, 2);
        a.mask = {mask.first, 0, 0, c.one_row ? 0 : mask.pitch * mask.size, 0, mask.vectors()};
        a.mask_column_stride = c.stride * mask.size, a.mask_dtype = dtype;
        a.query_scale = query.scales.first, a.query_scale_stride = query.per_head;
        a.key_scale = key.scales.first, a.key_scale_stride = key.per_head;
        a.query_warp_shift = 5, a.query_block_shift = 7, a.key_block_shift = 6;
        a.lse = lse.first, a.lse_head_stride = c.rows, a.lse_batch_stride = kHeads * c.rows;
        a.sm_scale = sm_scale, a.scale_log2 = sm_scale * SAGEATTN_LOG2_E;
        a.query_rows = c.rows, a.key_rows = c.keys, a.head_dim = c.dim, a.causal = c.causal;
        a.query_heads = a.key_heads = kHeads;
        a.query_tiles = (c.rows + traits.query_rows - 1) / traits.query_rows;
        return a;
    }

    void run(void (*kernel)(void*), int dtype, const sageattn_traits& traits) {
        auto a = arguments(dtype, traits);
        cpu::kernel = kernel, cpu::arguments = &a, blockDim.x = traits.threads;
        for (blockIdx.x = 0; blockIdx.x < a.query_tiles * kHeads * traits.splits; ++blockIdx.x)
            cpu::run_block(traits.threads);
    }

    // A logit in float64; a bias makes none below kLowest.
    double logit(int i, int j) const {
        const int row = i % c.rows, other = i / c.rows * c.keys + j;
        double dot = 0;
        for (int d = 0; d < c.dim; ++d) dot += query.row(i)[d] * key.row(other)[d];
        const double x = dot * query.scale_of(i) * key.scale_of(other) * sm_scale + mask.get(row, j);
        return x == -kInfinity || (c.causal && j > row) ? -kInfinity : fmax(x, kLowest);
    }

    void compare_row(int i) {
        Array<double> p(c.keys);
        double highest = -kInfinity, sum = 0;
        for (int j = 0; j < c.keys; ++j) highest = fmax(highest, p[j] = logit(i, j));
        for (auto& x : p) sum += x = highest == -kInfinity ? 0 : exp(x - highest);
        for (int d = 0; d < c.dim; ++d) {
            double expected = 0;
            for (int j = 0; j < c.keys; ++j)
                expected += p[j] * float_from_bfloat16(value[(i / c.rows * c.keys + j) * pitch + d]);
            expected = sum == 0 ? 0 : expected / sum;
            difference += fabs(float_from_bfloat16(output[i * pitch + d]) - expected), total += fabs(expected);
        }
        const double expected = highest + log(sum);
        const bool right = lse[i] == expected || fabs(lse[i] - expected) < 0.01 + 1e-6 * fabs(expected);
        lse_error += !right;
    }

    bool check(const char* dtype) {
        for (int i = 0; i < kHeads * c.rows; ++i) compare_row(i);
        const bool right = difference < 0.004 * total && lse_error == 0;
        printf("%s%s of %s, head dim %d: relative error %.5f, %g wrong LSE\n", right ? "" : "WRONG: ", c.name, dtype,
               c.dim, difference / total, lse_error);
        return right;
    }
};

#define KERNEL(name) [](void* a) { name(*static_cast<sageattn_attention_arguments*>(a)); }

bool check(const Case& c, int dtype) {
    static const char* const dtypes[] = {"float16", "bfloat16", "float32"};
    Call call(c, dtype);
    if (c.dim == 64) call.run(KERNEL(attention_fp16_biased_hd64), dtype, attention_fp16_biased_hd64_traits);
    else if (c.dim <= 96) call.run(KERNEL(attention_fp16_biased_hd96), dtype, attention_fp16_biased_hd96_traits);
    else if (c.dim == 128) call.run(KERNEL(attention_fp16_biased_hd128), dtype, attention_fp16_biased_hd128_traits);
    else call.run(KERNEL(attention_fp16_biased_hd192), dtype, attention_fp16_biased_hd192_traits);
    return call.check(dtypes[dtype]);
}

// ---- masks ----

float dense(int, int) { return normal(); }
float sparse(int, int) { return random_bits() % 3 ? normal() : -kInfinity; }
float window(int row, int key) { return abs(row - key) < 70 ? 0 : -kInfinity; }
float lowest(int row, int key) { return row < 8 || key >= 50 ? -65504 * 5e33f : 0; }
float billion(int row, int key) { return row < 8 || key >= 50 ? -1e9f : 0; }
float lowest_or_hidden(int row, int key) { return row % 3 ? normal() : key % 2 ? -kInfinity : -3e38f; }

// So low that scores hardly count, in parts of rows or in whole ones, beside keys that are hidden.
float beyond_scores(int row, int key) {
    const float x = 20 * normal();
    if (row < 40) return x;
    if (row < 80) return x - 300;
    if (row < 120) return row < 100 && key % 2 ? x : -1e4f;
    if (row < 150) return (row < 140 ? key < 300 : key >= 7) ? -kInfinity : x;
    return row == 150 ? -kInfinity : x;
}

// Tiles that have biases, are hidden or seen whole, in turn and after many of another kind.
float in_turn(int, int key) { return key / 64 % 7 < 3 ? normal() : key / 64 % 7 < 5 ? -kInfinity : 0; }
float in_runs(int row, int key) {
    const int tile = key / 64;
    return tile < 13 || tile >= 25 ? normal() : tile >= 20 || row < 64 ? -kInfinity : 0;
}

const Case kCases[] = {
    {"dense", 64, 200, 336, dense},
    {"causal, rows on odd bytes", 128, 200, 335, dense, 1, 1, 1, false, true},
    {"sparse, 16 rows a warp", 192, 200, 336, sparse},
    {"one row, on odd bytes", 64, 130, 335, sparse, 1, 1, 1, true},
    {"keys apart", 64, 70, 200, sparse, 1, 0, 3},
    {"window", 64, 200, 336, window},
    {"beyond scores", 64, 200, 336, beyond_scores},
    {"beyond small scores", 128, 200, 336, beyond_scores, 1e-3f},
    {"tiles in turn", 64, 130, 64 * 16 + 5, in_turn, 1, 3},
    {"tiles in runs", 64, 130, 64 * 30, in_runs},
    {"half of 16 bytes behind", 72, 70, 200, sparse},
    {"six of 16 bytes behind", 70, 70, 200, sparse},
    {"read byte by byte", 70, 70, 200, sparse, 1, 0, 1, false, false, false},
};

const Case kLowCases[] = {
    {"lowest", 64, 64, 256, lowest},
    {"lowest beside small scores", 64, 64, 256, lowest, 1e-3f},
    {"lowest beside large scores", 64, 64, 256, lowest, 3},
    {"billion", 128, 64, 256, billion},
    {"lowest or hidden", 128, 64, 256, lowest_or_hidden},
};

}  // namespace

int main() {
    bool right = true;
    for (int dtype = kFloat16; dtype <= kFloat32; ++dtype) {
        for (const Case& c : kCases) right &= check(c, dtype);
        for (const Case& c : kLowCases) right &= dtype == kFloat16 || check(c, dtype);
    }
    return !right;
}
