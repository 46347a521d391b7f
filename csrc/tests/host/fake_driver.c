/* A CUDA driver that knows one device, of SM 9.0 unless FAKE_SM says otherwise. It runs nothing. Unless QUIET is
 * defined it prints the system that images say they are for, which kernels it is asked for, and each launch. */
#include <stddef.h>
#include <stdio.h>

#ifndef FAKE_SM
#define FAKE_SM 90
#endif

#ifdef QUIET
#define SAY(...) (void)0
#else
#define SAY(...) (printf(__VA_ARGS__), fflush(stdout))
#endif

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#define NOTHING(name) \
    EXPORT int name(void) { return 0; }
NOTHING(cuInit)
NOTHING(cuDeviceGet)
NOTHING(cuDeviceGetName)
NOTHING(cuCtxGetCurrent)
NOTHING(cuCtxPushCurrent_v2)
NOTHING(cuCtxPopCurrent_v2)
NOTHING(cuLibraryUnload)
NOTHING(cuFuncSetAttribute)
NOTHING(cuThreadExchangeStreamCaptureMode)
NOTHING(cuStreamCreate)
NOTHING(cuStreamDestroy_v2)
NOTHING(cuStreamSynchronize)
NOTHING(cuGetErrorName)
NOTHING(cuGetErrorString)
NOTHING(cuDevicePrimaryCtxRetain)

EXPORT int cuDeviceGetCount(int* count) {
    *count = 1;
    return 0;
}

EXPORT int cuDeviceGetAttribute(int* value, int attribute) {
    *value = attribute == 75 ? FAKE_SM / 10 : attribute == 76 ? FAKE_SM % 10 : 0;
    return 0;
}

EXPORT int cuLibraryLoadData(const char** library, const char* data) {
    SAY("host %#x\n", data[16 + 40] & 0xf0); /* of the first image's flags */
    *library = data;
    return 0;
}

EXPORT int cuLibraryGetKernel(void** kernel, const char* library, const char* name) {
    SAY("%s %s\n", library + 16 + 64, name); /* the name of the container's first image */
    *kernel = kernel;
    return 0;
}

EXPORT int cuKernelGetFunction(void** function, void* kernel) {
    *function = kernel;
    return 0;
}

EXPORT int cuLibraryGetGlobal(void** address, size_t* size) {
    *address = NULL;
    *size = 16;
    return 0;
}

EXPORT int cuMemcpyDtoHAsync_v2(int* traits) {
    for (int i = 0; i < 4; ++i) traits[i] = 128;
    return 0;
}

EXPORT int cuLaunchKernelEx(const unsigned* config, void* function) { /* a CUlaunchConfig begins with the grid */
    SAY("launch %u\n", config[0]);
    return function == NULL;
}
