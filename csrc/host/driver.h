/* The part of the CUDA driver's interface that the library uses, opened at run time: no CUDA header is needed to
 * build it and no driver to load it. Types and numbers are those of cuda.h, which keeps them stable. */
#ifndef SAGEATTN_DRIVER_H
#define SAGEATTN_DRIVER_H

#include <stddef.h>

#if defined(_WIN32)
#define CUDAAPI __stdcall
#else
#define CUDAAPI
#endif

typedef int CUresult; /* 0 is success */
typedef int CUdevice;
typedef struct CUctx_st* CUcontext;
typedef struct CUlib_st* CUlibrary;
typedef struct CUkern_st* CUkernel;
typedef struct CUfunc_st* CUfunction;
typedef struct CUstream_st* CUstream;
typedef unsigned long long CUdeviceptr;

enum {
    CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
    CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
    CU_STREAM_CAPTURE_MODE_RELAXED = 2,
    CU_STREAM_NON_BLOCKING = 1,
    CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6,
    CUDA_ERROR_NOT_FOUND = 500
};

typedef struct CUlaunchAttribute {
    int id, padding;
    int value[16]; /* a union of 64 bytes, of which this attribute needs the first number */
} CUlaunchAttribute;

typedef struct CUlaunchConfig {
    unsigned grid[3], block[3], shared_memory;
    CUstream stream;
    CUlaunchAttribute* attributes;
    unsigned attribute_count;
} CUlaunchConfig;

/* X(field, exported name, parameters) */
#define SAGEATTN_DRIVER_FUNCTIONS(X)                                                                                \
    X(init, "cuInit", (unsigned))                                                                                   \
    X(device_count, "cuDeviceGetCount", (int*))                                                                     \
    X(device_get, "cuDeviceGet", (CUdevice*, int))                                                                  \
    X(device_name, "cuDeviceGetName", (char*, int, CUdevice))                                                       \
    X(device_attribute, "cuDeviceGetAttribute", (int*, int, CUdevice))                                              \
    X(primary_retain, "cuDevicePrimaryCtxRetain", (CUcontext*, CUdevice))                                           \
    X(context_current, "cuCtxGetCurrent", (CUcontext*))                                                             \
    X(context_push, "cuCtxPushCurrent_v2", (CUcontext))                                                             \
    X(context_pop, "cuCtxPopCurrent_v2", (CUcontext*))                                                              \
    X(library_load, "cuLibraryLoadData", (CUlibrary*, const void*, int*, void**, unsigned, int*, void**, unsigned)) \
    X(library_unload, "cuLibraryUnload", (CUlibrary))                                                               \
    X(library_kernel, "cuLibraryGetKernel", (CUkernel*, CUlibrary, const char*))                                    \
    X(library_global, "cuLibraryGetGlobal", (CUdeviceptr*, size_t*, CUlibrary, const char*))                        \
    X(kernel_function, "cuKernelGetFunction", (CUfunction*, CUkernel))                                              \
    X(function_set, "cuFuncSetAttribute", (CUfunction, int, int))                                                   \
    X(launch, "cuLaunchKernelEx", (const CUlaunchConfig*, CUfunction, void**, void**))                              \
    X(exchange_capture_mode, "cuThreadExchangeStreamCaptureMode", (int*))                                           \
    X(stream_create, "cuStreamCreate", (CUstream*, unsigned))                                                       \
    X(stream_destroy, "cuStreamDestroy_v2", (CUstream))                                                             \
    X(stream_synchronize, "cuStreamSynchronize", (CUstream))                                                        \
    X(copy_to_host, "cuMemcpyDtoHAsync_v2", (void*, CUdeviceptr, size_t, CUstream))                                 \
    X(error_name, "cuGetErrorName", (CUresult, const char**))                                                       \
    X(error_string, "cuGetErrorString", (CUresult, const char**))

typedef struct sageattn_driver {
#define X(field, name, parameters) CUresult(CUDAAPI* field) parameters;
    SAGEATTN_DRIVER_FUNCTIONS(X)
#undef X
} sageattn_driver;

/* Opens and initialises the driver on first use. A missing driver is looked for again at the next call. */
int sageattn_driver_open(const sageattn_driver** driver);

/* Status CUDA_ERROR with "WHAT: NAME (text)". */
int sageattn_driver_fail(const sageattn_driver* driver, CUresult result, const char* what);

#endif
