// What neighbouring lanes of a warp make together, in every one of them.
#pragma once

#include "base.cuh"

// The sum of x over kLanes lanes.
template <int kLanes>
DEVICE float lanes_sum(float x) {
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, distance);
    return x;
}

// The largest x of kLanes lanes.
template <int kLanes>
DEVICE float lanes_largest(float x) {
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, distance));
    return x;
}
