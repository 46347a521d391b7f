// Online softmax in base 2 over the score fragments of one key tile.
//
// A fragment type F says which rows and columns a thread holds (see fragments_m16n8.cuh): kRows rows, the
// elements of each in kGroups groups that share a key scale, kGroupSize elements a group. Scores are integers
// stored as floats with kBias added.
#pragma once

#include "ptx/base.cuh"

DEVICE float minus_infinity() { return __int_as_float(0xFF800000); }

// The running maximum lags behind the true one by up to this, in powers of two: probabilities may then reach
// 2^8, which float16 and bfloat16 hold as precisely as 1, and most tiles need no rescaling of the output.
constexpr float kMaximumSlack = 8.0f;

template <class F>
struct OnlineSoftmax {
    float maximum[F::kRows];  // base-2 logarithm, over all columns so far

    DEVICE OnlineSoftmax() {
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) maximum[r] = minus_infinity();
    }

    // Turns the scores of f into probabilities relative to the maximum, rescaling f's output if that rose.
    // query_scale holds sm_scale * log2(e) already.
    DEVICE void update(F& f, const float (&query_scale)[F::kQueryScales], const float (&key_scale)[F::kGroups]) {
        float correction[F::kRows];
        bool changed = false;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const float highest = F::reduce_max(tile_maximum(f, r, query_scale, key_scale));
            const bool raise = highest > maximum[r] + kMaximumSlack;
            correction[r] = raise ? exp2_fast(maximum[r] - highest) : 1.0f;
            maximum[r] = raise ? highest : maximum[r];
            changed |= raise;
        }
        if (__any_sync(0xFFFFFFFFu, changed)) f.rescale(correction);
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) exponentiate(f, r, query_scale, key_scale);
    }

  private:
    static DEVICE float scale(int r, int g, const float (&query_scale)[F::kQueryScales],
                              const float (&key_scale)[F::kGroups]) {
        return query_scale[r % F::kQueryScales] * key_scale[g];
    }

    static DEVICE float tile_maximum(const F& f, int r, const float (&query_scale)[F::kQueryScales],
                                     const float (&key_scale)[F::kGroups]) {
        float highest = minus_infinity();
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g)
            highest = fmaxf(highest, (f.largest(r, g) - F::kBias) * scale(r, g, query_scale, key_scale));
        return highest;
    }

    // 2^((score - bias) * scale - maximum) with one FFMA and one EX2 an element.
    DEVICE void exponentiate(F& f, int r, const float (&query_scale)[F::kQueryScales],
                             const float (&key_scale)[F::kGroups]) const {
        const float base = maximum[r] == minus_infinity() ? 0.0f : maximum[r];  // nothing seen: all become 0
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g) {
            const float s = scale(r, g, query_scale, key_scale);
            const float offset = -fmaf(F::kBias, s, base);
#pragma unroll
            for (int j = 0; j < F::kGroupSize; ++j) f.set(r, g, j, exp2_fast(fmaf(f.score(r, g, j), s, offset)));
        }
    }
};
