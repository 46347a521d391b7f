// A CUDA driver that runs the FP4 kernels on the CPU, from their own sources: only the instructions in ptx/ are
// others. It stands for one device of SM 12.0. Device memory is the process's own.
#include <stdint.h>

#include "block.h"
#include "ptx/base.cuh"

#include "fp4/attention_fp4_sm120.cu"
#include "fp4/quantize_fp4_sm120.cu"

extern "C" {
#include "../../../host/driver.h"
}

alignas(1024) unsigned char fp4_memory[cpu::kSharedMemory];

namespace {

enum { OK = 0, INVALID_VALUE = 1 };

struct Kernel {
    const char* name;
    void (*run)(void* arguments);
    sageattn_traits* traits;
};

#define KERNEL(name, arguments, traits) {#name, [](void* a) { name(*static_cast<arguments*>(a)); }, traits}

Kernel kernels[] = {
    KERNEL(attention_fp4_hd64, sageattn_fp4_attention_arguments, &attention_fp4_hd64_traits),
    KERNEL(attention_fp4_hd128, sageattn_fp4_attention_arguments, &attention_fp4_hd128_traits),
    KERNEL(fp4_statistics, sageattn_fp4_quantize_arguments, nullptr),
    KERNEL(fp4_finish, sageattn_fp4_quantize_arguments, nullptr),
    KERNEL(fp4_pack, sageattn_fp4_quantize_arguments, nullptr),
    KERNEL(fp4_delta, sageattn_fp4_attention_arguments, nullptr),
    KERNEL(fp4_product, sageattn_fp4_product_arguments, nullptr),
};

// The kernel whose name begins `name`, which may be that of its traits.
Kernel* find(const char* name) {
    for (Kernel& kernel : kernels) {
        const size_t length = strlen(kernel.name);
        if (strncmp(name, kernel.name, length) == 0 &&
            (name[length] == '\0' || strcmp(name + length, "_traits") == 0))
            return &kernel;
    }
    return nullptr;
}

}  // namespace

extern "C" {

CUresult cuInit(unsigned) { return OK; }
CUresult cuDeviceGet(CUdevice* device, int) { return *device = 0, OK; }
CUresult cuDeviceGetCount(int* count) { return *count = 1, OK; }
CUresult cuDeviceGetName(char* name, int size, CUdevice) { return strncpy(name, "CPU", size), OK; }
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) { return *context = nullptr, OK; }
CUresult cuCtxGetCurrent(CUcontext* context) { return *context = nullptr, OK; }
CUresult cuCtxPushCurrent_v2(CUcontext) { return OK; }
CUresult cuCtxPopCurrent_v2(CUcontext*) { return OK; }
CUresult cuLibraryUnload(CUlibrary) { return OK; }
CUresult cuThreadExchangeStreamCaptureMode(int*) { return OK; }
CUresult cuStreamCreate(CUstream* stream, unsigned) { return *stream = nullptr, OK; }
CUresult cuStreamDestroy_v2(CUstream) { return OK; }
CUresult cuStreamSynchronize(CUstream) { return OK; }
CUresult cuGetErrorName(CUresult, const char** name) { return *name = "CPU", OK; }
CUresult cuGetErrorString(CUresult, const char** text) { return *text = "the kernels on the CPU", OK; }

CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice) {
    *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
                 ? 12
                 : attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
    return OK;
}

CUresult cuLibraryLoadData(CUlibrary* library, const void* data, int*, void**, unsigned, int*, void**, unsigned) {
    *library = static_cast<CUlibrary>(const_cast<void*>(data));
    return OK;
}

CUresult cuLibraryGetKernel(CUkernel* kernel, CUlibrary, const char* name) {
    *kernel = reinterpret_cast<CUkernel>(find(name));
    return *kernel ? OK : CUDA_ERROR_NOT_FOUND;
}

CUresult cuKernelGetFunction(CUfunction* function, CUkernel kernel) {
    *function = reinterpret_cast<CUfunction>(kernel);
    return OK;
}

CUresult cuLibraryGetGlobal(CUdeviceptr* address, size_t* size, CUlibrary, const char* name) {
    const Kernel* kernel = find(name);
    if (kernel == nullptr || kernel->traits == nullptr) return CUDA_ERROR_NOT_FOUND;
    *address = reinterpret_cast<uintptr_t>(kernel->traits);
    *size = sizeof *kernel->traits;
    return OK;
}

CUresult cuMemcpyDtoHAsync_v2(void* target, CUdeviceptr source, size_t size, CUstream) {
    return memcpy(target, reinterpret_cast<const void*>(source), size), OK;
}

CUresult cuFuncSetAttribute(CUfunction, int, int value) {
    return value <= static_cast<int>(sizeof fp4_memory) ? OK : INVALID_VALUE;
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** arguments, void**) {
    if (config->block[0] > cpu::kThreads || config->grid[0] == 0) return INVALID_VALUE;
    cpu::kernel = reinterpret_cast<Kernel*>(function)->run;
    cpu::arguments = arguments[0];
    for (unsigned i = 0; i < config->grid[0]; ++i) {
        blockIdx.x = static_cast<int>(i);
        cpu::run_block(static_cast<int>(config->block[0]));
    }
    return OK;
}
}
