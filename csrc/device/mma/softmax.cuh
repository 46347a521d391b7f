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

// The factors of a thread's integer scores; the query's hold sm_scale * log2(e) already, so that logits are base-2.
template <class F>
struct Scales {
    static constexpr float kToBase2 = 1.0f;  // of a logit

    float query[F::kQueryScales], key[F::kGroups];

    DEVICE float operator()(int r, int g) const { return query[r * F::kQueryScales / F::kRows] * key[g]; }
    // A score of logit x, times the factor.
    DEVICE float origin(int r, int g, float x) const { return fmaf(F::kBias, (*this)(r, g), x); }
    // What of a tile must be known before the largest logit of any row: nothing.
    struct Compared {};
    DEVICE Compared compare(F&) const { return {}; }
    DEVICE float largest(const F& f, Compared, int r) const {
        float highest = minus_infinity();
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g) highest = fmaxf(highest, (f.largest(r, g) - F::kBias) * (*this)(r, g));
        return highest;
    }
};

// The same behind a mask of floats, with natural logits: the query's factors hold sm_scale alone. Scores may be what
// the mask has made of them, score * factor + its element: F::kBias * factor above the logit.
template <class F>
struct BiasedScales {
    static constexpr float kToBase2 = SAGEATTN_LOG2_E;

    const Scales<F>& scales;
    const bool biased;

    DEVICE float operator()(int r, int g) const { return biased ? 1.0f : scales(r, g); }
    DEVICE float origin(int r, int g, float x) const { return scales.origin(r, g, x); }
    // The largest score of each row and group. Integers compare scores the wrong way where none is above zero.
    struct Compared {
        float largest[F::kRows][F::kGroups];
    };
    DEVICE Compared compare(F& f) const {
        Compared c;
        bool negative = F::kBias == 0.0f;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r)
#pragma unroll
            for (int g = 0; g < F::kGroups; ++g) {
                c.largest[r][g] = f.largest(r, g);
                negative |= c.largest[r][g] < 0.0f;
            }
        if (__any_sync(0xFFFFFFFFu, negative)) compare_negative(f, c.largest);
        return c;
    }
    DEVICE float largest(const F&, const Compared& c, int r) const {
        float highest = minus_infinity();
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g)
            highest = fmaxf(highest, fmaf(c.largest[r][g], (*this)(r, g), -origin(r, g, 0.0f)));
        return highest;
    }

  private:
    // A logit; biases make none below it, because the product with log2(e), and what is subtracted from that, are
    // rounded too far apart there.
    static constexpr float kLowest = -131072.0f;

    DEVICE bool is_low(int r, int g, float score) const {
        return biased && score < origin(r, g, kLowest) && score != minus_infinity();
    }

    DEVICE void compare_negative(F& f, float (&largest)[F::kRows][F::kGroups]) const {
        bool low = false;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r)
#pragma unroll
            for (int g = 0; g < F::kGroups; ++g) {
                if (F::kBias != 0.0f && largest[r][g] < 0.0f) largest[r][g] = f.smallest(r, g);
                low |= is_low(r, g, largest[r][g]);
            }
        if (__any_sync(0xFFFFFFFFu, low)) raise_low(f, largest);
    }

    // The most negative finite numbers hide keys from rows that see others, but not from rows that see no other.
    DEVICE void raise_low(F& f, float (&largest)[F::kRows][F::kGroups]) const {
#pragma unroll
        for (int r = 0; r < F::kRows; ++r)
#pragma unroll
            for (int g = 0; g < F::kGroups; ++g) {
                const float lowest = origin(r, g, kLowest);
                if (is_low(r, g, largest[r][g])) largest[r][g] = lowest;
#pragma unroll
                for (int j = 0; j < F::kGroupSize; ++j)
                    if (is_low(r, g, f.score(r, g, j))) f.set(r, g, j, lowest);
            }
    }
};

template <class F>
struct OnlineSoftmax {
    float maximum[F::kRows];  // logit, over all columns so far

    DEVICE OnlineSoftmax() {
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) maximum[r] = minus_infinity();
    }

    // Takes in the scores of f: rescales f's output if the maximum rises.
    template <class S>
    DEVICE void raise(F& f, const S& scales) {
        const auto compared = scales.compare(f);
        float correction[F::kRows];
        bool changed = false;
#pragma unroll
        for (int r = 0; r < F::kRows; ++r) {
            const float highest = F::reduce_max(scales.largest(f, compared, r));
            const bool raise = highest > maximum[r] + F::kMaximumSlack / S::kToBase2;
            correction[r] = raise ? exp2_fast((maximum[r] - highest) * S::kToBase2) : 1.0f;
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
    // 2^((score - bias) * scale - maximum + offset) with one FFMA and one EX2 an element.
    template <class S>
    DEVICE void exponentiate(F& f, int r, const S& scales) const {
        const float base = maximum[r] == minus_infinity() ? 0.0f : maximum[r];  // nothing seen: all become 0
#pragma unroll
        for (int g = 0; g < F::kGroups; ++g) {
            const float s = scales(r, g) * S::kToBase2;
            const float offset = F::kExponentOffset - scales.origin(r, g, base) * S::kToBase2;
#pragma unroll
            for (int j = 0; j < F::kGroupSize; ++j) f.set(r, g, j, exp2_fast(fmaf(f.score(r, g, j), s, offset)));
        }
    }
};
