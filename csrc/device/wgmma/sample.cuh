// The shift that is subtracted from keys and values, from a sample of a head's rows. It need not be exact: softmax
// does not see what all keys have in common, and the output gets back what all values have in common. It must not
// follow single rows that are far off: the sums of 16 groups are sorted, and those in the middle count.
#pragma once

#include "place.cuh"

constexpr int kSampleGroups = 16, kGroupRows = 8;

template <int kColumns>
struct SampleMemory {
    float group[kSampleGroups][kColumns];
};

// Batcher's odd-even merge sort.
DEVICE void sort(float (&x)[kSampleGroups]) {
#pragma unroll
    for (int p = 1; p < kSampleGroups; p *= 2)
#pragma unroll
        for (int k = p; k >= 1; k /= 2)
#pragma unroll
            for (int i = 0; i < kSampleGroups; ++i) {
                const int j = i + k;
                if (i < k % p || (i - k % p) % (2 * k) >= k || j >= kSampleGroups || i / (2 * p) != j / (2 * p))
                    continue;
                const float low = fminf(x[i], x[j]), high = fmaxf(x[i], x[j]);
                x[i] = low, x[j] = high;
            }
}

// The row that represents the sample-th of 128 equal parts of the rows. The golden ratio moves it within the part:
// samples at equal distances could all meet the same column of an image, or every sixty-fourth row, which differs.
DEVICE int sample_row(u32 sample, int rows) {
    static_assert(kSampleGroups * kGroupRows == 128, "7 bits");
    return __umulhi(sample << 25 | (sample * 40503u & 0xFFFFu) << 9, rows);
}

// The first row from `row` on that bits show, or the last before the end; without bits the row.
DEVICE int seen_row(const u32* bits, int row, int rows) {
    if (bits == nullptr) return row;
    const int words = divide_up(rows, 32);
    for (int step = 0; step <= words; ++step) {
        const int word = (row / 32 + step) % words;
        const u32 seen = load_l2(bits + word) & (step == 0 ? ~0u << row % 32 : ~0u);
        if (seen != 0) return min(32 * word + __ffs(seen) - 1, rows - 1);
    }
    return rows;  // none: zeros are read
}

template <int kColumns, class Number>
DEVICE void sample_rows(const sageattn_wgmma_quantize_arguments& p, SampleMemory<kColumns>& memory) {
    constexpr int kLanes = kColumns / 8;
    const bool values = blockIdx.x % 2 == 0;
    const int head = blockIdx.x / 2, batch = head / p.key_heads, column = threadIdx.x % kLanes * 8;
    const long long at = static_cast<long long>(head) * kColumns + threadIdx.x;
    int start = 0, key_rows = p.key_rows;
    if (p.starts != nullptr) {
        start = load_l2(p.starts + batch);
        key_rows = min(key_rows, load_l2(p.starts + batch + 1) - start);
    }
    const u32* const bits = p.seen == nullptr ? nullptr : p.seen + batch * p.key_tiles * 4;
    const WgmmaRows<4> rows(values ? p.value : p.key, batch, head - batch * p.key_heads, start, key_rows, p.head_dim,
                            column);
    Words<4> fetched[kGroupRows];
    rows.fetch(fetched, [&](int i) {
        return seen_row(bits, sample_row(i * kSampleGroups + threadIdx.x / kLanes, key_rows), key_rows);
    });

    float x[8], total[8] = {};
#pragma unroll
    for (int i = 0; i < kGroupRows; ++i) {
        widen<Number>(x, fetched[i]);
#pragma unroll
        for (int c = 0; c < 8; ++c) total[c] += x[c];
    }
    float4* target = reinterpret_cast<float4*>(&memory.group[threadIdx.x / kLanes][column]);
    target[0] = make_float4(total[0], total[1], total[2], total[3]);
    target[1] = make_float4(total[4], total[5], total[6], total[7]);
    __syncthreads();
    if (threadIdx.x >= kColumns) return;
    float group[kSampleGroups], mean = 0.0f;
#pragma unroll
    for (int i = 0; i < kSampleGroups; ++i) group[i] = memory.group[i][threadIdx.x];
    sort(group);
#pragma unroll
    for (int i = kSampleGroups / 4; i < kSampleGroups * 3 / 4; ++i) mean += group[i];
    mean *= 2.0f / (kSampleGroups * kGroupRows);
    // Values are shifted only if all but two groups agree on the sign; 0.4 % of channels without a mean do. Where the
    // groups disagree, the mean is mostly chance, and subtracting it would cost the small numbers the precision
    // that E4M3, a floating format, gives them.
    const bool sure = group[2] > 0.0f || group[kSampleGroups - 3] < 0.0f;
    if (values) p.value_shift[at] = sure ? mean : 0.0f, p.value_largest[at] = 0;
    else p.key_shift[at] = p.smooth_k ? mean : 0.0f;
}
