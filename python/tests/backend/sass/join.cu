// What ptxas of CUDA 12.6 to 12.9 gets wrong for SM 9.0: a pair of E4M3 numbers that is decoded, and also joined with another
// pair. The first conversion moves down to where the pairs are joined, and the decoding reads a register without it.
typedef unsigned short pair;

__device__ inline pair encode(float low, float high) {
    pair packed;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %2, %1;" : "=h"(packed) : "f"(low), "f"(high));
    return packed;
}

__device__ inline void decode(pair packed, float& low, float& high) {
    asm("{.reg .b32 both; .reg .b16 l, h; cvt.rn.f16x2.e4m3x2 both, %2; mov.b32 {l, h}, both;\n"
        " cvt.f32.f16 %0, l; cvt.f32.f16 %1, h;}" : "=f"(low), "=f"(high) : "h"(packed));
}

__device__ inline unsigned join(pair low, pair high) {
    unsigned word;
    asm("mov.b32 %0, {%1, %2};" : "=r"(word) : "h"(low), "h"(high));
    return word;
}

extern "C" __global__ void straight(unsigned* codes, float* rounded, const float* x) {
    const float* v = x + 4 * threadIdx.x;
    float* r = rounded + 4 * threadIdx.x;
    float low, high;
    const pair a = encode(v[0], v[1]);
    decode(a, low, high);
    r[0] = low, r[1] = high;
    const pair b = encode(v[2], v[3]);
    decode(b, low, high);
    r[2] = low, r[3] = high;
    codes[threadIdx.x] = join(a, b);
}

// In a loop the register holds the pair of the step before, and something else in the first.
extern "C" __global__ void looping(unsigned* codes, float4* sums, const float4* x, int steps) {
    float4 sum = {};
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
        const int at = step * blockDim.x + threadIdx.x;
        const float4 v = x[at];
        float4 r;
        const pair a = encode(v.x, v.y);
        decode(a, r.x, r.y);
        const pair b = encode(v.z, v.w);
        decode(b, r.z, r.w);
        codes[at] = join(a, b);
        sum = {sum.x + r.x, sum.y + r.y, sum.z + r.z, sum.w + r.w};
    }
    sums[threadIdx.x] = sum;
}

// Right with every CUDA: the pairs are joined before either is decoded.
extern "C" __global__ void mended(unsigned* codes, float4* rounded, const float4* x) {
    const float4 v = x[threadIdx.x];
    const unsigned word = join(encode(v.x, v.y), encode(v.z, v.w));
    float4 r;
    decode(word & 0xffff, r.x, r.y);
    decode(word >> 16, r.z, r.w);
    codes[threadIdx.x] = word;
    rounded[threadIdx.x] = r;
}
