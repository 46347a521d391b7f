// Bytes that begin beside a multiple of 16.
#pragma once

#include "ptx/base.cuh"

// 16 bytes of 32, from byte `begin` < 16 on.
DEVICE uint4 bytes_from(u32 begin, uint4 low, uint4 high) {
    const bool two = begin & 8, one = begin & 4;
    const u32 w[6] = {two ? low.z : low.x,  two ? low.w : low.y,   two ? high.x : low.z,
                      two ? high.y : low.w, two ? high.z : high.x, two ? high.w : high.y};
    u32 v[5];
#pragma unroll
    for (int i = 0; i < 5; ++i) v[i] = one ? w[i + 1] : w[i];
    const u32 shift = begin % 4 * 8;
    return make_uint4(__funnelshift_r(v[0], v[1], shift), __funnelshift_r(v[1], v[2], shift),
                      __funnelshift_r(v[2], v[3], shift), __funnelshift_r(v[3], v[4], shift));
}
