// The language of device code on the CPU, and what csrc/device/ptx/base.cuh has. Shared memory is ordinary memory;
// its addresses count from that of a kernel's dynamic part.
#pragma once

#include <math.h>
#include <string.h>

#include "ptx/either.cuh"
#include "threads.h"

#define DEVICE inline
#ifndef SM
#define SM 1200
#endif
#define __device__
#define __global__
#define __constant__
#define __shared__
#define __grid_constant__
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

struct Index {
    int x;
};
inline Index blockIdx, blockDim, threadIdx;

struct alignas(8) uint2 {
    u32 x, y;
};
struct alignas(16) uint4 {
    u32 x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
inline uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
inline uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline float __fdividef(float a, float b) { return a / b; }

inline u32 min(u32 a, u32 b) { return a < b ? a : b; }

inline float __uint_as_float(u32 bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

inline u32 __float_as_uint(float x) {
    u32 bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float __int_as_float(int bits) { return __uint_as_float(static_cast<u32>(bits)); }
inline int __float_as_int(float x) { return static_cast<int>(__float_as_uint(x)); }

inline int __clz(u32 x) { return x == 0 ? 32 : __builtin_clz(x); }

inline u32 __funnelshift_r(u32 low, u32 high, u32 shift) {
    return static_cast<u32>((static_cast<unsigned long long>(high) << 32 | low) >> (shift & 31));
}

inline u32 __byte_perm(u32 low, u32 high, u32 selectors) {
    const unsigned long long bytes = static_cast<unsigned long long>(high) << 32 | low;
    u32 result = 0;
    for (int i = 0; i < 4; ++i) result |= static_cast<u32>(bytes >> 8 * (selectors >> 4 * i & 7) & 0xFF) << 8 * i;
    return result;
}

inline int __dp4a(int a, int b, int sum) {
    for (int i = 0; i < 4; ++i) sum += static_cast<signed char>(a >> 8 * i) * static_cast<signed char>(b >> 8 * i);
    return sum;
}

inline int lane_index() { return threadIdx.x & 31; }
inline void __syncthreads() { cpu::meet_block(); }
inline void __syncwarp() { cpu::meet_warp(); }

template <class T>
T __shfl_sync(u32, T x, int lane) {
    return cpu::gather(x)[lane];
}

template <class T>
T __shfl_xor_sync(u32, T x, int mask) {
    return cpu::gather(x)[lane_index() ^ mask];
}

inline bool __any_sync(u32, bool x) {
    const auto all = cpu::gather(x);
    bool any = false;
    for (int lane = 0; lane < 32; ++lane) any |= all[lane];
    return any;
}

// Two buffers take turns, as in gather.
inline bool __syncthreads_or(bool x) {
    static bool all[2][cpu::kThreads];
    static int turns[cpu::kThreads];
    const int turn = turns[cpu::current]++ % 2;
    all[turn][cpu::current] = x;
    cpu::meet_block();
    bool any = false;
    for (int i = 0; i < cpu::running; ++i) any |= all[turn][i];
    return any;
}

template <class T>
T __ldg(const T* address) {
    T value;
    memcpy(&value, address, sizeof value);
    return value;
}

inline float exp2_fast(float x) {
    const float result = exp2f(x);
    return fabsf(result) < 1.17549435e-38f ? 0.0f : result;  // subnormal results flush to zero
}

inline float log2_fast(float x) { return log2f(x); }

extern unsigned char fp4_memory[];

inline u32 shared_address(const void* pointer) {
    return static_cast<u32>(static_cast<const unsigned char*>(pointer) - fp4_memory);
}

template <class T>
T load_shared(u32 address) {
    T value;
    memcpy(&value, fp4_memory + static_cast<int>(address), sizeof value);  // perhaps before a kernel's dynamic part
    return value;
}

inline uint4 load_shared_16(u32 address) { return load_shared<uint4>(address); }
inline uint2 load_shared_8(u32 address) { return load_shared<uint2>(address); }
inline u32 load_shared_4(u32 address) { return load_shared<u32>(address); }

template <class T>
void store_shared(u32 address, T value) {
    memcpy(fp4_memory + static_cast<int>(address), &value, sizeof value);
}

inline void store_shared_16(u32 address, uint4 value) { store_shared(address, value); }
inline void store_shared_8(u32 address, uint2 value) { store_shared(address, value); }
inline void store_shared_4(u32 address, u32 value) { store_shared(address, value); }

inline u32 opaque(u32 x) { return x; }
inline const char* advance(const char* pointer, long long bytes) { return pointer + bytes; }
inline int multiply_add(u32 a, u32 b, int c) { return static_cast<int>(a * b + static_cast<u32>(c)); }
