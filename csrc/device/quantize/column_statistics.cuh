// Sum and extremes of each of the eight columns that a thread reads.
#pragma once

#include "ptx/base.cuh"

struct ColumnStatistics {
    float sum[8], smallest[8], largest[8];

    // bound: at least as large as any number. Without rows the extremes stay bound and -bound.
    DEVICE explicit ColumnStatistics(float bound) {
#pragma unroll
        for (int c = 0; c < 8; ++c) sum[c] = 0.0f, smallest[c] = bound, largest[c] = -bound;
    }

    DEVICE void add(const float (&x)[8]) {
#pragma unroll
        for (int c = 0; c < 8; ++c) {
            sum[c] += x[c];
            smallest[c] = fminf(smallest[c], x[c]);
            largest[c] = fmaxf(largest[c], x[c]);
        }
    }
};
