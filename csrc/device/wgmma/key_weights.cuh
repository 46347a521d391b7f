// Biases that all queries and heads share become weights of the keys. With x the scores, b the biases and any g,
//
//   softmax(x + b) v = sum 2^(x + g) w v / sum 2^(x + g) w,   w = 2^(b - g),
//
// in units of log2(e). The quantiser multiplies values and ones by w, and g, the largest bias of the 32 keys that a
// lane of the attention owns, is added where the lane's scores become exponents. A maximum of x + g is one of x + b
// but for the range of the biases in the group: kWeightRange bounds that, so that the probabilities of the keys that
// count keep E4M3's precision. A batch whose biases do not fit goes to the loop that adds each bias to its score.
#pragma once

#include "arguments.h"
#include "ptx/lanes.cuh"
#include "ptx/number.cuh"

constexpr int kMaskWarps = SAGEATTN_WGMMA_MASK_THREADS / 32;
constexpr float kWeightRange = 7.0f;     // of biases: weights are at least 2^-10
constexpr float kLargestTop = 16384.0f;  // beyond that float32 rounds scores away; the other loop does so

// A key whose bias is so far below the largest is hidden. Rows whose scores differ by more than this are beyond
// INT8, whose steps would be tens there.
constexpr float kHiddenBelow = 5000.0f;

// The biases of a batch, or of a batch and head.
class KeyBiases {
    const sageattn_wgmma_bias_arguments& p;
    const char* const first;

  public:
    DEVICE KeyBiases(const sageattn_wgmma_bias_arguments& arguments, int batch, int head)
        : p(arguments),
          first(static_cast<const char*>(p.bias.data) + batch * p.bias.batch_stride + head * p.bias.head_stride) {}

    // -infinity beyond the last.
    DEVICE float of(int key) const {
        if (key >= p.keys) return minus_infinity();
        const char* const at = first + key * p.column_stride;
        return p.dtype == 2 ? *reinterpret_cast<const float*>(at)
                            : to_float(*reinterpret_cast<const u16*>(at), p.dtype == 1);
    }

    // The largest; the block's threads call this together.
    DEVICE float top(float (&memory)[kMaskWarps]) const {
        float largest = of(p.keys);
        for (int key = threadIdx.x; key < p.keys; key += SAGEATTN_WGMMA_MASK_THREADS)
            largest = fmaxf(largest, of(key));
        largest = lanes_largest<32>(largest);
        if (lane_index() == 0) memory[threadIdx.x / 32] = largest;
        __syncthreads();
        return lanes_largest<32>(memory[lane_index()]);
    }
};

// The biases of 32 neighbouring keys, one a lane.
struct KeyGroup {
    float bias;
    bool shown;             // not hidden
    float highest, lowest;  // of those that are; if none is, -infinity and infinity

    DEVICE KeyGroup(float of_lane, float top) : bias(of_lane), shown(bias > top - kHiddenBelow) {
        highest = lanes_largest<32>(shown ? bias : minus_infinity());
        lowest = -lanes_largest<32>(shown ? -bias : minus_infinity());
    }

    // NaN fits nowhere.
    DEVICE bool fits() const { return bias == bias && highest - lowest <= kWeightRange; }
    DEVICE float weight() const { return shown ? exp2_fast((bias - highest) * SAGEATTN_LOG2_E) : 0.0f; }
    DEVICE float added(float top) const { return (highest - top) * SAGEATTN_LOG2_E; }
};
