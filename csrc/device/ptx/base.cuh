// One-instruction wrappers that every SM from 7.0 has.
#pragma once

#define DEVICE __device__ __forceinline__

// The SM that this pass compiles for, times 100 (nvcc's host pass only parses: any value will do there).
#ifdef __CUDA_ARCH__
#define SM __CUDA_ARCH__
#else
#define SM 900
#endif

typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

DEVICE int lane_index() { return threadIdx.x & 31; }

// 2^x; subnormal results flush to zero, -infinity gives 0.
DEVICE float exp2_fast(float x) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

DEVICE float log2_fast(float x) {
    float result;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

// Address in the shared window, as shared-memory instructions take it.
DEVICE u32 shared_address(const void* pointer) { return static_cast<u32>(__cvta_generic_to_shared(pointer)); }

DEVICE uint4 load_shared_16(u32 address) {
    uint4 v;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "r"(address)
                 : "memory");
    return v;
}

DEVICE uint2 load_shared_8(u32 address) {
    uint2 v;
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(address) : "memory");
    return v;
}

DEVICE u32 load_shared_4(u32 address) {
    u32 v;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
    return v;
}

DEVICE void store_shared_16(u32 address, uint4 v) {
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
                 : "memory");
}

DEVICE void store_shared_4(u32 address, u32 v) {
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(v) : "memory");
}

// pointer + bytes, opaque to the optimiser: in unrolled loops over rows it would otherwise keep every multiple of
// the stride in registers of its own.
DEVICE const char* advance(const char* pointer, long long bytes) {
    const char* result;
    asm volatile("add.s64 %0, %1, %2;" : "=l"(result) : "l"(pointer), "l"(bytes));
    return result;
}

// The same number, opaque to the optimiser: what is computed from it in a loop stays in the loop, and occupies no
// register around it. The main loop has few to spare.
DEVICE u32 opaque(u32 x) {
    u32 result;
    asm volatile("mov.u32 %0, %1;" : "=r"(result) : "r"(x));
    return result;
}
