// Instructions whose operands are groups of registers, beside those of the project's kernels.
#include <cuda_fp16.h>

extern "C" __global__ void products(float4* sums, int4* counts, const uint4* a, const uint2* b) {
    const uint4 x = a[threadIdx.x];
    const uint2 y = b[threadIdx.x];
    float4 s = sums[threadIdx.x];
    int4 c = counts[threadIdx.x];
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+f"(s.x), "+f"(s.y), "+f"(s.z), "+f"(s.w) : "r"(x.x), "r"(x.y), "r"(y.x));
    asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
        : "+r"(c.x), "+r"(c.y) : "r"(x.x), "r"(y.x));
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(s.x), "+f"(s.y), "+f"(s.z), "+f"(s.w) : "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w), "r"(y.x), "r"(y.y));
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(c.x), "+r"(c.y), "+r"(c.z), "+r"(c.w) : "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w), "r"(y.x), "r"(y.y));
#endif
    sums[threadIdx.x] = s;
    counts[threadIdx.x] = c;
}

extern "C" __global__ void memory(unsigned long long* wide, int* words, long long step) {
    __shared__ uint4 tile[64];
    tile[threadIdx.x & 63] = make_uint4(words[0], words[1], words[2], words[3]);
    if (!__syncthreads_or(words[threadIdx.x] != 0)) return;
    unsigned r[4];
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "l"(__cvta_generic_to_shared(tile + (threadIdx.x & 15))));
    long long at = threadIdx.x * step;
    while (at > 100) at = at * step >> 3;
    wide[at] = (static_cast<unsigned long long>(r[0] ^ r[1]) << 32) | (r[2] ^ r[3]);
    atomicMax(&words[threadIdx.x], static_cast<int>(at));
    atomicMax(reinterpret_cast<int*>(&tile[1]), static_cast<int>(at));
    words[at] = atomicAdd(&words[5], __popc(r[0]));
}
