// Online softmax in base 2 over the score fragments of one key tile.
//
// A fragment type F says which rows and columns a thread holds (see fragments_m16n8.cuh): kRows rows, the
// elements of each in kGroups groups that share a key scale, kGroupSize elements a group. Scores are integers
// stored as floats with kBias added.
//
// The running maximum lags behind the true one by up to F::kMaximumSlack, in powers of two: with 8, probabilities
// may reach 2^8, which float16 and bfloat16 hold as precisely as 1, and most tiles need no rescaling of the output.
// All are 2^F::kExponentOffset times as large as the exponential says, which cancels in the output.
#pragma once

#include "ptx/number.cuh"

// The factors of a thread's integer scores; the query's hold sm_scale * log2(e) already.
template <class F>
struct Scales {
    float query[F::kQueryScales], key[F::kGroups];

    DEVICE float operator()(int r, int g) const { return query[r * F::kQueryScales / F::kRows] * key[g]; }
    DEVICE float largest(const F& f, int r, int g) const { return (f.largest(r, g) - F::kBias) * (*this)(r, g); }
    // A score of logit x, times the factor.
    DEVICE float origin(int r, int g, float x) const { return fmaf(F::kBias, (*this)(r, g), x); }
};

// The same behind a mask of floats, which may have made base-2 logits of scores.
template <class F>
struct BiasedScales {
    const Scales<F>& scales;
    const bool logits;

    DEVICE float operator()(int r, int g) const { return logits ? 1.0f : scales(r, g); }
    DEVICE float largest(const F& f, int r, int g) const {
        float highest = minus_infinity();
#pragma unroll
        for (int j = 0; j < F::kGroupSize; ++j) highest = fmaxf(highest, f.score(r, g, j));
        return (highest - bias()) * (*this)(r, g);
    }
    DEVICE float origin(int r, int g, float x) const { return fmaf(bias(), (*this)(r, g), x); }

  private:
    DEVICE float bias() const { return logits ? 0.0f : F::kBias; }
};

template <class F>
struct OnlineSoftmax {
    float maximum[F::kRows];  // base-2 logarithm, over all columns so far

    DEVICE OnlineSoftmax() {
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) maximum[r] = minus_infinity();
    }

    // Takes in the scores of f: rescales f's output if the maximum rises.
    template <class S>
    DEVICE void raise(F& f, const S& scales) {
        float correction[F::kRows];
        bool changed = false;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const float highest = F::reduce_max(tile_maximum(f, r, scales));
            const bool raise = highest > maximum[r] + F::kMaximumSlack;
            correction[r] = raise ? exp2_fast(maximum[r] - highest) : 1.0f;
            maximum[r] = raise ? highest : maximum[r];
            changed |= raise;
        }
        if (__any_sync(0xFFFFFFFFu, changed)) f.rescale(correction);
    }

    // Turns the scores of f into probabilities relative to the maximum.
    template <class S>
    DEVICE void exponentiate(F& f, const S& scales) const {
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) exponentiate(f, r, scales);
    }

  private:
    template <class S>
    static DEVICE float tile_maximum(const F& f, int r, const S& scales) {
        float highest = minus_infinity();
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g) highest = fmaxf(highest, scales.largest(f, r, g));
        return highest;
    }

    // 2^((score - bias) * scale - maximum + offset) with one FFMA and one EX2 an element.
    template <class S>
    DEVICE void exponentiate(F& f, int r, const S& scales) const {
        const float base = maximum[r] == minus_infinity() ? 0.0f : maximum[r];  // nothing seen: all become 0
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g) {
            const float s = scales(r, g);
            const float offset = F::kExponentOffset - scales.origin(r, g, base);
#pragma unroll
            for (int j = 0; j < F::kGroupSize; ++j) f.set(r, g, j, exp2_fast(fmaf(f.score(r, g, j), s, offset)));
        }
    }
};
